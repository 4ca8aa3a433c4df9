/**
 * retry-memory - what a provider remembers of the mails that were brought to it
 *
 * A mail is known by its Return-Path and recipient: its number, when it was first brought, and how often. A person is known by the address.
 *
 * Owned by one house. See also: simulator/smtp/provider-server, simulator/provider-model (what for).
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

export type RememberedMessage = { readonly number: number; readonly firstAt: number; attempts: number }

type RetryMemory = {
  /** One more attempt of this mail. */
  readonly recordAttempt: (from: string, to: string, at: number) => RememberedMessage
}

/** What was brought long ago and never again is forgotten. */
const MAX_REMEMBERED = 200_000

export function createRetryMemory(): RetryMemory {
  const messages = new LRUCache<string, RememberedMessage>({ max: MAX_REMEMBERED })
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

/** The number of a person, the same for every mail to the address. */
export const recipientNumberOf = (address: string): number => createHash('sha256').update(address.toLowerCase()).digest().readUInt32BE(0)
