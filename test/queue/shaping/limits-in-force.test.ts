/** limits-in-force.test - a queue with shaped sites never exceeds their connections and rates, for any pool; retry, expiry and classes by site; a new shaping */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AttemptResult } from '../../../src/queue/message.ts'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { createQueue, enqueue, nextDispatchBatch, nextWakeAt, type Queue } from '../../../src/queue/queue.ts'
import { applyAttemptResult } from '../../../src/queue/schedule/attempt-result.ts'
import { connectionLimitsOf } from '../../../src/queue/shaping/limits-in-force.ts'
import { reshapeQueue } from '../../../src/queue/shaping/reshape.ts'
import { buildShapingTable, createQueueShaping, type QueueShaping } from '../../../src/queue/shaping/shaping-table.ts'
import { parseShapingFile } from '../../../src/config/shaping-files.ts'
import { HOUR, mailOf, MINUTE, refusal, runUntil, T0, transitionsOf } from '../play.ts'

const shapingOf = (text: string, speed = 1): QueueShaping =>
  createQueueShaping(buildShapingTable({ shipped: { file: 'shipped.toml', sections: [] }, own: parseShapingFile('own.toml', text) }), speed)

const ipsOf = (count: number): string[] => Array.from({ length: count }, (_, n) => `192.0.2.${n + 1}`)

function queueOf(shaping: QueueShaping | null, ips: number, mails = 0): Queue {
  const queue = createQueue({
    policy: BACKOFF_POLICIES.default,
    seed: 7,
    pools: { '*': ipsOf(ips) },
    ...(shaping === null ? {} : { shaping }),
  })
  for (let i = 0; i < mails; i++) enqueue(queue, mailOf(`m${i}`, T0, { account: 1 + (i % 3), domain: `d${i % 4}.example` }), T0)
  return queue
}

const OK: AttemptResult = { kind: 'accepted' }

const crowds = fc.record({
  ips: fc.integer({ min: 1, max: 4 }),
  connections: fc.integer({ min: 1, max: 5 }),
  all: fc.integer({ min: 1, max: 8 }),
  perMinute: fc.integer({ min: 1, max: 60 }),
  allPerMinute: fc.integer({ min: 1, max: 120 }),
  attemptMs: fc.integer({ min: 1, max: 90_000 }),
})

test('connections and rates hold from each egress IP and from all, and every message is sent in the end', () => {
  fc.assert(
    fc.property(crowds, ({ ips, connections, all, perMinute, allPerMinute, attemptMs }) => {
      const queue = queueOf(
        shapingOf(
          `[site.big]\nconnections = ${connections}\nconnections_all = ${all}\nmessages = "${perMinute}/min"\nmessages_all = "${allPerMinute}/min"`,
        ),
        ips,
        40,
      )
      const open: { readonly number: number; readonly ip: string; readonly end: number }[] = []
      const sent: { readonly at: number; readonly ip: string }[] = []
      let now = T0
      for (let step = 0; step < 5_000 && queue.entries.size > 0; step++) {
        for (const { number } of open.filter(({ end }) => end <= now)) applyAttemptResult(queue, number, OK, now)
        open.splice(0, open.length, ...open.filter(({ end }) => end > now))
        for (const { number, egressIp } of nextDispatchBatch(queue, now, 100).dispatches) {
          open.push({ number, ip: egressIp, end: now + attemptMs })
          sent.push({ at: now, ip: egressIp })
        }
        const busiest = Math.max(0, ...ipsOf(ips).map((ip) => open.filter((each) => each.ip === ip).length))
        expect(busiest).toBeLessThanOrEqual(connections)
        expect(open.length).toBeLessThanOrEqual(all)
        now = Math.max(now + 1, Math.min(nextWakeAt(queue, now + 1) ?? Infinity, ...open.map(({ end }) => end)))
      }
      expect(queue.entries.size).toBe(0)
      const mostInMinute = (times: readonly number[]): number =>
        Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + MINUTE).length))
      // A bucket holds the tokens of one second, at least one.
      for (const ip of ipsOf(ips))
        expect(mostInMinute(sent.filter((each) => each.ip === ip).map(({ at }) => at))).toBeLessThanOrEqual(perMinute + 2)
      expect(mostInMinute(sent.map(({ at }) => at))).toBeLessThanOrEqual(allPerMinute + 3)
    }),
    { numRuns: 60 },
  )
})

test('one egress IP can have limits of its own', () => {
  const queue = queueOf(shapingOf('[site.big]\nconnections = 3\nip."192.0.2.2".connections = 1'), 2, 20)
  const ips = nextDispatchBatch(queue, T0, 20).dispatches.map(({ egressIp }) => egressIp)
  expect([ips.filter((ip) => ip === '192.0.2.1').length, ips.filter((ip) => ip === '192.0.2.2').length]).toEqual([3, 1])
})

test('new connections a minute bound the attempts at once, and the SMTP client gets them with the mails a connection', () => {
  const queue = queueOf(shapingOf('[site.big]\nnew_connections = "2/min"\nmails_per_connection = 20'), 1, 20)
  const { dispatches } = nextDispatchBatch(queue, T0, 20)
  expect(dispatches).toHaveLength(2)
  expect(dispatches.map((each) => connectionLimitsOf(queue, each))[0]).toEqual({ site: 'big', mails: 20, newPerMinute: 2 })
  expect(connectionLimitsOf(queueOf(null, 1), { ...mailOf('m', T0), egressIp: '192.0.2.1' })).toBeNull()
})

test('retry delays and the lifetime of a site; other sites keep those of the queue', () => {
  const queue = queueOf(shapingOf('[site.big]\nretry_minutes = [10, 60]\ngive_up_hours = 3'), 1)
  enqueue(queue, mailOf('shaped', T0), T0)
  enqueue(queue, mailOf('plain', T0, { site: 'small.example', domain: 'small.example' }), T0)
  const { events } = runUntil(queue, T0, T0 + 5 * HOUR, () => refusal('greylist'))
  const times = (id: string): number[] =>
    events.flatMap((event) => (event.kind === 'mail.deferred' && event.mailId === id ? [(event.dueAt - event.at) / MINUTE] : []))
  expect(Math.round((times('shaped')[0] ?? 0) / 5) * 5).toBe(10)
  expect(events.filter((event) => event.kind === 'mail.ended').map((event) => [event.mailId, event.end])).toEqual([['shaped', 'given-up']])
  expect(times('plain').length).toBeGreaterThan(3)
})

test('a message that was never tried expires by the lifetime of its site', () => {
  const queue = queueOf(shapingOf('[site.big]\ngive_up_hours = 3'), 1, 2)
  const [first] = nextDispatchBatch(queue, T0, 1).dispatches
  applyAttemptResult(queue, first?.number ?? 0, refusal('ip-blocklist'), T0)
  const { events } = nextDispatchBatch(queue, T0 + 4 * HOUR, 10)
  expect(events.filter((event) => event.kind === 'mail.ended').map(({ at }) => at - T0 >= 3 * HOUR)).toEqual([true, true])
})

test('backoff classes of a site pause for its own time', () => {
  const pausedFor = (queue: Queue): number => {
    const [first] = nextDispatchBatch(queue, T0, 1).dispatches
    const events = applyAttemptResult(queue, first?.number ?? 0, refusal('ip-blocklist'), T0)
    return ((transitionsOf(events)[0]?.nextSendingAt ?? 0) - T0) / HOUR
  }
  expect(pausedFor(queueOf(null, 1, 1))).toBeLessThan(0.7)
  expect(
    pausedFor(queueOf(shapingOf('[site.big]\nclass.ip-blocklist.base_minutes = 60\nclass.ip-blocklist.cap_minutes = 60'), 1, 1)),
  ).toBeGreaterThan(0.79)
})

test('a new shaping holds at once: for streams that wait, for those to come, and when it is taken away', () => {
  const queue = queueOf(null, 1, 30)
  expect(nextDispatchBatch(queue, T0, 2).dispatches).toHaveLength(2)
  reshapeQueue(queue, shapingOf('[site.big]\nconnections_all = 3'))
  const shaped = nextDispatchBatch(queue, T0 + 1, 30).dispatches
  expect(shaped).toHaveLength(3)
  reshapeQueue(queue, shapingOf('[site.big]\nconnections_all = 5'))
  expect(nextDispatchBatch(queue, T0 + 2, 30).dispatches).toHaveLength(2)
  reshapeQueue(queue, null)
  expect(nextDispatchBatch(queue, T0 + 3, 30).dispatches).toHaveLength(23)
})

test('at simulated speed rates rise and times shrink', () => {
  const queue = queueOf(shapingOf('[site.big]\nmessages = "1/min"\nretry_minutes = [60]', 60), 1, 5)
  const { dispatches } = runUntil(queue, T0, T0 + 5_500, () => OK)
  expect(dispatches.length).toBeGreaterThanOrEqual(5)
})
