/**
 * trace-attempt - publishes the attempts of the delivery queue to the trace: the dispatch, the reply with its verdict, and the requeue or end of the message
 *
 * See also: trace, smtp-client/session-trace (the session in between), service/deliver/observe/trace-backoff, service/trace-facts.
 */
import type { Verdict } from '../../../classify/verdict.ts'
import type { Dispatch, FinalOutcome } from '../../../queue/message.ts'
import type { SmtpOutcome } from '../../../smtp-client/transport.ts'
import type { LedgerState } from '../../../ledger/project/state.ts'
import type { Telemetry } from '../../../telemetry.ts'
import type { MailUpdate } from '../mail-update.ts'

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

type TracedReply = {
  readonly outcome: SmtpOutcome
  readonly verdict: Verdict | null
  /** Null: the message stays in the queue until `dueAt`. */
  readonly end: FinalOutcome | null
  readonly dueAt: number
}

/** Publishes how an attempt ended: the host, its reply or the error, the rule that decided, and when the next attempt is due. Total. */
export function traceReply(
  { trace }: Telemetry,
  { mailId: deliveryId, domain }: Dispatch,
  { outcome, verdict, end, dueAt }: TracedReply,
): void {
  trace.publish('delivery.answered', { domains: [domain], deliveryId }, () => ({
    mx: outcome.mx,
    ...(outcome.kind === 'reply' ? { code: outcome.code, phase: outcome.phase } : { error: outcome.error }),
    text: outcome.text,
    rule: verdict?.rule ?? null,
    reason: verdict?.reason ?? null,
    permanence: verdict?.permanence ?? null,
    matched: verdict?.evidence.matched.join(' … ') ?? null,
    backoffClass: verdict?.backoffClass ?? null,
    end,
    nextAttemptAt: end === null ? new Date(dueAt).toISOString() : null,
  }))
}

/** Publishes that messages were put back into the queue or left it. Call it after the commit. Total. */
export function traceUpdates({ trace }: Telemetry, updates: readonly MailUpdate[], { deliveries }: Pick<LedgerState, 'deliveries'>): void {
  for (const update of updates) {
    const { deliveryId } = update.ref
    const domain = update.kind === 'unsent' ? update.domain : (deliveries.get(deliveryId)?.domain ?? null)
    const subject = { domains: [domain], deliveryId }
    if (update.kind !== 'unsent' && update.end !== null) {
      const { end } = update
      trace.publish('delivery.ended', subject, () => ({ end }))
    } else {
      const { kind, retry } = update
      trace.publish('delivery.requeued', subject, () => ({
        isSent: kind === 'attempted',
        attempts: retry.attempts,
        nextAttemptAt: new Date(retry.dueAt).toISOString(),
      }))
    }
  }
}
