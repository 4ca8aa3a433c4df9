/**
 * fold - what facts add up to: the one way from facts to rows
 *
 * Batches, rebuilds and tests all go through `applyFact`. It reads no setting, rule or clock. Any permutation of the same facts gives the
 * same rows, and a fact that was seen changes nothing. A reclassified fact takes the place of the one that it supersedes, before
 * anything is weighed: from then on its delivery is folded anew from all its facts.
 *
 * Pure but for the World that it is given. Throws Fault `internal` when a delivery's facts are needed and were not loaded.
 * See also: ledger/project/delivery, ledger/project/state (what must be loaded), test/ledger/fold.
 */
import { Fault } from '../../errors.ts'
import { bookCounters } from './counters.ts'
import { blankDelivery, foldDelivery, foldFacts } from './delivery.ts'
import type { Fact, FactOf } from '../facts/fact.ts'
import { isOfDelivery } from '../facts/new-fact.ts'
import { addressKey, type DeliveryRow, inboxKey, type InboxRow, seenKey, suppressionKey, type SuppressionRow, type World } from './state.ts'

/** Applies one fact. False: it was known, and nothing changed. */
export function applyFact(world: World, fact: Fact): boolean {
  const key = seenKey(fact)
  if (world.seen.has(key)) return false
  world.seen.add(key)
  world.fresh.push(fact)
  if (isOfDelivery(fact)) applyToDelivery(world, fact)
  else if (fact.kind === 'list') applyList(world, fact)
  else if (fact.kind === 'inbox') applyInbox(world, fact)
  else if (fact.kind === 'brake') applyBrake(world, fact)
  return true
}

/** Applies many; how many were new. */
export function applyFacts(world: World, facts: readonly Fact[]): number {
  return facts.filter((fact) => applyFact(world, fact)).length
}

function applyToDelivery(world: World, fact: Fact): void {
  const deliveryId = fact.subject
  const old = world.deliveries.get(deliveryId) ?? null
  if (old === null && world.keepsFacts && !world.facts.has(deliveryId)) world.facts.set(deliveryId, [])
  world.facts.get(deliveryId)?.push(fact)
  putDelivery(world, old, nextDelivery(world, old, fact))
}

function nextDelivery(world: World, old: DeliveryRow | null, fact: Fact): DeliveryRow {
  const mustRefold = fact.kind === 'reclassified' || old?.reclassified === true
  if (!mustRefold) return foldDelivery(old ?? blankDelivery(fact), fact, null)
  const facts = world.facts.get(fact.subject) ?? (old === null ? [fact] : null)
  if (facts === null)
    throw new Fault('internal', `the facts of delivery ${fact.subject} were not loaded`, { detail: { deliveryId: fact.subject } })
  if (old === null) world.facts.set(fact.subject, facts)
  return foldFacts(facts) ?? blankDelivery(fact)
}

function putDelivery(world: World, old: DeliveryRow | null, next: DeliveryRow): void {
  world.deliveries.set(next.deliveryId, next)
  world.dirty.deliveries.add(next.deliveryId)
  bookCounters(world, old, next)
  if (next.addressHash === null) return
  const key = addressKey(next.account, next.addressHash)
  const rows = world.history.get(key) ?? new Map<string, DeliveryRow>()
  world.history.set(key, rows.set(next.deliveryId, next))
}

/** The highest change number is the entry; the dedup key makes it the only one of its number. */
function applyList(world: World, fact: FactOf<'list'>): void {
  if (fact.addressHash === null) return
  const { action: _, cause: _cause, actor: _actor, settingsVersion: _version, ...entry } = fact.data
  const row: SuppressionRow = { account: fact.account, addressHash: fact.addressHash, ...entry, factId: fact.id }
  const key = suppressionKey(row)
  if ((world.suppressions.get(key)?.change ?? 0) >= row.change) return
  world.suppressions.set(key, row)
  world.dirty.suppressions.add(key)
}

/** An open mail is the lowest; then the later learnt, then the higher id. */
function applyInbox(world: World, fact: FactOf<'inbox'>): void {
  const digest = fact.subject.slice('mail:'.length)
  const { state, reason, mail, from, subject, summary, guess } = fact.data
  const old = world.inbox.get(inboxKey(digest))
  const receivedAt = Math.min(fact.receivedAt, old?.receivedAt ?? fact.receivedAt)
  const row = {
    account: fact.account,
    digest,
    reason,
    kind: mail,
    state,
    from,
    subject,
    summary,
    deliveryId: guess,
    stateAt: fact.receivedAt,
    factId: fact.id,
  }
  const next: InboxRow = old !== undefined && isNewer(old, row) ? { ...old, receivedAt } : { ...row, receivedAt }
  world.inbox.set(inboxKey(digest), next)
  world.dirty.inbox.add(inboxKey(digest))
}

type InboxStanding = Pick<InboxRow, 'state' | 'stateAt' | 'factId'>

function isNewer(a: InboxStanding, b: InboxStanding): boolean {
  if ((a.state === 'open') !== (b.state === 'open')) return b.state === 'open'
  return a.stateAt === b.stateAt ? a.factId > b.factId : a.stateAt > b.stateAt
}

function applyBrake(world: World, fact: FactOf<'brake'>): void {
  const { site, held, change } = fact.data
  if ((world.sites.get(site)?.change ?? 0) >= change) return
  world.sites.set(site, { site, held, change, at: fact.at, factId: fact.id })
  world.dirty.sites.add(site)
}
