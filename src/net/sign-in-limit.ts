/**
 * sign-in-limit - limits failed sign-ins, so that nobody can guess a secret and nobody can lock out somebody else
 *
 * Failures are counted by client (an IPv4 address or an IPv6 /64), and by name and client. Nothing is counted by name alone, so guesses from
 * one client never refuse another client. A client whose limit is reached may still sign in with the names that it used successfully in the
 * last day: several users may share an address behind a NAT or a proxy.
 *
 * Every table is bounded and drops its oldest entry first. A guesser who uses more addresses than a table holds gets more attempts; he cannot
 * make the limit refuse anybody. The caller passes the time.
 *
 * See also: net/rate-limit, http/server/authenticate, smtp-server/submission-session.
 */
import { LRUCache } from 'lru-cache'
import { upToEntries } from './cache-bound.ts'
import { clientBlockOf } from './peer-network.ts'
import { createFixedWindowLimit } from './rate-limit.ts'

/** `name` is the name that signs in, whether it exists or not; '' if the request has only a secret. */
type SignInAttempt = { readonly address: string; readonly name: string }

/** The limit that an attempt exceeds: failures of this name from this client, or all failures of this client. */
export type SignInRefusal = 'name' | 'client'

export type SignInLimit = {
  /** Returns null if the secret may be checked, otherwise the limit that forbids it. Does not count. */
  readonly refusalOf: (attempt: SignInAttempt, now: number) => SignInRefusal | null
  /** Counts one failure. Returns the limit that it exceeds, null if it exceeds none. */
  readonly countFailure: (attempt: SignInAttempt, now: number) => SignInRefusal | null
  readonly noteSuccess: (attempt: SignInAttempt, now: number) => void
}

export type SignInLimits = { readonly failedSignInsPerName: number; readonly failedSignInsPerClient: number }

/** The defaults; settings/limits explains them. */
export const SIGN_IN_LIMITS: SignInLimits = { failedSignInsPerName: 30, failedSignInsPerClient: 300 }

/** Pairs of a name and a client whose last success is remembered, a few megabytes. Only valid secrets add to them. */
const MAX_KNOWN = 20_000
const KNOWN_MS = 86_400_000

/** Clients and pairs that are counted in one minute. */
const MAX_COUNTED = 50_000

/** The longest name that an apiUser can have (settings/schema). Longer names share a count with their beginning. */
const MAX_NAME_LENGTH = 64

/** Creates the limits, by minute. */
export function createSignInLimit(limits: SignInLimits): SignInLimit {
  const byName = createFixedWindowLimit(limits.failedSignInsPerName, MAX_COUNTED)
  const byClient = createFixedWindowLimit(limits.failedSignInsPerClient, MAX_COUNTED)
  const lastSuccess = new LRUCache<string, number>(upToEntries(MAX_KNOWN))
  const isKnown = (pair: string, now: number): boolean => now - (lastSuccess.get(pair) ?? -Infinity) < KNOWN_MS
  return {
    refusalOf: (attempt, now) => {
      const { client, pair } = keysOf(attempt)
      if (byName.isExhausted(pair, now)) return 'name'
      return byClient.isExhausted(client, now) && !isKnown(pair, now) ? 'client' : null
    },
    countFailure: (attempt, now) => {
      const { client, pair } = keysOf(attempt)
      const isClientWithin = byClient.consume(client, now)
      // Guesses above the limit of the client must not fill the table of pairs.
      if (!isClientWithin && !isKnown(pair, now)) return 'client'
      return byName.consume(pair, now) ? null : 'name'
    },
    noteSuccess: (attempt, now) => void lastSuccess.set(keysOf(attempt).pair, now),
  }
}

function keysOf({ address, name }: SignInAttempt): { readonly client: string; readonly pair: string } {
  const client = clientBlockOf(address)
  return { client, pair: `${client} ${name.slice(0, MAX_NAME_LENGTH)}` }
}
