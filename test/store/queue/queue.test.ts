/** queue.test - queued messages, their bodies, the backoff keys and the lease, on both engines */
import { describe, expect, test } from 'vitest'
import { ALL_LANE_GROUPS } from '../../../src/queue/lane-group.ts'
import { releaseLeaseForOperator, holdsLease, renewLeaseForOperator, acquireLeaseForOperator } from '../../../src/store/engine/lease.ts'
import { findQueuedBody, removeUnneededBodies } from '../../../src/store/queue/queued-bodies.ts'
import {
  addQueuedMessages,
  markDispatchedForOperator,
  type NewQueuedMessage,
  listQueuedMessagesForOperator,
  requeueMessagesForOperator,
  type QueueCursor,
  removeAttemptedMessagesForOperator,
  removeQueuedMessagesForOperator,
  claimNewMessagesForOperator,
  type QueuedMessageSummary,
} from '../../../src/store/queue/queued-mail.ts'
import {
  addQueuedFeedbackForOperator,
  listBackoffKeysForOperator,
  removeOldQueuedFeedbackForOperator,
  saveBackoffKeysForOperator,
  listQueuedFeedbackForOperator,
  removeQueuedFeedbackForOperator,
} from '../../../src/store/queue/backoff-keys.ts'
import { engines } from '../../support/engines.ts'

const HOUR = 3_600_000
import { countQueued } from '../../support/look.ts'
import { T0 } from '../sample.ts'

const MONTH = 24_317

const mail = (n: number, more: Partial<NewQueuedMessage> = {}): NewQueuedMessage => ({
  deliveryId: `d${String(n).padStart(6, '0')}`,
  deliveryMonth: MONTH,
  recipient: `user${n}@example.com`,
  domain: 'example.com',
  laneGroup: 7,
  senderDomain: 'example.org',
  labelName: n % 2 === 0 ? null : 'Spring 🌷',
  labelId: n % 2 === 0 ? null : 12,
  isBatch: n % 3 === 0,
  variables: { name: `Ünïcode "${n}"` },
  keyIndex: n % 2 === 0 ? null : 3,
  acceptedAt: T0 + n,
  requestedAt: n % 2 === 0 ? null : T0,
  dueAt: 0,
  ...more,
})

const ref = (n: number, account = 1) => ({ account, deliveryId: mail(n).deliveryId, deliveryMonth: MONTH })
const body = (bodyId: string) => ({ bodyId, content: `{"subject":"${bodyId}"}`, createdAt: T0 })

describe.each(engines)('queue: $kind', ({ open }) => {
  test('lists the messages of all accounts by page, oldest first, each once', async () => {
    const { engine } = await open()
    await engine.tx((db) =>
      addQueuedMessages(
        db,
        2,
        body('b'),
        [1, 3, 5].map((n) => mail(n)),
      ),
    )
    await engine.tx((db) =>
      addQueuedMessages(
        db,
        1,
        body('b'),
        [2, 3, 4].map((n) => mail(n)),
      ),
    )
    const seen: QueuedMessageSummary[] = []
    for (let after: QueueCursor | null = null; ;) {
      const page: readonly QueuedMessageSummary[] = await listQueuedMessagesForOperator(engine.read, {
        groups: ALL_LANE_GROUPS,
        after: after,
        limit: 2,
      })
      seen.push(...page)
      after = page.at(-1) ?? null
      if (page.length < 2) break
    }
    expect(seen.map(({ account, deliveryId }) => `${account} ${Number(deliveryId.slice(1))}`)).toEqual([
      '2 1',
      '1 2',
      '1 3',
      '2 3',
      '1 4',
      '2 5',
    ])
  })

  test('claims new messages once; marking returns the whole message, and nothing for a removed one', async () => {
    const { engine } = await open()
    await engine.tx((db) => addQueuedMessages(db, 1, body('b'), [mail(1), mail(2)]))
    const take = async () => engine.tx((db) => claimNewMessagesForOperator(db, ALL_LANE_GROUPS, 10), { visibility: 'latest' })
    expect((await take()).map(({ deliveryId }) => deliveryId).toSorted()).toEqual(['d000001', 'd000002'])
    expect(await take()).toEqual([])
    const marked = await engine.tx((db) =>
      markDispatchedForOperator(db, [ref(2), ref(9), ref(1, 2)], { at: T0 + 9, markedBy: 'test 1', groups: ALL_LANE_GROUPS }),
    )
    expect(marked).toMatchObject([{ ...mail(2), account: 1, bodyId: 'b', attempts: 0, dispatchedAt: T0 + 9 }])
    expect(await countQueued(engine.read)).toEqual({ waiting: 2, dispatched: 1 })
  })

  test('requeues a message; leaves one alone that another node has marked since', async () => {
    const { engine } = await open()
    await engine.tx((db) => addQueuedMessages(db, 1, body('b'), [mail(1), mail(2)]))
    await engine.tx((db) => markDispatchedForOperator(db, [ref(1), ref(2)], { at: T0 + 9, markedBy: 'test 1', groups: ALL_LANE_GROUPS }))
    await engine.tx((db) => markDispatchedForOperator(db, [ref(2)], { at: T0 + 50, markedBy: 'test 1', groups: ALL_LANE_GROUPS }))
    const back = { dueAt: T0 + 60, attempts: 1, refusedBy: ['192.0.2.1'], dispatchedAt: T0 + 9 }
    await engine.tx((db) =>
      requeueMessagesForOperator(
        db,
        [
          { ...ref(1), ...back },
          { ...ref(2), ...back },
        ],
        ALL_LANE_GROUPS,
      ),
    )
    const rows = await listQueuedMessagesForOperator(engine.read, { groups: ALL_LANE_GROUPS, after: null, limit: 10 })
    expect(rows[0]).toMatchObject({ dueAt: T0 + 60, attempts: 1, refusedBy: ['192.0.2.1'], dispatchedAt: null })
    expect(rows[1]).toMatchObject({ dueAt: 0, attempts: 0, refusedBy: [], dispatchedAt: T0 + 50 })
  })

  test('removes a body with the last message that needs it', async () => {
    const { engine } = await open()
    await engine.tx((db) => addQueuedMessages(db, 1, body('a'), [mail(1), mail(2)]))
    await engine.tx((db) => addQueuedMessages(db, 1, body('a'), [mail(3)]))
    await engine.tx((db) => addQueuedMessages(db, 1, body('b'), [mail(4)]))
    await engine.tx((db) => addQueuedMessages(db, 2, body('a'), [mail(1)]))
    expect(await engine.tx((db) => removeQueuedMessagesForOperator(db, [ref(1), ref(3), ref(4), ref(8)]))).toBe(3)
    expect(await engine.tx((db) => removeQueuedMessagesForOperator(db, [ref(1), ref(3)]))).toBe(0)
    expect(await findQueuedBody(engine.read, 1, 'a')).toBe('{"subject":"a"}')
    expect(await findQueuedBody(engine.read, 1, 'b')).toBeNull()
    expect(await engine.tx((db) => removeQueuedMessagesForOperator(db, [ref(2)]))).toBe(1)
    expect(await findQueuedBody(engine.read, 1, 'a')).toBeNull()
    expect(await findQueuedBody(engine.read, 2, 'a')).toBe('{"subject":"a"}')
  })

  test('an ended attempt removes its message only while no other node has marked it', async () => {
    const { engine } = await open()
    await engine.tx((db) => addQueuedMessages(db, 1, body('a'), [mail(1), mail(2), mail(3)]))
    await engine.tx((db) => markDispatchedForOperator(db, [ref(1), ref(2)], { at: T0 + 10, markedBy: 'test 1', groups: ALL_LANE_GROUPS }))
    await engine.tx((db) => markDispatchedForOperator(db, [ref(2)], { at: T0 + 50, markedBy: 'test 1', groups: ALL_LANE_GROUPS }))
    const ended = [ref(1), ref(2), ref(3)].map((each) => ({ ...each, dispatchedAt: T0 + 10 }))
    const removed = await engine.tx(async (db) => {
      const uses = await removeAttemptedMessagesForOperator(db, ended)
      db.commitWith(removeUnneededBodies(db, uses))
      return uses
    })
    expect(removed).toEqual([ref(1), ref(3)].map(({ account }) => ({ account, bodyId: 'a' })))
    expect(await listQueuedMessagesForOperator(engine.read, { groups: ALL_LANE_GROUPS, after: null, limit: 10 })).toMatchObject([
      { ...ref(2), dispatchedAt: T0 + 50 },
    ])
    expect(await findQueuedBody(engine.read, 1, 'a')).toBe('{"subject":"a"}')
  })

  test('queues a message once', async () => {
    const { engine } = await open()
    await engine.tx((db) => addQueuedMessages(db, 1, body('a'), [mail(1)]))
    await expect(engine.tx((db) => addQueuedMessages(db, 1, body('a'), [mail(1)]))).rejects.toMatchObject({ code: 'conflict' })
    expect(await countQueued(engine.read)).toEqual({ waiting: 1, dispatched: 0 })
  })

  test('with nodes that share a server, a clock that is wrong neither takes a lease nor keeps one', async () => {
    const { engine } = await open()
    const take = async (holder: string, now: number, leaseMs: number) =>
      engine.tx((db) => acquireLeaseForOperator(db, { name: 'deliver', holder, now, leaseMs }), { visibility: 'latest' })
    await take('a', T0, HOUR)
    // SQLite has one node, whose clock counts.
    const taken = await take('b', T0 + 2 * HOUR, HOUR)
    expect(taken?.holder ?? null).toBe(engine.kind === 'sqlite' ? 'b' : null)
    await take('a', T0 + 50 * HOUR, 0)
    expect(await take('b', T0 + 50 * HOUR, HOUR)).toMatchObject({ holder: 'b' })
  })

  test('overwrites and removes keys; removes the feedback that was read, and what nobody reads', async () => {
    const { engine } = await open()
    const row = (key: string, name: string, data: string) => ({ key, name, data, laneGroup: 7 })
    await engine.tx((db) => saveBackoffKeysForOperator(db, [row('ip|x|y', 'gate', '{}'), row('ip|x|y', 'network', '{"n":1}')], []))
    await engine.tx((db) => saveBackoffKeysForOperator(db, [row('ip|x|y', 'network', '{"n":2}')], [{ key: 'ip|x|y', name: 'gate' }]))
    expect(await listBackoffKeysForOperator(engine.read)).toEqual([row('ip|x|y', 'network', '{"n":2}')])
    const report = { account: 1, id: '0190a6e0-0000-7000-8000-000000000001', kind: 'complaint', at: T0, laneGroup: 7 } as const
    for (let i = 0; i < 2; i++) await engine.tx((db) => addQueuedFeedbackForOperator(db, [report]))
    const list = () => listQueuedFeedbackForOperator(engine.read, ALL_LANE_GROUPS, 5)
    expect(await list()).toEqual([report])
    for (let i = 0; i < 2; i++) await engine.tx((db) => removeQueuedFeedbackForOperator(db, [report]))
    expect(await list()).toEqual([])
    const left = ['01', '02', '03'].map((end, n) => ({ ...report, id: `${report.id.slice(0, -2)}${end}`, at: T0 + n }))
    await engine.tx((db) => addQueuedFeedbackForOperator(db, left))
    const gone = [
      await engine.tx((db) => removeOldQueuedFeedbackForOperator(db, T0 + 2, 1)),
      await engine.tx((db) => removeOldQueuedFeedbackForOperator(db, T0 + 2, 9)),
    ]
    expect([gone, await list()]).toEqual([[1, 1], left.slice(2)])
  })

  test('a lease has one holder, is acquired after it expired, and is renewed by its term only', async () => {
    const { engine } = await open()
    const take = async (holder: string, now: number, leaseMs = HOUR) =>
      engine.tx((db) => acquireLeaseForOperator(db, { name: 'deliver', holder, now, leaseMs }), { visibility: 'latest' })
    const renew = async (term: number, leaseMs: number) =>
      engine.tx((db) => renewLeaseForOperator(db, { name: 'deliver', term, now: T0, leaseMs }))
    const first = (await take('a', T0))?.term ?? 0
    expect(first).toBeGreaterThan(1_700_000_000)
    expect(await take('a', T0)).toMatchObject({ holder: 'a', term: first + 1, untilAt: T0 + HOUR })
    expect(await take('b', T0 + 1)).toBeNull()
    expect(await take('a', T0 + 1)).toMatchObject({ holder: 'a', term: first + 2 })
    expect(await renew(first + 1, 0)).toBe(false)
    expect(await take('b', T0 + 1)).toBeNull()
    expect(await renew(first + 2, 0)).toBe(true)
    expect(await take('b', T0)).toMatchObject({ holder: 'b', term: first + 3 })
    expect(await engine.tx((db) => holdsLease(db, { name: 'deliver', term: first + 2 }))).toBe(false)
    expect(await engine.tx((db) => holdsLease(db, { name: 'deliver', term: first + 3 }))).toBe(true)
    await engine.tx((db) => releaseLeaseForOperator(db, { name: 'deliver', term: first + 3 }))
    expect(await take('a', T0 + 10)).toMatchObject({ holder: 'a', term: first + 4 })
  })
})
