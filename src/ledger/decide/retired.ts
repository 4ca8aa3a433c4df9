/**
 * retired - what a report can still change after retention has removed its delivery
 *
 * | report                   | list                                                                       |
 * |--------------------------|----------------------------------------------------------------------------|
 * | complaint of listed type | complaint, unless an entry of that delivery is in force                    |
 * | opt-out, opt-out-list    | unsubscribe                                                                |
 * | not-spam, same reporter  | removes the entry of that complaint                                        |
 * | unsubscribe              | unsubscribe                                                                |
 *
 * Only the list changes: the only fact is the change of the entry, by its hash. Any other report about a retired delivery goes to the
 * inbox.
 *
 * Pure. See also: ledger/project/retired-delivery, ledger/decide/complaint, ledger/decide/unsubscribe.
 */
import type { ReportInput } from './report-input.ts'
import { decideRetiredReasonComplaint, feedbackTypeOf, isOptOutType, entryRemovedByNotSpam, updateComplaintList } from './complaint.ts'
import { type SuppressionTarget, updateUnsubscribeList, type UnsubscribeListInput } from './unsubscribe.ts'
import { removeListEntry } from '../suppress/list-entry.ts'
import type { MatchProvenance } from '../facts/decision.ts'
import type { Fact } from '../facts/fact.ts'
import { isEntryInForce } from '../suppress/suppression.ts'
import { type RetiredDelivery, suppressionKey } from '../project/state.ts'

type RetiredDeliveryReport = ReportInput & { readonly delivery: SuppressionTarget; readonly tie: MatchProvenance }

const RETIRED_REPORT_HANDLERS: Readonly<
  Partial<Record<ReportInput['report']['kind'], (input: RetiredDeliveryReport) => readonly Fact[] | null>>
> = {
  complaint: decideRetiredComplaint,
  'not-spam': decideRetiredNotSpam,
  unsubscribe: (input) => updateUnsubscribeList({ ...input, how: 'mailto', type: 0, proof: input.tie.proof }, null),
}

/** The facts of a proven report about a retired delivery. Null: no list takes anything from it. */
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

/** The facts of an unsubscribe request by page or one-click POST, and of the complaint that its reason may be. */
export function decideRetiredUnsubscribe(
  input: Omit<UnsubscribeListInput, 'delivery'> & { readonly retired: RetiredDelivery },
): readonly Fact[] {
  const delivery = suppressionTargetOf(input.retired)
  return [...updateUnsubscribeList({ ...input, delivery }, null), ...decideRetiredReasonComplaint({ ...input, delivery })]
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
  // The complaint's fact was removed with the delivery, so the entry itself shows whether this complaint was recorded.
  const isRecorded = entry !== undefined && entry.deliveryId === delivery.deliveryId && isEntryInForce(entry, moment.at)
  return isRecorded ? [] : updateComplaintList({ ...input, feedbackType: type }, null)
}

function decideRetiredNotSpam(input: RetiredDeliveryReport): readonly Fact[] | null {
  const entry = entryRemovedByNotSpam(input)
  const { settings, moment } = input
  const removed = entry === null ? null : removeListEntry(entry, { cause: null, actor: null, settingsVersion: settings.version }, moment)
  return removed === null ? null : [removed]
}
