/**
 * trace-facts - publishes committed facts and the webhook events that they queue
 *
 * Each fact shows what it decided, by which rule, and what it changes. The subject is the delivery with its recipient domain; for a fact that a received mail
 * gave, also the peer and the session.
 *
 * See also: trace, service/transact (the caller), service/alarm-log (the same facts in the log).
 */
import type { Fact } from '../ledger/facts/fact.ts'
import type { LedgerState } from '../ledger/project/state.ts'
import type { Telemetry } from '../telemetry.ts'
import type { TraceSubject } from '../trace.ts'
import type { QueuedWebhook } from './commit.ts'

/** The session whose mail gave a fact. */
export type FactOrigin = Pick<TraceSubject, 'peer' | 'sessionId'>

type FactContext = {
  readonly ledgerState: Pick<LedgerState, 'deliveries'>
  readonly originOf?: ((fact: Fact) => FactOrigin | null) | undefined
}

/** Publishes one event for each fact. Call it after the commit. Total. */
export function traceFacts({ trace }: Pick<Telemetry, 'trace'>, facts: readonly Fact[], context: FactContext): void {
  for (const fact of facts) trace.publish('fact', subjectOf(fact, context), () => fieldsOf(fact))
}

/** Publishes one event for each endpoint that a fact waits for. Call it after the commit. Total. */
export function traceQueuedWebhooks({ trace }: Pick<Telemetry, 'trace'>, queued: readonly QueuedWebhook[], context: FactContext): void {
  for (const { fact, endpointId } of queued)
    trace.publish('webhook.queued', subjectOf(fact, context), () => ({ fact: fact.kind, endpoint: endpointId, eventId: fact.id }))
}

function subjectOf(fact: Fact, { ledgerState, originOf }: FactContext): TraceSubject {
  const { deliveryId } = fact
  const domain = deliveryId === null ? null : (ledgerState.deliveries.get(deliveryId)?.domain ?? null)
  const origin = originOf?.(fact)
  return { peer: origin?.peer ?? null, sessionId: origin?.sessionId ?? null, deliveryId, domains: [domain, ...domainsOf(fact)] }
}

function domainsOf(fact: Fact): readonly string[] {
  if (fact.kind === 'queue') return fact.data.domains
  return fact.kind === 'list' ? [fact.data.domain] : []
}

type Fields = Readonly<Record<string, string | number | boolean | null>>

function fieldsOf(fact: Fact): Fields {
  const common = { fact: fact.kind, account: fact.account, eventId: fact.id }
  if (fact.kind === 'list') {
    const { list, action, reason, rule, until, pending } = fact.data
    return { ...common, list, action, reason, rule, pending, until: until === null ? null : new Date(until).toISOString() }
  }
  if (fact.kind === 'queue') {
    const { move, key, class: name, from, to, waiting } = fact.data
    return { ...common, move, key, class: name, from, to, waiting }
  }
  if (fact.kind === 'inbox') return { ...common, reason: fact.data.reason }
  if (fact.kind === 'alarm') return { ...common, alarm: fact.data.alarm }
  return { ...common, ...decisionOf(fact.data) }
}

/** The verdict and the effect, where a fact has them. */
function decisionOf(data: Fact['data']): Fields {
  const verdict = 'verdict' in data && typeof data.verdict === 'object' ? data.verdict : null
  const effect = 'effect' in data ? data.effect : null
  return {
    ...(verdict === null ? {} : { rule: verdict.rule, reason: verdict.reason, permanence: verdict.permanence, text: verdict.text }),
    ...(effect === null ? {} : { status: effect.status, subStatus: effect.subStatus }),
  }
}
