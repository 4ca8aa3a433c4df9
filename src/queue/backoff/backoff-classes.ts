/**
 * backoff-classes - the classes of refusals that make sending pause, as a table
 *
 * A class trips when, inside the window of one of its measures, hits ≥ threshold and hits ÷ attempts ≥ ratio and attempts ≥ floor; below
 * the floor, when it is answered `inARow` times with nothing else between (0: never below the floor). A class without a key pauses nothing.
 *
 * Pure data. See also: queue/backoff/policy (tables to compare), queue/backoff/backoff (the machine), queue/backoff/sliding-count (windows).
 */
import type { PauseClass } from '../../classify/verdict.ts'
import type { KEYS } from './backoff-key.ts'

/** Beside the classes of rules: `list-quality` counts one account's bad addresses, `unknown` the 4xx that no rule knows. */
export type ClassName = PauseClass | 'list-quality' | 'unknown'

const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 86_400_000

export type Measure = {
  readonly threshold: number
  readonly ratio: number
  readonly floor: number
  readonly windowMs: number
  readonly inARow: number
  /** What the share is taken of: answers, or accepted mails. */
  readonly per: 'attempts' | 'delivered'
  /** Which hits it counts: every hit of the class, or complaints alone. */
  readonly of: 'answers' | 'complaints'
}

/** How a throttled key sends: a share of what it sent before, mails a minute, or connections. Null: not limited so. */
export type Throttle = { readonly share: number | null; readonly perMinute: number | null; readonly connections: number | null }

/** Shares of the rate before the trouble, rung by rung, and what passes a rung: so long with so many clean answers. */
export type Recovery = {
  readonly ladder: readonly number[]
  readonly rungs: readonly { readonly afterMs: number; readonly clean: number }[]
}

export type ClassRow = {
  /** Which key it holds; null: it pauses nothing. A network failure names its own. */
  readonly key: keyof typeof KEYS | 'network' | null
  readonly measures: readonly Measure[]
  readonly first: 'throttle' | 'pause'
  readonly throttle: Throttle
  /** Pauses while throttled: only after so long, and only from this share. Null: when it trips again. */
  readonly again: { readonly afterMs: number; readonly ratio: number } | null
  /** From so many times its ratio it pauses, throttled before or not. Null: however high. */
  readonly pausesAtTimes: number | null
  /** The first pause of an episode; each further one is `growth` times as long, up to the cap. */
  readonly baseMs: number
  readonly growth: number
  readonly capMs: number
  /** How it recovers. Null: by the policy. */
  readonly recovery: Recovery | null
  /** `ladder`: base × 2^(n−1); `midnight`: the provider's day; `operator`: until Recover; `never`: it only throttles. */
  readonly pause: 'ladder' | 'midnight' | 'operator' | 'never'
  /** What "the class again" is while recovering: one answer, or a trip (for classes that a healthy sender meets now and then). */
  readonly relapse: 'hit' | 'trip'
  /** A mail that is put off so rests at least so long. */
  readonly leastRestMs: number
  /** A hit halves what this key has learnt: mails a minute, or connections. */
  readonly halves: 'ip' | 'senderDomain' | 'connection' | null
  /** The mail may leave at once by another IP. */
  readonly otherIp: boolean
  readonly alarm: boolean
}

const answers = (threshold: number, ratio: number, floor: number): Measure => ({
  threshold,
  ratio,
  floor,
  windowMs: HOUR,
  inARow: 3,
  per: 'attempts',
  of: 'answers',
})

const throttle = (some: Partial<Throttle>): Throttle => ({ share: null, perMinute: null, connections: null, ...some })

const PLAIN = {
  key: null,
  measures: [],
  first: 'pause',
  throttle: throttle({}),
  again: null,
  pausesAtTimes: null,
  baseMs: 0,
  growth: 2,
  capMs: 0,
  recovery: null,
  pause: 'ladder',
  relapse: 'hit',
  leastRestMs: 0,
  halves: null,
  otherIp: false,
  alarm: false,
} as const satisfies ClassRow

/** The classes as specified: the policy `spec`. */
export const CLASSES: Readonly<Record<ClassName, ClassRow>> = {
  // Yahoo TSS04 and TSS05 come and go with volume: less first, and nothing only if less does not help.
  'ip-reputation': {
    ...PLAIN,
    key: 'ip',
    measures: [answers(5, 0.1, 20)],
    first: 'throttle',
    throttle: throttle({ share: 0.25 }),
    again: { afterMs: 10 * MINUTE, ratio: 0.5 },
    baseMs: 2 * HOUR,
    capMs: 24 * HOUR,
  },
  // A listing is a yes or no: one answer says it.
  'ip-blocklist': { ...PLAIN, key: 'ip', measures: [answers(1, 0, 1)], baseMs: 6 * HOUR, capMs: 48 * HOUR, otherIp: true },
  // Yahoo TS03: a 421 that no retry will ever pass.
  'deferred-for-good': { ...PLAIN, key: 'ip', measures: [answers(1, 0, 1)], baseMs: DAY, capMs: 7 * DAY, otherIp: true, alarm: true },
  'domain-rate': {
    ...PLAIN,
    key: 'senderDomain',
    measures: [answers(3, 0.05, 20)],
    first: 'throttle',
    throttle: throttle({ perMinute: 10 }),
    baseMs: 30 * MINUTE,
    capMs: 12 * HOUR,
    halves: 'senderDomain',
  },
  'domain-quota-day': { ...PLAIN, key: 'senderDomain', measures: [answers(1, 0, 1)], baseMs: DAY, capMs: DAY, pause: 'midnight' },
  'ip-rate': {
    ...PLAIN,
    key: 'ip',
    measures: [answers(3, 0.05, 20)],
    first: 'throttle',
    throttle: throttle({ perMinute: 10 }),
    baseMs: 30 * MINUTE,
    capMs: 12 * HOUR,
    halves: 'ip',
  },
  'connection-frequency': {
    ...PLAIN,
    key: 'connection',
    measures: [answers(3, 0.05, 20)],
    first: 'throttle',
    throttle: throttle({ connections: 1 }),
    baseMs: 15 * MINUTE,
    capMs: 4 * HOUR,
    halves: 'connection',
  },
  // Its measure is one cohort (queue/backoff/key-state): all connections that were open at the first failure.
  network: { ...PLAIN, key: 'network', measures: [], baseMs: 5 * MINUTE, capMs: HOUR },
  'list-quality': {
    ...PLAIN,
    key: 'account',
    measures: [
      { threshold: 20, ratio: 0.1, floor: 200, windowMs: DAY, inARow: 0, per: 'attempts', of: 'answers' },
      { threshold: 3, ratio: 0.003, floor: 1_000, windowMs: DAY, inARow: 0, per: 'delivered', of: 'complaints' },
    ],
    first: 'throttle',
    throttle: throttle({ share: 0.1 }),
    pausesAtTimes: 2,
    baseMs: DAY,
    capMs: DAY,
    pause: 'operator',
    relapse: 'trip',
  },
  unknown: {
    ...PLAIN,
    key: 'ip',
    measures: [{ threshold: 50, ratio: 0.5, floor: 100, windowMs: 10 * MINUTE, inARow: 0, per: 'attempts', of: 'answers' }],
    first: 'throttle',
    throttle: throttle({ share: 0.25 }),
    baseMs: 30 * MINUTE,
    capMs: 30 * MINUTE,
    pause: 'never',
    relapse: 'trip',
  },
  greylist: PLAIN,
  // A busy server asks for less, not for nothing.
  busy: { ...PLAIN, halves: 'ip' },
  content: PLAIN,
  recipient: PLAIN,
}
