/**
 * fifo - a first-in, first-out list; both ends cost amortised O(1)
 *
 * Plain JSON, mutable. See also: queue/queue-state.
 */
export type Fifo<T> = { items: T[]; head: number }

/** The array is compacted when this many items, and half of all, have been taken. */
const COMPACT_THRESHOLD = 64

export const emptyFifo = <T>(): Fifo<T> => ({ items: [], head: 0 })

export const sizeOf = (fifo: Fifo<unknown>): number => fifo.items.length - fifo.head

export const peek = <T>(fifo: Fifo<T>): T | undefined => fifo.items[fifo.head]

export function push<T>(fifo: Fifo<T>, item: T): void {
  fifo.items.push(item)
}

/** Removes and returns the first item. */
export function shift<T>(fifo: Fifo<T>): T | undefined {
  const item = fifo.items[fifo.head]
  if (fifo.head < fifo.items.length) fifo.head += 1
  if (fifo.head >= COMPACT_THRESHOLD && fifo.head * 2 >= fifo.items.length) {
    fifo.items = fifo.items.slice(fifo.head)
    fifo.head = 0
  }
  return item
}
