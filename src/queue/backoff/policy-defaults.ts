/**
 * policy-defaults - where the default policy departs from the table of queue/backoff/backoff-classes, and why
 *
 * The table is the specification; the policy `spec` is exactly that. The rows here name only what differs. docs/SIMULATION.md has the
 * measured effect of each on several seeds.
 *
 * Pure data. See also: queue/backoff/policy (merges them).
 */
import { BACKOFF_CLASSES, type BackoffClassName, type BackoffClassRow } from './backoff-classes.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/**
 * Providers refuse for minutes or for an hour. The pause begins short, a refused probe doubles it, and the key remembers how long the provider
 * refused: a probe costs one attempt. The shortest pause, after jitter, is the five minutes that many providers refuse for. The recovery goes on
 * to double the rate beyond that of before: at full speed, a next refusal would meet as many attempts as there are connections.
 */
const LEARNT_PAUSE = {
  baseMs: 6.25 * MINUTE_MS,
  capMs: HOUR_MS,
  learnsPause: { longestMs: HOUR_MS, forgetMultiple: null },
  recovery: {
    ladder: [0.25, 0.5, 1, 2, 4, 8],
    rungs: [
      { afterMs: MINUTE_MS, clean: 50 },
      { afterMs: 15 * MINUTE_MS, clean: 1 },
    ],
  },
} as const

const [notExist, complaints] = BACKOFF_CLASSES['list-quality'].measures

export const DEFAULT_OVERRIDES: Readonly<Partial<Record<BackoffClassName, Partial<BackoffClassRow>>>> = {
  'ip-rate': LEARNT_PAUSE,
  'domain-rate': LEARNT_PAUSE,
  // A probe costs one connection, and its message stays queued. A twentieth of the time on the list is lost at its end.
  'ip-blocklist': {
    baseMs: HOUR_MS / 2,
    growth: 1.05,
    capMs: 6 * HOUR_MS,
    recovery: {
      ladder: [0.25, 0.5, 1],
      rungs: [
        { afterMs: 2 * MINUTE_MS, clean: 50 },
        { afterMs: 15 * MINUTE_MS, clean: 1 },
      ],
    },
  },
  // Yahoo's TSS04 is as often a volume limit as a judgement of reputation: the egress IP learns a rate from it.
  'ip-reputation': { baseMs: HOUR_MS, capMs: 2 * HOUR_MS, halves: 'ip' },
  // A probe of a dead host costs one connection. A pause is a twelfth of the outage so far, so even with jitter no more than a tenth of the
  // outage is lost at its end. A server that fails again soon is left alone for as long as the last time, up to a quarter of an hour: it may
  // only restart. One that was only unreachable has nothing against the sender: it gets its former rate for half a minute, then full speed.
  network: {
    baseMs: 2 * MINUTE_MS,
    growth: 1.08,
    learnsPause: { longestMs: 15 * MINUTE_MS, forgetMultiple: 4 },
    recovery: {
      ladder: [1],
      rungs: [
        { afterMs: MINUTE_MS / 2, clean: 20 },
        { afterMs: 2 * MINUTE_MS, clean: 1 },
      ],
    },
  },
  // Greylists ask for five minutes and more: an attempt after the first delay of the schedule would be wasted.
  greylist: { minRetryDelayMs: 6 * MINUTE_MS },
  // Three complaints in 1,000 messages are chance: a list with 0.1 % has that many on every twelfth day.
  'list-quality': {
    measures: notExist === undefined || complaints === undefined ? [] : [notExist, { ...complaints, threshold: 8 }],
  },
}
