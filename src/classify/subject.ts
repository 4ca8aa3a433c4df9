/**
 * subject - one recipient of a report as the rules want it, with the clues to its provider
 *
 * Pure. The order of the clues is the order of trust (DESIGN, Rules). See also: classify/provider, mail/report.
 */
import type { RecipientReport } from '../mail/report.ts'
import type { ProviderClue, Subject } from './verdict.ts'

/** What is known beside the report: the MX of the delivery, and the domain of an aligned DKIM signature. */
export type SubjectContext = { readonly mx?: string | null; readonly dkimDomain?: string | null; readonly sentTo?: string | null }

/** Pure and total. `sentTo`: the address of the delivery, where it is known. */
export function subjectOf(recipient: RecipientReport, context: SubjectContext = {}): Subject {
  const { reply, status, action, text, remoteMta, replyFrom } = recipient
  const address = context.sentTo ?? recipient.originalRecipient ?? recipient.recipient
  const clues: readonly (ProviderClue | null)[] = [
    clue('delivery-mx', context.mx),
    clue(replyFrom === 'text' ? 'quoted-host' : 'remote-mta', remoteMta),
    clue('dkim', context.dkimDomain),
    clue('recipient-domain', domainOf(recipient.recipient)),
    clue('recipient-domain', domainOf(address)),
  ]
  return { reply, reportStatus: status, action, text, clues: clues.filter((each) => each !== null) }
}

function clue(source: ProviderClue['source'], value: string | null | undefined): ProviderClue | null {
  return value === null || value === undefined || value === '' ? null : { source, value }
}

function domainOf(address: string | null): string | null {
  return address === null ? null : address.slice(address.lastIndexOf('@') + 1)
}
