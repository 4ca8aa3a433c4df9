/**
 * counter-slots - a number for each transaction of this process, under which it adds to counters
 *
 * A counter is the sum of its slots. Two transactions that run at the same time never have the same slot, on one node or on several: so a
 * counter that every mail changes is never contended for. A slot is used again after its transaction has ended, so that the number of rows
 * stays small; store/facts/counter-folding sums old ones. Slot 0 holds such sums.
 *
 * See also: store/engine/postgres/postgres.
 */
import { randomInt } from 'node:crypto'

type CounterSlots = { readonly acquire: () => number; readonly release: (slot: number) => void }

/** More than a process has connections. */
const SLOTS_OF_A_PROCESS = 4_096
const PROCESSES = 2 ** 32

/** Creates the slots of a process. `process` tells processes apart; by default it is random. */
export function createCounterSlots(process: number = randomInt(1, PROCESSES)): CounterSlots {
  const base = process * SLOTS_OF_A_PROCESS
  const free: number[] = []
  let used = 0
  return {
    acquire: () => free.pop() ?? base + (used++ % SLOTS_OF_A_PROCESS),
    release: (slot) => {
      free.push(slot)
    },
  }
}
