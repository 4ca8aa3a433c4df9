/**
 * event-queue - the future events of a simulation, soonest first; of one moment in the order in which they were scheduled
 *
 * Mutable, owned by one simulation. See also: queue/schedule/timer-heap (the heap), simulator/run-state, simulator/simulate.
 */
import { pushTimer, popTimer, type HeapEntry } from '../queue/schedule/timer-heap.ts'

export type EventQueue<T> = {
  readonly schedule: (at: number, what: T) => void
  /** Removes and returns the soonest event; null: none is left. */
  readonly pop: () => { readonly at: number; readonly what: T } | null
  /** The time of the soonest event; null: none is left. */
  readonly nextAt: () => number | null
}

/** An empty event queue. */
export function createEventQueue<T>(): EventQueue<T> {
  const heap: (HeapEntry & { readonly what: T })[] = []
  let n = 0
  return {
    schedule: (at, what) => pushTimer(heap, { at, order: (n += 1), what }),
    pop: () => popTimer(heap) ?? null,
    nextAt: () => heap[0]?.at ?? null,
  }
}
