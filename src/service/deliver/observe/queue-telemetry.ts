/**
 * queue-telemetry - metrics, debug messages and traces of the delivery queue
 *
 * See also: telemetry (METRICS), service/deliver/delivery-loop.
 */
import type { AttemptResult, Dispatch, FinalOutcome } from '../../../queue/message.ts'
import type { Telemetry } from '../../../telemetry.ts'
import type { SessionView } from '../delivery-session.ts'
import type { NotifiedTransition } from '../mail-update.ts'
import type { SendOutcome } from '../sender.ts'
import type { SettledAttempt } from '../settled-attempt.ts'
import { traceReply } from './trace-attempt.ts'
import { traceTransition } from './trace-backoff.ts'

/** Sets the gauges from a session. */
export function updateQueueGauges(telemetry: Pick<Telemetry, 'setGauge'>, { queue, sendingCount, groups }: SessionView): void {
  telemetry.setGauge('bounced_queue_lane_groups', groups.size)
  telemetry.setGauge('bounced_queue_waiting', queue.entries.size - sendingCount)
  telemetry.setGauge('bounced_queue_scheduled', queue.scheduled.size)
  telemetry.setGauge('bounced_queue_in_flight', sendingCount)
  const keysInBackoff = [...queue.keyStates.values()].filter(
    ({ episodes, manualPause }) => manualPause !== null || [...episodes.values()].some(({ state }) => state !== 'active'),
  )
  telemetry.setGauge('bounced_queue_backoff_keys', keysInBackoff.length)
}

/** Logs and traces transitions of backoff keys. */
export function reportTransitions({ log, trace }: Pick<Telemetry, 'log' | 'trace'>, transitions: readonly NotifiedTransition[]): void {
  for (const transition of transitions) {
    const { event } = transition
    if (event.kind === 'queue.manual')
      log.debug({ account: event.account, domain: event.domain, label: event.label, ended: event.ended }, 'manual pause changed')
    else log.debug({ key: event.key, class: event.class, from: event.from, to: event.to, epoch: event.epoch }, 'backoff key changed state')
    traceTransition(trace, transition)
  }
}

type AttemptReport = {
  readonly dispatch: Dispatch
  readonly sent: SendOutcome
  readonly settled: SettledAttempt
  /** Null: the message stays in the queue until `dueAt`. */
  readonly end: FinalOutcome | null
  readonly dueAt: number
  /** Milliseconds since the message was accepted. */
  readonly ageMs: number
}

/** Counts and traces an attempt, and logs its verdict. */
export function reportAttempt(telemetry: Telemetry, { dispatch, sent, settled, end, dueAt, ageMs }: AttemptReport): void {
  const verdict = settled.readingFor(end)?.verdict ?? null
  telemetry.log.debug(
    {
      deliveryId: dispatch.mailId,
      attempt: dispatch.attempt,
      result: settled.result.kind,
      reason: verdict?.reason,
      rule: verdict?.rule,
      end,
    },
    'attempt settled',
  )
  if (sent.kind !== 'sent') return
  traceReply(telemetry, dispatch, { outcome: sent.outcome, verdict, end, dueAt })
  if (end !== null) telemetry.observe('bounced_queue_seconds', ageMs / 1_000, { end })
  telemetry.count('bounced_queue_attempts_total', { outcome: outcomeLabelOf(settled.result, end) })
}

function outcomeLabelOf(result: AttemptResult, end: FinalOutcome | null): string {
  if (end === 'delivered' || end === 'failed') return end
  return result.kind === 'unreachable' ? `unreachable-${result.how}` : 'deferred'
}
