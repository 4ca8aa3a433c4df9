/**
 * trace-attempt - publishes the attempts of the delivery queue to the trace: the dispatch, and the reply with its verdict
 *
 * See also: trace, service/trace-facts (transitions of backoff keys are facts).
 */
import type { Verdict } from '../../classify/verdict.ts'
import type { Dispatch, FinalOutcome } from '../../queue/message.ts'
import type { SmtpOutcome } from '../../smtp-client/transport.ts'
import type { Telemetry } from '../../telemetry.ts'

/** Publishes that a message is handed to the SMTP client. Total. */
export function traceDispatch({ trace }: Telemetry, dispatch: Dispatch): void {
  const { mailId: deliveryId, domain, egressIp, attempt, probe, site } = dispatch
  trace.publish('delivery.dispatched', { domains: [domain], deliveryId }, () => ({
    domain,
    site,
    egressIp,
    attempt,
    probe,
  }))
}

type Answer = {
  readonly outcome: SmtpOutcome
  readonly verdict: Verdict | null
  /** Null: the message stays in the queue until `dueAt`. */
  readonly end: FinalOutcome | null
  readonly dueAt: number
}

/** Publishes how an attempt ended: the host, its reply or the error, the rule that decided, and when the next attempt is due. Total. */
export function traceAnswer(
  { trace }: Telemetry,
  { mailId: deliveryId, domain }: Dispatch,
  { outcome, verdict, end, dueAt }: Answer,
): void {
  trace.publish('delivery.answered', { domains: [domain], deliveryId }, () => ({
    mx: outcome.mx,
    ...(outcome.kind === 'reply' ? { code: outcome.code, phase: outcome.phase } : { error: outcome.error }),
    text: outcome.text,
    rule: verdict?.rule ?? null,
    reason: verdict?.reason ?? null,
    end,
    nextAttemptAt: end === null ? new Date(dueAt).toISOString() : null,
  }))
}
