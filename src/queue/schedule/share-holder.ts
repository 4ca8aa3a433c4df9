/**
 * share-holder - what takes shares: the messages of one class in one lane
 *
 * See also: queue/schedule/lane-shares (who goes next), queue/schedule/mail-class, queue/queue-state.
 */
import type { Fifo } from './fifo.ts'
import type { ShareOrder } from './share-order.ts'

/** What takes shares: the transactional messages of a lane, or its batch messages. */
export type ShareHolder = {
  readonly id: string
  readonly isBatch: boolean
  runnable: Fifo<string> | null
  /** How many it may still send in this round (deficit round robin). */
  deficit: number
  isInRing: boolean
  /** The number of its last share: it sent, or was woken to send. Of a new one, that of the queue. */
  lastShare: number
  /** The shares that it was granted by being woken and has not used, oldest first, each with the one before it. */
  grantedShares: readonly GrantedShare[]
}

/** The lanes of a class that may send. `current`: the one whose round it is. */
export type Ring = { readonly order: ShareOrder; current: string | null }

/** A share that a lane was granted, and the one before it. */
export type GrantedShare = { readonly before: number; readonly share: number }
