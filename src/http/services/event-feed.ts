/**
 * event-feed - follows the facts of an account for live events
 *
 * See also: http/api/events, service/notify/event-feed (the order guarantees), store/facts/fact-feed.
 */
import type { Context } from '../../service/context.ts'
import { followFacts, type FeedFollower, type FeedStart } from '../../service/notify/event-feed.ts'
import { findPublicNames } from '../../store/facts/fact-feed.ts'

/** The public name of a delivery: its email ID and its recipient. */
export type DeliveryNames = Awaited<ReturnType<typeof findPublicNames>>

export type EventFeedService = {
  /** Follows the facts of an account from a position. Account 0: the operator's own facts. */
  readonly open: (account: number, start: FeedStart) => Promise<FeedFollower>
  /** The public names of deliveries by delivery ID. */
  readonly findDeliveryNames: (account: number, deliveryIds: readonly string[]) => Promise<DeliveryNames>
}

/** Creates the service. */
export function createEventFeedService({ engine: { read }, now }: Context): EventFeedService {
  return {
    open: (account, start) => followFacts({ reader: read, now }, account, start),
    findDeliveryNames: (account, deliveryIds) => findPublicNames(read, account, deliveryIds),
  }
}
