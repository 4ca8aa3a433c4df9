/**
 * waiting-streams - the streams that wait at a backoff key, lane by lane, and whose turn it is when the key lets messages through
 *
 * Lanes take turns at a key, however many streams and egress IPs each has, in the order of their last turns. A key wakes no more streams than its
 * budget allows. Another lane may use the budget first only where it has waited longer; the woken stream then keeps its place in the order.
 * Each step is O(log n) in the number of lanes. Mutates the queue.
 *
 * See also: queue/schedule/share-order, queue/schedule/lane (parks and wakes), queue/schedule/dispatch, queue/backoff/send-budget.
 */
import type { KeyState, MessageStream, QueueState } from '../queue-state.ts'
import { emptyShareOrder, firstByShare, joinShareOrder, leaveShareOrder } from './share-order.ts'
import { grantShare } from './lane-shares.ts'

const NO_KEYS: MessageStream['blockedBy'] = []

/** Whether streams wait at a key. */
export const isAwaited = (keyState: KeyState | undefined): boolean => (keyState?.line?.streams.size ?? 0) > 0

/** Adds a stream at the end of its lane's streams. */
export function addWaitingStream({ lanes }: QueueState, keyState: KeyState, { id, lane }: MessageStream): void {
  keyState.line ??= { streams: new Map(), lanes: emptyShareOrder(), woken: new Set() }
  const { line } = keyState
  const streams = line.streams.get(lane)
  if (streams === undefined) line.streams.set(lane, [id])
  else streams.push(id)
  const owner = lanes.get(lane)
  if (owner !== undefined) joinShareOrder(line.lanes, owner)
}

function removeWaitingStream({ line }: KeyState, { id, lane }: Pick<MessageStream, 'id' | 'lane'>): void {
  if (line === null) return
  const streams = line.streams.get(lane)?.filter((each) => each !== id) ?? []
  if (streams.length > 0) line.streams.set(lane, streams)
  else {
    line.streams.delete(lane)
    leaveShareOrder(line.lanes, lane)
  }
}

/** The stream whose turn it is. Drops streams that no longer exist. Null: none waits. */
export function firstWaitingStream(queue: QueueState, keyState: KeyState): MessageStream | null {
  const { line } = keyState
  if (line === null) return null
  for (let lane = firstByShare(line.lanes, queue.lanes, 'moves'); lane !== null; lane = firstByShare(line.lanes, queue.lanes, 'moves')) {
    const id = line.streams.get(lane.id)?.[0]
    const stream = id === undefined ? undefined : queue.streams.get(id)
    if (stream !== undefined) return stream
    removeWaitingStream(keyState, { id: id ?? '', lane: lane.id })
  }
  return null
}

/** Gives a waiting stream its turn at a key. `isCounted`: the key has a limited budget, and wakes one stream fewer until this one has sent or stops. */
export function wakeFromKeys(queue: QueueState, stream: MessageStream, keyState: KeyState, isCounted: boolean): void {
  for (const key of stream.blockedBy) {
    const each = queue.keyStates.get(key)
    if (each !== undefined) removeWaitingStream(each, stream)
  }
  stream.blockedBy = NO_KEYS
  stream.wokenBy = null
  if (!isCounted) return
  stream.wokenBy = keyState.id
  keyState.line?.woken.add(stream.id)
  grantShare(queue, stream.lane)
}

/** Ends the turn of a stream that sends or stops, so that the key may wake the next one. Returns whether it was woken and has not sent since. */
export function endWake(queue: QueueState, stream: MessageStream): boolean {
  if (stream.wokenBy === null) return false
  queue.keysToWake.add(stream.wokenBy)
  return queue.keyStates.get(stream.wokenBy)?.line?.woken.delete(stream.id) ?? false
}
