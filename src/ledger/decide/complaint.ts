/**
 * complaint - what a complaint and a not-spam report change
 *
 * A complaint counts once in each episode, whatever its type and whoever reports it; one of a type that no list takes counts beside it. A not-spam
 * report that removes the entry of the complaint closes the episode, and a later complaint opens the next one. It removes only that entry, and
 * only if the reporter of the complaint has signed it or a person vouches for it.
 *
 * Pure. RFC 5965 §3.1, §7.3. See also: ledger/decide/report, ledger/decide/unsubscribe.
 */
import type { MatchedReport } from './report-input.ts'
import { type SuppressionTarget, addUnsubscribeFacts } from './unsubscribe.ts'
import { createFactBatch, type FactBatch } from '../facts/fact-batch.ts'
import { changeEntry, type ListEntryKey, removeListEntry } from '../suppress/list-entry.ts'
import type { Proof } from '../facts/decision.ts'
import type { Fact } from '../facts/fact.ts'
import { DAY_MS } from '../suppress/address-history.ts'
import { createFact, aboutDelivery } from '../facts/new-fact.ts'
import { entryEndOf, isEntryInForce } from '../suppress/suppression.ts'
import { type DeliveryRow, suppressionKey, type SuppressionRow } from '../project/state.ts'
import type { UnsubscribeType } from '../facts/delivery-facts.ts'

/** RFC 5965 §7.3: the recipient asks to be removed from one list, or from all. */
const OPT_OUT_TYPES: readonly string[] = ['opt-out', 'opt-out-list']
/** The feedback type is untrusted text. */
const MAX_FEEDBACK_TYPE_LENGTH = 64

/** The feedback type of a complaint; `abuse` if it has none. */
export const feedbackTypeOf = ({ complaint }: MatchedReport['report']): string =>
  (complaint?.feedbackType ?? 'abuse').slice(0, MAX_FEEDBACK_TYPE_LENGTH)

export const isOptOutType = (feedbackType: string): boolean => OPT_OUT_TYPES.includes(feedbackType)

/** The part of a complaint that a list needs. */
type ComplaintListInput = Pick<MatchedReport, 'ledger' | 'reporter' | 'settings' | 'tie' | 'moment'> & {
  readonly delivery: SuppressionTarget
  readonly feedbackType: string
}

/** Adds the facts of a complaint of any feedback type except not-spam and auth-failure. */
export function decideComplaint(input: MatchedReport, batch: FactBatch): void {
  const { report, delivery, digest, reporter, settings, tie, moment } = input
  const feedbackType = feedbackTypeOf(report)
  if (isOptOutType(feedbackType)) {
    addUnsubscribeFacts({ ...input, how: 'report', type: 0, ip: null, userAgent: null, digest, proof: tie.proof }, batch)
    return
  }
  const listed = settings.complaintTypes.includes(feedbackType)
  const fact = createFact('complaint', aboutDelivery(delivery), moment, {
    feedbackType,
    reporter,
    episode: delivery.notSpamEpisode,
    listed,
    userAgent: report.complaint?.userAgent?.slice(0, 256) ?? null,
    sourceIp: report.complaint?.sourceIp ?? null,
    arrivalAt: report.complaint?.arrivalAt ?? null,
    tie,
    digest,
    settingsVersion: settings.version,
  })
  batch.addWithConsequences(fact, () =>
    listed ? updateComplaintList({ ...input, feedbackType }, fact.id) : [createFeedbackTypeAlarm(input, feedbackType)],
  )
}

/** The reasons of the unsubscribe page that are complaints, and their feedback types. */
const COMPLAINT_OF_REASON: Readonly<Partial<Record<UnsubscribeType, string>>> = { 2: 'abuse', 3: 'fraud' }

type ReasonComplaintInput = Omit<ComplaintListInput, 'delivery' | 'reporter' | 'tie' | 'feedbackType'> & {
  /** The reason that the recipient gave. */
  readonly type: UnsubscribeType
}

/**
 * The facts of a complaint that a recipient makes by the reason of an unsubscribe. Its proof is the token of the link, so an account that wants
 * signed complaints takes none, and neither does one whose setting `complaintByReason` is off.
 */
export function decideReasonComplaint(input: ReasonComplaintInput & { readonly delivery: DeliveryRow }): readonly Fact[] {
  const listInput = reasonComplaintOf(input)
  if (listInput === null) return []
  const { delivery, ledger, settings, moment } = input
  const { feedbackType, reporter, tie } = listInput
  const fact = createFact('complaint', aboutDelivery(delivery), moment, {
    feedbackType,
    reporter,
    episode: delivery.notSpamEpisode,
    listed: true,
    userAgent: null,
    sourceIp: null,
    arrivalAt: null,
    tie,
    digest: '',
    settingsVersion: settings.version,
  })
  const batch = createFactBatch(ledger)
  batch.addWithConsequences(fact, () => updateComplaintList(listInput, fact.id))
  return batch.facts
}

/** The same for a retired delivery: only the list changes. */
export function decideRetiredReasonComplaint(input: ReasonComplaintInput & { readonly delivery: SuppressionTarget }): readonly Fact[] {
  const listInput = reasonComplaintOf(input)
  return listInput === null ? [] : updateComplaintList(listInput, null)
}

function reasonComplaintOf(input: ReasonComplaintInput & { readonly delivery: SuppressionTarget }): ComplaintListInput | null {
  const { type, settings } = input
  const feedbackType = COMPLAINT_OF_REASON[type]
  const isTaken = settings.complaintByReason && settings.complaintProof === 'token'
  if (feedbackType === undefined || !isTaken || !settings.complaintTypes.includes(feedbackType)) return null
  return { ...input, feedbackType, reporter: '', tie: { via: 'link', proof: 'token' } }
}

function createFeedbackTypeAlarm({ delivery, reporter, moment }: MatchedReport, feedbackType: string): Fact {
  const text = `${reporter === '' ? 'A reporter' : reporter} sent feedback of type ${feedbackType}, which feeds no list.`
  return createFact('alarm', aboutDelivery(delivery), moment, { alarm: 'complaint-type', text, detail: { feedbackType, reporter } })
}

/** The change of the complaint list; none if an entry holds at least as long. `cause`: the fact of the complaint. */
export function updateComplaintList(
  { ledger, feedbackType, reporter, delivery, settings, tie, moment }: ComplaintListInput,
  cause: string | null,
): readonly Fact[] {
  const key = complaintEntryKey(delivery)
  if (key === null || !delivery.registered) return []
  const previous = ledger.suppressions.get(suppressionKey(key)) ?? null
  const until = moment.at + settings.complaintDays * DAY_MS
  if (previous !== null && isEntryInForce(previous, moment.at) && (entryEndOf(previous) ?? Infinity) >= until) return []
  const state = {
    address: delivery.recipient ?? previous?.address ?? null,
    domain: delivery.domain,
    n: (previous?.n ?? 0) + 1,
    from: moment.at,
    until,
    reason: feedbackType,
    rule: reporterRule(reporter),
    site: delivery.site,
    deliveryId: delivery.deliveryId,
    proof: tie.proof,
    apiUser: delivery.apiUser,
    labelId: delivery.labelId,
  }
  return [changeEntry({ key, previous, action: 'add', state, origin: { cause, actor: null, settingsVersion: settings.version }, moment })]
}

/** Adds the facts of a not-spam report. */
export function decideNotSpam(input: MatchedReport, batch: FactBatch): void {
  const { delivery, digest, reporter, settings, tie, moment } = input
  const entry = entryRemovedByNotSpam(input)
  const closes = entry !== null && delivery.complaintEpisode > delivery.notSpamEpisode
  // -1: no episode has been closed yet, and this report closes none.
  const episode = closes ? delivery.complaintEpisode - 1 : delivery.notSpamEpisode - 1
  const fact = createFact('not-spam', aboutDelivery(delivery), moment, { reporter, episode, lifts: entry !== null, tie, digest })
  batch.addWithConsequences(fact, () => {
    const removed =
      entry === null ? null : removeListEntry(entry, { cause: fact.id, actor: null, settingsVersion: settings.version }, moment)
    return removed === null ? [] : [removed]
  })
}

/** The entry that a not-spam report removes: that of the same reporter's complaint about the same delivery. Null: none. */
export function entryRemovedByNotSpam({
  ledger,
  reporter,
  delivery,
  tie,
  moment,
}: Omit<ComplaintListInput, 'feedbackType'>): SuppressionRow | null {
  const key = complaintEntryKey(delivery)
  const entry = key === null ? null : (ledger.suppressions.get(suppressionKey(key)) ?? null)
  return entry !== null && isFromDelivery(entry, { delivery, moment }) && mayRemove(tie.proof, reporter, entry) ? entry : null
}

function isFromDelivery(entry: SuppressionRow, { delivery, moment }: Pick<ComplaintListInput, 'delivery' | 'moment'>): boolean {
  return entry.deliveryId === delivery.deliveryId && isEntryInForce(entry, moment.at)
}

/** What decided an entry of the complaint list: the reporter, whether its signature proved the complaint or our token did. */
const reporterRule = (reporter: string): string | null => (reporter === '' ? null : `reporter:${reporter.toLowerCase()}`)

/** An entry of an older version names no reporter, so only a person removes it. */
function mayRemove(proof: Proof, reporter: string, { rule }: SuppressionRow): boolean {
  return proof === 'operator' || (proof === 'signed' && rule !== null && rule === reporterRule(reporter))
}

function complaintEntryKey(delivery: SuppressionTarget): ListEntryKey | null {
  const { account, addressHash } = delivery
  return addressHash === null ? null : { account, list: 'complaint', addressHash, scope: '' }
}
