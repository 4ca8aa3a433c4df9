/**
 * reshape - puts a new shaping of sites in force in a running queue
 *
 * Mutates the queue. See also: queue/shaping/limits-in-force, queue/stream-route (keys that a shaping adds), daemon/delivery/shaping-watch (reads the files again).
 */
import { refreshBackoffLimits } from '../backoff/key-state.ts'
import type { QueueState } from '../queue-state.ts'
import { isAwaited } from '../schedule/waiting-streams.ts'
import type { QueueShaping } from './shaping-table.ts'

/** Puts a shaping in force. Attempts in flight keep the keys under which they were dispatched. */
export function reshapeQueue(queue: QueueState, shaping: QueueShaping | null): void {
  queue.shaping = shaping
  for (const stream of queue.streams.values()) stream.route = null
  for (const keyState of queue.keyStates.values()) {
    refreshBackoffLimits(queue, keyState)
    if (isAwaited(keyState)) queue.keysToWake.add(keyState.id)
  }
}
