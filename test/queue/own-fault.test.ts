/** own-fault.test - a fault of this host closes its egress IP, and no destination; a destination fails for one egress IP at a time */
import { expect, test } from 'vitest'
import type { AttemptResult, Dispatch, QueueEvent } from '../../src/queue/message.ts'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { createQueue, enqueue, type Queue } from '../../src/queue/queue.ts'
import { HOUR, mailOf, MINUTE, runUntil, T0, transitionsOf } from './play.ts'

const V4 = '192.0.2.1'
const V6 = '2001:db8::1'
const OK: AttemptResult = { kind: 'accepted' }
const failure = (how: 'connect' | 'egress' | 'no-route' | 'no-family'): AttemptResult => ({ kind: 'unreachable', how, text: how })

function queueOf(domains: number, pool: readonly string[] = [V4, V6]): Queue {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': pool } })
  for (let i = 0; i < 20 * domains; i++) {
    const domain = `d${i % domains}.example`
    enqueue(queue, mailOf(`m${i}`, T0, { domain, site: domain, mxSet: `mx.${domain}` }), T0)
  }
  return queue
}

const ends = (events: readonly QueueEvent[]): number =>
  events.filter((event) => event.kind === 'mail.ended' && event.end === 'delivered').length
const closedKeys = (events: readonly QueueEvent[]): string[] => [
  ...new Set(transitionsOf(events).flatMap(({ key, to }) => (to === 'paused' ? [key] : []))),
]

test('a destination without IPv6 gets all mail by IPv4; the skipped attempts do not count, and no key closes', () => {
  const queue = queueOf(1)
  const by6 = ({ egressIp }: Dispatch): AttemptResult => (egressIp === V6 ? failure('no-family') : OK)
  const { events, now } = runUntil(queue, T0, T0 + HOUR, by6)
  expect([ends(events), closedKeys(events)]).toEqual([20, []])
  expect(now - T0).toBeLessThan(MINUTE)
  const attempts = events.flatMap((event) => (event.kind === 'mail.ended' ? [event.attempts] : []))
  expect(new Set(attempts)).toEqual(new Set([1]))
})

test('where no egress IP has the family of the destination, messages are deferred by the retry schedule', () => {
  const queue = queueOf(1)
  const { events, dispatches } = runUntil(queue, T0, T0 + 6 * HOUR, () => failure('no-family'))
  expect(closedKeys(events)).toEqual([])
  expect(dispatches.length).toBeLessThan(20 * 2 * 8)
  expect(queue.entries.size).toBe(20)
})

test('an egress IP that cannot be bound pauses with an alarm, for all destinations; mail leaves by the other', () => {
  const queue = queueOf(5)
  const { events, dispatches } = runUntil(queue, T0, T0 + HOUR, ({ egressIp }) => (egressIp === V6 ? failure('egress') : OK))
  expect([ends(events), closedKeys(events)]).toEqual([100, [`own|${V6}`]])
  expect(dispatches.filter(({ egressIp }) => egressIp === V6).length).toBeLessThan(30)
  expect(transitionsOf(events, 'own')[0]).toMatchObject({ to: 'paused', alarm: true })
})

test('with one egress IP all mail waits for it, and is sent when it works again; no destination is paused', () => {
  const queue = queueOf(3, [V4])
  const { events } = runUntil(queue, T0, T0 + 6 * HOUR, (_, now) => (now < T0 + HOUR ? failure('egress') : OK))
  expect([ends(events), closedKeys(events)]).toEqual([60, [`own|${V4}`]])
  expect(transitionsOf(events, 'own').at(-1)).toMatchObject({ to: 'active' })
})

test('no route to three unrelated destinations is a fault of the egress IP; to one of many it is not', () => {
  const allFail = runUntil(queueOf(6), T0, T0 + HOUR, ({ egressIp }) => (egressIp === V6 ? failure('no-route') : OK))
  expect(closedKeys(allFail.events)).toContain(`own|${V6}`)
  expect(closedKeys(allFail.events).filter((key) => key.startsWith('network|mx') || key.startsWith('network|site'))).toEqual([])
  const oneFails = runUntil(queueOf(6), T0, T0 + HOUR, ({ egressIp, domain }) =>
    egressIp === V6 && domain === 'd0.example' ? failure('no-route') : OK,
  )
  expect(closedKeys(oneFails.events)).toEqual([`network|path|${V6} mx.d0.example`])
  expect([ends(allFail.events), ends(oneFails.events)]).toEqual([120, 120])
})

test('hosts that one egress IP cannot reach are paused for that IP; that none can reach, for all', () => {
  const one = runUntil(queueOf(1), T0, T0 + HOUR, ({ egressIp }) => (egressIp === V6 ? failure('connect') : OK))
  expect([ends(one.events), closedKeys(one.events)]).toEqual([20, [`network|path|${V6} mx.d0.example`]])
  const all = runUntil(queueOf(1), T0, T0 + HOUR, () => failure('connect'))
  expect(closedKeys(all.events)).toContain('network|mx|mx.d0.example')
  const single = runUntil(queueOf(1, [V4]), T0, T0 + HOUR, () => failure('connect'))
  expect(closedKeys(single.events)).toEqual(['network|mx|mx.d0.example'])
})
