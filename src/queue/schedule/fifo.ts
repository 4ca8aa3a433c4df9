/**
 * fifo - a waiting line: in at the back, out at the front, both at once at no cost that grows
 *
 * Plain JSON; mutable, owned by whoever holds it. See also: queue/queue-state.
 */
export type Fifo<T> = { items: T[]; head: number }

/** Moved to the front when this much, and half of it all, is behind us. */
const SLACK = 64

export const emptyFifo = <T>(): Fifo<T> => ({ items: [], head: 0 })

export const sizeOf = (line: Fifo<unknown>): number => line.items.length - line.head

export const peek = <T>(line: Fifo<T>): T | undefined => line.items[line.head]

export function push<T>(line: Fifo<T>, item: T): void {
  line.items.push(item)
}

/** The first, which leaves the line. */
export function shift<T>(line: Fifo<T>): T | undefined {
  const item = line.items[line.head]
  if (line.head < line.items.length) line.head += 1
  if (line.head >= SLACK && line.head * 2 >= line.items.length) {
    line.items = line.items.slice(line.head)
    line.head = 0
  }
  return item
}
