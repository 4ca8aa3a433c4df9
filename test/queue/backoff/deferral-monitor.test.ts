/** deferral-monitor.test - deferrals that no class pauses for: which count, and what a provider that defers everything costs */
import { expect, test } from 'vitest'
import type { Reason } from '../../../src/classify/reasons.ts'
import type { BackoffClass } from '../../../src/classify/verdict.ts'
import { deferralMonitorOf } from '../../../src/queue/backoff/deferral-monitor.ts'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import type { AttemptResult } from '../../../src/queue/message.ts'
import { createQueue, enqueue } from '../../../src/queue/queue.ts'
import { HOUR, mailOf, MINUTE, refusal, runUntil, T0, transitionsOf } from '../play.ts'

const deferred = (reason: Reason, pause: BackoffClass | null, code = 421): AttemptResult => ({
  kind: 'refused',
  code,
  text: `${code} later`,
  reason,
  pause,
  deferral: true,
  statedDelayMs: null,
  zone: null,
})

test.each<[Reason, BackoffClass | null, number, string | null]>([
  // reason              class           code  monitor
  ['other', null, 451, 'unknown'],
  ['server-error', 'busy', 451, 'unknown'],
  ['server-error', null, 421, 'unknown'],
  ['ip-blocked', null, 421, 'unknown'],
  ['rate-limited', null, 421, 'unknown'],
  ['spam', 'content', 421, 'unknown'],
  ['auth-failure', null, 421, 'domain-deferred'],
  ['domain-blocked', null, 421, 'domain-deferred'],
  ['policy', 'content', 451, 'domain-deferred'],
  ['greylisted', 'greylist', 451, null],
  ['greylisted', null, 451, null],
  ['mailbox-full', null, 452, null],
  ['mailbox-full', 'recipient', 452, null],
  ['not-exist', 'recipient', 450, null],
  ['recipient-refused', null, 450, null],
  ['ip-blocked', 'ip-blocklist', 421, null],
  ['rate-limited', 'ip-rate', 421, null],
  ['unreachable', 'network', 421, null],
  ['rate-limited', 'session-limit', 421, null],
  ['other', null, 550, null],
])('%s, class %s, %d: %s', (reason, pause, code, monitor) => {
  expect(deferralMonitorOf(BACKOFF_POLICIES.default, deferred(reason, pause, code))).toBe(monitor)
})

test('a permanent refusal does not count', () => {
  expect(deferralMonitorOf(BACKOFF_POLICIES.default, { ...deferred('other', null), deferral: false } as AttemptResult)).toBeNull()
})

test.each([
  ['an egress IP', deferred('rate-limited', null), 'ip|192.0.2.1|big', 'unknown'],
  ['a sender domain', deferred('auth-failure', null), 'sender-domain|example.net|big', 'domain-deferred'],
] as const)('a provider that defers everything of %s is asked seldom, and gets everything when it accepts', (_, result, key, name) => {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ['192.0.2.1'] } })
  for (let i = 0; i < 5_000; i++) enqueue(queue, mailOf(`m${i}`, T0), T0)
  const refusing = runUntil(queue, T0, T0 + 6 * HOUR, () => result)
  expect(refusing.dispatches.length).toBeLessThan(1_000)
  const moves = transitionsOf(refusing.events, name)
  expect(moves[0]).toMatchObject({ key, to: 'throttled' })
  const paused = moves.filter(({ to }) => to === 'paused')
  expect(paused.length).toBeGreaterThan(10)
  for (const { at, nextSendingAt } of paused) expect(nextSendingAt).toBeLessThanOrEqual(at + 18 * MINUTE)
  const accepting = runUntil(queue, refusing.now, T0 + 24 * HOUR, () => ({ kind: 'accepted' }))
  expect(transitionsOf(accepting.events, name).at(-1)).toMatchObject({ key, to: 'active' })
  expect(queue.entries.size).toBe(0)
})

test('a mail that is deferred again and again counts once', () => {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ['192.0.2.1'] } })
  for (let i = 0; i < 49; i++) enqueue(queue, mailOf(`m${i}`, T0), T0)
  const { events, dispatches } = runUntil(queue, T0, T0 + 12 * HOUR, () => deferred('other', null))
  expect(dispatches.length).toBeGreaterThan(300)
  expect(transitionsOf(events)).toEqual([])
})

test('a third of deferrals is normal, and so is a greylist', () => {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ['192.0.2.1'] } })
  for (let i = 0; i < 3_000; i++) enqueue(queue, mailOf(`m${i}`, T0), T0)
  const { events } = runUntil(queue, T0, T0 + 6 * HOUR, ({ attempt, number }) =>
    attempt === 1 && number % 3 === 0 ? deferred('other', null) : attempt === 1 ? refusal('greylist') : { kind: 'accepted' },
  )
  expect(transitionsOf(events)).toEqual([])
})
