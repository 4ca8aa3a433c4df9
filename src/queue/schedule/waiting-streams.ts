/**
 * waiting-streams - the streams that wait at a backoff key, lane by lane, and whose turn it is when the key lets messages through
 *
 * Lanes take turns at a key, however many streams and egress IPs each has: the lane at the front sends one message, and goes to the end at
 * every key where its stream waited. A woken stream holds one message of the key's budget until it sends or stops, so that no stream that has
 * not waited takes it. Each step is O(1) in the number of lanes. Mutates the queue.
 *
 * See also: queue/schedule/lane (parks and wakes), queue/schedule/dispatch, queue/backoff/send-budget.
 */
import type { BackoffKeyId } from '../backoff/backoff-key.ts'
import type { KeyState, MessageStream, QueueState } from '../queue-state.ts'

/** Adds a stream at the end of its lane's streams; a lane that did not wait at the key comes last. */
export function addWaitingStream({ waitingStreams }: KeyState, { id, lane }: Pick<MessageStream, 'id' | 'lane'>): void {
  const streams = waitingStreams.get(lane)
  if (streams === undefined) waitingStreams.set(lane, [id])
  else streams.push(id)
}

/** Removes a stream. The other streams of its lane go to the end: the lane had its turn. */
function removeWaitingStream({ waitingStreams }: KeyState, { id, lane }: MessageStream): void {
  const streams = waitingStreams.get(lane)
  if (streams === undefined) return
  waitingStreams.delete(lane)
  if (streams.length > 1) {
    const others = streams.filter((each) => each !== id)
    if (others.length > 0) waitingStreams.set(lane, others)
  }
}

/** The stream whose turn it is. Drops streams that no longer exist. Null: none waits. */
export function firstWaitingStream(queue: QueueState, { waitingStreams }: KeyState): MessageStream | null {
  for (const [lane, streams] of waitingStreams) {
    for (let id = streams[0]; id !== undefined; id = streams[0]) {
      const stream = queue.streams.get(id)
      if (stream !== undefined) return stream
      streams.shift()
    }
    waitingStreams.delete(lane)
  }
  return null
}

/** Gives a waiting stream its turn at a key. `isReserved`: one message of the budget is kept for it. */
export function wakeFromKeys(queue: QueueState, stream: MessageStream, keyState: KeyState, isReserved: boolean): void {
  for (const key of stream.blockedBy) {
    const each = queue.keyStates.get(key)
    if (each !== undefined) removeWaitingStream(each, stream)
  }
  stream.blockedBy = []
  stream.wokenBy = null
  if (!isReserved) return
  stream.wokenBy = keyState.id
  keyState.wokenStreams.add(stream.id)
}

/** Ends the turn of a stream that has sent or stops. The key may wake the next one. */
export function releaseReservation(queue: QueueState, stream: MessageStream): void {
  if (stream.wokenBy === null) return
  queue.keyStates.get(stream.wokenBy)?.wokenStreams.delete(stream.id)
  queue.keysToWake.add(stream.wokenBy)
}

/** How many messages of a key's budget are kept for others than this stream. */
export const reservedForOthers = ({ wokenStreams }: KeyState, id: MessageStream['id'] | null): number =>
  wokenStreams.size - (id !== null && wokenStreams.has(id) ? 1 : 0)

/** The slots of a holder that are kept for others than this stream. */
export function reservedSlots(queue: QueueState, key: BackoffKeyId, id: MessageStream['id']): number {
  const keyState = queue.keyStates.get(key)
  return keyState === undefined ? 0 : reservedForOthers(keyState, id)
}
