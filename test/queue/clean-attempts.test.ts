/** clean-attempts.test - that a site whose first messages are kept as they are behaves like one whose keys have states at once */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BACKOFF_KEYS } from '../../src/queue/backoff/backoff-key.ts'
import { hasCleanAttempts, standForKey } from '../../src/queue/clean-attempts.ts'
import { getOrCreateKeyState } from '../../src/queue/backoff/key-state.ts'
import { findStreamOfKey } from '../../src/queue/backoff/key-scope.ts'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { createQueue, enqueue, nextDispatchBatch, type Queue } from '../../src/queue/queue.ts'
import { applyAttemptResult } from '../../src/queue/schedule/attempt-result.ts'
import { routeOf } from '../../src/queue/stream-route.ts'
import { snapshotEpisodes } from '../../src/queue/snapshot.ts'
import { propertyRuns } from '../support/property-runs.ts'
import { HOUR, mailOf, MINUTE, refusal, T0 } from './play.ts'

const SITES = ['a.example', 'b.example', 'gate'] as const
const SENDERS = ['s1.example', 's2.example'] as const
const IP = '192.0.2.1'

const newQueue = (connectionsPerSite = 20): Queue =>
  createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': [IP] }, connectionsPerSite })

const destinationOf = (site: string) => ({
  domain: site === 'gate' ? 'behind.example' : site,
  site,
  gateway: site === 'gate',
  mxSet: `mx.${site}`,
})

/** An accepted message, or a refused one, some time after the one before. */
const steps = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 70 * MINUTE })),
    site: fc.constantFrom(...SITES),
    senderDomain: fc.constantFrom(...SENDERS),
    isRefused: fc.boolean(),
    burst: fc.integer({ min: 1, max: 3 }),
  }),
  { minLength: 1, maxLength: 30 },
)

type Step = typeof steps extends fc.Arbitrary<(infer T)[]> ? T : never

/** Gives the keys of all clean attempts their states. */
function makeStates(queue: Queue, now: number): void {
  for (const [site, { senderDomain }] of queue.cleanAttempts)
    getOrCreateKeyState(queue, BACKOFF_KEYS.senderDomain({ ...mailOf('', now), senderDomain: senderDomain ?? '', site }), now)
}

/** Plays a script and returns everything that the queue said. */
function playScript(queue: Queue, script: readonly Step[], afterResult: typeof makeStates): readonly unknown[] {
  const said: unknown[] = []
  let now = T0
  for (const [index, { afterMs, site, senderDomain, isRefused, burst }] of script.entries()) {
    now += afterMs
    for (let n = 0; n < burst; n++) enqueue(queue, mailOf(`m${index}-${n}`, now, { ...destinationOf(site), senderDomain }), now)
    const { dispatches, events } = nextDispatchBatch(queue, now, 10)
    said.push(dispatches, events)
    now += 1
    for (const { number } of dispatches) {
      said.push(applyAttemptResult(queue, number, isRefused && index % 3 === 0 ? refusal('ip-rate') : { kind: 'accepted' }, now))
      afterResult(queue, now)
    }
  }
  return [...said, snapshotEpisodes(queue).toSorted((a, b) => (`${a.key} ${a.class}` < `${b.key} ${b.class}` ? -1 : 1))]
}

const keysOf = (site: string): readonly string[] => {
  const to = { account: 1, senderDomain: '', egressIp: IP, ...destinationOf(site) }
  const senders = SENDERS.map((senderDomain) => BACKOFF_KEYS.senderDomain({ ...to, senderDomain }))
  return [BACKOFF_KEYS.ip(to), BACKOFF_KEYS.connection(to), ...senders]
}

describe('the first accepted messages at a site', () => {
  test('any series of replies gives the same dispatches, events and counts as with states from the start', () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(2, 9, 20), (script, connectionsPerSite) => {
        const [kept, counted] = [newQueue(connectionsPerSite), newQueue(connectionsPerSite)]
        expect(playScript(kept, script, () => undefined)).toEqual(playScript(counted, script, makeStates))
        const later = T0 + 100 * 24 * HOUR
        for (const key of SITES.flatMap(keysOf)) {
          if (!counted.keyStates.has(key)) continue
          const [one, other] = [getOrCreateKeyState(kept, key, later), getOrCreateKeyState(counted, key, later)]
          expect([key, one.accepted, one.attempts, one.bucket]).toEqual([key, other.accepted, other.attempts, other.bucket])
        }
      }),
      { numRuns: propertyRuns(100, 1_000) },
    )
  })

  test('make no key states, and the fifth makes them all', () => {
    const queue = newQueue()
    const ipKey = BACKOFF_KEYS.ip({ account: 1, senderDomain: 's1.example', egressIp: IP, ...destinationOf('a.example') })
    for (let n = 0; n < 5; n++) {
      expect([n, queue.keyStates.has(ipKey), standForKey(queue, ipKey)]).toEqual([n, false, n > 0])
      enqueue(queue, mailOf(`m${n}`, T0, destinationOf('a.example')), T0)
      for (const { number } of nextDispatchBatch(queue, T0, 9).dispatches) applyAttemptResult(queue, number, { kind: 'accepted' }, T0)
    }
    expect(queue.keyStates.get(ipKey)?.accepted.counts).toEqual([5])
    expect(queue.cleanAttempts.size).toBe(0)
  })

  test('are forgotten after an hour, and with them everything about their lane', () => {
    const queue = newQueue()
    for (const site of SITES) enqueue(queue, mailOf(`m-${site}`, T0, destinationOf(site)), T0)
    for (const { number } of nextDispatchBatch(queue, T0, 9).dispatches) applyAttemptResult(queue, number, { kind: 'accepted' }, T0)
    expect(hasCleanAttempts(queue, mailOf('m', T0, destinationOf('a.example')))).toBe(true)
    for (const hours of [2, 4]) nextDispatchBatch(queue, T0 + hours * HOUR, 1)
    const { lanes, streams, cleanAttempts, timers, streamsByScope, hostConcurrency } = queue
    expect([lanes.size, streams.size, cleanAttempts.size, timers.length, hostConcurrency.size]).toEqual([0, 0, 0, 0, 0])
    expect(Object.values(streamsByScope).map(({ size }) => size)).toEqual([0, 0, 0, 0])
  })
})

test.each(SITES)('the keys of an idle stream to %s find it, and are the same when it sends', (site) => {
  for (const ips of [[IP], [IP, '192.0.2.2']]) {
    const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ips } })
    enqueue(queue, mailOf('other', T0, { ...destinationOf('c.example'), account: 2, senderDomain: 's2.example' }), T0)
    enqueue(queue, mailOf('m', T0, destinationOf(site)), T0)
    const stream = [...queue.streams.values()].at(-1)
    if (stream === undefined) throw new Error('the message has no stream')
    const { keys, egressPaths } = routeOf(queue, stream)
    const shared = egressPaths.map(({ egressIp }) => BACKOFF_KEYS.own({ egressIp }))
    for (const key of [...keys, ...egressPaths.flatMap((path) => path.keys)].filter((each) => !shared.includes(each)))
      expect([key, findStreamOfKey(queue, key)?.id]).toEqual([key, stream.id])
    // As if other streams had become idle since.
    stream.route = null
    const [first] = nextDispatchBatch(queue, T0, 9).dispatches.filter((dispatch) => dispatch.site === site)
    expect(queue.inFlightAttempts.get(first?.number ?? 0)?.keys).toEqual(expect.arrayContaining([...keys]))
  }
})

test('only the streams that became idle last keep their keys', () => {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': [IP] } })
  for (let n = 0; n < 300; n++) {
    enqueue(queue, mailOf(`m${n}`, T0, destinationOf(`d${n}.example`)), T0)
    for (const { number } of nextDispatchBatch(queue, T0, 9).dispatches) applyAttemptResult(queue, number, { kind: 'accepted' }, T0)
    nextDispatchBatch(queue, T0, 9)
  }
  const streams = [...queue.streams.values()]
  expect(streams.map(({ route }) => route !== null)).toEqual(streams.map((_, n) => n >= streams.length - 256))
})
