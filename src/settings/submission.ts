/**
 * submission - settings of SMTP submission, by which senders hand over mail
 *
 * See also: settings/schema (all settings), smtp-server/submission-session, docs/SENDING.md.
 */
import { z } from 'zod'
import { MAX_SEND_AT_DAYS } from '../service/submit/send-header.ts'
import { positiveInteger, portNumber, setting, nonEmptyText } from './setting.ts'

export const submissionSettings = z.strictObject({
  port: setting(
    portNumber.optional(),
    'Port of SMTP submission, such as 2587; 0 picks a free one',
    'none: SMTP submission is off until you set a port; mail/send works without it',
  ),
  host: setting(nonEmptyText.optional(), 'Address that the listener of SMTP submission binds to', 'the value of host'),
  plainAuth: setting(
    z.boolean().default(false),
    'Allow AUTH without TLS from every address',
    'false: without TLS, an apiKey can be read on the network; loopback is always allowed',
  ),
  mailBytes: setting(
    positiveInteger.default(20 * 1024 * 1024),
    'Largest mail that SMTP submission accepts, in bytes',
    '20 MiB: 10 MiB of attachments, the limit of mail/send, are 14 MiB in base64',
  ),
  recipientsPerDay: setting(
    positiveInteger.optional(),
    'Recipients per account and day (UTC), by SMTP submission and mail/send',
    'none: no limit',
  ),
  sendAtDays: setting(
    z.int().min(1).max(MAX_SEND_AT_DAYS).default(MAX_SEND_AT_DAYS),
    'How many days ahead a message may be sent at a given time (X-Bounced-Send-At)',
    '20: bounces are matched for 30 days from the day on which a message was accepted; delivery and a late bounce take the rest',
  ),
})
