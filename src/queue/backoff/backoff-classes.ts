/**
 * backoff-classes - the classes of refusals that make sending pause, as a table
 *
 * A class trips when, inside the window of one of its measures, hits ≥ threshold and hits ÷ attempts ≥ ratio and attempts ≥ floor; below
 * the floor, when it is answered `inARow` times with nothing else between (0: never below the floor). A class without a key pauses nothing.
 *
 * Pure data. See also: queue/backoff/policy (tables to compare), queue/backoff/backoff (the machine), queue/backoff/sliding-count (windows).
 */
import type { BackoffClass } from '../../classify/verdict.ts'
import type { BACKOFF_KEYS } from './backoff-key.ts'

/** Beside the classes of rules: `list-quality` counts one account's bad addresses, `unknown` the 4xx that no rule knows. */
export type BackoffClassName = BackoffClass | 'list-quality' | 'unknown'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

export type TripMeasure = {
  readonly threshold: number
  readonly ratio: number
  readonly floor: number
  readonly windowMs: number
  readonly inARow: number
  /** What the share is taken of: answers, or accepted mails. */
  readonly denominator: 'attempts' | 'delivered'
  /** Which hits it counts: every hit of the class, or complaints alone. */
  readonly numerator: 'answers' | 'complaints'
}

/** How a throttled key sends: a share of what it sent before, mails a minute, or connections. Null: not limited so. */
export type ThrottleLimits = { readonly share: number | null; readonly perMinute: number | null; readonly connections: number | null }

/** Shares of the rate before the trouble, rung by rung, and what passes a rung: so long with so many clean answers. */
export type RecoveryLadder = {
  readonly ladder: readonly number[]
  readonly rungs: readonly { readonly afterMs: number; readonly clean: number }[]
}

export type BackoffClassRow = {
  /** Which key it holds; null: it pauses nothing. A network failure names its own. */
  readonly key: keyof typeof BACKOFF_KEYS | 'network' | null
  readonly measures: readonly TripMeasure[]
  readonly firstAction: 'throttle' | 'pause'
  readonly throttle: ThrottleLimits
  /** Pauses while throttled: only after so long, and only from this share. Null: when it trips again. */
  readonly repeatTrip: { readonly afterMs: number; readonly ratio: number } | null
  /** From so many times its ratio it pauses, throttled before or not. Null: however high. */
  readonly pauseAtMultiple: number | null
  /** The first pause of an episode; each further one is `growth` times as long, up to the cap. */
  readonly baseMs: number
  readonly growth: number
  readonly capMs: number
  /** How it recovers. Null: by the policy. */
  readonly recovery: RecoveryLadder | null
  /** `ladder`: base × 2^(n−1); `midnight`: the provider's day; `operator`: until Recover; `never`: it only throttles. */
  readonly pauseLength: 'ladder' | 'midnight' | 'operator' | 'never'
  /** What "the class again" is while recovering: one answer, or a trip (for classes that a healthy sender meets now and then). */
  readonly relapse: 'hit' | 'trip'
  /** A mail that is put off so rests at least so long. */
  readonly minRetryDelayMs: number
  /** A hit halves what this key has learnt: mails a minute, or connections. */
  readonly halves: 'ip' | 'senderDomain' | 'connection' | null
  /** The mail may leave at once by another IP. */
  readonly canRetryOtherIp: boolean
  readonly isAlarming: boolean
}

const answerMeasure = (threshold: number, ratio: number, floor: number): TripMeasure => ({
  threshold,
  ratio,
  floor,
  windowMs: HOUR_MS,
  inARow: 3,
  denominator: 'attempts',
  numerator: 'answers',
})

const throttleLimits = (some: Partial<ThrottleLimits>): ThrottleLimits => ({ share: null, perMinute: null, connections: null, ...some })

const DEFAULT_CLASS_ROW = {
  key: null,
  measures: [],
  firstAction: 'pause',
  throttle: throttleLimits({}),
  repeatTrip: null,
  pauseAtMultiple: null,
  baseMs: 0,
  growth: 2,
  capMs: 0,
  recovery: null,
  pauseLength: 'ladder',
  relapse: 'hit',
  minRetryDelayMs: 0,
  halves: null,
  canRetryOtherIp: false,
  isAlarming: false,
} as const satisfies BackoffClassRow

/** The classes as specified: the policy `spec`. */
export const BACKOFF_CLASSES: Readonly<Record<BackoffClassName, BackoffClassRow>> = {
  // Yahoo TSS04 and TSS05 come and go with volume: less first, and nothing only if less does not help.
  'ip-reputation': {
    ...DEFAULT_CLASS_ROW,
    key: 'ip',
    measures: [answerMeasure(5, 0.1, 20)],
    firstAction: 'throttle',
    throttle: throttleLimits({ share: 0.25 }),
    repeatTrip: { afterMs: 10 * MINUTE_MS, ratio: 0.5 },
    baseMs: 2 * HOUR_MS,
    capMs: 24 * HOUR_MS,
  },
  // A listing is a yes or no: one answer says it.
  'ip-blocklist': {
    ...DEFAULT_CLASS_ROW,
    key: 'ip',
    measures: [answerMeasure(1, 0, 1)],
    baseMs: 6 * HOUR_MS,
    capMs: 48 * HOUR_MS,
    canRetryOtherIp: true,
  },
  // Yahoo TS03: a 421 that no retry will ever pass.
  'deferred-for-good': {
    ...DEFAULT_CLASS_ROW,
    key: 'ip',
    measures: [answerMeasure(1, 0, 1)],
    baseMs: DAY_MS,
    capMs: 7 * DAY_MS,
    canRetryOtherIp: true,
    isAlarming: true,
  },
  'domain-rate': {
    ...DEFAULT_CLASS_ROW,
    key: 'senderDomain',
    measures: [answerMeasure(3, 0.05, 20)],
    firstAction: 'throttle',
    throttle: throttleLimits({ perMinute: 10 }),
    baseMs: 30 * MINUTE_MS,
    capMs: 12 * HOUR_MS,
    halves: 'senderDomain',
  },
  'domain-quota-day': {
    ...DEFAULT_CLASS_ROW,
    key: 'senderDomain',
    measures: [answerMeasure(1, 0, 1)],
    baseMs: DAY_MS,
    capMs: DAY_MS,
    pauseLength: 'midnight',
  },
  'ip-rate': {
    ...DEFAULT_CLASS_ROW,
    key: 'ip',
    measures: [answerMeasure(3, 0.05, 20)],
    firstAction: 'throttle',
    throttle: throttleLimits({ perMinute: 10 }),
    baseMs: 30 * MINUTE_MS,
    capMs: 12 * HOUR_MS,
    halves: 'ip',
  },
  'connection-frequency': {
    ...DEFAULT_CLASS_ROW,
    key: 'connection',
    measures: [answerMeasure(3, 0.05, 20)],
    firstAction: 'throttle',
    throttle: throttleLimits({ connections: 1 }),
    baseMs: 15 * MINUTE_MS,
    capMs: 4 * HOUR_MS,
    halves: 'connection',
  },
  // Its measure is one cohort (queue/backoff/key-state): all connections that were open at the first failure.
  network: { ...DEFAULT_CLASS_ROW, key: 'network', measures: [], baseMs: 5 * MINUTE_MS, capMs: HOUR_MS },
  'list-quality': {
    ...DEFAULT_CLASS_ROW,
    key: 'account',
    measures: [
      { threshold: 20, ratio: 0.1, floor: 200, windowMs: DAY_MS, inARow: 0, denominator: 'attempts', numerator: 'answers' },
      { threshold: 3, ratio: 0.003, floor: 1_000, windowMs: DAY_MS, inARow: 0, denominator: 'delivered', numerator: 'complaints' },
    ],
    firstAction: 'throttle',
    throttle: throttleLimits({ share: 0.1 }),
    pauseAtMultiple: 2,
    baseMs: DAY_MS,
    capMs: DAY_MS,
    pauseLength: 'operator',
    relapse: 'trip',
  },
  unknown: {
    ...DEFAULT_CLASS_ROW,
    key: 'ip',
    measures: [
      { threshold: 50, ratio: 0.5, floor: 100, windowMs: 10 * MINUTE_MS, inARow: 0, denominator: 'attempts', numerator: 'answers' },
    ],
    firstAction: 'throttle',
    throttle: throttleLimits({ share: 0.25 }),
    baseMs: 30 * MINUTE_MS,
    capMs: 30 * MINUTE_MS,
    pauseLength: 'never',
    relapse: 'trip',
  },
  greylist: DEFAULT_CLASS_ROW,
  // A busy server asks for less, not for nothing.
  busy: { ...DEFAULT_CLASS_ROW, halves: 'ip' },
  content: DEFAULT_CLASS_ROW,
  recipient: DEFAULT_CLASS_ROW,
}
