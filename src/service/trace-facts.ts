/**
 * trace-facts - publishes decisions to the trace: what each fact decided, by which rule, and what it changes
 *
 * See also: trace, service/alarm-log (the same facts in the log).
 */
import type { Fact } from '../ledger/facts/fact.ts'
import type { Telemetry } from '../telemetry.ts'
import type { TraceSubject } from '../trace.ts'

/** Publishes one event for each fact. `subject` adds what a fact does not say: the peer, or the recipient's domain. Total. */
export function traceFacts({ trace }: Pick<Telemetry, 'trace'>, facts: readonly Fact[], subject: TraceSubject = {}): void {
  for (const fact of facts) {
    const { deliveryId } = fact
    const domains = [...(subject.domains ?? []), ...domainsOf(fact)]
    trace.publish('fact', { ...subject, domains, deliveryId: deliveryId ?? subject.deliveryId ?? null }, () => fieldsOf(fact))
  }
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
