/**
 * trace-report - publishes the way of a received mail to the trace: received, matched, decided, committed
 *
 * A batch that is tried again publishes its decisions again. Only `report.committed` says that they are stored.
 *
 * See also: trace, service/trace-facts.
 */
import type { ReportMatch } from '../../correlate/match.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { Telemetry } from '../../telemetry.ts'
import { traceFacts } from '../trace-facts.ts'
import type { IncomingMail } from './incoming-mail.ts'
import type { PreparedMail } from './prepare.ts'
import type { ReceiveResult } from './receive-result.ts'

/** Publishes what was received, which delivery it matched and by which reference, and what was decided. Total. */
export function traceDecision(
  telemetry: Telemetry,
  { mail, digest, report, references }: PreparedMail,
  match: ReportMatch<DeliveryRow>,
  facts: readonly Fact[],
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
  traceFacts(telemetry, facts, subject)
}

/** Publishes that a mail is committed, or that it was a duplicate. Total. */
export function traceResult({ trace }: Telemetry, { peer, sessionId }: IncomingMail, result: ReceiveResult): void {
  const { digest, deliveryId, isDuplicate, inboxReason } = result
  trace.publish('report.committed', { peer, sessionId, deliveryId }, () => ({ digest, isDuplicate, inboxReason }))
}
