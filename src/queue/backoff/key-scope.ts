/**
 * key-scope - finds the streams that a backoff key covers
 *
 * A stream is registered under the scopes of its destination: its site, its domain, its hosts and its account. Each kind of key knows the
 * scope under which to look, so that a transition of one key does not read every stream of the queue.
 *
 * Changes nothing. See also: queue/queue-state (`streamsByScope`), queue/schedule/lane (registers), queue/observe/affected-accounts.
 */
import type { MessageStream, QueueState, StreamScopes } from '../queue-state.ts'
import { idsOf, withId, withoutId } from '../id-set.ts'
import { hasSiteLimits } from '../shaping/limits-in-force.ts'
import {
  BACKOFF_KEYS,
  type BackoffKey,
  type BackoffKeyId,
  type Destination,
  destinationKeys,
  type EgressRoute,
  escapePart,
  hostsOf,
  labelKeys,
  parseKey,
} from './backoff-key.ts'

const NETWORK_SCOPES = { dns: 'domain', mx: 'hosts', site: 'site' } as const
const NETWORK_KEYS = { dns: 'networkDomain', mx: 'networkHosts', site: 'networkSite' } as const

/** Names as keys contain them. */
type Scope = { readonly by: keyof StreamScopes; readonly name: string }

/** The scopes under which the streams of a destination are registered. */
function scopesOf(to: Destination): readonly Scope[] {
  const scopes: readonly Scope[] = [
    { by: 'site', name: escapePart(to.site) },
    { by: 'domain', name: escapePart(to.domain) },
    { by: 'hosts', name: escapePart(hostsOf(to)) },
    { by: 'account', name: String(to.account) },
  ]
  return to.gateway ? [...scopes, { by: 'site', name: escapePart(to.domain) }] : scopes
}

/** Registers a stream under its scopes. */
export function registerStream({ streamsByScope }: QueueState, { id, destination }: MessageStream): void {
  for (const { by, name } of scopesOf(destination)) streamsByScope[by].set(name, withId(streamsByScope[by].get(name) ?? null, id))
}

/** Removes a stream from its scopes. */
export function unregisterStream({ streamsByScope }: QueueState, { id, destination }: MessageStream): void {
  for (const { by, name } of scopesOf(destination)) {
    const streams = withoutId(streamsByScope[by].get(name) ?? null, id)
    if (streams === null) streamsByScope[by].delete(name)
    else streamsByScope[by].set(name, streams)
  }
}

/** The scope that contains every stream of a key; null: none does, look at all streams. */
function scopeOf(key: BackoffKey): Scope | null {
  switch (key.kind) {
    case 'ip':
    case 'connection':
    case 'warmup':
    case 'sender-domain':
    case 'site':
      return { by: 'site', name: key.site }
    case 'network':
      if (key.scope === 'path') return { by: 'hosts', name: key.name.slice(key.name.indexOf(' ') + 1) }
      return { by: NETWORK_SCOPES[key.scope], name: key.name }
    case 'account':
      return { by: 'account', name: String(key.account) }
    case 'own':
    case 'manual':
    case 'lane':
    case 'slots':
      return null
  }
}

function* candidatesOf(queue: QueueState, key: BackoffKey): Generator<MessageStream> {
  const scope = scopeOf(key)
  if (scope === null) return yield* queue.streams.values()
  for (const id of idsOf(queue.streamsByScope[scope.by].get(scope.name) ?? null)) {
    const stream = queue.streams.get(id)
    if (stream !== undefined) yield stream
  }
}

/** Whether a key covers a stream. A stream of the scope is mostly idle, so its keys of this kind alone are made. */
function isCovered(
  queue: QueueState,
  { destination: to, egressIps, isOnlyIp, label, route }: MessageStream,
  key: BackoffKey,
  id: BackoffKeyId,
): boolean {
  if (route !== null) return route.keys.includes(id) || route.egressPaths.some(({ keys }) => keys.includes(id))
  const hasPath = (of: (to: EgressRoute) => BackoffKeyId): boolean => egressIps.some(({ ip: egressIp }) => of({ ...to, egressIp }) === id)
  switch (key.kind) {
    case 'ip':
    case 'connection':
    case 'warmup':
    case 'own':
      return hasPath(BACKOFF_KEYS[key.kind])
    case 'network':
      if (key.scope === 'path') return !isOnlyIp && hasPath(BACKOFF_KEYS.networkPath)
      return BACKOFF_KEYS[NETWORK_KEYS[key.scope]](to) === id
    case 'site':
      return BACKOFF_KEYS.site(to) === id && hasSiteLimits(queue, to.site)
    case 'manual':
      return [...destinationKeys(to), ...(label === null ? [] : labelKeys({ ...to, label }))].includes(id)
    case 'sender-domain':
    case 'account':
    case 'lane':
      return destinationKeys(to).includes(id)
    case 'slots':
      return false
  }
}

/** The streams with waiting messages that a key covers, in the order in which they were registered. */
export function* waitingStreamsOf(queue: QueueState, id: BackoffKeyId): Generator<MessageStream> {
  const key = parseKey(id)
  if (key === null) return
  for (const stream of candidatesOf(queue, key)) if (stream.waiting > 0 && isCovered(queue, stream, key, id)) yield stream
}

/** A stream that a key covers, whether messages wait in it or not; null: none. */
export function findStreamOfKey(queue: QueueState, id: BackoffKeyId): MessageStream | null {
  const key = parseKey(id)
  if (key === null) return null
  for (const stream of candidatesOf(queue, key)) if (isCovered(queue, stream, key, id)) return stream
  return null
}

/** How many messages wait that a key covers, counted up to `limit`. */
export function countWaiting(queue: QueueState, id: BackoffKeyId, limit: number): number {
  let waiting = 0
  for (const stream of waitingStreamsOf(queue, id)) {
    waiting += stream.waiting
    if (waiting >= limit) break
  }
  return waiting
}
