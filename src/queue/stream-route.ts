/**
 * stream-route - the keys of a stream: made when they are needed, dropped some time after it has become idle
 *
 * The two dozen keys of a stream take more memory than all else that is known about it, and most streams are idle: they wait for a retry, or have sent
 * their only message. The streams that became idle last keep theirs, because a stream with mail now and then needs its keys for each message. Keys depend on the destination, the egress IPs and the shaping alone, so they may be made again at any time.
 *
 * See also: queue/queue-state (`route`), queue/schedule/lane (creates streams), queue/schedule/fair-share, queue/shaping/reshape.
 */
import {
  BACKOFF_KEYS,
  type BackoffKeyId,
  type Destination,
  destinationKeys,
  egressKeys,
  formatKey,
  hostsOf,
  labelKeys,
} from './backoff/backoff-key.ts'
import type { FairShareKeys, MessageStream, QueueState, StreamRoute } from './queue-state.ts'
import { hasSiteLimits } from './shaping/limits-in-force.ts'

/** The keys that cover a stream whichever egress IP is used. */
function streamKeysOf(queue: QueueState, { destination: to, label }: MessageStream): BackoffKeyId[] {
  const keys = label === null ? destinationKeys(to) : [...destinationKeys(to), ...labelKeys({ ...to, label })]
  return hasSiteLimits(queue, to.site) ? [...keys, BACKOFF_KEYS.site(to)] : keys
}

/** The holders of the slots that messages to a destination use. */
const fairShareKeysOf = (to: Destination): FairShareKeys => ({
  hosts: formatKey({ kind: 'slots', holder: 'hosts', name: hostsOf(to) }),
  account: formatKey({ kind: 'slots', holder: 'account', name: String(to.account) }),
  unproven: formatKey({ kind: 'slots', holder: 'unproven', name: String(to.account) }),
})

/** Idle streams that keep their keys, about 6 KB each. */
const IDLE_ROUTES = 256

/** The keys of a stream. */
export function routeOf(queue: QueueState, stream: MessageStream): StreamRoute {
  if (stream.route !== null) return stream.route
  const route = {
    keys: streamKeysOf(queue, stream),
    egressPaths: stream.egressIps.map(({ ip: egressIp }) => ({
      egressIp,
      keys: egressKeys({ ...stream.destination, egressIp }, stream.isOnlyIp),
    })),
    fairShareKeys: fairShareKeysOf(stream.destination),
  }
  stream.route = route
  if (stream.state === 'idle') keepIdleRoute(queue, stream)
  return route
}

/** Keeps the keys of an idle stream until other streams have become idle after it. */
export function keepIdleRoute({ idleRoutes }: QueueState, stream: MessageStream): void {
  idleRoutes.delete(stream)
  idleRoutes.add(stream)
  if (idleRoutes.size <= IDLE_ROUTES) return
  const [oldest] = idleRoutes
  if (oldest === undefined) return
  idleRoutes.delete(oldest)
  if (oldest.state === 'idle') oldest.route = null
}

/** The holders of the connection slots of a stream. */
export const shareKeysOf = ({ route, destination }: MessageStream): FairShareKeys => route?.fairShareKeys ?? fairShareKeysOf(destination)
