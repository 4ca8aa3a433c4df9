/**
 * lane-shares - which lane sends next: of the class that goes next, the one whose last share is the oldest
 *
 * A lane takes a share when it sends. A key with a limited budget that wakes a stream grants its lane a share at once, so that it grants the next
 * one to another lane; in the ring the lane stays where it was. A granted share that is not used is given back. The transactional and the batch messages of a
 * lane take their shares apart, each among the lanes of its class.
 *
 * Mutates the queue. See also: queue/schedule/share-order, queue/schedule/mail-class, queue/schedule/waiting-streams, queue/schedule/dispatch.
 */
import type { MessageStream, QueueState } from '../queue-state.ts'
import type { GrantedShare, Ring, ShareHolder } from './share-holder.ts'
import { isBatchNext, nextOfClasses, owedAfterOne } from './mail-class.ts'
import { firstByShare, joinShareOrder, leaveShareOrder } from './share-order.ts'

/** Shared by all that have no granted share. */
const NO_SHARES: readonly GrantedShare[] = []

/** The holders of a class, by lane. */
export const holdersOfClass = ({ lanes, batchHolders }: QueueState, isBatch: boolean): ReadonlyMap<string, ShareHolder> =>
  isBatch ? batchHolders : lanes

/** The holder that takes the shares of a stream. */
export const holderOf = (queue: QueueState, { lane, isBatch }: Pick<MessageStream, 'lane' | 'isBatch'>): ShareHolder | undefined =>
  holdersOfClass(queue, isBatch).get(lane)

/** A holder that has sent nothing. */
export const newShareHolder = ({ shares }: QueueState, id: string, isBatch: boolean): ShareHolder => ({
  id,
  isBatch,
  runnable: null,
  deficit: 0,
  isInRing: false,
  lastShare: shares,
  grantedShares: NO_SHARES,
})

const ringOf = ({ ring, batchRing }: QueueState, isBatch: boolean): Ring => (isBatch ? batchRing : ring)

/** Puts a holder into the ring of its class. */
export function joinRing(queue: QueueState, { id, isBatch, grantedShares, lastShare }: ShareHolder): void {
  joinShareOrder(ringOf(queue, isBatch).order, {
    id,
    lastShare: grantedShares[0]?.before ?? lastShare,
  })
}

/** The holder of a class that sends next; null: none has something to send. It stays the next one until its round ends. */
function firstOfClass(queue: QueueState, isBatch: boolean): ShareHolder | null {
  const { current, order } = ringOf(queue, isBatch)
  const holders = holdersOfClass(queue, isBatch)
  return (current === null ? null : holders.get(current)) ?? firstByShare(order, holders, 'stays')
}

/** The holder that sends next; null: the rings are empty. */
export const firstInRing = (queue: QueueState): ShareHolder | null =>
  nextOfClasses(firstOfClass(queue, false), firstOfClass(queue, true), queue.owedToBatch)

/** Whether a holder goes on with its round: the other class does not go next. */
export const isClassNext = (queue: QueueState, { isBatch }: ShareHolder): boolean =>
  isBatch === isBatchNext(queue.owedToBatch) || firstOfClass(queue, !isBatch) === null

/** Begins the round of a holder, or goes on with it. */
export function beginRound(queue: QueueState, holder: ShareHolder, quantum: number): void {
  const ring = ringOf(queue, holder.isBatch)
  if (ring.current === holder.id) return
  leaveShareOrder(ring.order, holder.id)
  holder.deficit = quantum
  ring.current = holder.id
}

/** Ends the round of a holder. */
export function endRound(queue: QueueState, holder: ShareHolder, hasMore: boolean): void {
  ringOf(queue, holder.isBatch).current = null
  holder.deficit = 0
  holder.isInRing = hasMore
  if (hasMore) joinRing(queue, holder)
  else holder.runnable = null
}

function nextShare(queue: QueueState): number {
  queue.shares += 1
  return queue.shares
}

/** Grants a share to the holder of a woken stream. */
export function grantShare(queue: QueueState, stream: MessageStream): void {
  const holder = holderOf(queue, stream)
  if (holder === undefined) return
  const share = nextShare(queue)
  holder.grantedShares = [...holder.grantedShares, { before: holder.lastShare, share }]
  holder.lastShare = share
}

/** The share of a holder that sends. Uses up the oldest that was granted, whichever stream of the lane sends. */
export function takeShare(queue: QueueState, holder: ShareHolder): void {
  if (holder.grantedShares.length > 0) holder.grantedShares = holder.grantedShares.length === 1 ? NO_SHARES : holder.grantedShares.slice(1)
  holder.lastShare = nextShare(queue)
  queue.owedToBatch = owedAfterOne(queue.owedToBatch, holder.isBatch)
}

/** Gives back the last share that was granted to a holder: its woken stream does not send. One that has sent since keeps its place. */
export function returnShare(holder: ShareHolder | undefined): void {
  const granted = holder?.grantedShares.at(-1)
  if (holder === undefined || granted === undefined) return
  holder.grantedShares = holder.grantedShares.slice(0, -1)
  if (granted.share === holder.lastShare) holder.lastShare = granted.before
}
