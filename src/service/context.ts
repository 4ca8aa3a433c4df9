/**
 * context - what every piece of work needs: the store, the rules in force, our domains, time and chance
 *
 * Made once by `app`; tests make one around a temporary store. See also: app, service/account-cache.
 */
import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'
import type { RuleTable } from '../classify/rule-table.ts'
import type { TokenDomains } from '../correlate/references.ts'
import { dayNumberOf, formatDeliveryId } from '../correlate/delivery-id.ts'
import { Fault } from '../errors.ts'
import type { FactIdGenerator } from '../ledger/facts/new-fact.ts'
import type { Engine } from '../store/engine/engine.ts'
import { reserveSequenceNumbers } from '../store/engine/sequences.ts'
import type { Telemetry } from '../telemetry.ts'
import type { AccountCache } from './account-cache.ts'
import type { CounterBuffer } from './alerts/counter-buffer.ts'

export type Context = {
  readonly engine: Engine
  /** The rules in force; a reload changes what this gives. */
  readonly rules: () => RuleTable
  readonly accountCache: AccountCache
  readonly domains: TokenDomains
  /** Where the one-click page is reached from outside, without a slash at its end. */
  readonly publicUrl: string
  /** Domains whose feedback loops are believed. */
  readonly reporters: ReadonlySet<string>
  /** The IPs that our own queue sends by; not given where this installation delivers nothing. */
  readonly egressIps?: ReadonlySet<string>
  readonly telemetry: Telemetry
  /** Hears of what was committed, for alerts. */
  readonly counterBuffer: CounterBuffer
  readonly now: () => number
  readonly ids: FactIdGenerator
}

/** Chance for so many ids is fetched at once: one by one it costs ten times as much. */
const RANDOM_POOL_IDS = 256
const ID_BYTES = 16

/** Ids of facts: UUIDv7 (RFC 9562), rising within this process: within a millisecond its sequence counts on. */
export const processIds: FactIdGenerator = createFactIds()

function createFactIds(): FactIdGenerator {
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
      const now = Date.now()
      if (now > msecs) {
        msecs = now
        // Half of its range is left to count on.
        seq = random.readUInt32BE(6) >>> 1
      } else seq += 1
      return v7({ msecs, seq, random })
    },
  }
}

/** Numbers taken from the store at once: a restart loses at most so many of 34 billion. */
const ID_BLOCK_SIZE = 1_000

/** Gives delivery ids of one account's number: `take(n)` resolves to n of them. */
export function createDeliveryIdAllocator(engine: Engine): (account: number, count: number, at: number) => Promise<readonly string[]> {
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
