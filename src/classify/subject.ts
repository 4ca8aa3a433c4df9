/**
 * subject - one recipient of a report as what `classify` takes
 *
 * What the report itself says about whose reply it is; the shell adds what it knows better: the MX of the delivery, and the DKIM domain that
 * was verified and aligned.
 *
 * Pure. See also: classify/provider (the order of trust), mail/report.
 */
import type { RecipientReport } from '../mail/report.ts'
import type { ProviderHint, ClassifierInput } from './verdict.ts'

/** What is known besides the report. */
export type ProviderContext = { readonly deliveryMx?: string | null; readonly dkimDomain?: string | null }

const domainOf = (address: string | null): string | null =>
  address?.includes('@') === true ? address.slice(address.lastIndexOf('@') + 1) : null

/** The clues of one recipient, the strongest first. Total. */
export function collectProviderHints(
  group: Pick<RecipientReport, 'recipient' | 'originalRecipient' | 'remoteMta' | 'replySource'>,
  context: ProviderContext = {},
): readonly ProviderHint[] {
  const hostSource = group.replySource === 'text' ? 'quoted-host' : 'remote-mta'
  const hints: readonly (readonly [ProviderHint['source'], string | null | undefined])[] = [
    ['delivery-mx', context.deliveryMx],
    [hostSource, group.remoteMta],
    ['dkim', context.dkimDomain],
    ['recipient-domain', domainOf(group.recipient)],
    ['recipient-domain', domainOf(group.originalRecipient)],
  ]
  return hints.flatMap(([source, value]) => (value === null || value === undefined || value === '' ? [] : [{ source, value }]))
}

/** One recipient of a report as a subject. Total. */
export function classifierInputOfReport(group: RecipientReport, context: ProviderContext = {}): ClassifierInput {
  return {
    reply: group.reply,
    reportStatus: group.status,
    action: group.action,
    text: group.text,
    hints: collectProviderHints(group, context),
  }
}
