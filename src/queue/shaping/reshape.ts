/**
 * reshape - the keys that the shaping of sites adds to streams, and a new shaping for a running queue
 *
 * Mutates the queue. See also: queue/shaping/limits-in-force, queue/schedule/lane (creates streams), daemon/delivery/shaping-watch (reads the files again).
 */
import { BACKOFF_KEYS, type BackoffKeyId, type Destination, destinationKeys, labelKeys } from '../backoff/backoff-key.ts'
import { refreshBackoffLimits } from '../backoff/key-state.ts'
import type { QueueState } from '../queue-state.ts'
import { hasSiteLimits } from './limits-in-force.ts'
import type { QueueShaping } from './shaping-table.ts'

/** The keys that cover a stream whichever egress IP is used. `label`: that of all its messages, if a person paused it. */
export const streamKeysOf = (queue: QueueState, to: Destination, label: number | null): BackoffKeyId[] => {
  const keys = label === null ? destinationKeys(to) : [...destinationKeys(to), ...labelKeys({ ...to, label })]
  return hasSiteLimits(queue, to.site) ? [...keys, BACKOFF_KEYS.site(to)] : keys
}

/** Puts a shaping in force. Attempts in flight keep the keys under which they were dispatched. */
export function reshapeQueue(queue: QueueState, shaping: QueueShaping | null): void {
  queue.shaping = shaping
  for (const stream of queue.streams.values()) stream.keys = streamKeysOf(queue, stream.destination, stream.label)
  for (const keyState of queue.keyStates.values()) {
    refreshBackoffLimits(queue, keyState)
    if (keyState.waitingStreams.size > 0) queue.keysToWake.add(keyState.id)
  }
}
