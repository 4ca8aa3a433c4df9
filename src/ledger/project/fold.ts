/**
 * fold - applies facts to rows: the only way from facts to projections
 *
 * Batches, rebuilds and tests all go through `applyFacts`. The fold reads no setting, rule or clock. Any permutation of the same facts
 * gives the same rows, and a fact that was applied before changes nothing. A reclassified fact replaces the fact that it supersedes, before
 * ranks are compared; from then on its delivery is folded again from all its facts.
 *
 * Pure except for the LedgerState that it is given. Throws Fault `internal` if all facts of a delivery are needed and were not loaded.
 * See also: ledger/project/delivery, ledger/project/state (what must be loaded).
 */
import { Fault } from '../../errors.ts'
import { updateCounters } from './update-counters.ts'
import { createEmptyDelivery, foldDelivery, foldDeliveryFacts } from './delivery.ts'
import type { Fact, FactOf } from '../facts/fact.ts'
import { isDeliveryFact } from '../facts/new-fact.ts'
import {
  addressKey,
  type DeliveryRow,
  inboxKey,
  type InboxRow,
  factKey,
  suppressionKey,
  type SuppressionRow,
  type LedgerState,
} from './state.ts'

/** Applies one fact. False: it was known, and nothing changed. */
function applyFact(ledger: LedgerState, fact: Fact): boolean {
  const key = factKey(fact)
  if (ledger.seenKeys.has(key)) return false
  ledger.seenKeys.add(key)
  ledger.newFacts.push(fact)
  if (isDeliveryFact(fact)) applyToDelivery(ledger, fact)
  else if (fact.kind === 'list') applyList(ledger, fact)
  else if (fact.kind === 'inbox') applyInbox(ledger, fact)
  else if (fact.kind === 'brake') applySiteHold(ledger, fact)
  return true
}

/** Applies facts in order and returns how many were new. */
export function applyFacts(ledger: LedgerState, facts: readonly Fact[]): number {
  return facts.filter((fact) => applyFact(ledger, fact)).length
}

function applyToDelivery(ledger: LedgerState, fact: Fact): void {
  const deliveryId = fact.subject
  const previous = ledger.deliveries.get(deliveryId) ?? null
  if (previous === null && ledger.keepsFacts && !ledger.facts.has(deliveryId)) ledger.facts.set(deliveryId, [])
  ledger.facts.get(deliveryId)?.push(fact)
  setDelivery(ledger, previous, nextDelivery(ledger, previous, fact))
}

function nextDelivery(ledger: LedgerState, previous: DeliveryRow | null, fact: Fact): DeliveryRow {
  const needsFullFold = fact.kind === 'reclassified' || fact.kind === 'machine-clicks' || previous?.reclassified === true
  if (!needsFullFold) return foldDelivery(previous ?? createEmptyDelivery(fact), fact, null)
  const facts = ledger.facts.get(fact.subject) ?? (previous === null ? [fact] : null)
  if (facts === null)
    throw new Fault('internal', `the facts of delivery ${fact.subject} were not loaded`, { detail: { deliveryId: fact.subject } })
  if (previous === null) ledger.facts.set(fact.subject, facts)
  return foldDeliveryFacts(facts) ?? createEmptyDelivery(fact)
}

function setDelivery(ledger: LedgerState, previous: DeliveryRow | null, next: DeliveryRow): void {
  ledger.deliveries.set(next.deliveryId, next)
  ledger.dirty.deliveries.add(next.deliveryId)
  updateCounters(ledger, previous, next)
  if (next.addressHash === null) return
  const key = addressKey(next.account, next.addressHash)
  const rows = ledger.addressHistory.get(key) ?? new Map<string, DeliveryRow>()
  ledger.addressHistory.set(key, rows.set(next.deliveryId, next))
}

/** The change with the highest number is the entry. The dedup key makes each number unique. */
function applyList(ledger: LedgerState, fact: FactOf<'list'>): void {
  if (fact.addressHash === null) return
  const { action: _, cause: _cause, actor: _actor, note: _note, settingsVersion: _version, ...entry } = fact.data
  const row: SuppressionRow = { account: fact.account, addressHash: fact.addressHash, ...entry, factId: fact.id }
  const key = suppressionKey(row)
  if ((ledger.suppressions.get(key)?.change ?? 0) >= row.change) return
  ledger.suppressions.set(key, row)
  ledger.dirty.suppressions.add(key)
}

/** A change of state wins over `open`; then the later one wins, then the higher id. */
function applyInbox(ledger: LedgerState, fact: FactOf<'inbox'>): void {
  const digest = fact.subject.slice('mail:'.length)
  const { state, reason, mail, from, subject, summary, guess } = fact.data
  const previous = ledger.inbox.get(inboxKey(digest))
  const receivedAt = Math.min(fact.receivedAt, previous?.receivedAt ?? fact.receivedAt)
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
  const next: InboxRow = previous !== undefined && isNewer(previous, row) ? { ...previous, receivedAt } : { ...row, receivedAt }
  ledger.inbox.set(inboxKey(digest), next)
  ledger.dirty.inbox.add(inboxKey(digest))
}

type InboxOrder = Pick<InboxRow, 'state' | 'stateAt' | 'factId'>

function isNewer(a: InboxOrder, b: InboxOrder): boolean {
  if ((a.state === 'open') !== (b.state === 'open')) return b.state === 'open'
  return a.stateAt === b.stateAt ? a.factId > b.factId : a.stateAt > b.stateAt
}

function applySiteHold(ledger: LedgerState, fact: FactOf<'brake'>): void {
  const { site, held, change } = fact.data
  if ((ledger.sites.get(site)?.change ?? 0) >= change) return
  ledger.sites.set(site, { site, held, change, at: fact.at, factId: fact.id })
  ledger.dirty.sites.add(site)
}
