/**
 * dispatch - who sends next: deficit round robin over lanes, and gates that let streams go
 *
 * Each lane sends up to a quantum in its turn, so a lane of a million waits no shorter and no longer than a lane of one. A shut stream
 * costs one look, however many mails it holds, and is not looked at again before a gate lets it go.
 *
 * Mutates the stock that it is given. See also: queue/schedule/lane, queue/backoff/key-state, queue/queue.
 */
import { recordDispatch } from '../backoff/backoff.ts'
import { peek, push, shift, sizeOf } from './fifo.ts'
import { sendBudgetOf, getOrCreateKeyState, opensAt, refreshBackoffLimits, setKeyTimer } from '../backoff/key-state.ts'
import { BACKOFF_KEYS, type BackoffKey } from '../backoff/backoff-key.ts'
import { adjustWaiting, deactivateStream, parkStream, advanceProbes, wakeStream } from './lane.ts'
import type { Dispatch, QueueEvent } from '../message.ts'
import { recordThroughput } from '../observe/throughput.ts'
import { findFullShare, isFairShareKey, countedShareKeys } from './fair-share.ts'
import {
  type KeyState,
  type QueueEntry,
  type Lane,
  nextSequenceNumber,
  type QueueState,
  type MessageStream,
  type EgressPath,
} from '../queue-state.ts'
import { startOfUtcDay } from '../backoff/warm-up.ts'

/** Enough for a connection to be worth opening, few enough that nobody waits long. */
const LANE_QUANTUM = 8

export type DispatchBatch = { readonly dispatches: Dispatch[]; readonly events: QueueEvent[] }

/** Fills `sent` up to the capacity, or until nobody may send. */
export function fillBatch(queue: QueueState, batch: DispatchBatch, capacity: number, now: number): void {
  wakeWaitingStreams(queue, now)
  while (batch.dispatches.length < capacity) {
    const lane = nextLane(queue)
    if (lane === null) {
      if (!wakeWaitingStreams(queue, now)) return
      continue
    }
    serveLane(queue, lane, { sent: batch, capacity, now })
    if (lane.deficit > 0 && sizeOf(lane.runnable) > 0) return
    endLaneTurn(queue, lane)
  }
}

/** The lane whose turn it is. */
function nextLane(queue: QueueState): Lane | null {
  if (queue.currentLane === null) {
    queue.currentLane = shift(queue.ring) ?? null
    const lane = queue.currentLane === null ? undefined : queue.lanes.get(queue.currentLane)
    if (lane !== undefined) lane.deficit = LANE_QUANTUM
  }
  return queue.currentLane === null ? null : (queue.lanes.get(queue.currentLane) ?? null)
}

function endLaneTurn(queue: QueueState, lane: Lane): void {
  queue.currentLane = null
  lane.deficit = 0
  lane.isInRing = sizeOf(lane.runnable) > 0
  if (lane.isInRing) push(queue.ring, lane.id)
}

function serveLane(
  queue: QueueState,
  lane: Lane,
  { sent: batch, capacity, now }: { readonly sent: DispatchBatch; readonly capacity: number; readonly now: number },
): void {
  while (lane.deficit > 0 && batch.dispatches.length < capacity) {
    const id = shift(lane.runnable)
    const stream = id === undefined ? undefined : queue.streams.get(id)
    if (stream === undefined) return
    const entry = nextReadyEntry(queue, stream)
    const egressPath = entry === null ? null : chooseEgressPath(queue, stream, now)
    if (entry === null) {
      deactivateStream(queue, stream, 'idle')
    } else if (egressPath !== null) {
      push(lane.runnable, stream.id)
      shift(stream.ready)
      lane.deficit -= 1
      dispatchEntry(queue, { stream, lane, entry, egressPath }, batch, now)
    }
  }
}

/** The mail at the front; those that are gone are passed over. */
function nextReadyEntry(queue: QueueState, stream: MessageStream): QueueEntry | null {
  for (let id = peek(stream.ready); id !== undefined; id = peek(stream.ready)) {
    const entry = queue.entries.get(id)
    if (entry !== undefined && entry.state === 'ready' && entry.stream === stream.id) return entry
    shift(stream.ready)
  }
  return null
}

/** The first of these keys that lets nothing through, but the one that opens last; null: all are open. */
function findClosedKey(queue: QueueState, keys: readonly BackoffKey[], now: number): BackoffKey | null {
  let last: { readonly key: BackoffKey; readonly at: number } | null = null
  for (const key of keys) {
    const keyState = queue.keyStates.get(key)
    if (keyState === undefined || sendBudgetOf(queue, keyState, now) > 0) continue
    const at = opensAt(keyState, now) ?? Infinity
    if (last === null || at > last.at) last = { key, at }
  }
  return last?.key ?? null
}

/** An IP that may be used now; null, and the stream parked, where there is none. IPs take turns. */
function chooseEgressPath(queue: QueueState, stream: MessageStream, now: number): EgressPath | null {
  const closedKey = findClosedKey(queue, stream.keys, now) ?? findFullShare(queue, stream)
  if (closedKey !== null) {
    parkStream(queue, stream, [closedKey], now)
    return null
  }
  const blockedBy: BackoffKey[] = []
  for (let i = 0; i < stream.egressPaths.length; i++) {
    const index = (stream.nextPathIndex + i) % stream.egressPaths.length
    const egressPath = stream.egressPaths[index]
    if (egressPath === undefined) continue
    ensureWarmUpState(queue, stream, egressPath, now)
    ensureConnectionState(queue, stream, egressPath, now)
    const key = findClosedKey(queue, egressPath.keys, now)
    if (key === null) {
      stream.nextPathIndex = index + 1
      return egressPath
    }
    blockedBy.push(key)
  }
  parkStream(queue, stream, blockedBy, now)
  return null
}

/** The gate of an IP that warms up is made before it is asked. */
function ensureWarmUpState(queue: QueueState, stream: MessageStream, { egressIp }: EgressPath, now: number): void {
  const startedAt = queue.warmUps.get(egressIp)
  if (startedAt === undefined) return
  const keyState = getOrCreateKeyState(queue, BACKOFF_KEYS.warmup({ ...stream.destination, egressIp }), now)
  keyState.warming ??= { startedAt, day: startOfUtcDay(now), sent: 0 }
}

/** So is the gate of connections that are all in use. */
function ensureConnectionState(queue: QueueState, stream: MessageStream, { egressIp }: EgressPath, now: number): void {
  if (queue.connectionsPerSite === null) return
  const key = BACKOFF_KEYS.connection({ ...stream.destination, egressIp })
  if ((queue.inFlightByKey.get(key) ?? 0) >= queue.connectionsPerSite) getOrCreateKeyState(queue, key, now)
}

type DispatchSelection = {
  readonly stream: MessageStream
  readonly lane: Lane
  readonly entry: QueueEntry
  readonly egressPath: EgressPath
}

/** Hands a mail out. */
function dispatchEntry(queue: QueueState, selection: DispatchSelection, batch: DispatchBatch, now: number): void {
  const { stream, lane, entry, egressPath } = selection
  const keys = [...stream.keys, ...egressPath.keys, ...countedShareKeys(queue, stream)]
  entry.state = 'flight'
  entry.attempts += 1
  adjustWaiting(queue, stream, -1)
  lane.inFlight += 1
  const number = nextSequenceNumber(queue)
  let isProbe = false
  for (const key of keys) {
    const keyState = queue.keyStates.get(key)
    if (keyState !== undefined) isProbe = consumeBudget(queue, keyState, now) || isProbe
  }
  const dispatch: Dispatch = {
    ...stream.destination,
    number,
    mailId: entry.message.id,
    egressIp: egressPath.egressIp,
    attempt: entry.attempts,
    probe: isProbe,
    at: now,
  }
  queue.inFlightAttempts.set(number, { dispatch, keys, stream: stream.id, lane: lane.id })
  for (const key of concurrencyKeys(keys)) queue.inFlightByKey.set(key, (queue.inFlightByKey.get(key) ?? 0) + 1)
  recordThroughput(queue.throughput, 'try', now)
  recordThroughput(lane.throughput, 'try', now)
  batch.dispatches.push(dispatch)
  batch.events.push(...advanceProbes(queue, stream, now))
}

/** Keys whose attempts under way are counted. */
export const concurrencyKeys = (keys: readonly BackoffKey[]): BackoffKey[] =>
  keys.filter((key) => key.startsWith('connection|') || key.startsWith('network|') || isFairShareKey(key))

/** One mail through a gate. Whether it is a probe. */
function consumeBudget(queue: QueueState, keyState: KeyState, now: number): boolean {
  keyState.bucket = { tokens: Math.max(0, keyState.bucket.tokens - 1), refilledAt: keyState.bucket.refilledAt }
  if (keyState.warming !== null) {
    const today = startOfUtcDay(now)
    keyState.warming.sent = keyState.warming.day === today ? keyState.warming.sent + 1 : 1
    keyState.warming.day = today
  }
  let isProbe = false
  for (const [name, episode] of keyState.episodes) {
    const after = recordDispatch(episode, now)
    isProbe ||= after.state === 'probing'
    if (after !== episode) keyState.episodes.set(name, after)
  }
  if (isProbe) {
    refreshBackoffLimits(queue, keyState)
    setKeyTimer(queue, keyState, now)
  }
  return isProbe
}

/** Lets as many streams go as the open gates have room for. Whether there was any. */
function wakeWaitingStreams(queue: QueueState, now: number): boolean {
  let hasWoken = false
  for (const key of queue.keysToWake) {
    queue.keysToWake.delete(key)
    const keyState = queue.keyStates.get(key)
    if (keyState === undefined || keyState.waitingStreams.size === 0) continue
    hasWoken = wakeStreamsOf(queue, keyState, now) || hasWoken
    if (keyState.waitingStreams.size > 0) setKeyTimer(queue, keyState, now)
  }
  return hasWoken
}

function wakeStreamsOf(queue: QueueState, keyState: KeyState, now: number): boolean {
  let budget = sendBudgetOf(queue, keyState, now)
  let hasWoken = false
  for (const id of keyState.waitingStreams) {
    if (budget <= 0) break
    const stream = queue.streams.get(id)
    if (stream === undefined) {
      keyState.waitingStreams.delete(id)
      continue
    }
    wakeStream(queue, stream, keyState.id)
    budget -= 1
    hasWoken = true
  }
  return hasWoken
}
