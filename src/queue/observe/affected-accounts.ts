/**
 * affected-accounts - the accounts whose messages wait for a key, and the accounts to notify of its transitions
 *
 * A transition is reported to the accounts whose messages it delays, and to those that were notified before and have nothing waiting any more: an
 * account that got `paused` also gets `recovered`. Past notifications are kept in memory only; after a restart only the accounts with waiting
 * messages are notified.
 *
 * See also: queue/observe/transition-facts (the facts), queue/backoff/key-scope (the streams of a key).
 */
import { type BackoffKeyId, formatKey, parseKey } from '../backoff/backoff-key.ts'
import { waitingStreamsOf } from '../backoff/key-scope.ts'
import type { QueueEvent, KeyTransition } from '../message.ts'
import type { QueueState } from '../queue-state.ts'

/** An account whose messages a key delays: the recipient domains, sorted, and how many of its messages wait. */
export type AffectedAccount = { readonly account: number; readonly domains: readonly string[]; readonly waiting: number }

/** The account that owns a key; null for a key that accounts share. */
export function keyOwnerOf(id: BackoffKeyId): number | null {
  const key = parseKey(id)
  return key !== null && 'account' in key ? key.account : null
}

/** The accounts whose messages a key delays, sorted by number. The owner of a key is always among them. */
export function findAffectedAccounts(queue: QueueState, key: BackoffKeyId): AffectedAccount[] {
  const owner = keyOwnerOf(key)
  const found = new Map<number, { readonly domains: Set<string>; waiting: number }>()
  if (owner !== null) found.set(owner, { domains: new Set(), waiting: 0 })
  for (const { destination, waiting } of waitingStreamsOf(queue, key)) {
    const affected = found.get(destination.account) ?? { domains: new Set<string>(), waiting: 0 }
    affected.domains.add(destination.domain)
    affected.waiting += waiting
    found.set(destination.account, affected)
  }
  return [...found]
    .map(([account, { domains, waiting }]) => ({ account, domains: [...domains].toSorted(), waiting }))
    .toSorted((a, b) => a.account - b.account)
}

/** The accounts that were notified of a key's transitions. One value per delivery session; mutable. */
export type Subscribers = Map<BackoffKeyId, Set<number>>

/** The accounts to notify of a transition: those that wait for its key, and those notified before. At ACTIVE all of them are forgotten. */
function accountsToNotifyOfTransition(
  subscribers: Subscribers,
  queue: QueueState,
  { key, to }: Pick<KeyTransition, 'key' | 'to'>,
): AffectedAccount[] {
  const waiting = findAffectedAccounts(queue, key)
  const subscribed = subscribers.get(key) ?? new Set<number>()
  const formerSubscribers = [...subscribed].filter((account) => !waiting.some((each) => each.account === account))
  for (const { account } of waiting) subscribed.add(account)
  if (to === 'active') subscribers.delete(key)
  else subscribers.set(key, subscribed)
  return [...waiting, ...formerSubscribers.map((account) => ({ account, domains: [], waiting: 0 }))].toSorted(
    (a, b) => a.account - b.account,
  )
}

/** The queue's events that accounts are notified of. */
export type QueueNotification = Extract<QueueEvent, { readonly kind: KeyTransition['kind'] | 'queue.manual' }>

/** Whether accounts are notified of an event. */
export const isQueueNotification = (event: QueueEvent): event is QueueNotification => event.kind.startsWith('queue.')

/** The accounts to notify of an event. Records them as subscribers of its key. */
export function findAccountsToNotify(subscribers: Subscribers, queue: QueueState, event: QueueNotification): AffectedAccount[] {
  if (event.kind !== 'queue.manual') return accountsToNotifyOfTransition(subscribers, queue, event)
  return findAffectedAccounts(queue, formatKey({ kind: 'manual', account: event.account, domain: event.domain, label: event.label }))
}
