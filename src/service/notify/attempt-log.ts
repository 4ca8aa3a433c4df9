/**
 * attempt-log - records webhook requests and their responses, so that people can inspect and resend events
 *
 * Records are written in the transaction that settles the outbox rows, so both always agree. A record holds the first bytes of the last
 * responses. They are text of a third party and must be escaped wherever they are shown.
 *
 * See also: service/notify/notifier (sends), store/webhook/attempts, settings (webhooks.recordDays, webhooks.recordTries).
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
  /** Days to keep a record; 0 writes none. */
  readonly recordDays: number
  /** How many responses of one event to keep: the last ones. */
  readonly recordTries: number
}

/** One attempt, and the new state of its event. */
export type LoggedAttempt = { readonly row: OutboxRow; readonly attempt: WebhookAttempt; readonly state: WebhookRecordState }

/** Adds attempts to the records of their events. Call it in the transaction that settles the outbox rows. */
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
