/** backoff.test - each class by its thresholds, first action and pause lengths; epochs, probes, the recovery ladder, midnights */
import { expect, test } from 'vitest'
import { type BackoffEpisode, createBackoffEpisode, backoffLimitsOf } from '../../../src/queue/backoff/backoff-episode.ts'
import {
  applyFeedback,
  type BackoffFeedback,
  advanceBackoff,
  recoverBackoff,
  recordDispatch,
  createTransition,
  nextBackoffWakeAt,
} from '../../../src/queue/backoff/backoff.ts'
import type { BackoffClassName } from '../../../src/queue/backoff/backoff-classes.ts'
import { type BackoffPolicy, BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { emptySlidingCount } from '../../../src/queue/backoff/sliding-count.ts'
import { DAY, HOUR, MINUTE, T0 } from '../play.ts'

const policy: BackoffPolicy = BACKOFF_POLICIES.spec

function fresh(name: BackoffClassName): BackoffEpisode {
  return createBackoffEpisode(policy, { key: 'ip|192.0.2.1|big', class: name, now: T0 }, (measure) => emptySlidingCount(measure.windowMs))
}

const CLEAN: BackoffFeedback = {
  dispatchNumber: 1_000_000,
  kind: 'clean',
  isAttempt: true,
  isCounted: false,
  isRepeat: false,
  reply: null,
  statedDelayMs: null,
  zone: null,
  trips: null,
  cleanPerMinute: 600,
  connections: 20,
}
const HIT: BackoffFeedback = { ...CLEAN, kind: 'hit', reply: { at: T0, mailId: 'm', code: 421, text: '421 no' } }

const inputAt = (now: number, random = 0.5) => ({ now, epoch: 7, random })

/** 'c' a clean reply, 'H' a hit, 'K' a complaint, 'a' an accepted message. */
const FEEDBACK_BY_LETTER: Readonly<Record<string, BackoffFeedback>> = {
  c: CLEAN,
  a: { ...CLEAN, kind: 'accepted' },
  H: HIT,
  K: { ...CLEAN, kind: 'complaint', isAttempt: false },
}

function apply(episode: BackoffEpisode, letters: string, now = T0): BackoffEpisode {
  const long = letters.replaceAll(/(\d+)(\w)/g, (_, n: string, letter: string) => letter.repeat(Number(n))).replaceAll(' ', '')
  return Array.from(long).reduce(
    (one, letter) => applyFeedback(policy, one, FEEDBACK_BY_LETTER[letter] ?? CLEAN, { ...inputAt(now), epoch: one.epoch + 1 }),
    episode,
  )
}

const TRIPS = [
  // class                 feedback                              state
  ['ip-reputation', '45c HHHHH', 'throttled'],
  ['ip-reputation', '46c HHHHH', 'active'],
  ['ip-reputation', '20c HHHH', 'active'],
  ['ip-reputation', 'HHH', 'throttled'],
  ['ip-reputation', 'HHcHH', 'active'],
  ['ip-blocklist', 'H', 'paused'],
  ['ip-blocklist', '500c H', 'paused'],
  ['deferred-for-good', 'H', 'paused'],
  ['domain-rate', '17c HcHcH', 'throttled'],
  ['domain-rate', '99c HcHcH', 'active'],
  ['domain-quota-day', 'H', 'paused'],
  ['ip-rate', 'HHH', 'throttled'],
  ['connection-frequency', 'HH', 'active'],
  ['connection-frequency', 'HHH', 'throttled'],
  ['list-quality', '180a 20H', 'throttled'],
  ['list-quality', '181a 19H', 'active'],
  ['list-quality', '199H', 'active'],
  ['list-quality', '200H', 'paused'],
  ['list-quality', '1000a KK', 'active'],
  ['list-quality', '1000a KKK', 'throttled'],
  ['list-quality', '999a KKK', 'active'],
  ['ip-rate', '60000c 9H', 'active'],
  ['ip-rate', '60000c 10H', 'throttled'],
  ['ip-reputation', '60000c 10H', 'throttled'],
  ['list-quality', '600a 10H', 'active'],
  ['unknown', '99H', 'active'],
  ['domain-deferred', '50c 50H', 'throttled'],
  ['unknown', '50c 50H', 'throttled'],
] as const

test.each(TRIPS)('%s after %s', (name, letters, want) => {
  expect(apply(fresh(name), letters).state).toBe(want)
})

const LENGTHS = [
  // class               n, random hours
  ['ip-blocklist', 1, 0.5, 6],
  ['ip-blocklist', 2, 0.5, 12],
  ['ip-blocklist', 4, 0.5, 48],
  ['ip-blocklist', 9, 0.5, 48],
  ['ip-blocklist', 1, 0, 4.8],
  ['ip-blocklist', 1, 1, 7.2],
  ['deferred-for-good', 1, 0.5, 24],
  ['deferred-for-good', 5, 0.5, 168],
] as const

test.each(LENGTHS)('%s: pause number %d, random %d, lasts %d hours', (name, n, roll, hours) => {
  const paused = applyFeedback(policy, { ...fresh(name), n: n - 1 }, HIT, inputAt(T0, roll))
  expect([paused.state, paused.n, ((paused.until ?? 0) - T0) / HOUR]).toEqual(['paused', n, hours])
})

const QUOTAS = [
  // now                              zone               midnight
  ['2026-03-27T10:00:00Z', 'Asia/Shanghai', '2026-03-27T16:00:00Z'],
  ['2026-03-27T17:00:00Z', 'Asia/Shanghai', '2026-03-28T16:00:00Z'],
  ['2026-03-29T00:30:00Z', 'Europe/Berlin', '2026-03-29T22:00:00Z'],
  ['2026-10-25T00:30:00Z', 'Europe/Berlin', '2026-10-25T23:00:00Z'],
] as const

test.each(QUOTAS)('a daily quota at %s in %s pauses until %s and up to half an hour more', (at, zone, want) => {
  const now = Date.parse(at)
  const ends = [0, 1].map((roll) => applyFeedback(policy, fresh('domain-quota-day'), { ...HIT, zone }, inputAt(now, roll)).until)
  expect(ends).toEqual([Date.parse(want), Date.parse(want) + 30 * MINUTE])
})

test.each([null, 'No/Where'])('a daily quota in the time zone %s is probed after one to two hours', (zone) => {
  const ends = [0, 1].map((roll) => applyFeedback(policy, fresh('domain-quota-day'), { ...HIT, zone }, inputAt(T0, roll)).until)
  expect(ends).toEqual([T0 + HOUR, T0 + 2 * HOUR])
})

test('a delay that the provider states replaces the computed pause', () => {
  expect(applyFeedback(policy, fresh('ip-blocklist'), { ...HIT, statedDelayMs: 90_000 }, inputAt(T0)).until).toBe(T0 + 90_000)
})

test('feedback of an older epoch changes nothing and is not counted', () => {
  const paused = apply(fresh('ip-blocklist'), 'H')
  expect(applyFeedback(policy, paused, { ...HIT, dispatchNumber: paused.epoch }, inputAt(T0 + 1))).toBe(paused)
})

test('IP reputation pauses when half is still refused ten minutes after the throttle, and not before', () => {
  const throttled = apply(fresh('ip-reputation'), 'HHH')
  expect(backoffLimitsOf(policy, throttled)).toMatchObject({ closedUntil: false, perMinute: 150 })
  expect(apply(throttled, '30H', T0 + 9 * MINUTE).state).toBe('throttled')
  expect(apply(throttled, '20c 19H', T0 + 11 * MINUTE).state).toBe('throttled')
  const paused = apply(throttled, '20c 20H', T0 + 11 * MINUTE)
  expect([paused.state, paused.n]).toEqual(['paused', 1])
})

test('a throttled key that is quiet for its base time recovers', () => {
  const throttled = apply(fresh('domain-rate'), 'HHH')
  expect(backoffLimitsOf(policy, throttled).perMinute).toBe(10)
  expect(nextBackoffWakeAt(policy, throttled)).toBe(T0 + 30 * MINUTE)
  expect(advanceBackoff(policy, throttled, { waiting: 9 }, inputAt(T0 + 30 * MINUTE - 1))).toBe(throttled)
  expect(advanceBackoff(policy, throttled, { waiting: 9 }, inputAt(T0 + 30 * MINUTE)).state).toBe('recovering')
})

function probing(waiting: number): BackoffEpisode {
  const paused = { ...apply(fresh('ip-blocklist'), 'H'), until: T0 + HOUR }
  return advanceBackoff(policy, paused, { waiting }, { now: T0 + HOUR, epoch: 20, random: 0.5 })
}

test.each([
  [0, 0],
  [3, 3],
  [900, 5],
])('with %d waiting messages a probe has %d', (waiting, batch) => {
  expect(probing(waiting)).toMatchObject({ state: 'probing', batch })
})

const clean = (episode: BackoffEpisode, now: number): BackoffEpisode =>
  applyFeedback(policy, recordDispatch(episode, now), { ...CLEAN, dispatchNumber: 21 }, { now, epoch: 22, random: 0.5 })

test('a probe whose results are all clean leads to recovery', () => {
  const states = [clean(probing(2), T0 + HOUR)]
  states.push(clean(states[0] ?? fresh('ip-rate'), T0 + HOUR))
  expect(states.map(({ state }) => state)).toEqual(['probing', 'recovering'])
})

test('one hit in a probe: paused again, n + 1, and no more messages are sent', () => {
  const again = applyFeedback(
    policy,
    recordDispatch(probing(5), T0 + HOUR),
    { ...HIT, dispatchNumber: 21 },
    { now: T0 + HOUR, epoch: 22, random: 0.5 },
  )
  expect([again.state, again.n, ((again.until ?? 0) - T0) / HOUR]).toEqual(['paused', 2, 13])
  expect(backoffLimitsOf(policy, again).closedUntil).toBe(again.until)
})

test('ten minutes without a result of a probe: paused again, the same n', () => {
  const out = recordDispatch(probing(5), T0 + HOUR)
  expect(backoffLimitsOf(policy, out).probesLeft).toBe(0)
  expect(advanceBackoff(policy, out, { waiting: 4 }, inputAt(T0 + HOUR + 10 * MINUTE - 1)).state).toBe('probing')
  const silent = advanceBackoff(policy, out, { waiting: 4 }, inputAt(T0 + HOUR + 10 * MINUTE))
  expect([silent.state, silent.n]).toEqual(['paused', 1])
})

test('no message waits: active at a tenth of the rate, n kept', () => {
  const open = advanceBackoff(policy, probing(0), { waiting: 0 }, { now: T0 + HOUR, epoch: 30, random: 0 })
  expect(open).toMatchObject({ state: 'active', n: 1, rung: 0 })
  expect(backoffLimitsOf(policy, open).perMinute).toBe(60)
})

test('recovery advances after two minutes and fifty clean replies, fifteen minutes and one, or idle half hours', () => {
  let episode = clean(clean(probing(2), T0 + HOUR), T0 + HOUR)
  const rates: unknown[] = [backoffLimitsOf(policy, episode).perMinute]
  const climb = (now: number, answers: number): void => {
    for (let i = 0; i < answers; i++)
      episode = applyFeedback(policy, episode, { ...CLEAN, dispatchNumber: 99 }, { now, epoch: 99, random: 0 })
    episode = advanceBackoff(policy, episode, { waiting: 1 }, { now, epoch: 99, random: 0 })
    rates.push(backoffLimitsOf(policy, episode).perMinute)
  }
  const start = T0 + HOUR
  climb(start + 2 * MINUTE, 49)
  climb(start + 2 * MINUTE, 1)
  climb(start + 17 * MINUTE, 1)
  climb(start + 47 * MINUTE, 0)
  climb(start + 77 * MINUTE, 0)
  expect(rates).toEqual([60, 60, 150, 300, 600, null])
  expect([episode.state, episode.n]).toEqual(['active', 1])
})

test('a hit during recovery: paused, n + 1', () => {
  const recovering = clean(clean(probing(2), T0 + HOUR), T0 + HOUR)
  const again = applyFeedback(policy, recovering, { ...HIT, dispatchNumber: 99 }, { now: T0 + 2 * HOUR, epoch: 99, random: 0.5 })
  expect([again.state, again.n]).toEqual(['paused', 2])
})

test.each([
  [23 * HOUR, 4],
  [25 * HOUR, 4],
  [8 * DAY + HOUR, 1],
])('n after %d ms without trouble: the next pause is number %d', (quietMs, n) => {
  const episode: BackoffEpisode = { ...fresh('ip-blocklist'), n: 3, pausedMs: 2 * DAY }
  expect(applyFeedback(policy, episode, HIT, inputAt(T0 + quietMs)).n).toBe(n)
})

test('Recover opens at a tenth of the rate, or by a probe; list quality waits for it without limit', () => {
  const paused = apply(fresh('list-quality'), '200H')
  expect([paused.until, nextBackoffWakeAt(policy, paused)]).toEqual([null, null])
  expect(advanceBackoff(policy, paused, { waiting: 1 }, inputAt(T0 + 400 * DAY))).toBe(paused)
  expect(recoverBackoff(policy, paused, 'immediate', { waiting: 1 }, inputAt(T0))).toMatchObject({ state: 'active', rung: 0, n: 1 })
  expect(recoverBackoff(policy, paused, 'probe', { waiting: 1 }, inputAt(T0))).toMatchObject({ state: 'probing', batch: 1 })
})

test('a transition names key, class, n, next sending time and at most five replies; a permanent deferral raises an alarm', () => {
  const before = fresh('deferred-for-good')
  const after = applyFeedback(policy, before, HIT, inputAt(T0))
  expect(createTransition(policy, [before, after], T0, 'queue')).toEqual({
    kind: 'queue.paused',
    at: T0,
    key: 'ip|192.0.2.1|big',
    class: 'deferred-for-good',
    from: 'active',
    to: 'paused',
    n: 1,
    epoch: 7,
    nextSendingAt: T0 + DAY,
    evidence: [HIT.reply],
    alarm: true,
    by: 'queue',
  })
  expect(apply(fresh('ip-reputation'), 'HHcHHcHHcHH').evidence).toHaveLength(5)
})

const DEPARTURES = [
  // class              n    minutes: as specified, by default
  ['ip-rate', 1, 30, 6.3],
  ['ip-rate', 5, 480, 6.3],
  ['domain-rate', 2, 60, 6.3],
  ['ip-reputation', 1, 120, 60],
  ['ip-reputation', 3, 480, 120],
  ['network', 1, 5, 2],
  ['network', 4, 40, 2],
  ['ip-blocklist', 1, 360, 30],
  ['ip-blocklist', 2, 720, 31.5],
] as const

test.each(DEPARTURES)('%s, pause number %d: %d minutes as specified, %d by default', (name, n, ...want) => {
  const lengths = [BACKOFF_POLICIES.spec, BACKOFF_POLICIES.default].map((by) => {
    const throttled = { ...fresh(name), state: 'throttled', n, epoch: 3 } as const
    const from = by.classes[name].firstAction === 'pause' ? { ...fresh(name), n: n - 1 } : throttled
    const feedback = { ...HIT, trips: true }
    const paused = applyFeedback(by, from, feedback, inputAt(T0 + 11 * MINUTE))
    return ((paused.until ?? 0) - T0) / MINUTE - 11
  })
  expect(lengths.map((length) => Math.round(length * 10) / 10)).toEqual(want)
})

test('a server that was only unreachable: one rung at its former rate, then full speed', () => {
  const paused = applyFeedback(BACKOFF_POLICIES.default, fresh('network'), { ...HIT, trips: true }, inputAt(T0))
  const asked = recordDispatch(
    advanceBackoff(BACKOFF_POLICIES.default, { ...paused, until: T0 }, { waiting: 1 }, { now: T0, epoch: 8, random: 0 }),
    T0,
  )
  let episode = applyFeedback(BACKOFF_POLICIES.default, asked, { ...CLEAN, dispatchNumber: 9 }, { now: T0, epoch: 10, random: 0 })
  expect([episode.state, backoffLimitsOf(BACKOFF_POLICIES.default, episode).perMinute]).toEqual(['recovering', 600])
  for (let i = 0; i < 20; i++)
    episode = applyFeedback(BACKOFF_POLICIES.default, episode, { ...CLEAN, dispatchNumber: 99 }, inputAt(T0 + MINUTE))
  expect(advanceBackoff(BACKOFF_POLICIES.default, episode, { waiting: 1 }, inputAt(T0 + MINUTE)).state).toBe('active')
})

test('the fixed policy: fifteen minutes at the first refusal, then full speed', () => {
  const paused = applyFeedback(
    BACKOFF_POLICIES.fixed,
    createBackoffEpisode(BACKOFF_POLICIES.fixed, { key: 'ip|a|b', class: 'ip-rate', now: T0 }, (measure) =>
      emptySlidingCount(measure.windowMs),
    ),
    { ...HIT, statedDelayMs: 5 },
    inputAt(T0, 0.9),
  )
  expect([paused.state, paused.until]).toEqual(['paused', T0 + 15 * MINUTE])
  const open = advanceBackoff(BACKOFF_POLICIES.fixed, paused, { waiting: 1 }, inputAt(T0 + 15 * MINUTE))
  expect([open.state, open.rung]).toEqual(['active', null])
})
