/**
 * memory-ledger - the ledger of a simulation: the product's decisions on rows in memory
 *
 * The code that handles real messages also decides and folds the registration, the attempts and the later reports of simulated ones. A row is
 * dropped when nothing more can happen to it; list entries stay.
 *
 * Mutable, owned by one simulation, deterministic. See also: ledger/decide/request, ledger/decide/attempt, ledger/decide/report,
 * simulator/simulate.
 */
import type { Verdict } from '../classify/verdict.ts'
import type { HashedAddress } from '../correlate/address-hash.ts'
import { dayNumberOf, formatDeliveryId } from '../correlate/delivery-id.ts'
import { decideReport } from '../ledger/decide/report.ts'
import { decideAttempt, decideGiveUp, type ObservedAttempt } from '../ledger/decide/attempt.ts'
import { decideRequest } from '../ledger/decide/request.ts'
import { summariseVerdict } from '../ledger/decide/effect.ts'
import type { VerdictSummary } from '../ledger/facts/decision.ts'
import type { Fact } from '../ledger/facts/fact.ts'
import { applyFacts } from '../ledger/project/fold.ts'
import type { FactMoment } from '../ledger/facts/new-fact.ts'
import { type AccountSettings, DEFAULT_ACCOUNT_SETTINGS } from '../ledger/account-settings.ts'
import { addressKey, type DeliveryRow, createLedgerState, type LedgerState } from '../ledger/project/state.ts'
import type { Report } from '../mail/report.ts'

export type MemoryLedger = {
  readonly state: LedgerState
  readonly settings: AccountSettings
  readonly senderDomain: string
  /** The totals of the ledger's counters (see `flushChanges`). */
  readonly totals: Map<string, number>
  /** The last verdict of each message that still waits. */
  readonly verdicts: Map<string, VerdictSummary>
  factCount: number
  unflushed: number
}

/** An empty ledger. Its own lifetime limit is next to zero, because the queue decides here when to give up. */
export function createMemoryLedger(sender: string): MemoryLedger {
  const settings = { ...DEFAULT_ACCOUNT_SETTINGS, giveUpAfterDays: Number.EPSILON }
  return { state: createLedgerState(), settings, senderDomain: sender, totals: new Map(), verdicts: new Map(), factCount: 0, unflushed: 0 }
}

/** The id of the n-th message of a simulation. */
export const messageIdOf = (at: number, account: number, n: number): string =>
  formatDeliveryId({ day: dayNumberOf(at), account, sequence: n }) ?? ''

type NewSimulatedMessage = {
  readonly id: string
  readonly account: number
  readonly at: number
  readonly address: HashedAddress
  readonly site: string
}

/** Registers a message. False: one of our own lists suppresses it, and it is not sent. */
export function registerMessage(ledger: MemoryLedger, { id, account, at, address, site }: NewSimulatedMessage): boolean {
  const { state, settings } = ledger
  const request = {
    emailId: `${id}x0$${address.address}`,
    messageId: `${id}x`,
    recipient: address.address,
    domain: address.domain,
    site,
    apiUser: 'simulation',
    labelId: null,
    label: null,
    emailType: 'batch',
    broadcast: null,
    from: `news@${ledger.senderDomain}`,
    subject: 'News',
    headers: {},
    messageIdHeader: `${id}@${ledger.senderDomain}`,
    requestIp: null,
    requestedAt: at,
  } as const
  const subject = { ledger: state, account, deliveryId: id, request, address, isSelected: true, isQueued: true, settings }
  applyAndFlush(ledger, decideRequest({ ...subject, moment: createMoment(ledger, at) }))
  return deliveryOf(ledger, id)?.status === 18
}

/** Records one attempt. The queue decides `attempt.final`. */
export function recordAttempt(
  ledger: MemoryLedger,
  id: string,
  { attempt, verdict, at }: { attempt: ObservedAttempt; verdict: Verdict | null; at: number },
): void {
  const { state, settings } = ledger
  const delivery = deliveryOf(ledger, id)
  if (delivery === null) return
  applyAndFlush(ledger, decideAttempt({ ledger: state, delivery, attempt, verdict, settings, moment: createMoment(ledger, at) }))
  if (verdict !== null) ledger.verdicts.set(id, summariseVerdict(verdict))
}

/** Records that the queue gave a message up. `blockedVerdict`: for a message without any result, why it waited. */
export function recordExpiry(
  ledger: MemoryLedger,
  id: string,
  { blockedVerdict, at }: { readonly blockedVerdict: Verdict | null; readonly at: number },
): void {
  const delivery = deliveryOf(ledger, id)
  const verdict = ledger.verdicts.get(id) ?? (blockedVerdict === null ? undefined : summariseVerdict(blockedVerdict))
  if (delivery === null) return
  const last = verdict === undefined ? null : { verdict }
  applyAndFlush(ledger, decideGiveUp({ delivery, lastAttempt: last, settings: ledger.settings, moment: createMoment(ledger, at) }))
}

/** Records an NDR or a complaint. `verdict` is null for a complaint. */
export function recordReport(
  ledger: MemoryLedger,
  id: string,
  { report, verdict, at }: { report: Report; verdict: Verdict | null; at: number },
): void {
  const { state, settings } = ledger
  const delivery = deliveryOf(ledger, id)
  if (delivery === null) return
  const tie = { stub: false, weak: false, via: 'rcpt', proof: 'signed', problem: null } as const
  const match = { account: delivery.account, deliveryId: id, delivery, ...tie }
  const from = report.from?.slice(report.from.indexOf('@') + 1) ?? ''
  const facts = decideReport({
    ledger: state,
    report,
    verdicts: verdict === null ? [] : [verdict],
    sites: verdict === null ? [] : [delivery.site],
    match,
    digest: `${id}/${report.kind}`,
    isForHumans: false,
    isDoubleBounce: false,
    reporter: from,
    settings,
    moment: createMoment(ledger, at),
  })
  applyAndFlush(ledger, facts)
}

/** The row of a message; null: it was dropped, or never existed. */
export const deliveryOf = (ledger: MemoryLedger, id: string): DeliveryRow | null => ledger.state.deliveries.get(id) ?? null

/** Drops a message whose outcome is final. */
export function forgetMessage({ state, verdicts }: MemoryLedger, id: string): void {
  const row = state.deliveries.get(id)
  verdicts.delete(id)
  state.deliveries.delete(id)
  if (row !== undefined && row.addressHash !== null) state.addressHistory.delete(addressKey(row.account, row.addressHash))
}

/** Applies facts. Flushes when a batch is full. */
function applyAndFlush(ledger: MemoryLedger, facts: readonly Fact[]): void {
  ledger.factCount += applyFacts(ledger.state, facts)
  ledger.unflushed += 1
  if (ledger.unflushed >= FLUSH_BATCH) flushChanges(ledger)
}

/** Decisions per flush: about as many as a store takes in one transaction. Emptying the sets costs more than filling them. */
const FLUSH_BATCH = 500

/**
 * Adds the counters to the totals and drops what a store would have written. It also drops the dedup keys: a simulation makes no fact twice.
 * To be called before `totals` is read.
 */
export function flushChanges(ledger: MemoryLedger): void {
  const { state, totals } = ledger
  for (const { metric, n } of state.dirty.counters.values()) totals.set(metric, (totals.get(metric) ?? 0) + n)
  state.newFacts.length = 0
  state.seenKeys.clear()
  for (const dirty of Object.values(state.dirty)) dirty.clear()
  ledger.unflushed = 0
}

/** The ids of facts rise, so that facts of one moment keep their order. */
function createMoment(ledger: MemoryLedger, at: number): FactMoment {
  let count = ledger.factCount * 8
  return { at, receivedAt: at, ids: { next: () => `00000000-0000-7000-8000-${(count += 1).toString(16).padStart(12, '0')}` } }
}
