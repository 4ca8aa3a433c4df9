/**
 * complaint - what a complaint and its opposite change
 *
 * A complaint counts once an episode: not-spam closes the episode, and a later complaint opens the next. Not-spam lifts the entry of that
 * very complaint, and only if it is proven as well as the complaint was.
 *
 * Pure. RFC 5965 §3.1, §7.3. See also: ledger/decide/report, ledger/decide/opt-out.
 */
import type { TiedReport } from './report.ts'
import { type Listed, optOut } from './opt-out.ts'
import type { Draft } from '../facts/fact-batch.ts'
import { changeEntry, type EntryKey, removeEntry } from '../suppress/list-entry.ts'
import { type Fact, type Proof, PROOFS } from '../facts/fact.ts'
import { DAY_MS } from '../suppress/address-history.ts'
import { makeFact, ofDelivery } from '../facts/new-fact.ts'
import { endOf, isInForce } from '../suppress/suppression.ts'
import { suppressionKey, type SuppressionRow } from '../project/state.ts'

/** RFC 5965 §7.3: the complainer asks to be taken off one list, or all. */
const OPT_OUTS: readonly string[] = ['opt-out', 'opt-out-list']
/** Feedback types of strangers are long at times. */
const MAX_TYPE = 64

/** What a reporter calls it. */
export const feedbackTypeOf = ({ complaint }: TiedReport['report']): string => (complaint?.feedbackType ?? 'abuse').slice(0, MAX_TYPE)

export const isOptOut = (feedbackType: string): boolean => OPT_OUTS.includes(feedbackType)

/** As much of a tied report as a list takes. */
export type Listing = Pick<TiedReport, 'world' | 'report' | 'settings' | 'tie' | 'moment'> & { readonly delivery: Listed }

/** A complaint of any feedback type but not-spam and auth-failure. */
export function decideComplaint(input: TiedReport, draft: Draft): void {
  const { report, delivery, digest, reporter, settings, tie, moment } = input
  const feedbackType = feedbackTypeOf(report)
  if (isOptOut(feedbackType)) {
    optOut({ ...input, how: 'report', type: 0, ip: null, userAgent: null, digest, proof: tie.proof }, draft)
    return
  }
  const listed = settings.complaintTypes.includes(feedbackType)
  const fact = makeFact('complaint', ofDelivery(delivery), moment, {
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
  draft.addWith(fact, () => (listed ? listComplaint(input, fact.id) : [alarm(input, feedbackType)]))
}

function alarm({ delivery, reporter, moment }: TiedReport, feedbackType: string): Fact {
  const text = `${reporter === '' ? 'A reporter' : reporter} sent feedback of type ${feedbackType}, which feeds no list.`
  return makeFact('alarm', ofDelivery(delivery), moment, { alarm: 'complaint-type', text, detail: { feedbackType, reporter } })
}

/** The change of the complaint list; none where an entry holds as long. `cause`: the fact that tells of the complaint. */
export function listComplaint({ world, report, delivery, settings, tie, moment }: Listing, cause: string | null): readonly Fact[] {
  const key = entryKey(delivery)
  if (key === null || !delivery.registered) return []
  const old = world.suppressions.get(suppressionKey(key)) ?? null
  const until = moment.at + settings.complaintDays * DAY_MS
  if (old !== null && isInForce(old, moment.at) && (endOf(old) ?? Infinity) >= until) return []
  const state = {
    address: delivery.recipient ?? old?.address ?? null,
    domain: delivery.domain,
    n: (old?.n ?? 0) + 1,
    from: moment.at,
    until,
    reason: feedbackTypeOf(report),
    site: delivery.site,
    deliveryId: delivery.deliveryId,
    proof: tie.proof,
    apiUser: delivery.apiUser,
    labelId: delivery.labelId,
  }
  return [changeEntry({ key, old, action: 'add', state, by: { cause, actor: null, settingsVersion: settings.version }, moment })]
}

/** The opposite of a complaint. */
export function decideNotSpam(input: TiedReport, draft: Draft): void {
  const { delivery, digest, reporter, settings, tie, moment } = input
  const isOpen = delivery.complaintEpisode > delivery.notSpamEpisode
  const episode = isOpen ? delivery.complaintEpisode - 1 : Math.max(0, delivery.notSpamEpisode - 1)
  const entry = liftedBy(input)
  const fact = makeFact('not-spam', ofDelivery(delivery), moment, { reporter, episode, lifts: entry !== null, tie, digest })
  draft.addWith(fact, () => {
    const removed = entry === null ? null : removeEntry(entry, { cause: fact.id, actor: null, settingsVersion: settings.version }, moment)
    return removed === null ? [] : [removed]
  })
}

/** The entry that a not-spam lifts: that of a complaint about this very mail, proven no better. Null: none. */
export function liftedBy({ world, delivery, tie, moment }: Listing): SuppressionRow | null {
  const key = entryKey(delivery)
  const entry = key === null ? null : (world.suppressions.get(suppressionKey(key)) ?? null)
  return entry !== null && isOf(entry, { delivery, moment }) && isAsGood(tie.proof, entry.proof) ? entry : null
}

function isOf(entry: SuppressionRow, { delivery, moment }: Pick<Listing, 'delivery' | 'moment'>): boolean {
  return entry.deliveryId === delivery.deliveryId && isInForce(entry, moment.at)
}

function isAsGood(proof: Proof, wanted: Proof | null): boolean {
  return wanted === null || proof === 'operator' || PROOFS.indexOf(proof) <= PROOFS.indexOf(wanted)
}

function entryKey(delivery: Listed): EntryKey | null {
  const { account, addressHash } = delivery
  return addressHash === null ? null : { account, list: 'complaint', addressHash, scope: '' }
}
