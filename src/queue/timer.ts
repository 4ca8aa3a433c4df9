/**
 * timer - what is due, soonest first; of one moment in the order in which it was set
 *
 * A binary heap as a plain array. An entry is a hint: whoever takes it looks whether it still holds. Mutable. See also: queue/stock.
 */
export type Timer = { readonly at: number; readonly n: number; readonly what: 'mail' | 'gate'; readonly id: string }

const isSooner = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.n < b.n)

/** Puts an entry in its place. */
export function setTimer(heap: Timer[], entry: Timer): void {
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
export function takeTimer(heap: Timer[]): Timer | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (last !== undefined && heap.length > 0) sink(heap, last)
  return first
}

function sink(heap: Timer[], entry: Timer): void {
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
