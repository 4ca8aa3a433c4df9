/**
 * lease - acquires, renews and releases the right of a node to hold lane groups
 *
 * The holder renews at a third of the lease's time, so that a short failure of the store does not cost the lease. A lease expires by the database's clock.
 * The holder counts its time from the moment before its request, on a clock for intervals, and begins no attempt from `lastStartAt` on, so that the two clocks
 * need to agree about the length of a lease only.
 *
 * See also: store/engine/lease, service/deliver/deliverer.
 */
import { releaseLeaseForOperator, type Lease, renewLeaseForOperator, acquireLeaseForOperator } from '../../store/engine/lease.ts'
import { holdSharedLeaseForOperator, leaseNameOf } from '../../store/queue/lane-groups.ts'
import type { Context } from '../context.ts'

type LeaseOptions = { readonly node: string; readonly holder: string; readonly leaseMs: number }

/** The share of the lease's time in which nothing begins any more: an attempt needs time to begin. It starts after two failed renewals and before the lease expires. */
const CLOCK_SKEW_SHARE = 1 / 6

/** The moment from which nothing may begin under a lease that expires at `untilAt`. */
export const lastStartAt = (untilAt: number, leaseMs: number): number => untilAt - leaseMs * CLOCK_SKEW_SHARE

/** Acquires the lease of a node; its end is on the clock for intervals. Null: another process of this name has it, or a node of an older version delivers. Faults: store_busy. */
export async function acquireLease({ engine, now, elapsed }: Context, { node, holder, leaseMs }: LeaseOptions): Promise<Lease | null> {
  const [at, requestedAt] = [now(), elapsed()]
  const lease = await engine.tx(
    async (db) =>
      (await holdSharedLeaseForOperator(db, { node, now: at, leaseMs }))
        ? acquireLeaseForOperator(db, { name: leaseNameOf(node), holder, now: at, leaseMs })
        : null,
    { visibility: 'latest' },
  )
  return lease === null ? null : { ...lease, untilAt: requestedAt + leaseMs }
}

/** Renews the lease and returns its new end, or 'lost' if other nodes have taken its groups, or a node of an older version delivers. Faults: store_busy (try again). */
export async function renewLease(
  { engine, now, elapsed }: Context,
  lease: Lease,
  { node, leaseMs }: Omit<LeaseOptions, 'holder'>,
): Promise<number | 'lost'> {
  const [at, requestedAt] = [now(), elapsed()]
  const isOurs = await engine.tx(
    async (db) =>
      (await renewLeaseForOperator(db, { ...lease, now: at, leaseMs })) &&
      (await holdSharedLeaseForOperator(db, { node, now: at, leaseMs })),
    { visibility: 'latest' },
  )
  return isOurs ? requestedAt + leaseMs : 'lost'
}

/** Releases the lease, so that another node need not wait until it expires. Faults: store_busy. */
export async function releaseLease({ engine }: Context, lease: Lease): Promise<void> {
  await engine.tx((db) => releaseLeaseForOperator(db, lease), { visibility: 'latest' })
}
