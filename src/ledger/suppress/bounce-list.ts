/**
 * bounce-list - how a failure changes the bounce list
 *
 * A permanent `not-exist` adds an entry at once, except with a 4xx or 4.x.x, with a weak verdict, behind a forwarder, or for a delivery
 * that is not registered. Some other reasons add an entry when they repeat (a full mailbox is often a 4xx). While the mass-bounce guard
 * holds the site, new entries are pending. The list that all accounts share follows only replies that our own queue heard: an account can write
 * reports about its own mail, and tell us attempts that never took place.
 *
 * Pure. See also: ledger/suppress/suppression (ladders), ledger/suppress/address-history (repeats), ledger/suppress/mass-bounce-guard.
 */
import { isSiteHeld, detectMassBounce, type MassBounce } from './mass-bounce-guard.ts'
import { changeEntry, type ListEntryKey, resolveHeldEntry } from './list-entry.ts'
import type { StatusEffect, Proof, VerdictSummary } from '../facts/decision.ts'
import type { Fact } from '../facts/fact.ts'
import { addressHistoryOf, isPermanentUnknownUser, isRepeatedFailure } from './address-history.ts'
import { createFact, type FactMoment, aboutSite } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import { climbLadder, isNewHit, REPEAT_SUPPRESSION_MS } from './suppression.ts'
import { type DeliveryRow, receivingSiteOf, suppressionKey, type SuppressionRow, type LedgerState } from '../project/state.ts'

type DeliveryFailure = {
  readonly ledger: LedgerState
  /** The delivery before this failure. */
  readonly delivery: DeliveryRow
  readonly effect: StatusEffect
  readonly verdict: VerdictSummary | null
  /** The fact of the failure. */
  readonly cause: string
  readonly proof: Proof | null
  /** The remote server said it to our own queue, so the shared list follows it. */
  readonly isQueueReply: boolean
  readonly settings: AccountSettings
  readonly moment: FactMoment
}

/** The list facts of one failure, and the facts of the mass-bounce guard if it trips. */
export function updateBounceList(failure: DeliveryFailure): readonly Fact[] {
  const { delivery, effect, verdict, settings } = failure
  if (!delivery.registered || delivery.addressHash === null) return []
  if (isPermanentUnknownUser(effect)) return isTransientReply(verdict) ? [] : suppressUnknownUser(failure, delivery.addressHash)
  if (!settings.repeatLadder || effect.weak || effect.forwarded) return []
  return suppressRepeatedFailure(failure, delivery.addressHash)
}

/** A 4xx or 4.x.x never adds an entry, whatever its rule decides. */
function isTransientReply(verdict: VerdictSummary | null): boolean {
  if (verdict === null) return false
  return (verdict.code !== null && verdict.code < 500) || verdict.replyStatus?.startsWith('4.') === true
}

function suppressUnknownUser(failure: DeliveryFailure, addressHash: string): readonly Fact[] {
  const { ledger, delivery, effect, settings, moment } = failure
  const site = receivingSiteOf(delivery) ?? delivery.domain
  const massBounce = isSiteHeld(ledger, site) ? null : detectMassBounce(ledger, { site, at: moment.at, engaged: effect.engaged })
  const isPending = massBounce !== null || isSiteHeld(ledger, site)
  const accounts = settings.sharedList && failure.isQueueReply ? [delivery.account, 0] : [delivery.account]
  const entries = accounts.flatMap((account) => {
    const key: ListEntryKey = { account, list: 'bounce', addressHash, scope: '' }
    const previous = ledger.suppressions.get(suppressionKey(key)) ?? null
    const next = climbLadder(previous, { at: moment.at, delivery, history: addressHistoryOf(ledger, account, addressHash) }, settings)
    return next === null ? [] : [createBounceEntryFact(failure, { key, previous, ...next, isPending })]
  })
  return [...(massBounce === null ? [] : holdSite(failure, site, massBounce)), ...entries]
}

function suppressRepeatedFailure(failure: DeliveryFailure, addressHash: string): readonly Fact[] {
  const { ledger, delivery, effect, moment } = failure
  const key: ListEntryKey = { account: delivery.account, list: 'bounce', addressHash, scope: '' }
  const previous = ledger.suppressions.get(suppressionKey(key)) ?? null
  const history = addressHistoryOf(ledger, delivery.account, addressHash)
  const now = { deliveryId: delivery.deliveryId, reason: effect.reason, at: moment.at }
  if (!isNewHit(previous, delivery.requestedAt) || !isRepeatedFailure(history, now)) return []
  const isPending = isSiteHeld(ledger, receivingSiteOf(delivery) ?? delivery.domain)
  return [createBounceEntryFact(failure, { key, previous, n: previous?.n ?? 0, until: moment.at + REPEAT_SUPPRESSION_MS, isPending })]
}

type NextEntry = {
  readonly key: ListEntryKey
  readonly previous: SuppressionRow | null
  readonly n: number
  readonly until: number
  readonly isPending: boolean
}

function createBounceEntryFact(failure: DeliveryFailure, { key, previous, n, until, isPending }: NextEntry): Fact {
  const { delivery, effect, verdict, cause, proof, settings, moment } = failure
  return changeEntry({
    key,
    previous,
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
      site: receivingSiteOf(delivery),
      deliveryId: key.account === 0 ? null : delivery.deliveryId,
      proof,
      apiUser: key.account === 0 ? null : delivery.apiUser,
      labelId: key.account === 0 ? null : delivery.labelId,
    },
    origin: { cause, actor: null, settingsVersion: settings.version },
    moment,
  })
}

function holdSite({ ledger, moment }: DeliveryFailure, site: string, massBounce: MassBounce): readonly Fact[] {
  const change = (ledger.sites.get(site)?.change ?? 0) + 1
  const { why, hits, engaged } = massBounce
  const text = `${site} reports unusually many unknown users: new bounce list entries for it are held until an operator applies or discards them.`
  return [
    createFact('brake', aboutSite(site), moment, { site, change, held: true, why, hits, engaged, actor: null }),
    createFact('alarm', aboutSite(site), moment, { alarm: 'brake', text, detail: { site, change, why, hits, engaged } }),
  ]
}

/** A later delivery to the address discards what the mass-bounce guard holds for it. `delivery` is the one that was delivered. */
export function discardHeldEntries(input: {
  readonly ledger: LedgerState
  readonly delivery: DeliveryRow
  readonly cause: string
  readonly isQueueReply: boolean
  readonly settings: AccountSettings
  readonly moment: FactMoment
}): readonly Fact[] {
  const { ledger, delivery, cause, isQueueReply, settings, moment } = input
  const { addressHash } = delivery
  if (addressHash === null || delivery.statusRank > 1) return []
  return [delivery.account, ...(isQueueReply ? [0] : [])].flatMap((account) => {
    const entry = ledger.suppressions.get(suppressionKey({ account, list: 'bounce', addressHash, scope: '' }))
    if (entry === undefined || moment.at <= entry.from) return []
    const fact = resolveHeldEntry(entry, 'discard', { cause, actor: null, settingsVersion: settings.version }, moment)
    return fact === null ? [] : [fact]
  })
}
