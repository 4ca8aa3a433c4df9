/**
 * retired - what a recipient may still ask after his mail was retired: to be taken off, or to complain
 *
 * | report                   | list                                                   |
 * |--------------------------|--------------------------------------------------------|
 * | complaint of listed type | complaint, once while that mail's own entry is in force |
 * | opt-out, opt-out-list    | unsubscribe                                            |
 * | not-spam, as well proven | lifts that complaint's entry                           |
 * | unsubscribe              | unsubscribe                                            |
 *
 * Only the list moves: the one fact is the change of the entry, by its hash. What else is said of a retired mail is for the inbox.
 *
 * Pure. See also: ledger/project/retired-delivery, ledger/decide/complaint, ledger/decide/opt-out.
 */
import type { ReportInput } from './report.ts'
import { feedbackTypeOf, isOptOutType, entryRemovedByNotSpam, updateComplaintList } from './complaint.ts'
import { type SuppressionTarget, updateUnsubscribeList, type UnsubscribeListInput } from './opt-out.ts'
import { removeEntry } from '../suppress/list-entry.ts'
import type { MatchProvenance } from '../facts/decision.ts'
import type { Fact } from '../facts/fact.ts'
import type { RetiredDelivery } from '../project/retired-delivery.ts'
import { isEntryInForce } from '../suppress/suppression.ts'
import { suppressionKey } from '../project/state.ts'

type RetiredDeliveryReport = ReportInput & { readonly delivery: SuppressionTarget; readonly tie: MatchProvenance }

const RETIRED_REPORT_HANDLERS: Readonly<
  Partial<Record<ReportInput['report']['kind'], (input: RetiredDeliveryReport) => readonly Fact[] | null>>
> = {
  complaint: decideRetiredComplaint,
  'not-spam': decideRetiredNotSpam,
  unsubscribe: (input) => updateUnsubscribeList({ ...input, how: 'mailto', type: 0, proof: input.tie.proof }, null),
}

/** The facts of a proven report about a retired mail; null: it says nothing that a list could take. */
export function decideRetiredReport(input: ReportInput): readonly Fact[] | null {
  const { match, ledger, report } = input
  const retired = match.deliveryId === null ? undefined : ledger.retired.get(match.deliveryId)
  if (retired === undefined || match.problem !== null || match.proof === null) return null
  return (
    RETIRED_REPORT_HANDLERS[report.kind]?.({
      ...input,
      delivery: suppressionTargetOf(retired),
      tie: { via: match.via ?? 'hand', proof: match.proof },
    }) ?? null
  )
}

/** The facts of a wish by page or one click. */
export function decideRetiredUnsubscribe(
  input: Omit<UnsubscribeListInput, 'delivery'> & { readonly remains: RetiredDelivery },
): readonly Fact[] {
  return updateUnsubscribeList({ ...input, delivery: suppressionTargetOf(input.remains) }, null)
}

const suppressionTargetOf = (retired: RetiredDelivery): SuppressionTarget => ({ ...retired, recipient: null, site: null, registered: true })

function decideRetiredComplaint(input: RetiredDeliveryReport): readonly Fact[] | null {
  const { ledger, report, delivery, settings, tie, moment } = input
  const type = feedbackTypeOf(report)
  if (isOptOutType(type)) return updateUnsubscribeList({ ...input, how: 'report', type: 0, proof: tie.proof }, null)
  if (!settings.complaintTypes.includes(type)) return null
  const { account, addressHash } = delivery
  const key = addressHash === null ? null : suppressionKey({ account, list: 'complaint', addressHash, scope: '' })
  const entry = key === null ? undefined : ledger.suppressions.get(key)
  // Its episode is the entry's own life, for the fact that would tell is gone.
  const isRecorded = entry !== undefined && entry.deliveryId === delivery.deliveryId && isEntryInForce(entry, moment.at)
  return isRecorded ? [] : updateComplaintList(input, null)
}

function decideRetiredNotSpam(input: RetiredDeliveryReport): readonly Fact[] | null {
  const entry = entryRemovedByNotSpam(input)
  const { settings, moment } = input
  const removed = entry === null ? null : removeEntry(entry, { cause: null, actor: null, settingsVersion: settings.version }, moment)
  return removed === null ? null : [removed]
}
