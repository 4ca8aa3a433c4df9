/**
 * policy - a whole way to pause, as data: the default, and what it is measured against
 *
 * `spec` is the table as specified; `default` departs from it in a few rows (queue/backoff/policy-defaults). `never` sends on whatever it is told. `fixed` stops for fifteen minutes at the first refusal of a class and then goes on at once at
 * full speed: what many senders do. Pure data. See also: queue/backoff/backoff-classes (the classes), queue/backoff/backoff (the machine).
 */
import { DEPARTURES } from './policy-defaults.ts'
import { CLASSES, type ClassName, type ClassRow } from './backoff-classes.ts'

export type Policy = {
  readonly name: string
  readonly classes: Readonly<Record<ClassName, ClassRow>>
  /** What the length of a pause is multiplied by: evenly between the two. */
  readonly jitter: readonly [number, number]
  /** Up to so much is added to a provider's midnight. */
  readonly midnightJitterMs: number
  /** Whether a delay that the provider states is kept. */
  readonly keepsStated: boolean
  /** Whether a probe comes before recovery; else the key is open at full speed when its time has come. */
  readonly probes: boolean
  readonly batch: number
  readonly silenceMs: number
  /** Shares of the rate before the trouble, rung by rung. */
  readonly ladder: readonly number[]
  /** A rung is passed after so long with so many clean answers, or after this long without anything to send. */
  readonly rungs: readonly { readonly afterMs: number; readonly clean: number }[]
  readonly idleMs: number
  /** n is forgotten after so long without trouble, and no sooner than so many times the last pause. */
  readonly forgetMs: number
  readonly forgetTimes: number
  /** Whether keys learn a rate (queue/backoff/rate-limiter). */
  readonly adapts: boolean
}

const MINUTE = 60_000

const SPEC: Policy = {
  name: 'spec',
  classes: CLASSES,
  jitter: [0.8, 1.2],
  midnightJitterMs: 30 * MINUTE,
  keepsStated: true,
  probes: true,
  batch: 5,
  silenceMs: 10 * MINUTE,
  ladder: [0.1, 0.25, 0.5, 1],
  rungs: [
    { afterMs: 2 * MINUTE, clean: 50 },
    { afterMs: 15 * MINUTE, clean: 1 },
  ],
  idleMs: 30 * MINUTE,
  forgetMs: 24 * 60 * MINUTE,
  forgetTimes: 4,
  adapts: true,
}

const mapClasses = (change: (row: ClassRow, name: ClassName) => ClassRow): Policy['classes'] => {
  const entries = Object.entries(CLASSES).map(([name, row]) => [name, change(row, name as ClassName)] as const)
  // The same keys as CLASSES has.
  return Object.fromEntries(entries) as unknown as Policy['classes']
}

/** A class that pauses nothing; a blocked mail may still leave by another IP. */
const asNothing = (row: ClassRow): ClassRow => ({ ...row, key: null, measures: [], halves: null })

const asFixed = (row: ClassRow): ClassRow =>
  row.key === null || row.pause === 'operator' || row.pause === 'never'
    ? asNothing(row)
    : {
        ...row,
        measures:
          row.key === 'network'
            ? []
            : [{ threshold: 1, ratio: 0, floor: 1, windowMs: 60 * MINUTE, inARow: 0, per: 'attempts', of: 'answers' }],
        first: 'pause',
        baseMs: 15 * MINUTE,
        capMs: 15 * MINUTE,
        pause: 'ladder',
        halves: null,
      }

export const POLICIES = {
  default: { ...SPEC, name: 'default', classes: mapClasses((row, name) => ({ ...row, ...DEPARTURES[name] })) },
  spec: SPEC,
  never: { ...SPEC, name: 'never', classes: mapClasses(asNothing), adapts: false },
  fixed: { ...SPEC, name: 'fixed', classes: mapClasses(asFixed), jitter: [1, 1], keepsStated: false, probes: false, adapts: false },
} as const satisfies Record<string, Policy>
