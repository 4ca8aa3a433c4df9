/**
 * tick-schedule - when the delivery loop does what: polls, dispatches, snapshots, the next tick
 *
 * Pure. Intervals and the lease are on the clock for intervals (`elapsed`), so that no jump of the time delays or repeats them. See also: service/deliver/delivery-loop.
 */
import { nextWakeAt } from '../../queue/queue.ts'
import type { Context } from '../context.ts'
import { isLoaded } from './groups/held-groups.ts'
import type { SessionView } from './delivery-session.ts'

/** How often the store is polled for what other nodes have stored. */
export const POLL_INTERVAL_MS = 1_000
/** How often the lane snapshots and the learnt values of backoff keys are written. */
const SNAPSHOT_INTERVAL_MS = 5_000
/** After a transition the snapshots are written sooner, but not more often than this. */
const MIN_SNAPSHOT_INTERVAL_MS = 1_000
/** Marked ahead, as a share of the concurrency limit: a free connection waits for no commit, and a kill leaves few marks of attempts that had not begun. */
const READY_AHEAD_SHARE = 0.1

export const isPollDue = ({ lastPollAt, isEnding }: SessionView, elapsed: number): boolean =>
  !isEnding && elapsed - lastPollAt >= POLL_INTERVAL_MS

export const isSnapshotDue = ({ lastSnapshotAt, hasTransitioned, isEnding }: SessionView, elapsed: number): boolean =>
  !isEnding && elapsed - lastSnapshotAt >= (hasTransitioned ? MIN_SNAPSHOT_INTERVAL_MS : SNAPSHOT_INTERVAL_MS)

export const mayDispatch = ({ isEnding, isStoreFailing, leaseUntil }: SessionView, elapsed: number): boolean =>
  !isEnding && !isStoreFailing && elapsed < leaseUntil

/** How many more attempts may be dispatched. */
export const dispatchCapacity = ({ pendingAttempts }: SessionView, concurrencyLimit: number): number =>
  Math.max(0, concurrencyLimit + Math.ceil(concurrencyLimit * READY_AHEAD_SHARE) - pendingAttempts.size)

/** How long until the next tick is due. While every connection is in use, the end of an attempt wakes the loop. */
export function msUntilNextTick(session: SessionView, concurrencyLimit: number, clock: Pick<Context, 'now' | 'elapsed'>): number {
  const now = clock.now()
  if (!mayDispatch(session, clock.elapsed()) || dispatchCapacity(session, concurrencyLimit) === 0) return POLL_INTERVAL_MS
  if (session.hasNewMessages && isLoaded(session)) return 0
  const wakeAt = nextWakeAt(session.queue, now)
  return wakeAt === null ? POLL_INTERVAL_MS : Math.min(POLL_INTERVAL_MS, Math.max(0, wakeAt - now))
}
