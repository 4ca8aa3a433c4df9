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
import { feedbackTypeOf, isOptOut, liftedBy, listComplaint } from './complaint.ts'
import { type Listed, listOptOut, type Wish } from './opt-out.ts'
import { removeEntry } from '../suppress/list-entry.ts'
import type { Fact, Tie } from '../facts/fact.ts'
import type { Remains } from '../project/retired-delivery.ts'
import { isInForce } from '../suppress/suppression.ts'
import { suppressionKey } from '../project/state.ts'

type LateReport = ReportInput & { readonly delivery: Listed; readonly tie: Tie }

const DOORS: Readonly<Partial<Record<ReportInput['report']['kind'], (input: LateReport) => readonly Fact[] | null>>> = {
  complaint: lateComplaint,
  'not-spam': lateNotSpam,
  unsubscribe: (input) => listOptOut({ ...input, how: 'mailto', type: 0, proof: input.tie.proof }, null),
}

/** The facts of a proven report about a retired mail; null: it says nothing that a list could take. */
export function decideRemains(input: ReportInput): readonly Fact[] | null {
  const { match, world, report } = input
  const remains = match.deliveryId === null ? undefined : world.remains.get(match.deliveryId)
  if (remains === undefined || match.problem !== null || match.proof === null) return null
  return DOORS[report.kind]?.({ ...input, delivery: listedOf(remains), tie: { via: match.via ?? 'hand', proof: match.proof } }) ?? null
}

/** The facts of a wish by page or one click. */
export function decideLateUnsubscribe(wish: Omit<Wish, 'delivery'> & { readonly remains: Remains }): readonly Fact[] {
  return listOptOut({ ...wish, delivery: listedOf(wish.remains) }, null)
}

const listedOf = (remains: Remains): Listed => ({ ...remains, recipient: null, site: null, registered: true })

function lateComplaint(input: LateReport): readonly Fact[] | null {
  const { world, report, delivery, settings, tie, moment } = input
  const type = feedbackTypeOf(report)
  if (isOptOut(type)) return listOptOut({ ...input, how: 'report', type: 0, proof: tie.proof }, null)
  if (!settings.complaintTypes.includes(type)) return null
  const { account, addressHash } = delivery
  const key = addressHash === null ? null : suppressionKey({ account, list: 'complaint', addressHash, scope: '' })
  const entry = key === null ? undefined : world.suppressions.get(key)
  // Its episode is the entry's own life, for the fact that would tell is gone.
  const isTold = entry !== undefined && entry.deliveryId === delivery.deliveryId && isInForce(entry, moment.at)
  return isTold ? [] : listComplaint(input, null)
}

function lateNotSpam(input: LateReport): readonly Fact[] | null {
  const entry = liftedBy(input)
  const { settings, moment } = input
  const removed = entry === null ? null : removeEntry(entry, { cause: null, actor: null, settingsVersion: settings.version }, moment)
  return removed === null ? null : [removed]
}
