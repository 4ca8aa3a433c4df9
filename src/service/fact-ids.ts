/**
 * fact-ids - UUIDv7 ids for facts, monotonic within this process
 *
 * Several ids of one millisecond differ in a counter that grows, so that facts sort in the order in which they were created. Their time is that of the
 * process clock (steady-clock): a follower of facts reads them in the order of their ids, and would miss what is created after an id from the future.
 *
 * RFC 9562 §5.7, §6.2 (method 1). See also: ledger/facts/new-fact, service/context.
 */
import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'
import type { FactIdGenerator } from '../ledger/facts/new-fact.ts'

/** Random bytes for this many ids are drawn at once: drawing them one by one takes ten times as long. */
const RANDOM_POOL_IDS = 256
const ID_BYTES = 16

/** Creates the generator of a process. There must be only one: a second one would break the order within a millisecond. */
export function createFactIds(clock: () => number): FactIdGenerator {
  const pool = Buffer.alloc(RANDOM_POOL_IDS * ID_BYTES)
  let used = pool.length
  let msecs = 0
  let seq = 0
  return {
    next: () => {
      if (used === pool.length) {
        randomFillSync(pool)
        used = 0
      }
      const random = pool.subarray(used, used + ID_BYTES)
      used += ID_BYTES
      const now = clock()
      if (now > msecs) {
        msecs = now
        // The counter starts in the lower half of its range, so that it has room to grow.
        seq = random.readUInt32BE(6) >>> 1
      } else seq += 1
      return v7({ msecs, seq, random })
    },
  }
}
