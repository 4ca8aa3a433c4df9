/**
 * bounce-list - what a failure does to the bounce list
 *
 * Fed at once by permanent not-exist only: never by a 4xx or 4.x.x, by a weak verdict, behind a forwarder, or for a delivery that nobody
 * registered. Some other reasons feed it when they repeat (a full mailbox is a 4xx as often as not). While the brake holds the site, entries wait as pending. The list that all
 * accounts share is fed only by what our own queue heard, or by our token in a report that a listed reporter signed.
 *
 * Pure. See also: ledger/suppress/suppression (ladders), ledger/suppress/address-history (repeats), ledger/suppress/mass-bounce-guard.
 */
import { isHeld, tripsBrake, type Trip } from './mass-bounce-guard.ts'
import { changeEntry, type EntryKey, settleEntry } from './list-entry.ts'
import type { Effect, Fact, Proof, VerdictSummary } from '../facts/fact.ts'
import { historyOf, isPermanentUnknown, isRepeated } from './address-history.ts'
import { makeFact, type Moment, ofSite } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import { climb, isNewHit, REPEAT_HOLD_MS } from './suppression.ts'
import { type DeliveryRow, receivingSite, suppressionKey, type SuppressionRow, type World } from '../project/state.ts'

export type Failure = {
  readonly world: World
  /** The delivery before this failure. */
  readonly delivery: DeliveryRow
  readonly effect: Effect
  readonly verdict: VerdictSummary | null
  /** The fact of the failure. */
  readonly cause: string
  readonly proof: Proof | null
  /** Heard by our own queue, or tied by our token and signed by a listed reporter. */
  readonly feedsShared: boolean
  readonly settings: AccountSettings
  readonly moment: Moment
}

/** The list facts of one failure, and the brake's where it trips. */
export function feedBounceList(failure: Failure): readonly Fact[] {
  const { delivery, effect, verdict, settings } = failure
  if (!delivery.registered || delivery.addressHash === null) return []
  if (isPermanentUnknown(effect)) return isFourXx(verdict) ? [] : feedUnknown(failure, delivery.addressHash)
  if (!settings.repeatLadder || effect.weak || effect.forwarded) return []
  return feedRepeated(failure, delivery.addressHash)
}

/** "Never by a 4xx or 4.x.x", whatever a rule made of it. */
function isFourXx(verdict: VerdictSummary | null): boolean {
  if (verdict === null) return false
  return (verdict.code !== null && verdict.code < 500) || verdict.replyStatus?.startsWith('4.') === true
}

function feedUnknown(failure: Failure, addressHash: string): readonly Fact[] {
  const { world, delivery, effect, settings, moment } = failure
  const site = receivingSite(delivery) ?? delivery.domain
  const trip = isHeld(world, site) ? null : tripsBrake(world, { site, at: moment.at, engaged: effect.engaged })
  const isPending = trip !== null || isHeld(world, site)
  const accounts = settings.sharedList && failure.feedsShared ? [delivery.account, 0] : [delivery.account]
  const entries = accounts.flatMap((account) => {
    const key: EntryKey = { account, list: 'bounce', addressHash, scope: '' }
    const old = world.suppressions.get(suppressionKey(key)) ?? null
    const next = climb(old, { at: moment.at, delivery, history: historyOf(world, account, addressHash) }, settings)
    return next === null ? [] : [entryFact(failure, { key, old, ...next, isPending })]
  })
  return [...(trip === null ? [] : holdSite(failure, site, trip)), ...entries]
}

function feedRepeated(failure: Failure, addressHash: string): readonly Fact[] {
  const { world, delivery, effect, moment } = failure
  const key: EntryKey = { account: delivery.account, list: 'bounce', addressHash, scope: '' }
  const old = world.suppressions.get(suppressionKey(key)) ?? null
  const history = historyOf(world, delivery.account, addressHash)
  const now = { deliveryId: delivery.deliveryId, reason: effect.reason, at: moment.at }
  if (!isNewHit(old, delivery.requestedAt) || !isRepeated(history, now)) return []
  const isPending = isHeld(world, receivingSite(delivery) ?? delivery.domain)
  return [entryFact(failure, { key, old, n: old?.n ?? 0, until: moment.at + REPEAT_HOLD_MS, isPending })]
}

type Next = {
  readonly key: EntryKey
  readonly old: SuppressionRow | null
  readonly n: number
  readonly until: number
  readonly isPending: boolean
}

function entryFact(failure: Failure, { key, old, n, until, isPending }: Next): Fact {
  const { delivery, effect, verdict, cause, proof, settings, moment } = failure
  return changeEntry({
    key,
    old,
    action: isPending ? 'hold' : 'add',
    state: {
      address: key.account === 0 ? null : delivery.recipient,
      domain: delivery.domain,
      n,
      from: moment.at,
      until,
      pending: isPending,
      reason: effect.reason ?? '',
      rule: verdict?.rule ?? null,
      site: receivingSite(delivery),
      deliveryId: key.account === 0 ? null : delivery.deliveryId,
      proof,
      apiUser: key.account === 0 ? null : delivery.apiUser,
      labelId: key.account === 0 ? null : delivery.labelId,
    },
    by: { cause, actor: null, settingsVersion: settings.version },
    moment,
  })
}

function holdSite({ world, moment }: Failure, site: string, trip: Trip): readonly Fact[] {
  const change = (world.sites.get(site)?.change ?? 0) + 1
  const { why, hits, engaged } = trip
  const text = `Many mailboxes of ${site} vanished at once: list writes for it are held until an operator applies or discards them.`
  return [
    makeFact('brake', ofSite(site), moment, { site, change, held: true, why, hits, engaged, actor: null }),
    makeFact('alarm', ofSite(site), moment, { alarm: 'brake', text, detail: { site, change, why, hits, engaged } }),
  ]
}

/** A later delivery to the address drops what the brake holds for it. `delivery`: the one that arrived. */
export function discardHeld(input: {
  readonly world: World
  readonly delivery: DeliveryRow
  readonly cause: string
  readonly settings: AccountSettings
  readonly moment: Moment
}): readonly Fact[] {
  const { world, delivery, cause, settings, moment } = input
  const { addressHash } = delivery
  if (addressHash === null || delivery.statusRank > 1) return []
  return [delivery.account, 0].flatMap((account) => {
    const entry = world.suppressions.get(suppressionKey({ account, list: 'bounce', addressHash, scope: '' }))
    if (entry === undefined || moment.at <= entry.from) return []
    const fact = settleEntry(entry, 'discard', { cause, actor: null, settingsVersion: settings.version }, moment)
    return fact === null ? [] : [fact]
  })
}
