/**
 * garbage-collect - drops the state of keys, streams and lanes that are no longer in use
 *
 * A lane is dropped after an hour without mail: its series of a day is in the store (service/deliver/lane-snapshots).
 * A key is dropped when its windows are empty and nothing keeps it: no n, no manual pause, no past hold, no learnt or set limit. Whatever is
 * dropped would be created again with the same values. Mutates the queue. See also: queue/queue-state.
 */
import { forgetOldHoldPeriods } from './hold-time.ts'
import { sizeOf } from './fifo.ts'
import { idsOf } from '../id-set.ts'
import { hasOwnLabelPause } from './label-pause.ts'
import { BACKOFF_KEYS } from '../backoff/backoff-key.ts'
import { dropStream } from './lane.ts'
import { lastStepStart } from '../observe/throughput.ts'
import { forgetIdleHosts } from './fair-share.ts'
import type { KeyState, Lane, QueueState } from '../queue-state.ts'
import { isAwaited } from './waiting-streams.ts'
import { dropOldCleanAttempts } from '../clean-attempts.ts'
import { pushTimer, type Timer } from './timer-heap.ts'
import { countInWindow } from '../backoff/sliding-count.ts'

export const GARBAGE_COLLECTION_INTERVAL_MS = 3_600_000

/** Drops unused state. Called every GARBAGE_COLLECTION_INTERVAL_MS. */
export function collectGarbage(queue: QueueState, now: number): void {
  queue.garbageCollectedAt = now
  forgetIdleHosts(queue)
  dropOldCleanAttempts(queue, now)
  for (const stream of queue.streams.values()) {
    if (stream.waiting === 0 && stream.state === 'idle') dropStream(queue, stream)
  }
  const oldestInFlight = queue.inFlightAttempts.keys().next().value ?? Infinity
  for (const keyState of queue.keyStates.values()) forgetOldHoldPeriods(keyState, now)
  for (const keyState of queue.keyStates.values()) if (isUnused(keyState, { now, oldestInFlight })) queue.keyStates.delete(keyState.id)
  for (const holder of queue.batchHolders.values())
    if (!holder.isInRing && sizeOf(holder.runnable) === 0 && !hasBatch(queue, holder.id)) queue.batchHolders.delete(holder.id)
  for (const lane of queue.lanes.values()) {
    const isQuiet = lane.streams === null && lane.inFlight === 0 && !lane.isInRing && sizeOf(lane.runnable) === 0
    if (isQuiet && !hasOperatorSettings(queue, lane) && now - lastStepStart(lane.throughput, 'fives') >= GARBAGE_COLLECTION_INTERVAL_MS)
      queue.lanes.delete(lane.id)
  }
  dropLaneTimers(queue)
}

/** Drops the timers of lanes that are gone, or that are checked at another time: they would stay as long as a message may wait. */
function dropLaneTimers(queue: QueueState): void {
  const isKept = ({ kind, id, at }: Timer): boolean => kind !== 'lane' || queue.lanes.get(id)?.expiryCheckAt === at
  const kept = queue.timers.filter(isKept)
  if (kept.length === queue.timers.length) return
  queue.timers.length = 0
  for (const timer of kept) pushTimer(queue.timers, timer)
}

/** Whether a lane has a stream of batch messages. */
const hasBatch = ({ lanes, streams }: QueueState, lane: string): boolean =>
  [...idsOf(lanes.get(lane)?.streams ?? null)].some((id) => streams.get(id)?.isBatch === true)

/** Whether an operator paused the lane or set its rate. The lane stays visible then. */
const hasOperatorSettings = (queue: QueueState, lane: Lane): boolean =>
  hasOwnLabelPause(queue, lane) ||
  (queue.keyStates.get(lane.id)?.operatorRate ?? null) !== null ||
  (queue.keyStates.get(BACKOFF_KEYS.manual(lane))?.manualPause ?? null) !== null

/** Whether a key may be dropped. An epoch is kept as long as the result of an older dispatch may come. */
function isUnused(keyState: KeyState, { now, oldestInFlight }: { readonly now: number; readonly oldestInFlight: number }): boolean {
  if (
    isAwaited(keyState) ||
    keyState.manualPause !== null ||
    keyState.holdPeriods.length > 0 ||
    keyState.operatorRate !== null ||
    keyState.warmUp !== null ||
    keyState.learnedRate !== null ||
    keyState.learnedConcurrency !== null
  )
    return false
  const keyCounts = [keyState.accepted, ...keyState.attempts, ...keyState.delivered]
  const isBusy = [...keyState.episodes.values()].some(
    ({ state, n, rung, counts, epoch }) =>
      state !== 'active' ||
      n > 0 ||
      epoch > oldestInFlight ||
      rung !== null ||
      counts.some(({ hits, of }) => countInWindow(hits, now) + countInWindow(of, now) > 0),
  )
  return !isBusy && keyCounts.every((each) => countInWindow(each, now) === 0)
}
