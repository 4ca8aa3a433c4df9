/**
 * attempt-log - writes down what an endpoint was sent and answered, so that people can look it up and send it again
 *
 * In the transaction that settles the batch: a record and its outbox row never tell two stories. Answers are strangers' words, and kept
 * as such: their first bytes, of the last attempts.
 *
 * See also: service/notify/notifier (who sends), store/webhook/attempts, settings (webhooks.recordDays, webhooks.recordTries).
 */
import type { Database } from '../../store/engine/engine.ts'
import type { OutboxRow } from '../../store/webhook/outbox.ts'
import {
  findWebhookRecordsForOperator,
  saveWebhookRecordsForOperator,
  type WebhookRecordState,
  type WebhookRecord,
} from '../../store/webhook/attempts.ts'
import type { WebhookAttempt } from './webhook-sender.ts'

export type AttemptLogRules = {
  /** Days that a record is kept; 0: none is written. */
  readonly recordDays: number
  /** Attempts of one event whose answers are kept: the last. */
  readonly recordTries: number
}

/** One attempt and what became of its row. */
export type LoggedAttempt = { readonly row: OutboxRow; readonly attempt: WebhookAttempt; readonly state: WebhookRecordState }

/** Adds attempts to their records. */
export async function logAttempts(
  db: Database,
  attempts: readonly LoggedAttempt[],
  { recordDays, recordTries: kept }: AttemptLogRules,
): Promise<void> {
  if (recordDays === 0 || attempts.length === 0) return
  const rows = attempts.map(({ row }) => row)
  const known = new Map((await findWebhookRecordsForOperator(db, rows)).map((record) => [record.eventId, record]))
  await saveWebhookRecordsForOperator(
    db,
    attempts.map((each) => recordOf(each, known.get(each.row.eventId) ?? null, kept)),
  )
}

function recordOf({ row, attempt, state }: LoggedAttempt, old: WebhookRecord | null, kept: number): WebhookRecord {
  const { account, endpointId, eventId, subject, deliveryMonth, dedupKey, kind, createdAt } = row
  const { event, emailId, at, status, millis, answer } = attempt
  return {
    account,
    endpointId,
    eventId,
    subject,
    deliveryMonth,
    dedupKey,
    kind,
    event,
    emailId,
    state,
    tries: (old?.tries ?? 0) + 1,
    happenedAt: old?.happenedAt ?? createdAt,
    lastAt: at,
    log: [...(old?.log ?? []), { at, status, millis, answer }].slice(-kept),
  }
}
