/** label-pause.test - a person pauses or deletes the mail of one label: that mail waits, whenever it comes, and all other mail leaves */
import { expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { ALL_LANE_GROUPS, laneGroupOf } from '../../src/queue/lane-group.ts'
import { explainWaiting } from '../../src/queue/observe/waiting-reason.ts'
import { statusOfLane } from '../../src/queue/observe/lane-view.ts'
import { applyCommand, createQueue, enqueue, nextDispatchBatch, type Queue } from '../../src/queue/queue.ts'
import type { OperatorCommand } from '../../src/queue/schedule/operator-commands.ts'
import { applyAttemptResult } from '../../src/queue/schedule/attempt-result.ts'
import { collectGarbage } from '../../src/queue/schedule/garbage-collect.ts'
import { releaseGroups } from '../../src/queue/schedule/release-groups.ts'
import { restoreKeyStates, snapshotKeyStates } from '../../src/queue/snapshot.ts'
import { DAY, GIVE_UP, HOUR, mailOf, MINUTE, refusal, runUntil, T0 } from './play.ts'

const newQueue = (): Queue => createQueue({ policy: BACKOFF_POLICIES.default, seed: 3, pools: { '*': ['192.0.2.1'] } })

/** Mails named LABEL@DOMAIN, `-` for none. */
function add(queue: Queue, now: number, ...names: readonly string[]): void {
  for (const name of names) {
    const [label, domain = ''] = name.split('@')
    const of = label === '-' ? {} : { label: Number(label) }
    enqueue(queue, mailOf(name, now, { domain, site: domain, mxSet: `mx.${domain}`, ...of }), now)
  }
}

const pause = (queue: Queue, over: Partial<Extract<OperatorCommand, { kind: 'pause' }>>, now: number = T0) =>
  applyCommand(queue, { kind: 'pause', account: 1, domain: null, label: 1, until: null, after15Days: 'keep', ...over }, now)

const sendable = (queue: Queue, now: number): readonly string[] =>
  nextDispatchBatch(queue, now, 20)
    .dispatches.map(({ mailId }) => mailId)
    .toSorted()

test.each([
  // domain           mails that leave
  [null, ['-@a.example', '2@a.example']],
  ['a.example', ['-@a.example', '1@b.example', '2@a.example']],
  ['other.example', ['-@a.example', '1@a.example', '1@b.example', '2@a.example']],
])('a pause of label 1 at %j, before and after its mail came', (domain, want) => {
  const names = ['1@a.example', '-@a.example', '1@b.example', '2@a.example']
  const [before, after] = [newQueue(), newQueue()]
  pause(before, { domain })
  add(before, T0, ...names)
  add(after, T0, ...names)
  pause(after, { domain })
  expect([sendable(before, T0), sendable(after, T0)]).toEqual([want, want])
})

test('another account has its own labels', () => {
  const queue = newQueue()
  pause(queue, { account: 2 })
  add(queue, T0, '1@a.example')
  expect(sendable(queue, T0)).toEqual(['1@a.example'])
})

test.each([
  ['Recover of the label', { kind: 'recover', account: 1, domain: null, label: 1, how: 'immediate' }, T0],
  ['Recover of everything', { kind: 'recover', account: 1, domain: null, how: 'immediate' }, T0],
  ['Recover of a domain', { kind: 'recover', account: 1, domain: 'a.example', how: 'immediate' }, T0],
  ['Recover of the key', { kind: 'recover-key', key: 'manual|1|*|1', how: 'immediate' }, T0],
  ['its time', null, T0 + HOUR],
] as const)('the pause ends by %s', (_how, command, at) => {
  const queue = newQueue()
  add(queue, T0, '1@a.example')
  pause(queue, { until: T0 + HOUR })
  expect(sendable(queue, T0)).toEqual([])
  const events = command === null ? nextDispatchBatch(queue, at, 0).events : applyCommand(queue, command, T0)
  expect(events).toEqual([{ kind: 'queue.manual', at, account: 1, domain: null, label: 1, until: null, ended: true }])
  expect(sendable(queue, at)).toEqual(['1@a.example'])
  expect(queue.labelPauses.size).toBe(0)
})

test('Recover of another label, and of another domain, leaves the pause', () => {
  const queue = newQueue()
  add(queue, T0, '1@a.example')
  pause(queue, { domain: 'a.example' })
  applyCommand(queue, { kind: 'recover', account: 1, domain: null, label: 2, how: 'immediate' }, T0)
  applyCommand(queue, { kind: 'recover', account: 1, domain: 'b.example', how: 'immediate' }, T0)
  expect(sendable(queue, T0)).toEqual([])
})

test('an attempt in flight is deferred into the pause, which its label alone has', () => {
  const queue = newQueue()
  add(queue, T0, '1@a.example', '-@a.example')
  const { dispatches } = nextDispatchBatch(queue, T0, 2)
  pause(queue, {})
  for (const { number } of dispatches) applyAttemptResult(queue, number, refusal('greylist'), T0 + MINUTE)
  expect(sendable(queue, T0 + DAY)).toEqual(['-@a.example'])
})

test.each([
  [{ kind: 'delete', account: 1, domain: null, label: 1, accepted: { from: 0, until: T0 + 1 } }, ['1@a.example', '1@b.example']],
  [{ kind: 'delete', account: 1, domain: 'b.example', label: 1, accepted: { from: 0, until: T0 + 1 } }, ['1@b.example']],
  [{ kind: 'delete', account: 1, domain: null, label: 1, accepted: { from: 0, until: T0 } }, []],
  [{ kind: 'delete', account: 1, domain: null, label: 9, accepted: { from: 0, until: T0 + 1 } }, []],
] as const)('%j', (command, want) => {
  const queue = newQueue()
  add(queue, T0, '1@a.example', '-@a.example', '1@b.example', '2@b.example')
  const events = applyCommand(queue, command, T0)
  expect(events.map((event) => 'mailId' in event && 'end' in event && [event.mailId, event.end])).toEqual(want.map((id) => [id, 'deleted']))
})

test('a pause without an end deletes the mail of its label alone after 15 days, if so ordered', () => {
  const queue = newQueue()
  pause(queue, { after15Days: 'delete' })
  add(queue, T0 + 14 * DAY, '1@a.example', '2@a.example')
  const { events } = nextDispatchBatch(queue, T0 + 15 * DAY, 0)
  expect(events.filter(({ kind }) => kind === 'mail.ended')).toMatchObject([{ mailId: '1@a.example', end: 'deleted' }])
})

test('the pause survives a restart, whether its mail or its key is loaded first', () => {
  const queue = newQueue()
  pause(queue, {})
  const rows = snapshotKeyStates(queue)
  const [keysFirst, mailFirst] = [newQueue(), newQueue()]
  restoreKeyStates(keysFirst, rows, T0)
  add(keysFirst, T0, '1@a.example', '2@a.example')
  add(mailFirst, T0, '1@a.example', '2@a.example')
  restoreKeyStates(mailFirst, rows, T0)
  expect([sendable(keysFirst, T0), sendable(mailFirst, T0)]).toEqual([['2@a.example'], ['2@a.example']])
})

test('a node that gives groups away keeps the pauses of a person, with or without mail', () => {
  const queue = newQueue()
  pause(queue, {})
  applyCommand(queue, { kind: 'pause', account: 1, domain: 'b.example', until: null, after15Days: 'keep' }, T0)
  applyCommand(queue, { kind: 'rate', account: 1, domain: 'c.example', perMinute: 6 }, T0)
  releaseGroups(queue, new Set([...ALL_LANE_GROUPS].filter((group) => group !== 0)), T0)
  expect([laneGroupOf('a.example'), laneGroupOf('b.example')]).not.toContain(0)
  add(queue, T0, '1@a.example', '-@b.example', '-@a.example')
  expect(sendable(queue, T0)).toEqual(['-@a.example'])
  expect(queue.keyStates.get('lane|1|c.example')?.operatorRate).toBe(6)
})

test('paused mail does not age, and does not keep other mail of its lane alive', () => {
  const queue = newQueue()
  add(queue, T0, '1@a.example')
  add(queue, T0 + 1, '-@a.example')
  pause(queue, {})
  const refuse = () => refusal('greylist')
  const { events } = runUntil(queue, T0, T0 + 14 * DAY, refuse)
  const endedAt = (from: typeof events) => from.flatMap((event) => (event.kind === 'mail.ended' ? [[event.mailId, event.end]] : []))
  expect(endedAt(events)).toEqual([['-@a.example', 'given-up']])
  const recovered = applyCommand(queue, { kind: 'recover', account: 1, domain: null, label: 1, how: 'immediate' }, T0 + 14 * DAY)
  expect(recovered).toHaveLength(1)
  const rest = runUntil(queue, T0 + 14 * DAY, T0 + 15 * DAY + GIVE_UP, refuse)
  expect(endedAt(rest.events)).toEqual([['1@a.example', 'given-up']])
})

test('mail behind paused mail expires though its lane cannot send', () => {
  const queue = newQueue()
  add(queue, T0, '1@a.example')
  add(queue, T0 + 1, '-@a.example')
  pause(queue, {})
  const { events } = runUntil(queue, T0, T0 + GIVE_UP + 2 * HOUR, () => refusal('ip-blocklist'))
  expect(events.flatMap((event) => (event.kind === 'mail.ended' ? [event.mailId] : []))).toEqual(['-@a.example'])
})

const statusOf = (queue: Queue, domain: string) => {
  const lane = queue.lanes.get(`lane|1|${domain}`)
  return lane === undefined ? null : statusOfLane(queue, lane, T0)
}

test('the lane shows the pause, and is stopped only if nothing else waits', () => {
  const queue = newQueue()
  add(queue, T0, '1@a.example', '-@a.example', '1@b.example', '-@c.example')
  pause(queue, { until: T0 + HOUR })
  const paused = { label: 1, key: 'manual|1|*|1', until: T0 + HOUR, waiting: 1 }
  nextDispatchBatch(queue, T0, 0)
  expect(statusOf(queue, 'a.example')).toMatchObject({ state: 'active', isStopped: false, pausedLabels: [paused] })
  expect(statusOf(queue, 'b.example')).toMatchObject({
    state: 'manual',
    isStopped: true,
    reason: 'Paused by user',
    key: 'manual|1|*|1',
    nextSendingAt: T0 + HOUR,
    pausedLabels: [paused],
  })
  expect(statusOf(queue, 'c.example')).not.toHaveProperty('pausedLabels')
})

test('a lane with a pause of its own stays visible without mail', () => {
  const queue = newQueue()
  pause(queue, { domain: 'a.example' })
  const restored = newQueue()
  restoreKeyStates(restored, snapshotKeyStates(queue), T0)
  collectGarbage(restored, T0 + 2 * HOUR)
  expect(statusOf(restored, 'a.example')).toMatchObject({ state: 'active', waiting: 0, pausedLabels: [{ label: 1, waiting: 0 }] })
})

test('why a mail waits depends on its own label', () => {
  const queue = newQueue()
  add(queue, T0, '1@a.example', '-@b.example', '1@b.example')
  pause(queue, { until: T0 + HOUR })
  const why = (domain: string, labelId: number | null) => {
    const message = { requestedAt: null, dueAt: 0, attempts: 0, dispatchedAt: null, refusedBy: [], labelId }
    const { state, key, text } = explainWaiting(message, statusOf(queue, domain), { isDelivering: true, now: T0 })
    return [state, key, text.slice(0, 50)]
  }
  const held = ['held', 'manual|1|*|1', 'Paused by user holds the messages of its label unt']
  expect([why('a.example', 1), why('b.example', 1)]).toEqual([held, held])
  const others = [why('a.example', null), why('a.example', 2), why('b.example', null)]
  expect(others.map((other) => other.slice(0, 2))).toEqual(Array(3).fill(['due', null]))
  applyCommand(queue, { kind: 'pause', account: 1, domain: null, until: T0 + 2 * HOUR, after15Days: 'keep' }, T0)
  expect(why('a.example', 1).slice(0, 2)).toEqual(['held', 'manual|1|*'])
})
