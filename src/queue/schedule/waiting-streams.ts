/**
 * waiting-streams - the streams that wait at a backoff key, lane by lane, and whose turn it is when the key lets messages through
 *
 * Lanes take turns at a key, however many streams and egress IPs each has, in the order of their last turns. A key wakes no more streams than its
 * budget allows. Another lane of the class may use the budget first only where it has waited longer; the woken stream then keeps its place in the order.
 * Transactional messages come before batch messages, but for the share of batch (queue/schedule/mail-class).
 * Each step is O(log n) in the number of lanes. Mutates the queue.
 *
 * See also: queue/schedule/share-order, queue/schedule/lane (parks and wakes), queue/schedule/dispatch, queue/backoff/send-budget.
 */
import type { KeyState, MessageStream, QueueState, WaitingLine } from '../queue-state.ts'
import { emptyShareOrder, firstByShare, joinShareOrder, leaveShareOrder, type ShareOrder } from './share-order.ts'
import { grantShare, holderOf, holdersOfClass } from './lane-shares.ts'
import { nextOfClasses, owedAfter } from './mail-class.ts'

const NO_KEYS: MessageStream['blockedBy'] = []

/** Whether streams wait at a key. */
export const isAwaited = (keyState: KeyState | undefined): boolean => (keyState?.line?.streams.size ?? 0) > 0

type WaitingStream = Pick<MessageStream, 'id' | 'lane' | 'isBatch'>

/** The key of a lane's streams of one class. */
const holderIdOf = ({ lane, isBatch }: Pick<MessageStream, 'lane' | 'isBatch'>): string => (isBatch ? `${lane} batch` : lane)

/** The order of the lanes of a class at a key; null: none has waited there. */
const orderOf = ({ lanes, batchLanes }: WaitingLine, isBatch: boolean): ShareOrder | null => (isBatch ? batchLanes : lanes)

const newLine = (): WaitingLine => ({
  streams: new Map(),
  lanes: emptyShareOrder(),
  batchLanes: null,
  woken: new Set(),
  wokenBatch: 0,
  owedToBatch: 0,
})

/** Adds a stream at the end of its lane's streams. */
export function addWaitingStream(queue: QueueState, keyState: KeyState, stream: MessageStream): void {
  const line = (keyState.line ??= newLine())
  const holderId = holderIdOf(stream)
  const streams = line.streams.get(holderId)
  if (streams === undefined) line.streams.set(holderId, [stream.id])
  else streams.push(stream.id)
  if (stream.isBatch) line.batchLanes ??= emptyShareOrder()
  const [holder, order] = [holderOf(queue, stream), orderOf(line, stream.isBatch)]
  if (holder !== undefined && order !== null) joinShareOrder(order, holder)
}

function removeWaitingStream({ line }: KeyState, stream: WaitingStream): void {
  if (line === null) return
  const holderId = holderIdOf(stream)
  const streams = line.streams.get(holderId)?.filter((each) => each !== stream.id) ?? []
  if (streams.length > 0) {
    line.streams.set(holderId, streams)
    return
  }
  line.streams.delete(holderId)
  const order = orderOf(line, stream.isBatch)
  if (order !== null) leaveShareOrder(order, stream.lane)
}

/** The stream that the key wakes next. Drops streams that no longer exist. Null: none waits. */
export function firstWaitingStream(queue: QueueState, keyState: KeyState): MessageStream | null {
  const { line } = keyState
  if (line === null) return null
  const transactional = firstOfClass(queue, keyState, line, false)
  return line.batchLanes === null
    ? transactional
    : nextOfClasses(transactional, firstOfClass(queue, keyState, line, true), owedByWoken(line))
}

/** What is owed to batch once the woken streams have sent. One that does not send has taken nothing. */
const owedByWoken = ({ owedToBatch, woken, wokenBatch }: WaitingLine): number =>
  owedAfter(owedToBatch, { transactional: woken.size - wokenBatch, batch: wokenBatch })

function firstOfClass(queue: QueueState, keyState: KeyState, line: WaitingLine, isBatch: boolean): MessageStream | null {
  const order = orderOf(line, isBatch)
  if (order === null) return null
  const holders = holdersOfClass(queue, isBatch)
  for (let holder = firstByShare(order, holders, 'moves'); holder !== null; holder = firstByShare(order, holders, 'moves')) {
    const id = line.streams.get(holderIdOf({ lane: holder.id, isBatch }))?.[0]
    const stream = id === undefined ? undefined : queue.streams.get(id)
    if (stream !== undefined) return stream
    removeWaitingStream(keyState, { id: id ?? '', lane: holder.id, isBatch })
  }
  return null
}

/**
 * How much of a key's budget is for the woken streams of the other class: a lane that has just sent must not take what the key gave to the other class, or it
 * sends more often than the lanes of its class that wait here.
 */
export function countReserved({ line }: KeyState, { isBatch }: MessageStream): number {
  if (line === null) return 0
  return isBatch ? line.woken.size - line.wokenBatch : line.wokenBatch
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
  if (keyState.line !== null && stream.isBatch) keyState.line.wokenBatch += 1
  grantShare(queue, stream)
}

/** Ends the turn of a stream that sends or stops, so that the key may wake the next one. Returns whether it was woken and has not sent since. */
export function endWake(queue: QueueState, stream: MessageStream): boolean {
  if (stream.wokenBy === null) return false
  queue.keysToWake.add(stream.wokenBy)
  const line = queue.keyStates.get(stream.wokenBy)?.line ?? null
  if (line === null || !line.woken.delete(stream.id)) return false
  if (stream.isBatch) line.wokenBatch -= 1
  return true
}
