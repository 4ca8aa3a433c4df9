/**
 * backoff-classes - the classes of refusals that make a key back off, as a table
 *
 * A class trips when, inside the window of one of its measures, hits ≥ threshold and hits ÷ attempts ≥ ratio and attempts ≥ floor. Below
 * the floor it trips when `inARow` results in a row are hits, and at any volume when ten are (`inARow` 0: only by the share). A class without
 * a key pauses nothing.
 *
 * Pure data. See also: queue/backoff/policy (tables to compare), queue/backoff/backoff (the state machine), queue/backoff/trip-detection.
 */
import type { BackoffClass } from '../../classify/verdict.ts'
import type { BackoffKeyKind } from './backoff-key.ts'

/**
 * The classes of rules, and three monitors. `list-quality` counts an account's bad addresses. The other two count deferrals (4xx) that no
 * class pauses for: `domain-deferred` those whose cause is the sender domain, `unknown` all others (queue/backoff/deferral-monitor). `own`
 * is a fault of this host: it cannot use an egress IP.
 */
export type BackoffClassName = BackoffClass | 'list-quality' | 'unknown' | 'domain-deferred' | 'own'

/** The keys that a class may use, by their names in policy files. */
export const CLASS_KEY_KINDS = {
  ip: 'ip',
  senderDomain: 'sender-domain',
  connection: 'connection',
  account: 'account',
  own: 'own',
} as const satisfies Record<string, BackoffKeyKind>

/** The keys that learn a limit which a hit halves, by their names in policy files. */
export const LEARNING_KEYS = ['ip', 'senderDomain', 'connection'] as const satisfies readonly (keyof typeof CLASS_KEY_KINDS)[]

export const FIRST_ACTIONS = ['throttle', 'pause'] as const

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

export type TripMeasure = {
  readonly threshold: number
  readonly ratio: number
  readonly floor: number
  readonly windowMs: number
  readonly inARow: number
  /** What the share is taken of: all attempts, or accepted messages. */
  readonly denominator: 'attempts' | 'delivered'
  /** What it counts: every hit of the class, or complaints alone. */
  readonly numerator: 'answers' | 'complaints'
}

/** How a throttled key sends: a share of its rate before, messages a minute, or connections. Null: no such limit. */
type ThrottleLimits = { readonly share: number | null; readonly perMinute: number | null; readonly connections: number | null }

/** Shares of the rate before the trouble, rung by rung. A rung is passed after `afterMs` with `clean` results that are no hits. */
export type RecoveryLadder = {
  readonly ladder: readonly number[]
  readonly rungs: readonly { readonly afterMs: number; readonly clean: number }[]
}

export type BackoffClassRow = {
  /** The key that backs off; null: none does. `network`: the key that fits the failure. */
  readonly key: keyof typeof CLASS_KEY_KINDS | 'network' | null
  readonly measures: readonly TripMeasure[]
  readonly firstAction: (typeof FIRST_ACTIONS)[number]
  readonly throttle: ThrottleLimits
  /** While throttled it pauses only after this time and from this share on. Null: whenever it trips again. */
  readonly repeatTrip: { readonly afterMs: number; readonly ratio: number } | null
  /** From this multiple of its ratio on it pauses, throttled before or not. Null: no such multiple. */
  readonly pauseAtMultiple: number | null
  /** The first pause of an episode. Each further pause is `growth` times as long, up to the cap. */
  readonly baseMs: number
  readonly growth: number
  /**
   * How the key learns how long this destination refuses (queue/backoff/pause-length). A pause is the base and a part of `growth` − 1 of the
   * time that it has refused so far. The next refusal begins with a pause as long as the last one, up to `longestMs`, unless it comes more
   * than `forgetMultiple` times as long after it (null: while n is kept). Null: each pause of the episode is longer than the one before.
   */
  readonly learnsPause: { readonly longestMs: number; readonly forgetMultiple: number | null } | null
  readonly capMs: number
  /** How it recovers; null: as the policy says. */
  readonly recovery: RecoveryLadder | null
  /** `ladder`: base × growth^(n−1); `midnight`: the end of the provider's day; `operator`: until Recover. */
  readonly pauseLength: 'ladder' | 'midnight' | 'operator'
  /**
   * What pauses a probing or recovering key again: one hit; or, for classes that a healthy sender meets now and then, a trip, or the share of
   * the first measure among five results and more.
   */
  readonly relapse: 'hit' | 'trip' | 'share'
  /** The shortest retry delay of a message that was deferred by this class. */
  readonly minRetryDelayMs: number
  /** The key whose learnt limit a hit halves: messages a minute, or connections. */
  readonly halves: (typeof LEARNING_KEYS)[number] | null
  /** Whether the message may leave at once by another egress IP. */
  readonly canRetryOtherIp: boolean
  /** Whether a pause needs a person. */
  readonly isAlarming: boolean
}

const replyMeasure = (threshold: number, ratio: number, floor: number): TripMeasure => ({
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
  learnsPause: null,
  capMs: 0,
  recovery: null,
  pauseLength: 'ladder',
  relapse: 'hit',
  minRetryDelayMs: 0,
  halves: null,
  canRetryOtherIp: false,
  isAlarming: false,
} as const satisfies BackoffClassRow

/** Half of all attempts are deferred, and no class says why: a receiver that has something against the sender says so in its own words. */
const DEFERRAL_MONITOR_ROW = {
  ...DEFAULT_CLASS_ROW,
  measures: [{ threshold: 50, ratio: 0.5, floor: 100, windowMs: 10 * MINUTE_MS, inARow: 0, denominator: 'attempts', numerator: 'answers' }],
  firstAction: 'throttle',
  throttle: throttleLimits({ share: 0.25 }),
  repeatTrip: { afterMs: 15 * MINUTE_MS, ratio: 0.5 },
  baseMs: 15 * MINUTE_MS,
  capMs: 15 * MINUTE_MS,
  relapse: 'share',
} as const satisfies BackoffClassRow

/** The classes as specified: the policy `spec`. */
export const BACKOFF_CLASSES: Readonly<Record<BackoffClassName, BackoffClassRow>> = {
  // Yahoo TSS04 and TSS05 depend on volume: slow down first, and pause only if that does not help.
  'ip-reputation': {
    ...DEFAULT_CLASS_ROW,
    key: 'ip',
    measures: [replyMeasure(5, 0.1, 20)],
    firstAction: 'throttle',
    throttle: throttleLimits({ share: 0.25 }),
    repeatTrip: { afterMs: 10 * MINUTE_MS, ratio: 0.5 },
    baseMs: 2 * HOUR_MS,
    capMs: 24 * HOUR_MS,
  },
  // An IP is listed or it is not: one reply is enough.
  'ip-blocklist': {
    ...DEFAULT_CLASS_ROW,
    key: 'ip',
    measures: [replyMeasure(1, 0, 1)],
    baseMs: 6 * HOUR_MS,
    capMs: 48 * HOUR_MS,
    canRetryOtherIp: true,
  },
  // Yahoo TS03: a 421 that no retry passes.
  'deferred-for-good': {
    ...DEFAULT_CLASS_ROW,
    key: 'ip',
    measures: [replyMeasure(1, 0, 1)],
    baseMs: DAY_MS,
    capMs: 7 * DAY_MS,
    canRetryOtherIp: true,
    isAlarming: true,
  },
  'domain-rate': {
    ...DEFAULT_CLASS_ROW,
    key: 'senderDomain',
    measures: [replyMeasure(3, 0.05, 20)],
    firstAction: 'throttle',
    throttle: throttleLimits({ perMinute: 10 }),
    baseMs: 30 * MINUTE_MS,
    capMs: 12 * HOUR_MS,
    halves: 'senderDomain',
  },
  'domain-quota-day': {
    ...DEFAULT_CLASS_ROW,
    key: 'senderDomain',
    measures: [replyMeasure(1, 0, 1)],
    baseMs: DAY_MS,
    capMs: DAY_MS,
    pauseLength: 'midnight',
  },
  'ip-rate': {
    ...DEFAULT_CLASS_ROW,
    key: 'ip',
    measures: [replyMeasure(3, 0.05, 20)],
    firstAction: 'throttle',
    throttle: throttleLimits({ perMinute: 10 }),
    baseMs: 30 * MINUTE_MS,
    capMs: 12 * HOUR_MS,
    halves: 'ip',
  },
  'connection-frequency': {
    ...DEFAULT_CLASS_ROW,
    key: 'connection',
    measures: [replyMeasure(3, 0.05, 20)],
    firstAction: 'throttle',
    throttle: throttleLimits({ connections: 1 }),
    baseMs: 15 * MINUTE_MS,
    capMs: 4 * HOUR_MS,
    halves: 'connection',
  },
  // Measured by cohort (queue/backoff/network-feedback): all connections that were open at the first failure.
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
  unknown: { ...DEFERRAL_MONITOR_ROW, key: 'ip' },
  'domain-deferred': { ...DEFERRAL_MONITOR_ROW, key: 'senderDomain' },
  // So many messages of one connection: the next connection accepts the message.
  'session-limit': DEFAULT_CLASS_ROW,
  // No destination is to blame. A person must act, but an address may also come back by itself.
  own: {
    ...DEFAULT_CLASS_ROW,
    key: 'own',
    baseMs: MINUTE_MS,
    capMs: HOUR_MS,
    recovery: { ladder: [1], rungs: [{ afterMs: MINUTE_MS / 2, clean: 1 }] },
    isAlarming: true,
  },
  greylist: DEFAULT_CLASS_ROW,
  // A busy server asks for a lower rate, not for a pause.
  busy: { ...DEFAULT_CLASS_ROW, halves: 'ip' },
  content: DEFAULT_CLASS_ROW,
  recipient: DEFAULT_CLASS_ROW,
}
