/**
 * subject - one recipient of a report as what `classify` takes
 *
 * What the report itself says about whose reply it is; the shell adds what it knows better: the MX of the delivery, and the DKIM domain that
 * was verified and aligned.
 *
 * Pure. See also: classify/provider (the order of trust), mail/report.
 */
import type { RecipientReport } from '../mail/report.ts'
import type { ProviderClue, Subject } from './verdict.ts'

/** What is known besides the report. */
export type Known = { readonly deliveryMx?: string | null; readonly dkimDomain?: string | null }

const domainOf = (address: string | null): string | null =>
  address?.includes('@') === true ? address.slice(address.lastIndexOf('@') + 1) : null

/** The clues of one recipient, the strongest first. Total. */
export function cluesOf(
  of: Pick<RecipientReport, 'recipient' | 'originalRecipient' | 'remoteMta' | 'replyFrom'>,
  known: Known = {},
): readonly ProviderClue[] {
  const hostFrom = of.replyFrom === 'text' ? 'quoted-host' : 'remote-mta'
  const clues: readonly (readonly [ProviderClue['source'], string | null | undefined])[] = [
    ['delivery-mx', known.deliveryMx],
    [hostFrom, of.remoteMta],
    ['dkim', known.dkimDomain],
    ['recipient-domain', domainOf(of.recipient)],
    ['recipient-domain', domainOf(of.originalRecipient)],
  ]
  return clues.flatMap(([source, value]) => (value === null || value === undefined || value === '' ? [] : [{ source, value }]))
}

/** One recipient of a report as a subject. Total. */
export function subjectOfReport(of: RecipientReport, known: Known = {}): Subject {
  return { reply: of.reply, reportStatus: of.status, action: of.action, text: of.text, clues: cluesOf(of, known) }
}
