/**
 * policy - a whole way to pause, as data: the default, and what it is measured against
 *
 * `spec` is the table as specified; `default` departs from it in a few rows (queue/backoff/policy-defaults). `never` sends on whatever it is told. `fixed` stops for fifteen minutes at the first refusal of a class and then goes on at once at
 * full speed: what many senders do. Pure data. See also: queue/backoff/backoff-classes (the classes), queue/backoff/backoff (the machine).
 */
import { DEFAULT_OVERRIDES } from './policy-defaults.ts'
import { BACKOFF_CLASSES, type BackoffClassName, type BackoffClassRow } from './backoff-classes.ts'

export type BackoffPolicy = {
  readonly name: string
  readonly classes: Readonly<Record<BackoffClassName, BackoffClassRow>>
  /** What the length of a pause is multiplied by: evenly between the two. */
  readonly jitter: readonly [number, number]
  /** Up to so much is added to a provider's midnight. */
  readonly midnightJitterMs: number
  /** Whether a delay that the provider states is kept. */
  readonly honorsStatedDelay: boolean
  /** Whether a probe comes before recovery; else the key is open at full speed when its time has come. */
  readonly probes: boolean
  readonly probeBatch: number
  readonly probeTimeoutMs: number
  /** Shares of the rate before the trouble, rung by rung. */
  readonly ladder: readonly number[]
  /** A rung is passed after so long with so many clean answers, or after this long without anything to send. */
  readonly rungs: readonly { readonly afterMs: number; readonly clean: number }[]
  readonly rungIdleMs: number
  /** n is forgotten after so long without trouble, and no sooner than so many times the last pause. */
  readonly forgetMs: number
  readonly forgetPauseMultiple: number
  /** Whether keys learn a rate (queue/backoff/rate-limiter). */
  readonly adapts: boolean
}

const MINUTE_MS = 60_000

const SPEC_POLICY: BackoffPolicy = {
  name: 'spec',
  classes: BACKOFF_CLASSES,
  jitter: [0.8, 1.2],
  midnightJitterMs: 30 * MINUTE_MS,
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
  // The same keys as CLASSES has.
  return Object.fromEntries(entries) as unknown as BackoffPolicy['classes']
}

/** A class that pauses nothing; a blocked mail may still leave by another IP. */
const withoutBackoff = (row: BackoffClassRow): BackoffClassRow => ({ ...row, key: null, measures: [], halves: null })

const withFixedPause = (row: BackoffClassRow): BackoffClassRow =>
  row.key === null || row.pauseLength === 'operator' || row.pauseLength === 'never'
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
