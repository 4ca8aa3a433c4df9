/**
 * event-queue - what will happen, soonest first; of one moment in the order in which it was put down
 *
 * Mutable, owned by one simulation. See also: queue/schedule/timer-heap (the heap), simulator/run-state, simulator/simulate.
 */
import { pushTimer, popTimer, type HeapEntry } from '../queue/schedule/timer-heap.ts'

export type EventQueue<T> = {
  readonly schedule: (at: number, what: T) => void
  /** The soonest; null: nothing is left. */
  readonly pop: () => { readonly at: number; readonly what: T } | null
  /** When the soonest will be; null: nothing is left. */
  readonly nextAt: () => number | null
}

/** An empty agenda. */
export function createEventQueue<T>(): EventQueue<T> {
  const heap: (HeapEntry & { readonly what: T })[] = []
  let n = 0
  return {
    schedule: (at, what) => pushTimer(heap, { at, n: (n += 1), what }),
    pop: () => popTimer(heap) ?? null,
    nextAt: () => heap[0]?.at ?? null,
  }
}
