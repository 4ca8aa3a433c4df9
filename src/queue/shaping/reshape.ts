/**
 * reshape - the keys that the shaping of sites adds to streams, and a new shaping for a running queue
 *
 * Mutates the queue. See also: queue/shaping/limits-in-force, queue/schedule/lane (creates streams), daemon/delivery/shaping-watch (reads the files again).
 */
import { BACKOFF_KEYS, type BackoffKeyId, type Destination, destinationKeys } from '../backoff/backoff-key.ts'
import { refreshBackoffLimits } from '../backoff/key-state.ts'
import type { QueueState } from '../queue-state.ts'
import { hasSiteLimits } from './limits-in-force.ts'
import type { QueueShaping } from './shaping-table.ts'

/** The keys that cover a stream whichever egress IP is used. */
export const streamKeysOf = (queue: QueueState, to: Destination): BackoffKeyId[] =>
  hasSiteLimits(queue, to.site) ? [...destinationKeys(to), BACKOFF_KEYS.site(to)] : destinationKeys(to)

/** Puts a shaping in force. Attempts in flight keep the keys under which they were dispatched. */
export function reshapeQueue(queue: QueueState, shaping: QueueShaping | null): void {
  queue.shaping = shaping
  for (const stream of queue.streams.values()) stream.keys = streamKeysOf(queue, stream.destination)
  for (const keyState of queue.keyStates.values()) {
    refreshBackoffLimits(queue, keyState)
    if (keyState.waitingStreams.size > 0) queue.keysToWake.add(keyState.id)
  }
}
