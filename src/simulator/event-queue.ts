/**
 * event-queue - what will happen, soonest first; of one moment in the order in which it was put down
 *
 * Mutable, owned by one simulation. See also: queue/schedule/timer-heap (the heap), simulator/run-state, simulator/simulate.
 */
import { setTimer, takeTimer, type Timed } from '../queue/schedule/timer-heap.ts'

export type Agenda<T> = {
  readonly put: (at: number, what: T) => void
  /** The soonest; null: nothing is left. */
  readonly take: () => { readonly at: number; readonly what: T } | null
  /** When the soonest will be; null: nothing is left. */
  readonly soonest: () => number | null
}

/** An empty agenda. */
export function createAgenda<T>(): Agenda<T> {
  const heap: (Timed & { readonly what: T })[] = []
  let n = 0
  return {
    put: (at, what) => setTimer(heap, { at, n: (n += 1), what }),
    take: () => takeTimer(heap) ?? null,
    soonest: () => heap[0]?.at ?? null,
  }
}
