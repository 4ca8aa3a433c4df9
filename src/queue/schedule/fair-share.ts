/**
 * fair-share - limits how many connection slots one holder uses at once, so that a few servers that never reply leave slots for all others
 *
 * The round robin over lanes is fair in dispatches, not in how long a dispatch takes. Therefore a host set starts with two simultaneous
 * attempts. Each of its replies adds one; an attempt without a reply halves the number. While others wait, a host set gets at most a fifth
 * of the slots. Host sets that have not replied yet get half of the slots together, per account. An account gets three quarters of the
 * slots while another account waits.
 *
 * A stream without a slot waits at the key of its holder until one of the holder's attempts ends. Each step is O(1) in the number of
 * messages. Mutates the queue. See also: queue/schedule/dispatch (asks), queue/backoff/key-state, queue/backoff/concurrency-limiter.
 */
import { type BackoffKey, type BackoffKeyId, escapePart, formatKey, hostsOf } from '../backoff/backoff-key.ts'
import { shareKeysOf } from '../stream-route.ts'
import type { MessageStream, QueueState } from '../queue-state.ts'

/** Postfix starts with five. Two also show whether a host replies, and then it takes fifty tarpits to fill a hundred slots. */
const INITIAL_CONCURRENCY = 2
const HOSTS_SHARE = 0.2
const UNPROVEN_SHARE = 0.5
const ACCOUNT_SHARE = 0.75

type SlotKey = Extract<BackoffKey, { readonly kind: 'slots' }>

/** The holders for which one attempt of a stream is counted, with the kind of each. */
function holdersOf(queue: QueueState, { destination }: MessageStream): readonly SlotKey['holder'][] {
  if (queue.maxInFlight === null) return []
  return queue.hostConcurrency.has(escapePart(hostsOf(destination))) ? ['hosts', 'account'] : ['hosts', 'account', 'unproven']
}

/** The keys for which one attempt of a stream is counted. */
export function countedShareKeys(queue: QueueState, stream: MessageStream): readonly BackoffKeyId[] {
  const keys = shareKeysOf(stream)
  return holdersOf(queue, stream).map((holder) => keys[holder])
}

const HOSTS_SLOTS = formatKey({ kind: 'slots', holder: 'hosts', name: '' })

/** The MX hosts in the key of their slots. */
const hostsOfSlots = (id: BackoffKeyId): string => id.slice(HOSTS_SLOTS.length)

const atLeastOne = (maxInFlight: number, share: number): number => Math.max(1, Math.floor(maxInFlight * share))

/** How many more slots a holder may use now. Infinity where slots are not shared out. */
export function slotsLeft(queue: QueueState, id: BackoffKeyId, holder: SlotKey['holder']): number {
  if (queue.maxInFlight === null) return Infinity
  return slotLimitOf(queue, id, holder, queue.maxInFlight) - (queue.inFlightByKey.get(id) ?? 0)
}

function slotLimitOf(queue: QueueState, id: BackoffKeyId, holder: SlotKey['holder'], maxInFlight: number): number {
  if (holder === 'unproven') return atLeastOne(maxInFlight, UNPROVEN_SHARE)
  const isAccount = holder === 'account'
  const waitingCounts = isAccount ? queue.waitingByAccount : queue.waitingByHosts
  const isAlone = waitingCounts.size - (waitingCounts.has(id) ? 1 : 0) === 0
  const limit = isAlone ? maxInFlight : atLeastOne(maxInFlight, isAccount ? ACCOUNT_SHARE : HOSTS_SHARE)
  return isAccount ? limit : Math.min(limit, queue.hostConcurrency.get(hostsOfSlots(id)) ?? INITIAL_CONCURRENCY)
}

/** The first holder of a stream that uses all its slots; null: none does. */
export function findFullShare(queue: QueueState, stream: MessageStream): BackoffKeyId | null {
  const keys = shareKeysOf(stream)
  const full = holdersOf(queue, stream).find((holder) => slotsLeft(queue, keys[holder], holder) <= 0)
  return full === undefined ? null : keys[full]
}

/** Records whether an attempt at a host set got a reply. */
export function learnHostConcurrency(queue: QueueState, stream: MessageStream, hasReplied: boolean): void {
  if (queue.maxInFlight === null) return
  const hosts = escapePart(hostsOf(stream.destination))
  const concurrency = queue.hostConcurrency.get(hosts) ?? INITIAL_CONCURRENCY
  if (hasReplied) queue.hostConcurrency.set(hosts, Math.min(queue.maxInFlight, concurrency + 1))
  else if (concurrency >= 2 * INITIAL_CONCURRENCY) queue.hostConcurrency.set(hosts, Math.floor(concurrency / 2))
  else queue.hostConcurrency.delete(hosts)
}

/** Counts one more, or one fewer, waiting message. */
export function adjustWaitingShares(queue: QueueState, stream: MessageStream, n: 1 | -1): void {
  if (queue.maxInFlight === null) return
  const { hosts, account } = shareKeysOf(stream)
  adjustCount(queue.waitingByHosts, hosts, n)
  adjustCount(queue.waitingByAccount, account, n)
}

function adjustCount(counts: Map<BackoffKeyId, number>, id: BackoffKeyId, n: number): void {
  const left = (counts.get(id) ?? 0) + n
  if (left > 0) counts.set(id, left)
  else counts.delete(id)
}

/** Forgets what was learnt about host sets without waiting messages and attempts. */
export function forgetIdleHosts(queue: QueueState): void {
  for (const name of queue.hostConcurrency.keys()) {
    const id = formatKey({ kind: 'slots', holder: 'hosts', name })
    if (!queue.waitingByHosts.has(id) && !queue.inFlightByKey.has(id)) queue.hostConcurrency.delete(name)
  }
}
