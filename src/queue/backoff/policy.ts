/**
 * policy - the built-in backoff policies, as data
 *
 * `spec` is the table as specified. `default` departs from it in a few rows (queue/backoff/policy-defaults). `never` never backs off. `fixed`
 * pauses for fifteen minutes at the first refusal of a class and then continues at full speed, as many senders do. Pure data. See also: queue/backoff/backoff-classes (the classes), queue/backoff/backoff (the state machine).
 */
import { DEFAULT_OVERRIDES } from './policy-defaults.ts'
import { BACKOFF_CLASSES, type BackoffClassName, type BackoffClassRow } from './backoff-classes.ts'

export type BackoffPolicy = {
  readonly name: string
  readonly classes: Readonly<Record<BackoffClassName, BackoffClassRow>>
  /** The length of a pause is multiplied by a random number between these two, evenly distributed. */
  readonly jitter: readonly [number, number]
  /** The most that is added to a provider's midnight. */
  readonly midnightJitterMs: number
  /** The pause for a daily quota whose time zone is not known lasts between this and twice this. */
  readonly unknownMidnightMs: number
  /** Whether a delay that the provider states replaces the computed pause. */
  readonly honorsStatedDelay: boolean
  /** Whether a probe comes before the recovery. Without, a key opens at full speed when its pause is over. */
  readonly probes: boolean
  readonly probeBatch: number
  readonly probeTimeoutMs: number
  /** The recovery ladder: shares of the rate before the trouble, rung by rung. */
  readonly ladder: readonly number[]
  /** A rung is passed after `afterMs` with `clean` results that are no hits, or after `rungIdleMs` without anything to send. */
  readonly rungs: readonly { readonly afterMs: number; readonly clean: number }[]
  readonly rungIdleMs: number
  /** n is reset after this time without trouble, and not before this multiple of the last pause. */
  readonly forgetMs: number
  readonly forgetPauseMultiple: number
  /** Whether keys learn limits (queue/backoff/rate-limiter, queue/backoff/concurrency-limiter). */
  readonly adapts: boolean
}

const MINUTE_MS = 60_000

const SPEC_POLICY: BackoffPolicy = {
  name: 'spec',
  classes: BACKOFF_CLASSES,
  jitter: [0.8, 1.2],
  midnightJitterMs: 30 * MINUTE_MS,
  unknownMidnightMs: 60 * MINUTE_MS,
  honorsStatedDelay: true,
  probes: true,
  probeBatch: 5,
  probeTimeoutMs: 10 * MINUTE_MS,
  ladder: [0.1, 0.25, 0.5, 1],
  rungs: [
    { afterMs: 2 * MINUTE_MS, clean: 50 },
    { afterMs: 15 * MINUTE_MS, clean: 1 },
  ],
  rungIdleMs: 30 * MINUTE_MS,
  forgetMs: 24 * 60 * MINUTE_MS,
  forgetPauseMultiple: 4,
  adapts: true,
}

const mapClasses = (change: (row: BackoffClassRow, name: BackoffClassName) => BackoffClassRow): BackoffPolicy['classes'] => {
  const entries = Object.entries(BACKOFF_CLASSES).map(([name, row]) => [name, change(row, name as BackoffClassName)] as const)
  // Checked: the names come from BACKOFF_CLASSES.
  return Object.fromEntries(entries) as unknown as BackoffPolicy['classes']
}

/** A class that pauses nothing. A blocked message may still leave by another egress IP. */
const withoutBackoff = (row: BackoffClassRow): BackoffClassRow => ({ ...row, key: null, measures: [], halves: null })

const withFixedPause = (row: BackoffClassRow): BackoffClassRow =>
  row.key === null || row.pauseLength === 'operator' || row.relapse === 'share'
    ? withoutBackoff(row)
    : {
        ...row,
        measures:
          row.key === 'network'
            ? []
            : [{ threshold: 1, ratio: 0, floor: 1, windowMs: 60 * MINUTE_MS, inARow: 0, denominator: 'attempts', numerator: 'answers' }],
        firstAction: 'pause',
        baseMs: 15 * MINUTE_MS,
        capMs: 15 * MINUTE_MS,
        pauseLength: 'ladder',
        halves: null,
      }

export const BACKOFF_POLICIES = {
  default: { ...SPEC_POLICY, name: 'default', classes: mapClasses((row, name) => ({ ...row, ...DEFAULT_OVERRIDES[name] })) },
  spec: SPEC_POLICY,
  never: { ...SPEC_POLICY, name: 'never', classes: mapClasses(withoutBackoff), adapts: false },
  fixed: {
    ...SPEC_POLICY,
    name: 'fixed',
    classes: mapClasses(withFixedPause),
    jitter: [1, 1],
    honorsStatedDelay: false,
    probes: false,
    adapts: false,
  },
} as const satisfies Record<string, BackoffPolicy>
