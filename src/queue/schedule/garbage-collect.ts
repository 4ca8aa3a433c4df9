/**
 * garbage-collect - what is known of keys, streams and lanes on which nothing happens any more is forgotten
 *
 * A key is forgotten when its windows are empty and nothing holds it; n and manual pauses, of late or now, keep it. Called now and then; what it drops
 * would be made again just so. Mutates the stock that it is given. See also: queue/queue-state.
 */
import { forgetOldHoldPeriods } from './hold-time.ts'
import { sizeOf } from './fifo.ts'
import { BACKOFF_KEYS } from '../backoff/backoff-key.ts'
import { dropStream } from './lane.ts'
import { throughputSeries } from '../observe/throughput.ts'
import { forgetIdleHosts } from './fair-share.ts'
import type { KeyState, Lane, QueueState } from '../queue-state.ts'
import { countInWindow } from '../backoff/sliding-count.ts'

export const GARBAGE_COLLECTION_INTERVAL_MS = 3_600_000

/** Forgets what is spent. */
export function collectGarbage(queue: QueueState, now: number): void {
  queue.garbageCollectedAt = now
  forgetIdleHosts(queue)
  for (const stream of queue.streams.values()) {
    if (stream.waiting === 0 && stream.state === 'idle') dropStream(queue, stream)
  }
  const oldestInFlight = queue.inFlightAttempts.keys().next().value ?? Infinity
  for (const keyState of queue.keyStates.values()) forgetOldHoldPeriods(keyState, now)
  for (const keyState of queue.keyStates.values())
    if (isUnused(keyState, { now, oldest: oldestInFlight })) queue.keyStates.delete(keyState.id)
  for (const lane of queue.lanes.values()) {
    const isQuiet = lane.streams.size === 0 && lane.inFlight === 0 && !lane.isInRing && sizeOf(lane.runnable) === 0
    if (isQuiet && !hasOperatorSettings(queue, lane) && throughputSeries(lane.throughput, 'minutes', now).length === 0)
      queue.lanes.delete(lane.id)
  }
}

/** Somebody has paused the lane or set its rate, and wants to see it. */
const hasOperatorSettings = ({ keyStates }: QueueState, lane: Lane): boolean =>
  (keyStates.get(lane.id)?.limit ?? null) !== null || (keyStates.get(BACKOFF_KEYS.manual(lane))?.manual ?? null) !== null

/** `oldest`: the first dispatch in flight. An epoch is kept as long as an older answer may come. */
function isUnused(keyState: KeyState, { now, oldest: oldestInFlight }: { readonly now: number; readonly oldest: number }): boolean {
  if (
    keyState.waitingStreams.size > 0 ||
    keyState.manual !== null ||
    keyState.spans.length > 0 ||
    keyState.limit !== null ||
    keyState.warming !== null ||
    keyState.pace !== null ||
    keyState.breadth !== null
  )
    return false
  const keyCounts = [keyState.accepted, ...keyState.attempts.values(), ...keyState.delivered.values()]
  const isBusy = [...keyState.episodes.values()].some(
    ({ state, n, rung, counts, epoch }) =>
      state !== 'active' ||
      n > 0 ||
      epoch > oldestInFlight ||
      rung !== null ||
      counts.some(({ hits, of }) => countInWindow(hits, now) + countInWindow(of, now) > 0),
  )
  return !isBusy && keyCounts.every((tally) => countInWindow(tally, now) === 0)
}
