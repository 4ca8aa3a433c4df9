/**
 * delivery-ids - allocates delivery ids from the sequence of each account and day
 *
 * Reserves sequence numbers in blocks, so that most calls need no write. A restart, and the end of a day, lose the unused rest of a block.
 *
 * See also: correlate/delivery-id (the format), store/mail/delivery-numbers.
 */
import { dayNumberOf, formatDeliveryId } from '../../correlate/delivery-id.ts'
import { Fault } from '../../errors.ts'
import type { Engine } from '../../store/engine/engine.ts'
import { removeOldDeliverySequences, reserveDeliveryNumbers } from '../../store/mail/delivery-numbers.ts'

/** Sequence numbers reserved at once: a restart loses at most this many of 34 billion a day. */
const ID_BLOCK_SIZE = 1_000

/** Resolves to `count` delivery ids of an account, dated by `at` (epoch ms). Faults: internal (the numbers of the day are used up), store_busy. */
export type AllocateDeliveryIds = (account: number, count: number, at: number) => Promise<readonly string[]>

type Block = { readonly day: number; next: number; readonly end: number }

/** Creates an allocator. Several allocators, in any number of processes, never return the same id. */
export function createDeliveryIdAllocator(engine: Engine): AllocateDeliveryIds {
  const blocks = new Map<number, Block>()
  return async (account, count, at) => {
    const day = dayNumberOf(at)
    const block = blocks.get(account)
    if (block?.day !== day || block.end - block.next < count) {
      const size = Math.max(ID_BLOCK_SIZE, count)
      const first = await reserve(engine, { account, day, size, isFirst: block?.day !== day })
      blocks.set(account, { day, next: first + count, end: first + size })
      return deliveryIdsFrom(first, { account, day, count })
    }
    const first = block.next
    block.next += count
    return deliveryIdsFrom(first, { account, day, count })
  }
}

type Reservation = { readonly account: number; readonly day: number; readonly size: number; readonly isFirst: boolean }

async function reserve(engine: Engine, { account, day, size, isFirst }: Reservation): Promise<number> {
  return engine.tx(
    async (db) => {
      const first = await reserveDeliveryNumbers(db, account, day, size)
      if (isFirst) await removeOldDeliverySequences(db, account, day)
      return first
    },
    { visibility: 'latest' },
  )
}

function deliveryIdsFrom(
  first: number,
  { account, day, count }: Omit<Reservation, 'size' | 'isFirst'> & { readonly count: number },
): readonly string[] {
  return Array.from({ length: count }, (_, n) => {
    const id = formatDeliveryId({ day, account, sequence: first + n })
    if (id === null) throw new Fault('internal', 'the delivery ids of this account are used up for today', { detail: { account, day } })
    return id
  })
}
