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
import type { Destination, KeyId } from '../backoff/backoff-key.ts'
import { KEYS } from '../backoff/backoff-key.ts'
import type { Stock, Stream } from '../queue-state.ts'

const PREFIX = 'lines|'

/** Postfix begins with five; two find out as well whether anybody answers, and fifty tarpits are needed to fill a hundred lines. */
const START = 2
const HOSTS_SHARE = 0.2
const NEW_SHARE = 0.5
const ACCOUNT_SHARE = 0.75

/** The holders of a stream. `fresh`: all hosts of the account that have not answered yet. */
export type Sharers = { readonly hosts: KeyId; readonly account: KeyId; readonly fresh: KeyId }

/** Who holds the lines that the mail of a destination is sent on. */
export const sharersOf = (to: Destination): Sharers => ({
  hosts: `${PREFIX}${KEYS.networkHosts(to)}`,
  account: `${PREFIX}${KEYS.account(to)}`,
  fresh: `${PREFIX}new|${to.account}`,
})

/** Whether a key is a holder of lines. */
export const isShare = (key: KeyId): boolean => key.startsWith(PREFIX)

/** The holders that one attempt of a stream is counted for. */
export function shareKeys(queue: Stock, { sharers: { hosts, account, fresh } }: Stream): readonly KeyId[] {
  if (queue.lines === null) return []
  return queue.rooms.has(hosts) ? [hosts, account] : [hosts, account, fresh]
}

const atLeastOne = (lines: number, share: number): number => Math.max(1, Math.floor(lines * share))

/** How many more a holder may have now; a key that is none may have any number. */
export function roomAt(queue: Stock, key: KeyId): number {
  if (queue.lines === null || !isShare(key)) return Infinity
  return mostOf(queue, key, queue.lines) - (queue.inFlight.get(key) ?? 0)
}

function mostOf(queue: Stock, key: KeyId, lines: number): number {
  if (key.startsWith(`${PREFIX}new|`)) return atLeastOne(lines, NEW_SHARE)
  const isAccount = key.startsWith(`${PREFIX}account|`)
  const waiters = isAccount ? queue.waitingAccounts : queue.waitingHosts
  const isAlone = waiters.size - (waiters.has(key) ? 1 : 0) === 0
  const most = isAlone ? lines : atLeastOne(lines, isAccount ? ACCOUNT_SHARE : HOSTS_SHARE)
  return isAccount ? most : Math.min(most, queue.rooms.get(key) ?? START)
}

/** The first holder of a stream that has all it may have; null: there is none. */
export function fullShare(queue: Stock, stream: Stream): KeyId | null {
  return shareKeys(queue, stream).find((key) => roomAt(queue, key) <= 0) ?? null
}

/** A host set has answered, or has not. */
export function learnRoom(queue: Stock, { sharers: { hosts } }: Stream, isAnswered: boolean): void {
  if (queue.lines === null) return
  const room = queue.rooms.get(hosts) ?? START
  if (isAnswered) queue.rooms.set(hosts, Math.min(queue.lines, room + 1))
  else if (room >= 2 * START) queue.rooms.set(hosts, Math.floor(room / 2))
  else queue.rooms.delete(hosts)
}

/** One more, or one less, that waits. */
export function countShares(queue: Stock, { sharers: { hosts, account } }: Stream, n: 1 | -1): void {
  if (queue.lines === null) return
  add(queue.waitingHosts, hosts, n)
  add(queue.waitingAccounts, account, n)
}

function add(counts: Map<KeyId, number>, key: KeyId, n: number): void {
  const left = (counts.get(key) ?? 0) + n
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}

/** Forgets what was learnt of hosts to which nothing goes any more. */
export function sweepRooms(queue: Stock): void {
  for (const key of queue.rooms.keys()) if (!queue.waitingHosts.has(key) && !queue.inFlight.has(key)) queue.rooms.delete(key)
}
