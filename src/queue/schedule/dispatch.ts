/**
 * dispatch - chooses the next messages to send: deficit round robin over lanes, and wake-up of streams at keys that open
 *
 * Each lane sends up to a quantum per round, so a lane of a million messages waits as long as a lane of one. A closed stream is examined
 * once, however many messages it holds, and not again before a key wakes it. Where a key lets less through than a round, a lane sends one message
 * and gives up the rest of the round: lanes share what the key lets through, however many streams and egress IPs they have. Transactional messages go before batch
 * messages, which keep a share; each class has its own rounds.
 *
 * Mutates the queue. See also: queue/schedule/lane, queue/backoff/key-state, queue/backoff/send-budget, queue/queue.
 */
import { recordDispatch } from '../backoff/backoff.ts'
import { appended, peek, shift, sizeOf } from './fifo.ts'
import { getOrCreateKeyState, refreshBackoffLimits, setKeyTimer } from '../backoff/key-state.ts'
import { opensAt, sendBudgetOf } from '../backoff/send-budget.ts'
import { BACKOFF_KEYS, type BackoffKeyId, type BackoffKeyKind, type Destination, keyKindOf, parseKey } from '../backoff/backoff-key.ts'
import { adjustWaiting, deactivateStream, parkStream, advanceProbes, wakeStream } from './lane.ts'
import type { Dispatch, QueueEvent } from '../message.ts'
import { recordThroughput } from '../observe/throughput.ts'
import { countedShareKeys, findFullShare } from './fair-share.ts'
import {
  type KeyState,
  type QueueEntry,
  type Lane,
  nextSequenceNumber,
  type QueueState,
  type MessageStream,
  type EgressPath,
} from '../queue-state.ts'
import type { ShareHolder } from './share-holder.ts'
import { shapedConnectionsOf, shapedRateOf } from '../shaping/limits-in-force.ts'
import { startOfUtcDay } from '../shaping/warm-up.ts'
import { rotationOrderOf, advanceRotation } from './egress-rotation.ts'
import { owedAfterOne } from './mail-class.ts'
import { beginRound, endRound, firstInRing, isClassNext, takeShare } from './lane-shares.ts'
import { putEpisode } from '../backoff/key-episodes.ts'
import { routeOf } from '../stream-route.ts'
import type { PooledIp } from '../egress-pool.ts'
import { followCleanAttempts, hasCleanAttempts } from '../clean-attempts.ts'
import { countReserved, endWake, firstWaitingStream, isAwaited } from './waiting-streams.ts'

/** Messages per round: enough to make a connection worth opening, few enough that no lane waits long. */
const LANE_QUANTUM = 8

export type DispatchBatch = { readonly dispatches: Dispatch[]; readonly events: QueueEvent[] }

/** Fills the batch up to the capacity, or until no stream may send. */
export function fillBatch(queue: QueueState, batch: DispatchBatch, capacity: number, now: number): void {
  wakeWaitingStreams(queue, now)
  while (batch.dispatches.length < capacity) {
    const holder = firstInRing(queue)
    if (holder === null) {
      if (!wakeWaitingStreams(queue, now)) return
      continue
    }
    beginRound(queue, holder, LANE_QUANTUM)
    serveHolder(queue, holder, { batch, capacity, now })
    const hasMore = sizeOf(holder.runnable) > 0
    if (holder.deficit === 0 || !hasMore) endRound(queue, holder, hasMore)
  }
}

/** Sends messages of a lane until its round ends, the other class goes next, or the capacity is used. */
function serveHolder(
  queue: QueueState,
  holder: ShareHolder,
  { batch, capacity, now }: { readonly batch: DispatchBatch; readonly capacity: number; readonly now: number },
): void {
  for (let isNext = true; isNext && holder.deficit > 0 && batch.dispatches.length < capacity; isNext = isClassNext(queue, holder)) {
    const id = shift(holder.runnable)
    const stream = id === undefined ? undefined : queue.streams.get(id)
    if (stream === undefined) return
    const entry = nextReadyEntry(queue, stream)
    const egressPath = entry === null ? null : chooseEgressPath(queue, stream, now)
    if (entry === null) {
      deactivateStream(queue, stream, 'idle')
    } else if (egressPath !== null) {
      holder.runnable = appended(holder.runnable, stream.id)
      shift(stream.ready)
      const isLast = stream.wokenBy !== null || isScarce(queue, [...routeOf(queue, stream).keys, ...egressPath.keys], now)
      holder.deficit = isLast ? 0 : holder.deficit - 1
      dispatchEntry(queue, { stream, holder, entry, egressPath }, batch, now)
    }
  }
}

/** The message at the front of a stream. Drops the ids of removed messages in front of it. */
function nextReadyEntry(queue: QueueState, stream: MessageStream): QueueEntry | null {
  for (let id = peek(stream.ready); id !== undefined; id = peek(stream.ready)) {
    const entry = queue.entries.get(id)
    if (entry !== undefined && entry.state === 'ready' && entry.stream === stream.id) return entry
    shift(stream.ready)
  }
  return null
}

/** Whether one of the keys lets less through now than a lane sends in a round. */
const isScarce = (queue: QueueState, keys: readonly BackoffKeyId[], now: number): boolean =>
  keys.some((key) => {
    const keyState = queue.keyStates.get(key)
    return keyState !== undefined && sendBudgetOf(queue, keyState, now) < LANE_QUANTUM
  })

/** Of the keys among these that are closed to a stream, the one that opens last; null: all are open. */
function findClosedKey(queue: QueueState, stream: MessageStream, keys: readonly BackoffKeyId[], now: number): BackoffKeyId | null {
  let last: { readonly key: BackoffKeyId; readonly at: number } | null = null
  for (const key of keys) {
    const keyState = queue.keyStates.get(key)
    if (keyState === undefined || sendBudgetOf(queue, keyState, now) > countReserved(keyState, stream)) continue
    const at = opensAt(queue, keyState, now) ?? Infinity
    if (last === null || at > last.at) last = { key, at }
  }
  return last?.key ?? null
}

/** An egress IP that may be used now, in rotation by weight. Where there is none, parks the stream and returns null. */
function chooseEgressPath(queue: QueueState, stream: MessageStream, now: number): EgressPath | null {
  if (queue.shaping !== null) ensureLimitedState(queue, BACKOFF_KEYS.site(stream.destination), now)
  const { keys, egressPaths } = routeOf(queue, stream)
  const closedKey = findClosedKey(queue, stream, keys, now) ?? findFullShare(queue, stream)
  if (closedKey !== null) {
    parkStream(queue, stream, [closedKey], now)
    return null
  }
  const blockedBy: BackoffKeyId[] = []
  const closedIps: PooledIp[] = []
  for (const place of rotationOrderOf(stream.egressIps)) {
    const egressPath = egressPaths[stream.egressIps.indexOf(place)]
    if (egressPath === undefined) continue
    ensureWarmUpState(queue, stream, egressPath, now)
    ensureLimitedStates(queue, stream, egressPath, now)
    const key = findClosedKey(queue, stream, egressPath.keys, now)
    if (key === null) {
      advanceRotation(stream.egressIps, place, closedIps)
      return egressPath
    }
    closedIps.push(place)
    blockedBy.push(key)
  }
  parkStream(queue, stream, blockedBy, now)
  return null
}

/** Creates the key state that counts the warm-up of an egress IP, before its budget is read. */
function ensureWarmUpState(queue: QueueState, stream: MessageStream, { egressIp }: EgressPath, now: number): void {
  const startedAt = queue.warmUps.get(egressIp)
  if (startedAt === undefined) return
  const keyState = getOrCreateKeyState(queue, BACKOFF_KEYS.warmup({ ...stream.destination, egressIp }), now)
  keyState.warmUp ??= { startedAt, day: startOfUtcDay(now), sent: 0 }
}

/** Creates the key states that limits of our own need, before their budgets are read. */
function ensureLimitedStates(queue: QueueState, stream: MessageStream, { egressIp }: EgressPath, now: number): void {
  const to = { ...stream.destination, egressIp }
  if (queue.connectionsPerSite !== null) {
    const key = BACKOFF_KEYS.connection(to)
    if (isNearLimit(queue, key, queue.connectionsPerSite, to)) getOrCreateKeyState(queue, key, now)
  }
  if (queue.shaping === null) return
  ensureLimitedState(queue, BACKOFF_KEYS.connection(to), now, to)
  ensureLimitedState(queue, BACKOFF_KEYS.ip(to), now)
}

/** Whether the connections of a key are all in use. One that has sent needs its state as soon as it may be scarce. */
function isNearLimit(queue: QueueState, id: BackoffKeyId, limit: number, to: Destination | null): boolean {
  const left = limit - (queue.inFlightByKey.get(id) ?? 0)
  return left <= 0 || (left < LANE_QUANTUM && to !== null && hasCleanAttempts(queue, to))
}

/** Creates the state of a key whose site has a rate, or whose connections are in use. `to`: for the key of a connection. */
function ensureLimitedState(queue: QueueState, id: BackoffKeyId, now: number, to: Destination | null = null): void {
  if (queue.keyStates.has(id)) return
  const key = parseKey(id)
  const connections = shapedConnectionsOf(queue, key)
  const isFull = connections !== null && isNearLimit(queue, id, connections, to)
  if (isFull || shapedRateOf(queue, key) !== null) getOrCreateKeyState(queue, id, now)
}

type DispatchSelection = {
  readonly stream: MessageStream
  readonly holder: ShareHolder
  readonly entry: QueueEntry
  readonly egressPath: EgressPath
}

/** Dispatches a message. */
function dispatchEntry(queue: QueueState, selection: DispatchSelection, batch: DispatchBatch, now: number): void {
  const { stream, holder, entry, egressPath } = selection
  const keys = [...routeOf(queue, stream).keys, ...egressPath.keys, ...countedShareKeys(queue, stream)]
  entry.state = 'in-flight'
  entry.attempts += 1
  takeShare(queue, holder)
  endWake(queue, stream)
  adjustWaiting(queue, stream, -1)
  const number = nextSequenceNumber(queue)
  let isProbe = false
  followCleanAttempts(queue, { ...stream.destination, egressIp: egressPath.egressIp })
  for (const key of keys) {
    const keyState = queue.keyStates.get(key)
    if (keyState === undefined) continue
    if (keyState.line !== null) keyState.line.owedToBatch = owedAfterOne(keyState.line.owedToBatch, stream.isBatch)
    isProbe = consumeBudget(queue, keyState, now) || isProbe
  }
  const dispatch: Dispatch = {
    ...stream.destination,
    number,
    mailId: entry.message.id,
    egressIp: egressPath.egressIp,
    attempt: entry.attempts,
    hasOtherIp: stream.egressIps.length > 1,
    probe: isProbe,
    at: now,
  }
  const countedKeys = keys.filter((key) => COUNTED_KINDS.has(keyKindOf(key)))
  queue.inFlightAttempts.set(number, { dispatch, keys, countedKeys, stream: stream.id, lane: stream.lane })
  for (const key of countedKeys) queue.inFlightByKey.set(key, (queue.inFlightByKey.get(key) ?? 0) + 1)
  queue.throughput = recordThroughput(queue.throughput, 'try', now)
  countInLane(queue.lanes.get(stream.lane), now)
  batch.dispatches.push(dispatch)
  batch.events.push(...advanceProbes(queue, stream, now))
}

function countInLane(lane: Lane | undefined, now: number): void {
  if (lane === undefined) return
  lane.inFlight += 1
  lane.throughput = recordThroughput(lane.throughput, 'try', now)
}

/** The kinds of the keys whose attempts in flight are counted. */
const COUNTED_KINDS: ReadonlySet<BackoffKeyKind | null> = new Set(['connection', 'network', 'site', 'slots'])

/** Charges one message to a key. Returns whether it is a probe. */
function consumeBudget(queue: QueueState, keyState: KeyState, now: number): boolean {
  keyState.bucket = { tokens: Math.max(0, keyState.bucket.tokens - 1), refilledAt: keyState.bucket.refilledAt }
  if (keyState.warmUp !== null) {
    const today = startOfUtcDay(now)
    keyState.warmUp.sent = keyState.warmUp.day === today ? keyState.warmUp.sent + 1 : 1
    keyState.warmUp.day = today
  }
  let isProbe = false
  for (const episode of keyState.episodes.values()) {
    const after = recordDispatch(episode, now)
    isProbe ||= after.state === 'probing'
    if (after !== episode) putEpisode(queue, keyState, after)
  }
  if (isProbe) {
    refreshBackoffLimits(queue, keyState)
    setKeyTimer(queue, keyState, now)
  }
  return isProbe
}

/** Wakes as many streams as the open keys let through. Returns whether there was one. */
function wakeWaitingStreams(queue: QueueState, now: number): boolean {
  let hasWoken = false
  for (const key of queue.keysToWake) {
    queue.keysToWake.delete(key)
    const keyState = queue.keyStates.get(key)
    if (keyState === undefined || !isAwaited(keyState)) continue
    hasWoken = wakeStreamsOf(queue, keyState, now) || hasWoken
    if (isAwaited(keyState)) setKeyTimer(queue, keyState, now)
  }
  return hasWoken
}

function wakeStreamsOf(queue: QueueState, keyState: KeyState, now: number): boolean {
  let hasWoken = false
  for (let budget = sendBudgetOf(queue, keyState, now) - (keyState.line?.woken.size ?? 0); budget > 0; budget -= 1) {
    const stream = firstWaitingStream(queue, keyState)
    if (stream === null) break
    wakeStream(queue, stream, keyState, budget !== Infinity)
    hasWoken = true
  }
  return hasWoken
}
