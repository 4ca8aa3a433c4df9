/**
 * affected-accounts - whose mail waits behind a key
 *
 * A transition is told to the accounts that it holds up, and to those that were told of the trouble and have nothing waiting any more: who
 * heard `paused` hears `recovered`. The second is remembered in memory alone; after a restart only who waits is told.
 *
 * See also: queue/observe/transition-facts (what they are told), queue/backoff/key-state (which streams a key covers).
 */
import { scopeName } from '../backoff/key-state.ts'
import { keyKindOf, type BackoffKey } from '../backoff/backoff-key.ts'
import type { QueueEvent, BackoffTransition } from '../message.ts'
import type { QueueState } from '../queue-state.ts'

/** An account behind a key: its receiving domains, sorted, and how many of its mails wait. */
export type AffectedAccount = { readonly account: number; readonly domains: readonly string[]; readonly waiting: number }

/** The keys that belong to one account, whose number is their first part. */
const ACCOUNT_KEY_KINDS = new Set(['account', 'manual', 'lane'])

/** The account that a key belongs to; null for one that accounts share. */
export function keyOwnerOf(key: BackoffKey): number | null {
  const [kind = '', first = ''] = key.split('|')
  return ACCOUNT_KEY_KINDS.has(kind) && /^\d+$/.test(first) ? Number(first) : null
}

/** The accounts whose mail a key holds up, by number; the owner of a key of its own always. */
export function findAffectedAccounts(queue: QueueState, key: BackoffKey): AffectedAccount[] {
  const owner = keyOwnerOf(key)
  const found = new Map<number, { readonly domains: Set<string>; waiting: number }>()
  if (owner !== null) found.set(owner, { domains: new Set(), waiting: 0 })
  for (const { destination, keys, egressPaths, waiting } of streamsCoveredBy(queue, key)) {
    if (waiting === 0 || (!keys.includes(key) && !egressPaths.some((egressPath) => egressPath.keys.includes(key)))) continue
    const affected = found.get(destination.account) ?? { domains: new Set<string>(), waiting: 0 }
    affected.domains.add(destination.domain)
    affected.waiting += waiting
    found.set(destination.account, affected)
  }
  return [...found]
    .map(([account, { domains, waiting }]) => ({ account, domains: [...domains].toSorted(), waiting }))
    .toSorted((a, b) => a.account - b.account)
}

function* streamsCoveredBy(queue: QueueState, key: BackoffKey) {
  const kind = keyKindOf(key)
  if (kind === 'manual' || kind === 'lane') {
    yield* queue.streams.values()
    return
  }
  const [, first = '', second] = key.split('|')
  // An account's key at one site is covered by the account's name.
  const name = kind === 'account' && second !== undefined ? `account|${first}` : scopeName(key)
  for (const id of queue.streamsByScope.get(name) ?? []) {
    const stream = queue.streams.get(id)
    if (stream !== undefined) yield stream
  }
}

/** Who was told of a key's trouble. One for each deliverer; mutable. */
export type Subscribers = Map<BackoffKey, Set<number>>

/** Who is to be told of a transition: who waits behind its key, and who was told of it before. At `recovered` all of them are forgotten. */
function accountsToNotifyOfTransition(
  subscribers: Subscribers,
  queue: QueueState,
  { key, to: destination }: Pick<BackoffTransition, 'key' | 'to'>,
): AffectedAccount[] {
  const waiting = findAffectedAccounts(queue, key)
  const subscribed = subscribers.get(key) ?? new Set<number>()
  const formerSubscribers = [...subscribed].filter((account) => !waiting.some((each) => each.account === account))
  for (const { account } of waiting) subscribed.add(account)
  if (destination === 'active') subscribers.delete(key)
  else subscribers.set(key, subscribed)
  return [...waiting, ...formerSubscribers.map((account) => ({ account, domains: [], waiting: 0 }))].toSorted(
    (a, b) => a.account - b.account,
  )
}

/** What of the queue's events is told to accounts. */
export type QueueNotification = Extract<QueueEvent, { readonly kind: BackoffTransition['kind'] | 'queue.manual' }>

/** Whether an event is one. */
export const isQueueNotification = (event: QueueEvent): event is QueueNotification => event.kind.startsWith('queue.')

/** As {@link accountsToNotifyOfTransition}, of either kind of event. */
export function findAccountsToNotify(subscribers: Subscribers, queue: QueueState, event: QueueNotification): AffectedAccount[] {
  if (event.kind !== 'queue.manual') return accountsToNotifyOfTransition(subscribers, queue, event)
  return findAffectedAccounts(queue, `manual|${event.account}|${event.domain ?? '*'}`)
}
