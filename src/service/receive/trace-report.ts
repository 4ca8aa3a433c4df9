/**
 * trace-report - publishes the way of a received mail to the trace: received, matched, committed
 *
 * A batch that is retried publishes the first two again. The facts and `report.committed` follow the commit.
 *
 * See also: trace, service/trace-facts (the facts).
 */
import type { ReportMatch } from '../../correlate/match.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { Telemetry } from '../../telemetry.ts'
import type { IncomingMail } from './incoming-mail.ts'
import type { PreparedMail } from './prepare.ts'
import type { ReceiveResult } from './receive-result.ts'

/** Publishes what was received, and which delivery it matched by which reference. Total. */
export function traceMatch(
  telemetry: Telemetry,
  { mail, digest, report, references }: PreparedMail,
  match: ReportMatch<DeliveryRow>,
): void {
  const { peer, sessionId, size, envelope } = mail
  const { account, deliveryId, via, proof, problem } = match
  const subject = { peer, sessionId, deliveryId, domains: [match.delivery?.domain ?? null] }
  telemetry.trace.publish('report.received', subject, () => ({
    digest,
    reportKind: report.kind,
    format: report.format,
    size,
    from: envelope.from,
    to: envelope.to,
    references: references.length,
  }))
  telemetry.trace.publish('report.matched', subject, () => ({ account, via, proof, problem }))
}

/** Publishes that a mail is committed, or that it was a duplicate. Total. */
export function traceResult({ trace }: Telemetry, { peer, sessionId }: IncomingMail, result: ReceiveResult): void {
  const { digest, deliveryId, isDuplicate, inboxReason } = result
  trace.publish('report.committed', { peer, sessionId, deliveryId }, () => ({ digest, isDuplicate, inboxReason }))
}
