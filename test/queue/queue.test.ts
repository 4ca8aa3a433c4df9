/** queue.test - fairness, choice of the egress IP, rates, retries, manual pauses, and the operator's view */
import { expect, test } from 'vitest'
import { applyAttemptResult, applyLaterReport } from '../../src/queue/schedule/attempt-result.ts'
import type { AttemptResult, Dispatch } from '../../src/queue/message.ts'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { createQueue, nextDispatchBatch, nextWakeAt, enqueue, applyCommand, type Queue } from '../../src/queue/queue.ts'
import { averagePerSecond, emptyThroughput, recordThroughput, throughputSince } from '../../src/queue/observe/throughput.ts'
import { RETRY_SCHEDULES, computeRetryDelay } from '../../src/queue/schedule/retry.ts'
import { seededRandom, RANDOM_SALTS } from '../../src/queue/schedule/seeded-random.ts'
import { snapshotEpisodes, snapshotKeyStates, restoreEpisodes, restoreKeyStates } from '../../src/queue/snapshot.ts'
import { loadQueue, recallAll, saveQueue } from './saving.ts'
import { type LaneStatus, statusOfLane } from '../../src/queue/observe/lane-view.ts'
import { withdrawMessage } from '../../src/queue/schedule/withdraw.ts'
import { DAY, GIVE_UP, HOUR, keysOf, mailOf, MINUTE, refusal, runUntil, T0, transitionsOf } from './play.ts'

const OK: AttemptResult = { kind: 'accepted' }

function queueOf(ips: readonly string[] = ['192.0.2.1']): Queue {
  return createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ips } })
}

function fill(queue: Queue, n: number, to: Parameters<typeof mailOf>[2] = {}, prefix = 'm'): void {
  for (let i = 0; i < n; i++) enqueue(queue, mailOf(`${prefix}${i}`, T0, to), T0)
}

/** The status of the lane of account 1 to example.com. */
function laneStatus(queue: Queue, now: number): LaneStatus | null {
  const lane = [...queue.lanes.values()].find(({ account, domain }) => account === 1 && domain === 'example.com')
  return lane === undefined ? null : statusOfLane(queue, lane, now)
}

const ends = (events: readonly { kind: string }[]): string[] => events.flatMap((event) => ('end' in event ? [String(event.end)] : []))

test('a lane of thousands does not delay others: a hundred small lanes finish in their first rounds', () => {
  const queue = queueOf()
  fill(queue, 20_000)
  for (let i = 0; i < 100; i++) fill(queue, 3, { domain: `d${i}.example`, site: `d${i}.example` }, `s${i}-`)
  const { dispatches } = nextDispatchBatch(queue, T0, 8 + 300)
  expect(dispatches.filter(({ site }) => site !== 'big')).toHaveLength(300)
})

test('two large lanes share evenly, whatever the capacity of each batch', () => {
  const queue = queueOf()
  fill(queue, 3_000)
  fill(queue, 3_000, { account: 2 }, 'n')
  const counts = [0, 0]
  for (let i = 0; i < 800; i++) {
    for (const { account, number } of nextDispatchBatch(queue, T0 + i, 1 + (i % 3)).dispatches) {
      counts[account - 1] = (counts[account - 1] ?? 0) + 1
      applyAttemptResult(queue, number, OK, T0 + i)
    }
  }
  expect(Math.abs((counts[0] ?? 0) - (counts[1] ?? 0))).toBeLessThanOrEqual(8)
})

test('ten refusals of one cohort, all in flight together, make one transition', () => {
  const queue = queueOf()
  fill(queue, 50)
  const { dispatches } = nextDispatchBatch(queue, T0, 40)
  const events = dispatches.flatMap(({ number }) => applyAttemptResult(queue, number, refusal('ip-rate'), T0 + 1))
  expect(transitionsOf(events).map(({ to }) => to)).toEqual(['throttled'])
})

test('a blocklisted IP pauses and the message leaves by the other; refused from all, it ends or is deferred as the reply says', () => {
  const queue = queueOf(['192.0.2.1', '192.0.2.2'])
  fill(queue, 1)
  const [first] = nextDispatchBatch(queue, T0, 9).dispatches
  const events = applyAttemptResult(queue, first?.number ?? 0, refusal('ip-blocklist', { final: true }), T0)
  expect(transitionsOf(events)).toMatchObject([{ to: 'paused', key: 'ip|192.0.2.1|big', class: 'ip-blocklist' }])
  const [second] = nextDispatchBatch(queue, T0, 9).dispatches
  expect(second?.egressIp).toBe('192.0.2.2')
  expect(ends(applyAttemptResult(queue, second?.number ?? 0, refusal('ip-blocklist', { final: true }), T0))).toEqual(['failed'])
})

test('a message that was the probe of a blocklisted IP waits until the IP is accepted again', () => {
  const queue = queueOf(['192.0.2.1', '192.0.2.2'])
  fill(queue, 12)
  const delistedAt = T0 + 9 * HOUR
  const respond = (_: unknown, now: number) => (now < delistedAt ? refusal('ip-blocklist', { final: true }) : OK)
  const { events } = runUntil(queue, T0, T0 + 12 * HOUR, respond)
  const refusedProbes = transitionsOf(events).filter(({ from, to }) => from === 'probing' && to === 'paused')
  expect(refusedProbes.length).toBeGreaterThan(12)
  expect(ends(events)).toEqual(Array<string>(12).fill('delivered'))
})

test('other messages to the site leave by the IP that is open', () => {
  const queue = queueOf(['192.0.2.1', '192.0.2.2'])
  fill(queue, 40)
  const [first] = nextDispatchBatch(queue, T0, 1).dispatches
  applyAttemptResult(queue, first?.number ?? 0, refusal('ip-blocklist'), T0)
  const { dispatches } = runUntil(queue, T0, T0 + HOUR, () => OK)
  expect(new Set(dispatches.map(({ egressIp }) => egressIp))).toEqual(new Set(['192.0.2.2']))
})

test('throttled to ten a minute: at openConnections ten a minute are sent', () => {
  const queue = queueOf()
  fill(queue, 500)
  for (const { number } of nextDispatchBatch(queue, T0, 3).dispatches) applyAttemptResult(queue, number, refusal('domain-rate'), T0)
  const { dispatches } = runUntil(queue, T0, T0 + 10 * MINUTE, () => OK)
  expect(dispatches.length).toBeGreaterThan(15)
  expect(dispatches.length).toBeLessThanOrEqual(101)
})

test('throttled to one connection: one attempt at a time', () => {
  const queue = queueOf()
  fill(queue, 50)
  for (const { number } of nextDispatchBatch(queue, T0, 3).dispatches)
    applyAttemptResult(queue, number, refusal('connection-frequency'), T0)
  expect(nextDispatchBatch(queue, T0, 9).dispatches).toHaveLength(1)
  expect(nextDispatchBatch(queue, T0 + 1, 9).dispatches).toHaveLength(0)
})

test('the network key of a domain pauses when every open connection failed; that of a site when three of its host sets are down', () => {
  const queue = queueOf()
  for (const name of ['a', 'b', 'c']) fill(queue, 4, { domain: `${name}.example`, mxSet: `mx.${name}.example` }, name)
  const { dispatches } = nextDispatchBatch(queue, T0, 6 + 6)
  const keys = transitionsOf(dispatches.flatMap(({ number }) => applyAttemptResult(queue, number, refusal('connect'), T0 + 1))).map(
    ({ key }) => key,
  )
  expect(keys.toSorted()).toEqual(['network|mx|mx.a.example', 'network|mx|mx.b.example', 'network|mx|mx.c.example', 'network|site|big'])
})

test('one timeout among replies is no outage', () => {
  const queue = queueOf()
  fill(queue, 8)
  const { dispatches } = nextDispatchBatch(queue, T0, 8)
  const events = dispatches.flatMap(({ number }, i) => applyAttemptResult(queue, number, i % 2 === 0 ? refusal('connect') : OK, T0 + 1))
  expect(transitionsOf(events)).toEqual([])
})

test('a connection that breaks during the dialogue is no outage: the message is deferred, no key changes', () => {
  const queue = queueOf()
  fill(queue, 1)
  const [one] = nextDispatchBatch(queue, T0, 1).dispatches
  expect(applyAttemptResult(queue, one?.number ?? 0, refusal('dropped'), T0 + 1).map(({ kind }) => kind)).toEqual(['mail.deferred'])
})

test('a 550 that a rule calls a deferral is retried; a plain 550 ends the message', () => {
  const queue = queueOf()
  fill(queue, 2)
  const [one, two] = nextDispatchBatch(queue, T0, 2).dispatches
  const deferred = applyAttemptResult(queue, one?.number ?? 0, { ...refusal('domain-rate'), code: 550 } as AttemptResult, T0)
  expect(deferred[0]).toMatchObject({ kind: 'mail.deferred', attempts: 1 })
  expect(applyAttemptResult(queue, two?.number ?? 0, refusal('not-exist'), T0)[0]).toMatchObject({ kind: 'mail.ended', end: 'failed' })
})

test('a message that is always deferred is given up after four days, with its last result', () => {
  const queue = queueOf()
  fill(queue, 1)
  const { events, now, dispatches } = runUntil(queue, T0, T0 + 9 * DAY, () => refusal('greylist'))
  expect(events.filter(({ kind }) => kind === 'mail.ended')).toMatchObject([{ end: 'given-up', last: { text: '421 greylist' } }])
  expect(now).toBeLessThanOrEqual(T0 + GIVE_UP)
  expect(dispatches.length).toBeGreaterThan(20)
})

test('a message that waits for a pause with an end is given up in time too', () => {
  const queue = queueOf()
  fill(queue, 300)
  const { events } = runUntil(queue, T0, T0 + 9 * DAY, () => refusal('deferred-for-good'))
  expect(new Set(ends(events))).toEqual(new Set(['given-up']))
  expect(ends(events)).toHaveLength(300)
  expect(events.every(({ kind, at }) => kind !== 'mail.ended' || at <= T0 + GIVE_UP)).toBe(true)
})

test.each([null, 'example.com'])(
  'time under a manual pause (of %s) does not age a message; afterwards its remaining lifetime runs on',
  (domain) => {
    const queue = queueOf()
    fill(queue, 3)
    const before = runUntil(queue, T0, T0 + DAY, () => refusal('greylist'))
    const paused = before.now
    applyCommand(queue, { kind: 'pause', account: 1, domain, until: paused + 10 * DAY, after15Days: 'keep' }, paused)
    const under = runUntil(queue, paused, paused + 10 * DAY - 1, () => OK)
    expect([under.dispatches, ends(under.events)]).toEqual([[], []])
    const after = runUntil(queue, paused + 10 * DAY, paused + 30 * DAY, () => refusal('greylist'))
    expect(ends(after.events)).toEqual(['given-up', 'given-up', 'given-up'])
    expect(after.now).toBeGreaterThan(T0 + GIVE_UP + 10 * DAY - 12 * HOUR)
    expect(after.now).toBeLessThanOrEqual(T0 + GIVE_UP + 10 * DAY)
  },
)

test('a message with hardly any lifetime left at the end of a pause is tried for a day', () => {
  const queue = queueOf()
  fill(queue, 1, { dueAt: T0 + GIVE_UP })
  applyCommand(queue, { kind: 'pause', account: 1, domain: null, until: null, after15Days: 'keep' }, T0 + GIVE_UP - 1)
  const end = T0 + GIVE_UP - 1 + 15 * DAY
  const { dispatches, events } = runUntil(queue, T0 + GIVE_UP - 1, end + 9 * DAY, () => refusal('greylist'))
  expect(dispatches.length).toBeGreaterThan(5)
  expect(dispatches[0]?.at).toBe(end)
  expect(events.at(-1)).toMatchObject({ kind: 'mail.ended', end: 'given-up', last: { text: '421 greylist' } })
  expect(events.at(-1)?.at).toBeLessThanOrEqual(end + DAY)
})

test('a list-quality pause slotsInUse messages until Recover, also across a restart', () => {
  const queue = queueOf()
  fill(queue, 3_000)
  const first = runUntil(queue, T0, T0 + 12 * MINUTE, (_, now) =>
    now < T0 + HOUR && seededRandom(3, now, RANDOM_SALTS.retry) < 0.3 ? refusal('not-exist') : OK,
  )
  const waits = queue.entries.size
  expect([waits > 0, transitionsOf(first.events).at(-1)?.nextSendingAt]).toEqual([true, null])
  expect(ends(runUntil(queue, first.now, first.now + 20 * DAY, () => OK).events)).toEqual([])
  const later = first.now + 20 * DAY
  const again = queueOf()
  restoreEpisodes(again, JSON.parse(JSON.stringify(snapshotEpisodes(queue))), later)
  for (const { message: mail } of queue.entries.values()) enqueue(again, mail, later)
  expect(ends(nextDispatchBatch(again, later, 9).events)).toEqual([])
  applyCommand(again, { kind: 'recover', account: 1, domain: null, how: 'immediate' }, later)
  expect(new Set(ends(runUntil(again, later, later + 9 * DAY, () => OK).events))).toEqual(new Set(['delivered']))
})

test('past slotsInUse are known after a restart', () => {
  const queue = queueOf()
  fill(queue, 2)
  applyCommand(queue, { kind: 'pause', account: 1, domain: null, until: T0 + 10 * DAY, after15Days: 'keep' }, T0)
  const resumed = T0 + 10 * DAY
  applyCommand(queue, { kind: 'recover', account: 1, domain: null, how: 'immediate' }, resumed)
  const again = queueOf()
  restoreKeyStates(again, JSON.parse(JSON.stringify(snapshotKeyStates(queue))), resumed)
  for (const { message: mail } of queue.entries.values()) enqueue(again, { ...mail, dueAt: resumed + HOUR }, resumed)
  expect(ends(runUntil(again, resumed, resumed + 2 * HOUR, () => OK).events)).toEqual(['delivered', 'delivered'])
})

test('a deferral during a new manual pause does not end the message', () => {
  const queue = queueOf()
  fill(queue, 1, { acceptedAt: T0 - GIVE_UP + MINUTE })
  const [one] = nextDispatchBatch(queue, T0, 1).dispatches
  applyCommand(queue, { kind: 'pause', account: 1, domain: null, until: T0 + 9 * DAY, after15Days: 'keep' }, T0)
  expect(applyAttemptResult(queue, one?.number ?? 0, refusal('greylist'), T0 + 5 * MINUTE)[0]).toMatchObject({ kind: 'mail.deferred' })
  expect(ends(runUntil(queue, T0 + 5 * MINUTE, T0 + 20 * DAY, () => OK).events)).toEqual(['delivered'])
})

test('a manual pause lasts until its end, and Recover ends it', () => {
  const queue = queueOf()
  fill(queue, 2)
  applyCommand(queue, { kind: 'pause', account: 1, domain: 'example.com', until: T0 + HOUR, after15Days: 'keep' }, T0)
  expect(nextDispatchBatch(queue, T0, 9).dispatches).toEqual([])
  expect(nextWakeAt(queue, T0)).toBe(T0 + HOUR)
  expect(laneStatus(queue, T0)).toMatchObject({
    state: 'manual',
    isStopped: true,
    reason: 'Paused by user',
    nextSendingAt: T0 + HOUR,
    waiting: 2,
  })
  expect(applyCommand(queue, { kind: 'recover', account: 1, domain: 'example.com', how: 'immediate' }, T0 + 1)).toMatchObject([
    { kind: 'queue.manual', ended: true },
  ])
  expect(nextDispatchBatch(queue, T0 + 1, 9).dispatches).toHaveLength(2)
})

test.each([
  ['keep', 0],
  ['delete', 3],
] as const)('after 15 days without an end: %s', (after15Days, deleted) => {
  const queue = createQueue({
    policy: BACKOFF_POLICIES.default,
    seed: 1,
    pools: { '*': ['192.0.2.1'] },
    retrySchedule: { ...RETRY_SCHEDULES.default, giveUpMs: 60 * DAY },
  })
  fill(queue, 3)
  applyCommand(queue, { kind: 'pause', account: 1, domain: null, until: null, after15Days }, T0)
  expect(ends(nextDispatchBatch(queue, T0 + 15 * DAY - 1, 9).events)).toEqual([])
  const { events, dispatches } = nextDispatchBatch(queue, T0 + 15 * DAY, 9)
  expect(ends(events).filter((end) => end === 'deleted')).toHaveLength(deleted)
  expect(dispatches).toHaveLength(3 - deleted)
})

test.each([16 * DAY, 0, -1])('a manual pause of %d ms is refused', (length) => {
  expect(() => applyCommand(queueOf(), { kind: 'pause', account: 1, domain: null, until: T0 + length, after15Days: 'keep' }, T0)).toThrow(
    /pause/,
  )
})

test('waiting messages are deleted by account, domain and time; those in flight are not affected', () => {
  const queue = queueOf()
  fill(queue, 5)
  fill(queue, 2, { account: 2 }, 'n')
  const [out] = nextDispatchBatch(queue, T0, 1).dispatches
  const events = applyCommand(queue, { kind: 'delete', account: 1, domain: 'example.com', from: T0, until: T0 + 1 }, T0)
  expect(ends(events)).toEqual(['deleted', 'deleted', 'deleted', 'deleted'])
  expect(ends(applyAttemptResult(queue, out?.number ?? 0, OK, T0))).toEqual(['delivered'])
  expect(nextDispatchBatch(queue, T0, 9).dispatches.map(({ account }) => account)).toEqual([2, 2])
})

test("an operator's rate limits one lane, and no other", () => {
  const queue = queueOf()
  fill(queue, 100)
  fill(queue, 50, { domain: 'free.example' }, 'f')
  applyCommand(queue, { kind: 'rate', account: 1, domain: 'example.com', perMinute: 6 }, T0)
  const { dispatches } = runUntil(queue, T0, T0 + 5 * MINUTE, () => OK)
  expect(dispatches.filter(({ domain }) => domain === 'free.example')).toHaveLength(50)
  expect(dispatches.filter(({ domain }) => domain === 'example.com').length).toBeLessThanOrEqual(31)
  expect(laneStatus(queue, T0 + 5 * MINUTE + 1)).toMatchObject({
    state: 'limited',
    isStopped: false,
    reason: 'Rate limit',
  })
})

test('a new IP sends what its day allows, and continues on the next day', () => {
  const queue = queueOf()
  fill(queue, 900)
  applyCommand(queue, { kind: 'warm-up', egressIp: '192.0.2.1', startedAt: T0 }, T0)
  const days = runUntil(queue, T0, T0 + 2 * DAY, () => OK).dispatches.map(({ at }) => Math.floor((at - T0) / DAY))
  expect([0, 1].map((day) => days.filter((one) => one === day).length)).toEqual([200, 500])
})

test('the learnt rate halves while refusals continue, and grows with clean replies', () => {
  const queue = queueOf()
  fill(queue, 4_000)
  runUntil(queue, T0, T0 + MINUTE, () => OK)
  const refused = (_: Dispatch, now: number): AttemptResult => (now % 5 === 0 ? refusal('busy') : OK)
  const rate = (): number | null => queue.keyStates.get('ip|192.0.2.1|big')?.learnedRate?.perMinute ?? null
  expect(rate()).toBeNull()
  const { now } = runUntil(queue, T0 + MINUTE, T0 + 90_000, refused)
  const halved = rate() ?? 0
  expect(halved).toBeGreaterThan(0)
  runUntil(queue, now, now + 2 * MINUTE, () => OK)
  expect(rate()).toBeGreaterThan(halved)
})

test('a refused rate falls to just below what an hour accepted, and grows slowly from there', () => {
  const queue = queueOf()
  fill(queue, 30_000)
  const limit = { count: 0, from: T0 }
  // A provider that accepts 3,000 in each hour of its clock.
  const respond = (_: Dispatch, now: number): AttemptResult => {
    if (now - limit.from >= HOUR) Object.assign(limit, { count: 0, from: now })
    limit.count += 1
    return limit.count <= 3_000 ? OK : refusal('ip-rate')
  }
  const { events } = runUntil(queue, T0, T0 + 9 * HOUR, respond)
  const refusals = transitionsOf(events, 'ip-rate').filter(({ to }) => to === 'paused')
  expect(queue.keyStates.get('ip|192.0.2.1|big')?.learnedRate?.perMinute).toBeGreaterThan(25)
  expect(queue.keyStates.get('ip|192.0.2.1|big')?.learnedRate?.perMinute).toBeLessThan(65)
  expect(refusals.filter(({ at }) => at > T0 + 4 * HOUR).length).toBeLessThan(5)
})

test('simultaneous connections are learnt: half of what was too many, and one more after many clean replies', () => {
  const queue = queueOf()
  fill(queue, 6_000)
  const openConnections = (): number => queue.inFlightByKey.get('connection|192.0.2.1|big') ?? 0
  const seen: number[] = []
  const pending: Dispatch[] = []
  let now = T0
  for (let round = 0; round < 120; round++) {
    now += 1_000
    pending.push(...nextDispatchBatch(queue, now, 60 - pending.length).dispatches)
    seen.push(openConnections())
    for (const [n, { number }] of pending.splice(0).entries())
      applyAttemptResult(queue, number, n < 20 ? OK : refusal('connection-frequency'), now)
    if (round === 0) applyCommand(queue, { kind: 'recover', account: 1, domain: null, how: 'immediate' }, now)
  }
  expect(seen[0]).toBe(60)
  expect(Math.max(...seen.slice(60))).toBeLessThanOrEqual(22)
  expect(Math.min(...seen.slice(60))).toBeGreaterThan(0)
})

test('a message that is given up without a result names the key that blocked it', () => {
  const queue = queueOf()
  fill(queue, 600)
  const { events } = runUntil(queue, T0, T0 + 5 * DAY, () => refusal('connect'))
  const ended = events.flatMap((event) => (event.kind === 'mail.ended' ? [event] : []))
  expect(ended).toHaveLength(600)
  for (const { end, last, blockingKey: heldBy } of ended) {
    expect(end).toBe('given-up')
    expect(last === null ? heldBy?.class : 'network').toBe('network')
  }
  expect(ended.some(({ last, blockingKey: heldBy }) => last === null && heldBy?.reply?.text === 'no answer')).toBe(true)
})

test('a greylisted message waits six minutes, not one', () => {
  const queue = queueOf()
  fill(queue, 1)
  const { dispatches } = runUntil(queue, T0, T0 + DAY, ({ attempt }) => (attempt === 1 ? refusal('greylist') : OK))
  expect(dispatches.map(({ at }) => Math.round((at - T0) / MINUTE))).toEqual([0, 6])
})

test('the key that opens last gives reason and next sending time', () => {
  const queue = queueOf()
  fill(queue, 3)
  const [one, two] = nextDispatchBatch(queue, T0, 2).dispatches
  applyAttemptResult(queue, one?.number ?? 0, refusal('domain-quota-day', { zone: 'Asia/Shanghai' }), T0)
  applyAttemptResult(queue, two?.number ?? 0, refusal('deferred-for-good'), T0)
  nextDispatchBatch(queue, T0 + 1, 9)
  const status = laneStatus(queue, T0 + 1)
  expect(status).toMatchObject({ state: 'paused', isStopped: true, reason: 'IP reputation', class: 'deferred-for-good', n: 1, waiting: 3 })
  expect(status?.nextSendingAt).toBeGreaterThan(T0 + 18 * HOUR)
  expect(status?.evidence).toMatchObject([{ code: 421, text: '421 deferred-for-good' }])
})

test('later complaints throttle an account', () => {
  const queue = queueOf()
  fill(queue, 2_000)
  runUntil(queue, T0, T0 + HOUR, () => OK)
  const events = [1, 2, 3, 4, 5, 6, 7, 8].flatMap(() => applyLaterReport(queue, { kind: 'complaint', account: 1 }, T0 + 2 * HOUR))
  expect(transitionsOf(events)).toMatchObject([{ to: 'throttled', key: 'account|1', class: 'list-quality' }])
})

test('after a crash messages in flight wait again; what is known about keys outlives the queue', () => {
  const queue = queueOf()
  fill(queue, 9)
  const [first] = nextDispatchBatch(queue, T0, 4).dispatches
  applyAttemptResult(queue, first?.number ?? 0, refusal('ip-blocklist'), T0)
  const again = loadQueue(saveQueue(queue), BACKOFF_POLICIES.default)
  recallAll(again, T0 + 1)
  expect([again.inFlightAttempts.size, laneStatus(again, T0 + 1)?.waiting]).toEqual([0, 9])
  const fresh = queueOf()
  restoreEpisodes(fresh, snapshotEpisodes(queue), T0)
  fill(fresh, 9)
  expect(nextDispatchBatch(fresh, T0 + 1, 9).dispatches).toEqual([])
  expect(nextWakeAt(fresh, T0 + 1)).toBeGreaterThan(T0 + 20 * MINUTE)
})

test('a gateway is a site for ip, connection and warmup keys only', () => {
  const keys = keysOf({ ...mailOf('m', T0, { site: 'gate', gateway: true }), egressIp: '192.0.2.1' })
  expect(keys.filter((key) => key.endsWith('|gate'))).toEqual(['ip|192.0.2.1|gate', 'connection|192.0.2.1|gate', 'warmup|192.0.2.1|gate'])
})

const RETRY_DELAYS = [
  // attempts, held, stated   minutes
  [1, false, null, 1],
  [2, false, null, 5],
  [9, false, null, 240],
  [9, true, null, 5],
  [1, false, 10 * MINUTE, 10],
  [9, false, 10 * MINUTE, 240],
] as const

test.each(RETRY_DELAYS)('after %d attempts, blocked %s, stated %s: %d minutes', (attempts, isBlocked, statedDelayMs, minutes) => {
  expect(computeRetryDelay(RETRY_SCHEDULES.default, { attempts, isBlocked, statedDelayMs, random: 0.5 })).toBe(minutes * MINUTE)
})

test('rates are averages of whole seconds; series keep an hour and a day, and quiet steps take no space', () => {
  let rates = emptyThroughput()
  for (let second = 0; second < 90_000; second += 10)
    for (let i = 0; i < 3; i++) rates = recordThroughput(rates, 'try', T0 + second * 1_000)
  const now = T0 + 90_000 * 1_000
  expect([5, 15, 30].map((seconds) => averagePerSecond(rates, 'try', { seconds: seconds as 5 | 15 | 30, now }))).toEqual([0, 0.2, 0.3])
  expect([throughputSince(rates, 'fives', now - HOUR + 1).length, throughputSince(rates, 'minutes', now - DAY + 1).length]).toEqual([
    359, 1_439,
  ])
  expect(rates.length).toBeLessThan(4 * 2_000)
  expect(averagePerSecond(rates, 'in', { seconds: 30, now })).toBe(0)
})

test('the limit of simultaneous attempts from an IP to a site is kept, and used in full', () => {
  const queue = createQueue({
    policy: BACKOFF_POLICIES.default,
    seed: 5,
    pools: { '*': ['192.0.2.1', '192.0.2.2'] },
    connectionsPerSite: 3,
  })
  fill(queue, 20)
  fill(queue, 5, { domain: 'small.example', site: 'small.example' }, 's')
  const first = nextDispatchBatch(queue, T0, 100).dispatches
  const toBig = first.filter(({ site }) => site === 'big')
  expect(toBig.map(({ egressIp }) => egressIp).toSorted()).toEqual([...Array(3).fill('192.0.2.1'), ...Array(3).fill('192.0.2.2')])
  expect(first.filter(({ site }) => site !== 'big')).toHaveLength(5)
  expect(nextWakeAt(queue, T0)).toBe(T0 + RETRY_SCHEDULES.default.giveUpMs)
  for (const { number } of toBig.slice(0, 4)) applyAttemptResult(queue, number, OK, T0)
  expect(nextDispatchBatch(queue, T0, 100).dispatches).toHaveLength(4)
})

test('a withdrawn message leaves no trace, waiting or in flight', () => {
  const queue = queueOf()
  fill(queue, 3)
  const [flight] = nextDispatchBatch(queue, T0, 1).dispatches
  expect(withdrawMessage(queue, flight?.mailId ?? '', T0)).toEqual([])
  expect(withdrawMessage(queue, 'm2', T0)).toEqual([])
  expect(withdrawMessage(queue, 'm2', T0)).toEqual([])
  expect(applyAttemptResult(queue, flight?.number ?? 0, OK, T0)).toEqual([])
  expect(nextDispatchBatch(queue, T0, 9).dispatches.map(({ mailId }) => mailId)).toEqual(['m1'])
})

test('what an operator set and what a key learnt is restored into a new queue', () => {
  const queue = queueOf()
  applyCommand(queue, { kind: 'rate', account: 1, domain: 'a.example', perMinute: 6 }, T0)
  applyCommand(queue, { kind: 'pause', account: 1, domain: 'b.example', until: T0 + HOUR, after15Days: 'keep' }, T0)
  const again = queueOf()
  restoreKeyStates(again, JSON.parse(JSON.stringify(snapshotKeyStates(queue))), T0 + 1)
  fill(again, 5, { domain: 'a.example', site: 'a.example' }, 'a')
  fill(again, 5, { domain: 'b.example', site: 'b.example' }, 'b')
  expect(nextDispatchBatch(again, T0 + 1, 9).dispatches.map(({ domain }) => domain)).toEqual(['a.example'])
  const later = runUntil(again, T0 + 1, T0 + 2 * HOUR, () => OK).dispatches
  expect(later.filter(({ domain, at }) => domain === 'b.example' && at < T0 + HOUR)).toEqual([])
  expect(later.filter(({ domain }) => domain === 'b.example')).toHaveLength(5)
})

test('the expiry order drops removed messages, however long its first one waits', () => {
  const queue = queueOf()
  applyCommand(queue, { kind: 'pause', account: 1, domain: 'held.example', until: null, after15Days: 'keep' }, T0)
  fill(queue, 1, { domain: 'held.example', site: 'held.example' }, 'h')
  for (let i = 0; i < 5_000; i++) {
    fill(queue, 1, {}, `x${i}-`)
    for (const { number } of nextDispatchBatch(queue, T0, 9).dispatches) applyAttemptResult(queue, number, OK, T0)
  }
  expect([...queue.lanes.values()].reduce((sum, { expiryOrder: oldest }) => sum + (oldest?.items.length ?? 0), 0)).toBeLessThan(200)
  expect(queue.entries.size).toBe(1)
})

/** Dispatches until the slots are in use or no stream may send. The healthy hosts reply at once, the others never do. */
function dispatchAll(queue: Queue, slots: number, now: number, isHealthy: (dispatch: Dispatch) => boolean): readonly Dispatch[] {
  const sent: Dispatch[] = []
  for (let rounds = 0; rounds < 200; rounds++) {
    const { dispatches } = nextDispatchBatch(queue, now, slots - queue.inFlightAttempts.size)
    if (dispatches.length === 0) return sent
    sent.push(...dispatches)
    for (const dispatch of dispatches.filter(isHealthy)) applyAttemptResult(queue, dispatch.number, OK, now)
  }
  return sent
}

const SLOTS = 100
const sharing = (): Queue =>
  createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ['192.0.2.1'] }, connectionsPerSite: 20, maxInFlight: SLOTS })
const at = (domain: string, account = 1): Parameters<typeof mailOf>[2] => ({ account, domain, site: domain, mxSet: `mx.${domain}` })
const isHealthy = ({ domain }: Dispatch): boolean => domain.startsWith('healthy')

test.each([
  // servers that never reply, messages that the healthy host has had before, their account
  [12, 0, 1],
  [24, 0, 1],
  [400, 1, 1],
  [400, 0, 2],
] as const)('%d servers that never reply hold up nobody else (%d before, account %d)', (tarpits, before, account) => {
  const queue = sharing()
  fill(queue, before, at('healthy.example', account), 'before')
  dispatchAll(queue, SLOTS, T0, isHealthy)
  for (let i = 0; i < tarpits; i++) fill(queue, 25, at(`tar${i}.example`), `tar${i}-`)
  dispatchAll(queue, SLOTS, T0 + 1, isHealthy)
  fill(queue, 1, at('healthy.example', account), 'late')
  const sent = dispatchAll(queue, SLOTS, T0 + 2, isHealthy)
  expect(sent.filter(isHealthy)).toHaveLength(1)
})

test('a host set earns slots by replies, gets a fifth of them while others wait, and loses them without replies', () => {
  const queue = sharing()
  fill(queue, 400, at('healthy.example'))
  fill(queue, 400, at('other.example'), 'o')
  const slotsInUse = (): number => queue.inFlightByKey.get('slots|hosts|mx.healthy.example') ?? 0
  const dispatchFree = (now: number): readonly Dispatch[] => nextDispatchBatch(queue, now, SLOTS - queue.inFlightAttempts.size).dispatches
  const first = dispatchFree(T0)
  expect(slotsInUse()).toBe(2)
  for (const { number } of first) applyAttemptResult(queue, number, OK, T0)
  const second = dispatchFree(T0 + 1)
  expect(slotsInUse()).toBe(4)
  for (const { number } of second) applyAttemptResult(queue, number, OK, T0)
  for (let i = 2; i < 20; i++) for (const { number } of dispatchFree(T0 + i)) applyAttemptResult(queue, number, OK, T0 + i)
  dispatchFree(T0 + 30)
  expect(slotsInUse()).toBe(20)
  for (const { number } of [...queue.inFlightAttempts.values()].map(({ dispatch }) => dispatch))
    applyAttemptResult(queue, number, refusal('connect'), T0 + 31)
  expect(queue.hostConcurrency.size).toBe(0)
})

test('a thousand tarpits pause, and their slots are free again', () => {
  const queue = sharing()
  for (let i = 0; i < 1_000; i++) fill(queue, 5, at(`tar${i}.example`), `tar${i}-`)
  let now = T0
  const paused = new Set<string>()
  for (let rounds = 0; rounds < 60; rounds++) {
    const { dispatches } = nextDispatchBatch(queue, now, SLOTS - queue.inFlightAttempts.size)
    now += 5_000
    for (const { number } of dispatches)
      for (const { key, to } of transitionsOf(applyAttemptResult(queue, number, refusal('connect'), now)))
        if (to === 'paused') paused.add(key)
  }
  expect(paused.size).toBe(1_000)
})

test('a provider that drops every message is visible: last results, next attempt, and a throttle by the share of drops', () => {
  const queue = queueOf()
  fill(queue, 300)
  const [one] = nextDispatchBatch(queue, T0, 1).dispatches
  applyAttemptResult(queue, one?.number ?? 0, refusal('dropped'), T0)
  expect(laneStatus(queue, T0)).toMatchObject({ state: 'active', nextSendingAt: null, evidence: [{ code: null, text: 'no answer' }] })
  const events = nextDispatchBatch(queue, T0 + 1, 299).dispatches.flatMap(({ number }) =>
    applyAttemptResult(queue, number, refusal('dropped'), T0 + 1),
  )
  expect(transitionsOf(events)).toMatchObject([{ class: 'unknown', to: 'throttled' }])
  const alone = queueOf()
  fill(alone, 2)
  const due = nextDispatchBatch(alone, T0, 2)
    .dispatches.flatMap(({ number }) => applyAttemptResult(alone, number, refusal('dropped'), T0))
    .flatMap((event) => ('dueAt' in event ? [event.dueAt] : []))
  expect(laneStatus(alone, T0 + 1)).toMatchObject({ state: 'active', nextSendingAt: Math.min(...due), evidence: [{}, {}] })
})
