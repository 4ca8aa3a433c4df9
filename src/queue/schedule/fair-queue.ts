/**
 * fair-queue - a queue that serves accounts in turn
 *
 * Items of one account keep their order. An item waits for the earlier items of its account and, for each of these and for itself, for at most one
 * item of every other account, however many those accounts have queued. Both ends cost amortised O(1).
 *
 * Mutable, no I/O. See also: net/fair-runner (one job at a time), service/batcher, queue/schedule/fair-share (the delivery queue).
 */
import { emptyFifo, peek, push, shift, sizeOf, type Fifo } from './fifo.ts'

export type FairQueue<T> = {
  readonly push: (account: number, item: T) => void
  /** The item that `shift` returns next; undefined: the queue is empty. */
  readonly peek: () => T | undefined
  readonly shift: () => T | undefined
  readonly size: () => number
}

/** Creates an empty queue. */
export function createFairQueue<T>(): FairQueue<T> {
  // In the order of service: an account leaves when its items are taken, and goes to the end after each of its lines.
  const lines = new Map<number, Fifo<T>>()
  let size = 0
  const firstInLine = (): readonly [number, Fifo<T>] | undefined => lines.entries().next().value
  return {
    push: (account, item) => {
      const items = lines.get(account) ?? emptyFifo<T>()
      push(items, item)
      lines.set(account, items)
      size += 1
    },
    peek: () => {
      const first = firstInLine()
      return first === undefined ? undefined : peek(first[1])
    },
    shift: () => {
      const first = firstInLine()
      if (first === undefined) return undefined
      const [account, items] = first
      const item = shift(items)
      lines.delete(account)
      if (sizeOf(items) > 0) lines.set(account, items)
      size -= 1
      return item
    },
    size: () => size,
  }
}
