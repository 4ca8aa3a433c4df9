/**
 * key-scope - finds the streams that a backoff key covers
 *
 * A stream is registered under the scopes of its destination: its site, its domain, its hosts and its account. Each kind of key knows the
 * scope under which to look, so that a transition of one key does not read every stream of the queue.
 *
 * Changes nothing. See also: queue/queue-state (`streamsByScope`), queue/schedule/lane (registers), queue/observe/affected-accounts.
 */
import type { MessageStream, QueueState } from '../queue-state.ts'
import { BACKOFF_KEYS, type BackoffKey, type BackoffKeyId, type Destination, formatKey, parseKey } from './backoff-key.ts'

const siteScope = (site: string): string => `site|${site}`

/** The scopes under which the streams of a destination are registered. */
export function scopesOf(to: Destination): string[] {
  const scopes = [siteScope(to.site), BACKOFF_KEYS.networkDomain(to), BACKOFF_KEYS.networkHosts(to), BACKOFF_KEYS.account(to)]
  return to.gateway ? [...scopes, siteScope(to.domain)] : scopes
}

/** The scope that contains every stream of a key; null: none does, look at all streams. */
function scopeOf(key: BackoffKey): string | null {
  switch (key.kind) {
    case 'ip':
    case 'connection':
    case 'warmup':
    case 'sender-domain':
    case 'site':
      return siteScope(key.site)
    case 'network':
      if (key.scope === 'path') return formatKey({ ...key, scope: 'mx', name: key.name.slice(key.name.indexOf(' ') + 1) })
      return key.scope === 'site' ? siteScope(key.name) : formatKey(key)
    case 'account':
      return formatKey({ ...key, site: null })
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
  for (const id of queue.streamsByScope.get(scope) ?? []) {
    const stream = queue.streams.get(id)
    if (stream !== undefined) yield stream
  }
}

const isCovered = ({ keys, egressPaths }: MessageStream, key: BackoffKeyId): boolean =>
  keys.includes(key) || egressPaths.some((egressPath) => egressPath.keys.includes(key))

/** The streams with waiting messages that a key covers, in the order in which they were registered. */
export function* waitingStreamsOf(queue: QueueState, id: BackoffKeyId): Generator<MessageStream> {
  const key = parseKey(id)
  if (key === null) return
  for (const stream of candidatesOf(queue, key)) if (stream.waiting > 0 && isCovered(stream, id)) yield stream
}

/** A stream that a key covers, whether messages wait in it or not; null: none. */
export function findStreamOfKey(queue: QueueState, id: BackoffKeyId): MessageStream | null {
  const key = parseKey(id)
  if (key === null) return null
  for (const stream of candidatesOf(queue, key)) if (isCovered(stream, id)) return stream
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
