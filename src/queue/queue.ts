/**
 * queue - mail that waits to be delivered, and when it may go
 *
 * One mutable value, owned by whoever holds it. Its functions are exact: the same seed and the same calls give the same run, to the
 * byte; they know no clock (`now` is an argument and never runs backwards) and no chance but the seed. The caller's loop:
 *
 *     const queue = createQueue({ policy: POLICIES.default, seed: 1, pools: { '*': ['192.0.2.1'] } })
 *     offer(queue, mail, now)                                     → false for a mail that it already has
 *     const { dispatches, events } = nextDispatch(queue, now, 20)  → at most 20 attempts to make now; time passes here
 *     answer(queue, dispatch.number, { kind: 'accepted' }, now)   → events: what became of the mail, which keys moved (queue/schedule/attempt-result)
 *     report(queue, { kind: 'complaint', account: 7 }, now)       → events: what came back later about an account's mail (queue/schedule/attempt-result)
 *     nextWake(queue, now)                                        → call nextDispatch again by then; null: nothing is due
 *     operate(queue, { kind: 'recover', account: 7, domain: null, how: 'immediate' }, now)  → events
 *     episodesOf(queue), placeEpisodes(queue, episodes, now)      → what is known of keys, for a store (queue/snapshot)
 *     statusOfLane(queue, lane, now)                              → what an operator sees (queue/observe/lane-view)
 *
 * Each mail ends by exactly one `mail.ended`. An answer to a dispatch that is not in flight does nothing.
 */
import { peek } from './schedule/fifo.ts'
import { advanceKeyState } from './backoff/key-state.ts'
import { adjustWaiting, makeReady, deferUntilDue, getOrCreateStream } from './schedule/lane.ts'
import type { QueueMessage, QueueEvent } from './message.ts'
import {
  type OperatorCommand,
  deleteWaiting,
  endManualPause,
  startManualPause,
  recoverKey,
  recoverLanes,
  setLaneRate,
  setWarmUp,
} from './schedule/operator-commands.ts'
import { expireLane, isExpiryCheckDue, trackExpiry } from './schedule/expiry.ts'
import { recordThroughput } from './observe/throughput.ts'
import { RETRY_SCHEDULES } from './schedule/retry.ts'
import { createQueueState, type QueueEntry, type QueueOptions, type QueueState } from './queue-state.ts'
import { collectGarbage, GARBAGE_COLLECTION_INTERVAL_MS } from './schedule/garbage-collect.ts'
import { popTimer } from './schedule/timer-heap.ts'
import { type DispatchBatch, fillBatch } from './schedule/dispatch.ts'

export type Queue = QueueState

/** A queue in which nothing waits. */
export function createQueue(options: QueueOptions): Queue {
  return createQueueState(options, options.retrySchedule ?? RETRY_SCHEDULES.default)
}

/** One value for the many that nobody refused. */
const NO_IPS: readonly string[] = []

/** Mail that was accepted longer ago waited elsewhere: after a restart it does not come in again. */
const NEW_MESSAGE_MS = 60_000

/** Takes a mail in. False, and nothing is done, for one that is in the queue already. Fault `config_invalid` where its account has no IP. */
export function enqueue(queue: Queue, message: QueueMessage, now: number): boolean {
  if (queue.entries.has(message.id)) return false
  const refusedBy = message.refusedBy ?? NO_IPS
  const stream = getOrCreateStream(queue, message, refusedBy)
  const entry: QueueEntry = {
    message,
    stream: stream.id,
    state: 'resting',
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
    recordThroughput(queue.throughput, 'in', now)
    if (lane !== undefined) recordThroughput(lane.throughput, 'in', now)
  }
  if (message.dueAt <= now) makeReady(queue, entry)
  else deferUntilDue(queue, entry)
  return true
}

/** Lets time pass until now, and hands out at most `capacity` attempts that are to be made now. */
export function nextDispatchBatch(queue: Queue, now: number, capacity: number): DispatchBatch {
  const batch: DispatchBatch = { dispatches: [], events: [] }
  if (now - queue.garbageCollectedAt >= GARBAGE_COLLECTION_INTERVAL_MS) collectGarbage(queue, now)
  fireTimers(queue, batch.events, now)
  fillBatch(queue, batch, capacity, now)
  return batch
}

/** Everything whose moment has come. */
function fireTimers(queue: Queue, events: QueueEvent[], now: number): void {
  for (let next = queue.timers[0]; next !== undefined && next.at <= now; next = queue.timers[0]) {
    popTimer(queue.timers)
    if (next.what === 'mail') {
      const entry = queue.entries.get(next.id)
      if (entry !== undefined && entry.state === 'resting' && entry.dueAt === next.at) makeReady(queue, entry)
      continue
    }
    if (next.what === 'lane') {
      expireLane(queue, next.id, events, now)
      continue
    }
    const keyState = queue.keyStates.get(next.id)
    if (keyState === undefined || keyState.timerAt !== next.at) continue
    keyState.timerAt = null
    queue.keysToWake.add(keyState.id)
    if (keyState.manual !== null && keyState.manual.until <= now) events.push(...endManualPause(queue, keyState, now, 'time'))
    events.push(...advanceKeyState(queue, keyState, now))
  }
}

/** When nextDispatch should be called again at the latest, but for an answer or an offer; null: never. Not before `now`. */
export function nextWakeAt(queue: Queue, now: number): number | null {
  if (queue.currentLane !== null || peek(queue.ring) !== undefined) return now
  for (const key of queue.keysToWake) if ((queue.keyStates.get(key)?.waitingStreams.size ?? 0) > 0) return now
  dropStaleTimers(queue)
  const at = queue.timers[0]?.at
  return at === undefined ? null : Math.max(now, at)
}

/** Timers that no longer hold would wake the caller for nothing. */
function dropStaleTimers(queue: Queue): void {
  for (let next = queue.timers[0]; next !== undefined; next = queue.timers[0]) {
    const entry = next.what === 'mail' ? queue.entries.get(next.id) : undefined
    const isEntryTimer = entry !== undefined && entry.state === 'resting' && entry.dueAt === next.at
    const isKeyTimer = next.what === 'gate' && queue.keyStates.get(next.id)?.timerAt === next.at
    const isLaneTimer = next.what === 'lane' && isExpiryCheckDue(queue, next.id, next.at)
    if (isEntryTimer || isKeyTimer || isLaneTimer) return
    popTimer(queue.timers)
  }
}

/** Does what an operator asks. Fault `bad_request` for what cannot be asked. */
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
