/**
 * endpoint-health.test - what a person sees of an endpoint's health, and the test event that it gets
 */
import { describe, expect, test } from 'vitest'
import { readEndpointHealth } from '../../../src/service/notify/endpoint-health.ts'
import { saveWebhookRecordsForOperator, type WebhookRecord } from '../../../src/store/webhook/attempts.ts'
import { OUTBOX, type OutboxRow } from '../../../src/store/webhook/outbox.ts'
import { engines } from '../../support/engines.ts'

const NOW = Date.UTC(2026, 10, 29, 12)
const REF = { account: 1, endpointId: 1 }
const uuid = (n: number): string => `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`

const row = (n: number, over: Partial<OutboxRow> = {}): OutboxRow => ({
  ...REF,
  eventId: uuid(n),
  subject: 's',
  deliveryMonth: 202_611,
  dedupKey: `k${n}`,
  kind: 'failed',
  state: 'waiting',
  attempts: 1,
  dueAt: NOW,
  createdAt: NOW - n * 1_000,
  error: null,
  ...over,
})

function record(n: number, log: WebhookRecord['log']): WebhookRecord {
  const { subject, deliveryMonth, dedupKey, kind, eventId } = row(n)
  const key = { ...REF, eventId, subject, deliveryMonth, dedupKey, kind }
  return { ...key, event: 'invalid', emailId: null, state: 'heard', tries: log.length, happenedAt: NOW, lastAt: NOW, log }
}

describe.each(engines)('$kind', ({ open }) => {
  test('attempts of the last day are counted, and those without a response have no duration', async () => {
    const { engine } = await open()
    await engine.tx((db) =>
      saveWebhookRecordsForOperator(db, [
        record(1, [
          { at: NOW - 2_000, status: 0, millis: 10_000, answer: 'timeout' },
          { at: NOW - 1_000, status: 200, millis: 40, answer: '' },
        ]),
        record(2, [{ at: NOW - 90_000_000, status: 500, millis: 9_000, answer: 'long ago' }]),
        record(3, [{ at: NOW - 3_000, status: 503, millis: 80, answer: 'busy' }]),
      ]),
    )
    expect(await readEndpointHealth(engine.read, REF, NOW)).toMatchObject({
      accepted: 1,
      refused: 2,
      medianMs: 40,
      p95Ms: 80,
      lastAcceptedAt: NOW - 1_000,
      lastRefusedAt: NOW - 2_000,
      waiting: 0,
      oldestWaitingAt: null,
    })
  })

  test('what waits and what was given up is counted for this endpoint alone', async () => {
    const { engine } = await open()
    await engine.tx((db) =>
      db.insertMany(OUTBOX, [row(1), row(2, { state: 'sending' }), row(3, { state: 'failed' }), row(4, { endpointId: 2 })]),
    )
    const health = await readEndpointHealth(engine.read, REF, NOW)
    expect(health).toMatchObject({ waiting: 2, failed: 1, accepted: 0, refused: 0, medianMs: null })
  })
})
