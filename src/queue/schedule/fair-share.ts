/**
 * fair-share - how many of the lines one holder may have at once, so that a few servers that never answer leave lines to all others
 *
 * Turns are fair in what is handed out, not in how long it is held. So a host set begins with two attempts at once, and each answer of its
 * own adds one; silence halves that. While others wait, it has at most a fifth of the lines. Hosts that have not answered yet have half of
 * the lines together, an account a time; and an account has three quarters of them while another one waits.
 *
 * A holder is a key of kind null, at whose gate streams wait until one of its attempts is answered; each step is O(1) in the number of mails.
 * Mutates the stock that it is given. See also: queue/schedule/dispatch (who asks), queue/backoff/key-state (the same for connections), queue/backoff/concurrency-limiter.
 */
import type { Destination, BackoffKey } from '../backoff/backoff-key.ts'
import { BACKOFF_KEYS } from '../backoff/backoff-key.ts'
import type { QueueState, MessageStream } from '../queue-state.ts'

const SHARE_KEY_PREFIX = 'lines|'

/** Postfix begins with five; two find out as well whether anybody answers, and fifty tarpits are needed to fill a hundred lines. */
const INITIAL_CONCURRENCY = 2
const HOSTS_SHARE = 0.2
const UNPROVEN_SHARE = 0.5
const ACCOUNT_SHARE = 0.75

/** The holders of a stream. `fresh`: all hosts of the account that have not answered yet. */
export type FairShareKeys = { readonly hosts: BackoffKey; readonly account: BackoffKey; readonly unproven: BackoffKey }

/** Who holds the lines that the mail of a destination is sent on. */
export const fairShareKeysOf = (to: Destination): FairShareKeys => ({
  hosts: `${SHARE_KEY_PREFIX}${BACKOFF_KEYS.networkHosts(to)}`,
  account: `${SHARE_KEY_PREFIX}${BACKOFF_KEYS.account(to)}`,
  unproven: `${SHARE_KEY_PREFIX}new|${to.account}`,
})

/** Whether a key is a holder of lines. */
export const isFairShareKey = (key: BackoffKey): boolean => key.startsWith(SHARE_KEY_PREFIX)

/** The holders that one attempt of a stream is counted for. */
export function countedShareKeys(queue: QueueState, { fairShareKeys: { hosts, account, unproven } }: MessageStream): readonly BackoffKey[] {
  if (queue.maxInFlight === null) return []
  return queue.hostConcurrency.has(hosts) ? [hosts, account] : [hosts, account, unproven]
}

const atLeastOne = (maxInFlight: number, share: number): number => Math.max(1, Math.floor(maxInFlight * share))

/** How many more a holder may have now; a key that is none may have any number. */
export function slotsLeft(queue: QueueState, key: BackoffKey): number {
  if (queue.maxInFlight === null || !isFairShareKey(key)) return Infinity
  return slotLimitOf(queue, key, queue.maxInFlight) - (queue.inFlightByKey.get(key) ?? 0)
}

function slotLimitOf(queue: QueueState, key: BackoffKey, maxInFlight: number): number {
  if (key.startsWith(`${SHARE_KEY_PREFIX}new|`)) return atLeastOne(maxInFlight, UNPROVEN_SHARE)
  const isAccount = key.startsWith(`${SHARE_KEY_PREFIX}account|`)
  const waitingCounts = isAccount ? queue.waitingByAccount : queue.waitingByHosts
  const isAlone = waitingCounts.size - (waitingCounts.has(key) ? 1 : 0) === 0
  const limit = isAlone ? maxInFlight : atLeastOne(maxInFlight, isAccount ? ACCOUNT_SHARE : HOSTS_SHARE)
  return isAccount ? limit : Math.min(limit, queue.hostConcurrency.get(key) ?? INITIAL_CONCURRENCY)
}

/** The first holder of a stream that has all it may have; null: there is none. */
export function findFullShare(queue: QueueState, stream: MessageStream): BackoffKey | null {
  return countedShareKeys(queue, stream).find((key) => slotsLeft(queue, key) <= 0) ?? null
}

/** A host set has answered, or has not. */
export function learnHostConcurrency(queue: QueueState, { fairShareKeys: { hosts } }: MessageStream, isAnswered: boolean): void {
  if (queue.maxInFlight === null) return
  const concurrency = queue.hostConcurrency.get(hosts) ?? INITIAL_CONCURRENCY
  if (isAnswered) queue.hostConcurrency.set(hosts, Math.min(queue.maxInFlight, concurrency + 1))
  else if (concurrency >= 2 * INITIAL_CONCURRENCY) queue.hostConcurrency.set(hosts, Math.floor(concurrency / 2))
  else queue.hostConcurrency.delete(hosts)
}

/** One more, or one less, that waits. */
export function adjustWaitingShares(queue: QueueState, { fairShareKeys: { hosts, account } }: MessageStream, n: 1 | -1): void {
  if (queue.maxInFlight === null) return
  adjustCount(queue.waitingByHosts, hosts, n)
  adjustCount(queue.waitingByAccount, account, n)
}

function adjustCount(counts: Map<BackoffKey, number>, key: BackoffKey, n: number): void {
  const left = (counts.get(key) ?? 0) + n
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}

/** Forgets what was learnt of hosts to which nothing goes any more. */
export function forgetIdleHosts(queue: QueueState): void {
  for (const key of queue.hostConcurrency.keys())
    if (!queue.waitingByHosts.has(key) && !queue.inFlightByKey.has(key)) queue.hostConcurrency.delete(key)
}
