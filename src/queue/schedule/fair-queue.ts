/**
 * fair-queue - a queue that serves its keys in turn: accounts, or the senders of mails
 *
 * Items of one key keep their order. An item waits for the earlier items of its key and, for each of these and for itself, for at most one item of every
 * other key, however many those have queued. Both ends cost amortised O(1). A queue that strangers fill has bounds, in items and in bytes.
 *
 * Mutable, no I/O. See also: net/fair-runner (one job at a time), service/batcher, mail-auth/verification-pool, queue/schedule/fair-share (the
 * delivery queue).
 */
import { emptyFifo, peek, push, shift, sizeOf, type Fifo } from './fifo.ts'

export type FairQueue<T, Key = number> = {
  /** False if there is no room; the item is then not queued. */
  readonly push: (key: Key, item: T) => boolean
  /** The item that `shift` returns next; undefined: the queue is empty. */
  readonly peek: () => T | undefined
  /** The next item whose key is allowed. A key that is passed over keeps its place. */
  readonly shift: (isAllowed?: (key: Key) => boolean) => T | undefined
  /** Removes and returns all items for which the test holds. O(n). */
  readonly remove: (test: (item: T) => boolean) => readonly T[]
  readonly size: () => number
}

/** One item is taken however large it is. */
type FairQueueBounds<T> = { readonly maxItems: number; readonly maxBytes: number; readonly bytesOf: (item: T) => number }

const UNBOUNDED: FairQueueBounds<unknown> = { maxItems: Infinity, maxBytes: Infinity, bytesOf: () => 0 }

/** Creates an empty queue. */
export function createFairQueue<T, Key = number>(bounds: FairQueueBounds<T> = UNBOUNDED): FairQueue<T, Key> {
  const { maxItems, maxBytes, bytesOf } = bounds
  // In the order of service: a key leaves when its items are taken, and goes to the end after each of its lines.
  const lines = new Map<Key, Fifo<T>>()
  let size = 0
  let bytes = 0
  const count = (item: T, sign: 1 | -1): void => {
    size += sign
    bytes += sign * bytesOf(item)
  }
  return {
    push: (key, item) => {
      if (size >= maxItems || (size > 0 && bytes + bytesOf(item) > maxBytes)) return false
      const items = lines.get(key) ?? emptyFifo<T>()
      push(items, item)
      lines.set(key, items)
      count(item, 1)
      return true
    },
    peek: () => {
      const first = lines.values().next().value
      return first === undefined ? undefined : peek(first)
    },
    shift: (isAllowed = () => true) => {
      const first = lines.entries().find(([key]) => isAllowed(key))
      if (first === undefined) return undefined
      const [key, items] = first
      const item = shift(items)
      lines.delete(key)
      if (sizeOf(items) > 0) lines.set(key, items)
      if (item !== undefined) count(item, -1)
      return item
    },
    remove: (test) => removeFrom(lines, test, (item) => count(item, -1)),
    size: () => size,
  }
}

function removeFrom<T, Key>(lines: Map<Key, Fifo<T>>, test: (item: T) => boolean, onRemoved: (item: T) => void): readonly T[] {
  const removed: T[] = []
  for (const [key, { items, head }] of lines) {
    const waiting = items.slice(head)
    const kept = waiting.filter((item) => !test(item))
    removed.push(...waiting.filter((item) => test(item)))
    if (kept.length === 0) lines.delete(key)
    else lines.set(key, { items: kept, head: 0 })
  }
  for (const item of removed) onRemoved(item)
  return removed
}
