/**
 * retry-memory - recognises a message that is tried again at a simulated SMTP server
 *
 * A message is identified by its Return-Path and recipient. The memory keeps its number, the time of the first attempt and their count.
 *
 * Mutable, owned by one provider-server. See also: simulator/smtp/provider-server, simulator/provider-model (needs the numbers).
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { upToEntries } from '../../net/cache-bound.ts'

type RememberedMessage = { readonly number: number; readonly firstAt: number; attempts: number }

export type RetryMemory = {
  /** Counts one more attempt of this message. */
  readonly recordAttempt: (from: string, to: string, at: number) => RememberedMessage
}

/** The bound of the memory. The messages that were tried longest ago are forgotten first. */
const MAX_REMEMBERED = 200_000

/** An empty memory. */
export function createRetryMemory(): RetryMemory {
  const messages = new LRUCache<string, RememberedMessage>(upToEntries(MAX_REMEMBERED))
  let lastNumber = 0
  return {
    recordAttempt: (from, to, at) => {
      const key = `${from} ${to}`
      const message = messages.get(key) ?? { number: (lastNumber += 1), firstAt: at, attempts: 0 }
      message.attempts += 1
      messages.set(key, message)
      return message
    },
  }
}

/** The number of a recipient, the same for every message to the address. */
export const recipientNumberOf = (address: string): number => createHash('sha256').update(address.toLowerCase()).digest().readUInt32BE(0)
