/**
 * commit-engagement - one transaction for a batch of opens and clicks
 *
 * See also: service/track/engagement-recorder (collects the batch), ledger/decide/engagement (the facts), service/transact.
 */
import { decideEngagement, decideMachineClicks } from '../../ledger/decide/engagement.ts'
import { countLateEngagement } from '../../ledger/project/update-counters.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { PlaceLookup } from '../../net/place-database.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Context } from '../context.ts'
import { mapInTimeSlices } from '../time-slice.ts'
import { transact, type LedgerTransaction } from '../transact.ts'
import type { AgentReader } from './agent-reader.ts'
import type { ClickBursts } from './click-bursts.ts'
import type { IdentifiedRequest } from './engagement-service.ts'
import { requestIdOf } from './request-id.ts'

type EngagementTools = {
  readonly places: PlaceLookup
  readonly bursts: ClickBursts
  readonly readAgent: AgentReader
  /** Requests without a fact whose commit failed: it may have taken effect, and no key tells whether they are counted. */
  readonly maybeCounted: WeakSet<IdentifiedRequest>
}

/** The clicks of a batch that are part of a burst, and earlier facts that are, by delivery. */
type BatchBursts = { readonly requests: ReadonlySet<IdentifiedRequest>; readonly earlier: ReadonlyMap<string, readonly string[]> }

/**
 * Commits the facts of a batch. A request for a mail that is not stored any more makes none: it is counted for its account, at most once however often it is tried.
 * Faults: store_busy.
 */
export async function commitEngagement(context: Context, tools: EngagementTools, requests: readonly IdentifiedRequest[]): Promise<void> {
  const [snapshot] = await Promise.all([context.accountCache.snapshot(), tools.places.refresh()])
  const bursts = findBursts(tools.bursts, requests)
  const needs = {
    deliveries: requests.map(({ account, deliveryId }) => ({ account, deliveryId })),
    facts: requests.filter(({ deliveryId }) => bursts.earlier.has(deliveryId)).map(({ account, deliveryId }) => ({ account, deliveryId })),
  }
  let counted: IdentifiedRequest[] = []
  try {
    const facts = await transact(context, needs, async (transaction) => {
      counted = []
      const work = { context, tools, snapshot, transaction, counted }
      // Images and redirects are answered in between.
      await mapInTimeSlices(requests, (request) => applyRequest(work, request, bursts.requests.has(request)))
      applyCorrections({ snapshot, transaction }, bursts)
      return { result: transaction.ledgerState.newFacts }
    })
    report(context, tools.bursts, facts)
  } catch (error) {
    for (const request of counted) tools.maybeCounted.add(request)
    throw error
  }
}

function findBursts(memory: ClickBursts, requests: readonly IdentifiedRequest[]): BatchBursts {
  const byMail = Map.groupBy(
    requests.filter(({ kind }) => kind === 'click'),
    ({ deliveryId }) => deliveryId,
  )
  const found = [...byMail].map(([deliveryId, clicks]) => {
    const timed = clicks.map((request) => ({ request, url: request.url, at: request.receivedAt }))
    return { deliveryId, ...memory.find(deliveryId, timed) }
  })
  return {
    requests: new Set(found.flatMap(({ clicks }) => [...clicks].map(({ request }) => request))),
    earlier: new Map(found.filter(({ earlierFacts }) => earlierFacts.length > 0).map((each) => [each.deliveryId, each.earlierFacts])),
  }
}

type Work = {
  readonly context: Context
  readonly tools: EngagementTools
  readonly snapshot: AccountSnapshot
  readonly transaction: LedgerTransaction
  /** Requests that this transaction counts without a fact. */
  readonly counted: IdentifiedRequest[]
}

/** Counts a request for a mail that is not stored any more. */
function countWithoutFact({ tools, snapshot, transaction, counted }: Work, request: IdentifiedRequest): void {
  if (tools.maybeCounted.has(request)) return
  countLateEngagement(transaction.ledgerState, request, snapshot.retentionStart)
  counted.push(request)
}

/** Applies the facts of one request, so that the next request of the batch sees them. */
function applyRequest(work: Work, request: IdentifiedRequest, isBurst: boolean): void {
  const { context, tools, snapshot, transaction } = work
  const { ledgerState: ledger, apply } = transaction
  const delivery = ledger.deliveries.get(request.deliveryId)
  if (delivery?.account !== request.account) return countWithoutFact(work, request)
  const { receivedAt } = request
  const moment = { at: receivedAt, receivedAt, ids: context.ids }
  const settings = snapshot.settingsOf(request.account)
  const [fact, ...consequences] = decideEngagement({
    ...request,
    ...tools.places.find(request.ip),
    ...tools.readAgent(request.userAgent),
    requestId: requestIdOf(snapshot, request.account, request.act),
    isBurst,
    ledger,
    delivery,
    settings,
    moment,
  })
  if (fact === undefined) context.telemetry.count('bounced_engagement_dropped_total', { cause: 'mail' })
  else if (apply([fact]) > 0) apply(consequences)
}

function applyCorrections({ snapshot, transaction }: Pick<Work, 'snapshot' | 'transaction'>, { earlier }: BatchBursts): void {
  const { ledgerState, moment, apply } = transaction
  for (const [deliveryId, clicks] of earlier) {
    const delivery = ledgerState.deliveries.get(deliveryId)
    if (delivery === undefined) continue
    apply([decideMachineClicks(delivery, clicks, { settings: snapshot.settingsOf(delivery.account), moment })])
  }
}

function report({ telemetry, counterBuffer }: Context, bursts: ClickBursts, facts: readonly Fact[]): void {
  counterBuffer.count(facts)
  for (const fact of facts) {
    if (fact.kind !== 'open' && fact.kind !== 'click') continue
    const { kind, subject, at, id, data } = fact
    telemetry.count('bounced_engagement_total', { kind, by: data.machine === null ? 'person' : 'machine' })
    if (kind === 'click' && data.machine === null) bursts.remember(subject, { url: data.url, at, factId: id })
  }
}
