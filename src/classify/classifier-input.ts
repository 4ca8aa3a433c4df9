/**
 * classifier-input - converts one recipient of a report to the input of `classify`
 *
 * The report names hosts and domains that may tell the provider. The caller adds two that it knows better: the MX of the delivery, and the
 * DKIM domain that was verified and aligned.
 *
 * A reply alone has the hints that somebody gives beside it.
 *
 * Pure. See also: classify/provider (order of trust), classify/rule-evidence (reads the text of a reply), mail/report.
 */
import type { RecipientReport } from '../mail/report.ts'
import type { ProviderHint, ClassifierInput } from './verdict.ts'

/** Hints that do not come from the report. */
type ProviderContext = {
  readonly deliveryMx?: string | null
  readonly dkimDomain?: string | null
  /** From of the report. */
  readonly reporter?: string | null
}

const domainOf = (address: string | null): string | null =>
  address?.includes('@') === true ? address.slice(address.lastIndexOf('@') + 1) : null

/** The provider hints of one recipient, the most trusted first. Total. */
function collectProviderHints(
  group: Pick<RecipientReport, 'recipient' | 'originalRecipient' | 'remoteMta' | 'replySource'>,
  context: ProviderContext = {},
): readonly ProviderHint[] {
  const hints: ProviderHint[] = []
  const add = (source: ProviderHint['source'], value: string | null | undefined): void => {
    if (value !== null && value !== undefined && value !== '') hints.push({ source, value })
  }
  add('delivery-mx', context.deliveryMx)
  add(group.replySource === 'text' ? 'quoted-host' : 'remote-mta', group.remoteMta)
  add('dkim', context.dkimDomain)
  add('recipient-domain', domainOf(group.recipient))
  add('recipient-domain', domainOf(group.originalRecipient))
  // Without a quoted reply, the words are those of the provider that wrote the report.
  if (group.replySource === 'none' && group.remoteMta === null) add('reporter', domainOf(context.reporter ?? null))
  return hints
}

/** Converts one recipient of a report. Total. */
export function classifierInputOfReport(group: RecipientReport, context: ProviderContext = {}): ClassifierInput {
  return {
    reply: group.reply,
    reportStatus: group.status,
    action: group.action,
    text: group.text,
    hints: collectProviderHints(group, context),
  }
}

/** What tells the provider of a reply without a report: the host that sent it, and the recipient that it is about. Total. */
export function providerHintsOf(given: {
  readonly mx?: string | undefined
  readonly recipient?: string | undefined
}): readonly ProviderHint[] {
  const hints = [
    ['delivery-mx', given.mx],
    ['recipient-domain', given.recipient?.slice(given.recipient.lastIndexOf('@') + 1)],
  ] as const
  return hints.flatMap(([source, value]) => (value === undefined || value === '' ? [] : [{ source, value }]))
}
