/**
 * timer-heap - what is due, soonest first; of one moment in the order in which it was set
 *
 * A binary heap as a plain array, for whatever has its moment and its number. What a queue sets is a hint: whoever takes it looks whether it
 * still holds. Mutable. See also: queue/queue-state, simulator/event-queue.
 */
export type Timed = { readonly at: number; readonly n: number }

/** What a queue sets. */
export type Timer = Timed & { readonly what: 'mail' | 'gate' | 'lane'; readonly id: string }

const isSooner = (a: Timed, b: Timed): boolean => a.at < b.at || (a.at === b.at && a.n < b.n)

/** Puts an entry in its place. */
export function setTimer<T extends Timed>(heap: T[], entry: T): void {
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

/** Takes the soonest away. */
export function takeTimer<T extends Timed>(heap: T[]): T | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (last !== undefined && heap.length > 0) sink(heap, last)
  return first
}

function sink<T extends Timed>(heap: T[], entry: T): void {
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
