/**
 * lease - acquires, renews and releases the right of one node to do a job
 *
 * The holder renews at a third of the lease's time, so that a short failure of the store does not cost the lease. The holder begins no attempt from
 * `lastStartAt` on, because the clock of another node, which takes an expired lease over, may be ahead.
 *
 * See also: store/engine/lease, service/deliver/deliverer.
 */
import { releaseLeaseForOperator, type Lease, renewLeaseForOperator, acquireLeaseForOperator } from '../../store/engine/lease.ts'
import type { Context } from '../context.ts'

type LeaseOptions = { readonly name: string; readonly holder: string; readonly leaseMs: number }

/** The share of the lease's time that allows for clock skew between nodes. It begins after two failed renewals and before the lease expires. */
const CLOCK_SKEW_SHARE = 1 / 6

/** The moment from which nothing may begin under a lease that expires at `untilAt`. */
export const lastStartAt = (untilAt: number, leaseMs: number): number => untilAt - leaseMs * CLOCK_SKEW_SHARE

/** Acquires the lease. Null: another node has it. Faults: store_busy. */
export async function acquireLease({ engine, now }: Context, { name, holder, leaseMs }: LeaseOptions): Promise<Lease | null> {
  const at = now()
  return engine.tx((db) => acquireLeaseForOperator(db, { name, holder, now: at, untilAt: at + leaseMs }), { visibility: 'latest' })
}

/** Renews the lease and returns its new end, or 'lost' if another node has it. Faults: store_busy (try again). */
export async function renewLease({ engine, now }: Context, lease: Lease, leaseMs: number): Promise<number | 'lost'> {
  const untilAt = now() + leaseMs
  const isOurs = await engine.tx((db) => renewLeaseForOperator(db, { ...lease, untilAt }), { visibility: 'latest' })
  return isOurs ? untilAt : 'lost'
}

/** Releases the lease, so that another node need not wait until it expires. Faults: store_busy. */
export async function releaseLease({ engine }: Context, lease: Lease): Promise<void> {
  await engine.tx((db) => releaseLeaseForOperator(db, lease), { visibility: 'latest' })
}
