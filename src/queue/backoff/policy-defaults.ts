/**
 * policy-defaults - where the default policy does otherwise than the table of queue/backoff/backoff-classes, and why
 *
 * The table is the specification's, and is there whole as the policy `spec`. Here stands what practice showed to be better: each row names
 * what is different and nothing else. What each costs and brings is measured, on several seeds, in docs/SIMULATION.md.
 *
 * Pure data. See also: queue/backoff/policy (who puts them together).
 */
import { CLASSES, type ClassName, type ClassRow } from './backoff-classes.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Limits by the hour are over after an hour: shorter pauses meet a no again, longer ones sleep on while the door is open. */
const HOURLY = { baseMs: HOUR, capMs: HOUR } as const

const [notExist, complaints] = CLASSES['list-quality'].measures

export const DEPARTURES: Readonly<Partial<Record<ClassName, Partial<ClassRow>>>> = {
  'ip-rate': HOURLY,
  'domain-rate': HOURLY,
  // Yahoo's TSS04 is a limit of volume as often as a judgement: the address learns a rate from it.
  'ip-reputation': { baseMs: HOUR, capMs: 2 * HOUR, halves: 'ip' },
  // A probe of a dead host costs one connection. Pauses of a fiftieth of the time behind lose a fiftieth at the end; and a server that
  // has only been away holds nothing against anybody: for half a minute it gets what it took before, then everything.
  network: {
    baseMs: 2 * MINUTE,
    growth: 1.02,
    recovery: {
      ladder: [1],
      rungs: [
        { afterMs: MINUTE / 2, clean: 20 },
        { afterMs: 2 * MINUTE, clean: 1 },
      ],
    },
  },
  // Grey lists ask for five minutes and more: the first rung of the ladder is a knock for nothing.
  greylist: { leastRestMs: 6 * MINUTE },
  // Three complaints in 1,000 mails are chance: a list of 0.1 % has so many on every twelfth day.
  'list-quality': {
    measures: notExist === undefined || complaints === undefined ? [] : [notExist, { ...complaints, threshold: 8 }],
  },
}
