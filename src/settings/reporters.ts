/**
 * reporters - the operator's own reporters
 *
 * See also: correlate/reporter (their form), config/reporters.toml (the shipped ones).
 */
import { z } from 'zod'
import { isMailboxDomain } from '../config/mailbox-domains.ts'
import { parseReporter } from '../correlate/reporter.ts'
import { setting } from './setting.ts'

/** A reporter of the operator. One domain that signs for a loop and for mailboxes would let everybody with a mailbox there report. */
const ownReporter = z
  .string()
  .toLowerCase()
  .refine(
    (text) => parseReporter(text) !== null,
    'must be ADDRESS, DOMAIN or ADDRESS/DOMAIN: the From address and the DKIM d= of the reports',
  )
  .refine((text) => !isMailboxDomain(text), 'gives mailboxes to anybody; name the From address of the loop too, as ADDRESS/DOMAIN')

export const reporterSettings = z.strictObject({
  own: setting(
    z.array(ownReporter).default([]),
    'More operators of feedback loops whose signed reports are believed, each as ADDRESS, DOMAIN or ADDRESS/DOMAIN: From and DKIM d= of the reports',
    'none: the shipped list has the loops of which a signed report is known',
  ),
})
