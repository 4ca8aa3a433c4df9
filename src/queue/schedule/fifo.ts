/**
 * fifo - a first-in, first-out list; both ends cost amortised O(1)
 *
 * Plain JSON, mutable. See also: queue/queue-state.
 */
export type Fifo<T> = { items: T[]; head: number }

/** The array is compacted when this many items, and half of all, have been taken. */
const COMPACT_THRESHOLD = 64

/** Shared by all empty lists: an array that grows by `push` has room for 17 items at once, and most lists of the queue hold none or one. */
const NO_ITEMS: never[] = []

export const emptyFifo = <T>(): Fifo<T> => ({ items: NO_ITEMS, head: 0 })

/** A list that does not exist is empty. */
export const sizeOf = (fifo: Fifo<unknown> | null): number => (fifo === null ? 0 : fifo.items.length - fifo.head)

export const peek = <T>(fifo: Fifo<T> | null): T | undefined => fifo?.items[fifo.head]

export function push<T>(fifo: Fifo<T>, item: T): void {
  if (fifo.items.length === 0) fifo.items = [item]
  else fifo.items.push(item)
}

/** The list with one more item, made if there was none. */
export function appended<T>(fifo: Fifo<T> | null, item: T): Fifo<T> {
  if (fifo === null) return { items: [item], head: 0 }
  push(fifo, item)
  return fifo
}

/** Removes and returns the first item. */
export function shift<T>(fifo: Fifo<T> | null): T | undefined {
  if (fifo === null) return undefined
  const item = fifo.items[fifo.head]
  if (fifo.head < fifo.items.length) fifo.head += 1
  if (fifo.head === fifo.items.length) {
    fifo.items = NO_ITEMS
    fifo.head = 0
  } else if (fifo.head >= COMPACT_THRESHOLD && fifo.head * 2 >= fifo.items.length) {
    fifo.items = fifo.items.slice(fifo.head)
    fifo.head = 0
  }
  return item
}
