/**
 * agenda - what will happen, soonest first; of one moment in the order in which it was put down
 *
 * A binary heap over (moment, number). Mutable, owned by one simulation. See also: queue/world.
 */
export type Agenda<T> = {
  readonly put: (at: number, what: T) => void
  /** The soonest; null: nothing is left. */
  readonly take: () => { readonly at: number; readonly what: T } | null
  /** When the soonest will be; null: nothing is left. */
  readonly soonest: () => number | null
}

type Entry<T> = { readonly at: number; readonly number: number; readonly what: T }

const isSooner = (a: Entry<unknown>, b: Entry<unknown>): boolean => a.at < b.at || (a.at === b.at && a.number < b.number)

/** An empty agenda. */
export function createAgenda<T>(): Agenda<T> {
  const heap: Entry<T>[] = []
  let numbers = 0
  return {
    put: (at, what) => rise(heap, { at, number: (numbers += 1), what }),
    take: () => {
      const first = heap[0]
      const last = heap.pop()
      if (first === undefined || last === undefined) return null
      if (heap.length > 0) sink(heap, last)
      return first
    },
    soonest: () => heap[0]?.at ?? null,
  }
}

/** Puts an entry at the end and lifts it to its place. */
function rise<T>(heap: Entry<T>[], entry: Entry<T>): void {
  let place = heap.length
  heap.push(entry)
  while (place > 0) {
    const above = (place - 1) >> 1
    const parent = heap[above]
    if (parent === undefined || !isSooner(entry, parent)) break
    heap[place] = parent
    place = above
  }
  heap[place] = entry
}

/** Puts an entry at the top and lets it down to its place. */
function sink<T>(heap: Entry<T>[], entry: Entry<T>): void {
  let place = 0
  for (;;) {
    let below = 2 * place + 1
    let child = heap[below]
    if (child === undefined) break
    const right = heap[below + 1]
    if (right !== undefined && isSooner(right, child)) {
      below += 1
      child = right
    }
    if (!isSooner(child, entry)) break
    heap[place] = child
    place = below
  }
  heap[place] = entry
}
