/**
 * lane-shares - which lane sends next: the one whose last share is the oldest
 *
 * A lane takes a share when it sends. A key with a limited budget that wakes a stream grants its lane a share at once, so that it grants the next
 * one to another lane; in the ring the lane stays where it was. A granted share that is not used is given back.
 *
 * Mutates the queue. See also: queue/schedule/share-order, queue/schedule/waiting-streams, queue/schedule/dispatch.
 */
import type { BackoffKeyId } from '../backoff/backoff-key.ts'
import type { GrantedShare, Lane, QueueState } from '../queue-state.ts'
import { firstByShare, joinShareOrder, leaveShareOrder } from './share-order.ts'

/** Shared by all lanes without a granted share. */
export const NO_SHARES: readonly GrantedShare[] = []

/** Puts a lane into the ring. */
export function joinRing(queue: QueueState, { id, grantedShares, lastShare }: Lane): void {
  joinShareOrder(queue.ring, { id, lastShare: grantedShares[0]?.before ?? lastShare })
}

/** Takes a lane out of the ring. */
export const leaveRing = (queue: QueueState, { id }: Lane): void => leaveShareOrder(queue.ring, id)

/** The lane that sends next; null: the ring is empty. */
export const firstInRing = (queue: QueueState): Lane | null => firstByShare(queue.ring, queue.lanes, 'stays')

function nextShare(queue: QueueState): number {
  queue.shares += 1
  return queue.shares
}

/** Grants a share to the lane of a woken stream. */
export function grantShare(queue: QueueState, id: BackoffKeyId): void {
  const lane = queue.lanes.get(id)
  if (lane === undefined) return
  const share = nextShare(queue)
  lane.grantedShares = [...lane.grantedShares, { before: lane.lastShare, share }]
  lane.lastShare = share
}

/** The share of a lane that sends. Uses up the oldest that was granted, whichever stream of the lane sends. */
export function takeShare(queue: QueueState, lane: Lane): void {
  if (lane.grantedShares.length > 0) lane.grantedShares = lane.grantedShares.length === 1 ? NO_SHARES : lane.grantedShares.slice(1)
  lane.lastShare = nextShare(queue)
}

/** Gives back the last share that was granted to a lane: its woken stream does not send. A lane that has sent since keeps its place. */
export function returnShare(lane: Lane | undefined): void {
  const granted = lane?.grantedShares.at(-1)
  if (lane === undefined || granted === undefined) return
  lane.grantedShares = lane.grantedShares.slice(0, -1)
  if (granted.share === lane.lastShare) lane.lastShare = granted.before
}
