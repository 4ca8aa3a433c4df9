/**
 * delivery-ids - allocates delivery ids from the sequence of each account
 *
 * Reserves sequence numbers in blocks, so that most calls need no write. A restart loses the unused rest of a block.
 *
 * See also: correlate/delivery-id (the format), store/engine/sequences.
 */
import { dayNumberOf, formatDeliveryId } from '../../correlate/delivery-id.ts'
import { Fault } from '../../errors.ts'
import type { Engine } from '../../store/engine/engine.ts'
import { reserveSequenceNumbers } from '../../store/engine/sequences.ts'

/** Sequence numbers reserved at once: a restart loses at most this many of 34 billion. */
const ID_BLOCK_SIZE = 1_000

/** Resolves to `count` delivery ids of an account, dated by `at` (epoch ms). Faults: internal (the sequence is exhausted), store_busy. */
export type AllocateDeliveryIds = (account: number, count: number, at: number) => Promise<readonly string[]>

/** Creates an allocator. Several allocators, in any number of processes, never return the same id. */
export function createDeliveryIdAllocator(engine: Engine): AllocateDeliveryIds {
  const blocks = new Map<number, { next: number; end: number }>()
  return async (account, count, at) => {
    const block = blocks.get(account) ?? { next: 0, end: 0 }
    if (block.end - block.next < count) {
      const size = Math.max(ID_BLOCK_SIZE, count)
      const first = await engine.tx((db) => reserveSequenceNumbers(db, account, 'delivery', size), { visibility: 'latest' })
      blocks.set(account, { next: first + count, end: first + size })
      return deliveryIdsFrom(account, first, count, at)
    }
    const first = block.next
    block.next += count
    return deliveryIdsFrom(account, first, count, at)
  }
}

function deliveryIdsFrom(account: number, first: number, count: number, at: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => {
    const id = formatDeliveryId({ day: dayNumberOf(at), account, sequence: first + n })
    if (id === null) throw new Fault('internal', 'the delivery ids of this account are used up', { detail: { account } })
    return id
  })
}
