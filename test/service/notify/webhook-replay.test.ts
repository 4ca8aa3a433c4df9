/**
 * webhook-replay.test - replaying many events: a page a transaction, and each once
 */
import { describe, expect, test } from 'vitest'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { advanceOutboxDueTime, listOutbox, OUTBOX, type OutboxRow } from '../../../src/store/webhook/outbox.ts'
import { listWebhookRecords, saveWebhookRecordsForOperator, type WebhookRecord } from '../../../src/store/webhook/attempts.ts'
import { replayEvents, resumeAfterRecovery } from '../../../src/service/notify/webhook-replay.ts'
import { engines } from '../../support/engines.ts'
import { makeContext } from '../../support/context.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const OF = { account: 1, endpointId: 1 }
const ALL = { events: null, onlyFailed: false }
const idOf = (n: number): string => `0192f000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`

function record(n: number): WebhookRecord {
  const key = { ...OF, eventId: idOf(n), subject: `s${n}`, deliveryMonth: 202611, dedupKey: 'x', kind: 'request' } as const
  return { ...key, event: 'request', emailId: null, state: 'heard', tries: 1, happenedAt: T0, lastAt: T0, log: [] }
}

function row(n: number, over: Partial<OutboxRow>): OutboxRow {
  const { event: _event, emailId: _email, tries: _tries, happenedAt, lastAt: _last, log: _log, ...key } = record(n)
  return { ...key, state: 'waiting', attempts: 3, dueAt: T0 + 60_000, createdAt: happenedAt, error: 'HTTP 500', ...over }
}

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n + 1)

/** Acts as a notifier: delivers every queued event. */
async function hearAll(engine: Engine, at: number): Promise<void> {
  await engine.tx(async (db) => {
    const waiting = await listWebhookRecords(db, OF, { state: 'waiting' }, { limit: 20_000, after: null })
    await db.run('delete from outbox where account_id = $1', [1])
    await saveWebhookRecordsForOperator(
      db,
      waiting.map((each) => ({ ...each, state: 'heard', lastAt: at })),
    )
  })
}

describe.each([...engines])('$kind', ({ open }) => {
  const bench = async () => {
    const { engine } = await open()
    const clock = { now: T0 + 1 }
    return { engine, clock, context: await makeContext(engine, clock) }
  }

  test('events delivered in the meantime are not sent again; a call ends, and the next one continues', { timeout: 60_000 }, async () => {
    const { engine, clock, context } = await bench()
    await engine.tx((db) => saveWebhookRecordsForOperator(db, numbers(9_500).map(record)))
    const first = await replayEvents(context, OF, ALL)
    expect(first).toEqual({ count: 9_000, next: expect.any(String) })
    clock.now += 1
    await hearAll(engine, clock.now)
    clock.now += 1
    expect(await replayEvents(context, OF, { ...ALL, after: first.next })).toEqual({ count: 500, next: null })
    expect((await listOutbox(engine.read, 1, 1, 1_000)).map(({ eventId }) => eventId)).toEqual(numbers(500).map(idOf))
  })

  test('an event that failed and was delivered since the first call is not queued', async () => {
    const { engine, clock, context } = await bench()
    await engine.tx((db) => saveWebhookRecordsForOperator(db, numbers(3).map(record)))
    const start = clock.now
    clock.now += 10
    await engine.tx((db) => saveWebhookRecordsForOperator(db, [{ ...record(2), lastAt: clock.now }]))
    expect(await replayEvents(context, OF, { ...ALL, after: `${start}.heard.` })).toEqual({ count: 2, next: null })
  })

  test('failed events are queued again with their records, page after page', { timeout: 60_000 }, async () => {
    const { engine, context } = await bench()
    await engine.tx(async (db) => {
      await saveWebhookRecordsForOperator(db, [{ ...record(1), state: 'failed' }])
      const rows = numbers(2_100).map((n) => row(n, n === 2_100 ? { state: 'failed', kind: 'complaint' } : { state: 'failed' }))
      await db.insertMany(OUTBOX, rows)
    })
    expect(await replayEvents(context, OF, { events: null, onlyFailed: true, from: T0 + 1 })).toEqual({ count: 0, next: null })
    expect(await replayEvents(context, OF, { events: null, onlyFailed: true })).toEqual({ count: 2_100, next: null })
    const rows = await listOutbox(engine.read, 1, 1, 3_000)
    expect(new Set(rows.map(({ state, attempts, error }) => `${state} ${attempts} ${error}`))).toEqual(new Set(['waiting 0 null']))
    expect([rows[0]?.dueAt, rows.at(-1)?.dueAt]).toEqual([T0 + 2, T0 + 1])
    expect((await listWebhookRecords(engine.read, OF, { state: 'waiting' }, { limit: 10, after: null })).length).toBe(1)
  })

  test('events that wait for a retry become due when their endpoint recovers, a page a transaction, until told to stop', async () => {
    const { engine, context } = await bench()
    const other = row(9_999, { endpointId: 2 })
    await engine.tx((db) => db.insertMany(OUTBOX, [...numbers(2_100).map((n) => row(n, {})), other]))
    expect(await engine.tx((db) => advanceOutboxDueTime(db, OF, { dueAt: T0, limit: 100 }))).toBe(100)
    await resumeAfterRecovery(context, OF, { shouldReplay: true, shouldStop: () => true })
    const due = async (): Promise<number> => (await listOutbox(engine.read, 1, 1, 3_000)).filter(({ dueAt }) => dueAt <= T0 + 1).length
    expect(await due()).toBe(100)
    await resumeAfterRecovery(context, OF, { shouldReplay: true, shouldStop: () => false })
    expect(await due()).toBe(2_100)
    expect(await listOutbox(engine.read, 1, 2, 10)).toEqual([other])
  })

  test.each(['', 'x', '1.heard', '1.gone.', `1.heard.${idOf(1)}x`])('a malformed cursor is refused: %j', async (after) => {
    const { context } = await bench()
    await expect(replayEvents(context, OF, { ...ALL, after })).rejects.toMatchObject({ code: 'bad_request' })
  })
})
