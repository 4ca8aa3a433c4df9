/**
 * affected-accounts - whose mail waits behind a key
 *
 * A transition is told to the accounts that it holds up, and to those that were told of the trouble and have nothing waiting any more: who
 * heard `paused` hears `recovered`. The second is remembered in memory alone; after a restart only who waits is told.
 *
 * See also: queue/observe/transition-facts (what they are told), queue/backoff/key-state (which streams a key covers).
 */
import { coverName } from '../backoff/key-state.ts'
import { kindOf, type KeyId } from '../backoff/backoff-key.ts'
import type { QueueEvent, Transition } from '../message.ts'
import type { Stock } from '../queue-state.ts'

/** An account behind a key: its receiving domains, sorted, and how many of its mails wait. */
export type Behind = { readonly account: number; readonly domains: readonly string[]; readonly waiting: number }

/** The keys that belong to one account, whose number is their first part. */
const OWN = new Set(['account', 'manual', 'lane'])

/** The account that a key belongs to; null for one that accounts share. */
export function ownerOf(key: KeyId): number | null {
  const [kind = '', first = ''] = key.split('|')
  return OWN.has(kind) && /^\d+$/.test(first) ? Number(first) : null
}

/** The accounts whose mail a key holds up, by number; the owner of a key of its own always. */
export function accountsBehind(queue: Stock, key: KeyId): Behind[] {
  const owner = ownerOf(key)
  const found = new Map<number, { readonly domains: Set<string>; waiting: number }>()
  if (owner !== null) found.set(owner, { domains: new Set(), waiting: 0 })
  for (const { to, keys, ways, waiting } of streamsAt(queue, key)) {
    if (waiting === 0 || (!keys.includes(key) && !ways.some((way) => way.keys.includes(key)))) continue
    const behind = found.get(to.account) ?? { domains: new Set<string>(), waiting: 0 }
    behind.domains.add(to.domain)
    behind.waiting += waiting
    found.set(to.account, behind)
  }
  return [...found]
    .map(([account, { domains, waiting }]) => ({ account, domains: [...domains].toSorted(), waiting }))
    .toSorted((a, b) => a.account - b.account)
}

function* streamsAt(queue: Stock, key: KeyId) {
  const kind = kindOf(key)
  if (kind === 'manual' || kind === 'lane') {
    yield* queue.streams.values()
    return
  }
  const [, first = '', second] = key.split('|')
  // An account's key at one site is covered by the account's name.
  const name = kind === 'account' && second !== undefined ? `account|${first}` : coverName(key)
  for (const id of queue.covers.get(name) ?? []) {
    const stream = queue.streams.get(id)
    if (stream !== undefined) yield stream
  }
}

/** Who was told of a key's trouble. One for each deliverer; mutable. */
export type Audience = Map<KeyId, Set<number>>

/** Who is to be told of a transition: who waits behind its key, and who was told of it before. At `recovered` all of them are forgotten. */
function audienceOf(audience: Audience, queue: Stock, { key, to }: Pick<Transition, 'key' | 'to'>): Behind[] {
  const waiting = accountsBehind(queue, key)
  const told = audience.get(key) ?? new Set<number>()
  const rest = [...told].filter((account) => !waiting.some((each) => each.account === account))
  for (const { account } of waiting) told.add(account)
  if (to === 'active') audience.delete(key)
  else audience.set(key, told)
  return [...waiting, ...rest.map((account) => ({ account, domains: [], waiting: 0 }))].toSorted((a, b) => a.account - b.account)
}

/** What of the queue's events is told to accounts. */
export type Told = Extract<QueueEvent, { readonly kind: Transition['kind'] | 'queue.manual' }>

/** Whether an event is one. */
export const isTold = (event: QueueEvent): event is Told => event.kind.startsWith('queue.')

/** As {@link audienceOf}, of either kind of event. */
export function toldOf(audience: Audience, queue: Stock, event: Told): Behind[] {
  if (event.kind !== 'queue.manual') return audienceOf(audience, queue, event)
  return accountsBehind(queue, `manual|${event.account}|${event.domain ?? '*'}`)
}
