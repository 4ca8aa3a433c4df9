/**
 * queue - the delivery queue: messages that wait to be delivered, and when each may leave
 *
 * One mutable value with one owner. Its functions are deterministic: the same seed and the same calls give the same run, to the byte. They
 * read no clock (`now` is an argument and never decreases) and no randomness but the seed. The caller's loop:
 *
 *     const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 1, pools: { '*': ['192.0.2.1'] } })
 *     enqueue(queue, message, now)                                     → false for a message that it already has
 *     const { dispatches, events } = nextDispatchBatch(queue, now, 20)  → at most 20 attempts to make now; time passes here
 *     applyAttemptResult(queue, dispatch.number, { kind: 'accepted' }, now)      → events (queue/schedule/attempt-result)
 *     applyLaterReport(queue, { kind: 'complaint', account: 7 }, now)            → events (queue/schedule/attempt-result)
 *     nextWakeAt(queue, now)                                           → call nextDispatchBatch again by then; null: nothing is due
 *     applyCommand(queue, { kind: 'recover', account: 7, domain: null, how: 'immediate' }, now)  → events
 *     snapshotEpisodes(queue), restoreEpisodes(queue, episodes, now)   → what is known about keys, for a store (queue/snapshot)
 *     statusOfLane(queue, lane, now)                                   → what an operator sees (queue/observe/lane-view)
 *
 * Each message ends by exactly one `mail.ended`. The result of a dispatch that is not in flight changes nothing.
 */
import { advanceKeyState } from './backoff/key-state.ts'
import type { QueueEvent, QueueMessage } from './message.ts'
import { recordThroughput } from './observe/throughput.ts'
import { createQueueState, type QueueEntry, type QueueOptions, type QueueState } from './queue-state.ts'
import { type DispatchBatch, fillBatch } from './schedule/dispatch.ts'
import { expireLane, isExpiryCheckDue, trackExpiry } from './schedule/expiry.ts'
import { collectGarbage, GARBAGE_COLLECTION_INTERVAL_MS } from './schedule/garbage-collect.ts'
import { adjustWaiting, deferUntilDue, getOrCreateStream, makeReady } from './schedule/lane.ts'
import {
  deleteWaiting,
  endManualPause,
  type OperatorCommand,
  recoverKey,
  recoverLanes,
  setLaneRate,
  setWarmUp,
  startManualPause,
} from './schedule/operator-commands.ts'
import { RETRY_SCHEDULES } from './schedule/retry.ts'
import { isBeforeSendTime, keepUntilSendTime, takeAtSendTime } from './schedule/send-time.ts'
import { popTimer, type Timer } from './schedule/timer-heap.ts'
import { isAwaited } from './schedule/waiting-streams.ts'
import { firstInRing } from './schedule/lane-shares.ts'

export type Queue = QueueState

/** An empty queue. */
export function createQueue(options: QueueOptions): Queue {
  return createQueueState(options, options.retrySchedule ?? RETRY_SCHEDULES.default)
}

/** One shared value for the many messages that no egress IP was refused for. */
const NO_IPS: readonly string[] = []

/** A message that was accepted longer ago waited elsewhere, for example before a restart. It does not count as incoming. */
const NEW_MESSAGE_MS = 60_000

/** Adds a message. Returns false, and does nothing, for one that the queue has. Fault `config_invalid` if its account has no egress IP. */
export function enqueue(queue: Queue, message: QueueMessage, now: number): boolean {
  if (queue.entries.has(message.id) || queue.scheduled.has(message.id)) return false
  if (isBeforeSendTime(message, now)) {
    keepUntilSendTime(queue, message)
    return true
  }
  const refusedBy = message.refusedBy ?? NO_IPS
  const stream = getOrCreateStream(queue, message, refusedBy)
  const entry: QueueEntry = {
    message,
    stream: stream.id,
    state: 'deferred',
    attempts: message.attempts,
    dueAt: message.dueAt,
    lastResult: null,
    refusedBy,
  }
  queue.entries.set(message.id, entry)
  adjustWaiting(queue, stream, 1)
  const lane = queue.lanes.get(stream.lane)
  if (lane !== undefined) trackExpiry(queue, lane, entry)
  if (now - message.acceptedAt < NEW_MESSAGE_MS) {
    queue.throughput = recordThroughput(queue.throughput, 'in', now)
    if (lane !== undefined) lane.throughput = recordThroughput(lane.throughput, 'in', now)
  }
  if (message.dueAt <= now) makeReady(queue, entry)
  else deferUntilDue(queue, entry)
  return true
}

/** Lets time pass until now, and dispatches at most `capacity` attempts to be made now. */
export function nextDispatchBatch(queue: Queue, now: number, capacity: number): DispatchBatch {
  const batch: DispatchBatch = { dispatches: [], events: [] }
  if (now - queue.garbageCollectedAt >= GARBAGE_COLLECTION_INTERVAL_MS) collectGarbage(queue, now)
  for (let next = queue.timers[0]; next !== undefined && next.at <= now; next = queue.timers[0]) {
    popTimer(queue.timers)
    fireTimer(queue, next, batch.events, now)
  }
  fillBatch(queue, batch, capacity, now)
  return batch
}

function fireTimer(queue: Queue, timer: Timer, events: QueueEvent[], now: number): void {
  switch (timer.kind) {
    case 'message': {
      const entry = queue.entries.get(timer.id)
      if (entry !== undefined && entry.state === 'deferred' && entry.dueAt === timer.at) makeReady(queue, entry)
      return
    }
    case 'send-time': {
      const message = takeAtSendTime(queue, timer.id, now)
      if (message !== null) enqueue(queue, message, now)
      return
    }
    case 'lane':
      return expireLane(queue, timer.id, events, now)
    case 'key': {
      const keyState = queue.keyStates.get(timer.id)
      if (keyState === undefined || keyState.timerAt !== timer.at) return
      keyState.timerAt = null
      queue.keysToWake.add(keyState.id)
      const isPauseOver = keyState.manualPause !== null && keyState.manualPause.until <= now
      if (isPauseOver) events.push(...endManualPause(queue, keyState, now, 'time'))
      events.push(...advanceKeyState(queue, keyState, now))
    }
  }
}

/** When nextDispatchBatch must be called again at the latest, unless a result or a message comes first; null: never. Not before `now`. */
export function nextWakeAt(queue: Queue, now: number): number | null {
  if (firstInRing(queue) !== null) return now
  for (const key of queue.keysToWake) if (isAwaited(queue.keyStates.get(key))) return now
  for (let next = queue.timers[0]; next !== undefined && isStale(queue, next); next = queue.timers[0]) popTimer(queue.timers)
  const at = queue.timers[0]?.at
  return at === undefined ? null : Math.max(now, at)
}

/** Whether a timer no longer holds: it would wake the caller needlessly. */
function isStale(queue: Queue, { kind, id, at }: Timer): boolean {
  switch (kind) {
    case 'message': {
      const entry = queue.entries.get(id)
      return entry === undefined || entry.state !== 'deferred' || entry.dueAt !== at
    }
    case 'send-time':
      return queue.scheduled.get(id)?.dueAt !== at
    case 'key':
      return queue.keyStates.get(id)?.timerAt !== at
    case 'lane':
      return !isExpiryCheckDue(queue, id, at)
  }
}

/** Executes an operator's command. Fault `bad_request` for one that is not valid. */
export function applyCommand(queue: Queue, command: OperatorCommand, now: number): QueueEvent[] {
  switch (command.kind) {
    case 'pause':
      return startManualPause(queue, command, now)
    case 'recover':
      return recoverLanes(queue, command, now)
    case 'recover-key':
      return recoverKey(queue, command, now)
    case 'delete':
      return deleteWaiting(queue, command, now)
    case 'rate':
      return setLaneRate(queue, command, now)
    case 'warm-up':
      return setWarmUp(queue, command, now)
  }
}
