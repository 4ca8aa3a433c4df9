/**
 * retry-memory - what a provider remembers of the mails that were brought to it
 *
 * A mail is known by its Return-Path and recipient: its number, when it was first brought, and how often. A person is known by the address.
 *
 * Owned by one house. See also: simulator/smtp/provider-server, simulator/provider-model (what for).
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

export type Letter = { readonly number: number; readonly firstAt: number; attempts: number }

export type Letterbox = {
  /** One more attempt of this mail. */
  readonly bring: (from: string, to: string, at: number) => Letter
}

/** What was brought long ago and never again is forgotten. */
const KEPT = 200_000

export function createLetterbox(): Letterbox {
  const letters = new LRUCache<string, Letter>({ max: KEPT })
  let last = 0
  return {
    bring: (from, to, at) => {
      const key = `${from} ${to}`
      const letter = letters.get(key) ?? { number: (last += 1), firstAt: at, attempts: 0 }
      letter.attempts += 1
      letters.set(key, letter)
      return letter
    },
  }
}

/** The number of a person, the same for every mail to the address. */
export const personOf = (address: string): number => createHash('sha256').update(address.toLowerCase()).digest().readUInt32BE(0)
