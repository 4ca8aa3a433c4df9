/**
 * timer-heap - a binary heap of timers, soonest first; of one moment in the order in which they were set
 *
 * The heap is a plain array. A timer of the queue is a hint: the code that handles it checks whether it is still valid.
 * Mutable. See also: queue/queue-state, simulator/event-queue.
 */
export type HeapEntry = { readonly at: number; readonly order: number }

/** A timer of the queue: a deferred message is due, its send time has come, a backoff key may change, or the oldest message of a lane may expire. */
export type Timer = HeapEntry & { readonly kind: 'message' | 'send-time' | 'key' | 'lane'; readonly id: string }

const isSooner = (a: HeapEntry, b: HeapEntry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

/** Adds an entry. */
export function pushTimer<T extends HeapEntry>(heap: T[], entry: T): void {
  let index = heap.length
  heap.push(entry)
  while (index > 0) {
    const parentIndex = (index - 1) >> 1
    const parent = heap[parentIndex]
    if (parent === undefined || !isSooner(entry, parent)) break
    heap[index] = parent
    index = parentIndex
  }
  heap[index] = entry
}

/** Removes and returns the soonest entry; undefined: the heap is empty. */
export function popTimer<T extends HeapEntry>(heap: T[]): T | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (last !== undefined && heap.length > 0) siftDown(heap, last)
  return first
}

function siftDown<T extends HeapEntry>(heap: T[], entry: T): void {
  let index = 0
  for (;;) {
    let childIndex = 2 * index + 1
    let child = heap[childIndex]
    if (child === undefined) break
    const right = heap[childIndex + 1]
    if (right !== undefined && isSooner(right, child)) {
      childIndex += 1
      child = right
    }
    if (!isSooner(child, entry)) break
    heap[index] = child
    index = childIndex
  }
  heap[index] = entry
}
