/**
 * policy-defaults - where the default policy does otherwise than the table of queue/backoff/backoff-classes, and why
 *
 * The table is the specification's, and is there whole as the policy `spec`. Here stands what practice showed to be better: each row names
 * what is different and nothing else. What each costs and brings is measured, on several seeds, in docs/SIMULATION.md.
 *
 * Pure data. See also: queue/backoff/policy (who puts them together).
 */
import { BACKOFF_CLASSES, type BackoffClassName, type BackoffClassRow } from './backoff-classes.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** Limits by the hour are over after an hour: shorter pauses meet a no again, longer ones sleep on while the door is open. */
const HOURLY_PAUSE = { baseMs: HOUR_MS, capMs: HOUR_MS } as const

const [notExist, complaints] = BACKOFF_CLASSES['list-quality'].measures

export const DEFAULT_OVERRIDES: Readonly<Partial<Record<BackoffClassName, Partial<BackoffClassRow>>>> = {
  'ip-rate': HOURLY_PAUSE,
  'domain-rate': HOURLY_PAUSE,
  // Yahoo's TSS04 is a limit of volume as often as a judgement: the address learns a rate from it.
  'ip-reputation': { baseMs: HOUR_MS, capMs: 2 * HOUR_MS, halves: 'ip' },
  // A probe of a dead host costs one connection. Pauses of a fiftieth of the time behind lose a fiftieth at the end; and a server that
  // has only been away holds nothing against anybody: for half a minute it gets what it took before, then everything.
  network: {
    baseMs: 2 * MINUTE_MS,
    growth: 1.02,
    recovery: {
      ladder: [1],
      rungs: [
        { afterMs: MINUTE_MS / 2, clean: 20 },
        { afterMs: 2 * MINUTE_MS, clean: 1 },
      ],
    },
  },
  // Grey lists ask for five minutes and more: the first rung of the ladder is a knock for nothing.
  greylist: { minRetryDelayMs: 6 * MINUTE_MS },
  // Three complaints in 1,000 mails are chance: a list of 0.1 % has so many on every twelfth day.
  'list-quality': {
    measures: notExist === undefined || complaints === undefined ? [] : [notExist, { ...complaints, threshold: 8 }],
  },
}
