/**
 * known-peers - the peers that have delivered mail lately and have broken no rule of SMTP since
 *
 * A peer proves that it waits for its turn by delivering a mail; from then on its connections need no pause before the greeting. In memory, with a
 * bound, and lost at a restart: a forgotten peer waits once more. The caller passes the time.
 *
 * See also: smtp-server/connection (the pause), smtp-server/listener (who is forgotten), docs/SMTP.md.
 */
import { LRUCache } from 'lru-cache'
import { upToEntries } from './cache-bound.ts'

export type KnownPeers = {
  readonly isKnown: (address: string, now: number) => boolean
  /** Notes that a mail of the peer was accepted. */
  readonly remember: (address: string, now: number) => void
  readonly forget: (address: string) => void
}

/** Peers at once, about 1 MB when so many have delivered. The peer that delivered least recently gives way. */
const MAX_PEERS = 10_000

/** Creates the memory. A peer is known for `knownMs` after its last mail; 0: never. */
export function createKnownPeers(knownMs: number, maxPeers: number = MAX_PEERS): KnownPeers {
  const lastMailAt = new LRUCache<string, number>(upToEntries(maxPeers))
  return {
    isKnown: (address, now) => now - (lastMailAt.peek(address) ?? -Infinity) < knownMs,
    remember: (address, now) => {
      if (knownMs > 0) lastMailAt.set(address, now)
    },
    forget: (address) => {
      lastMailAt.delete(address)
    },
  }
}
