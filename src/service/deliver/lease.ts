/**
 * lease - this node's right to do what one node does at a time: taken, renewed, let go
 *
 * Renewed at a third of its time, so that a store that is away for a moment costs nothing; `untilAt` moves with each renewal. Nothing may be
 * begun from `lastBegin` on: another node's clock may be ahead of ours, and it takes the lease by its own. See also: store/engine/lease (terms), service/deliver/deliverer.
 */
import { releaseLeaseForOperator, type Lease, renewLeaseForOperator, acquireLeaseForOperator } from '../../store/engine/lease.ts'
import type { Context } from '../context.ts'

type LeaseOptions = { readonly name: string; readonly holder: string; readonly leaseMs: number }

/** Of the lease's time what is left to the difference of two nodes' clocks: after two renewals that failed, before it runs out. */
const CLOCK_SKEW_SHARE = 1 / 6

/** The moment from which nothing may be begun under a lease that is held until `untilAt`. */
export const lastStartAt = (untilAt: number, leaseMs: number): number => untilAt - leaseMs * CLOCK_SKEW_SHARE

/** Takes the lease; null: another node has it. Faults: store_busy. */
export async function acquireLease({ engine, now }: Context, { name, holder, leaseMs }: LeaseOptions): Promise<Lease | null> {
  const at = now()
  return engine.tx((db) => acquireLeaseForOperator(db, { name, holder, now: at, untilAt: at + leaseMs }), { visibility: 'latest' })
}

/** How a renewal ended: the new end, or that another has it. Faults: store_busy (ask again). */
export async function renewLease({ engine, now }: Context, lease: Lease, leaseMs: number): Promise<number | 'lost'> {
  const untilAt = now() + leaseMs
  const isOurs = await engine.tx((db) => renewLeaseForOperator(db, { ...lease, untilAt }), { visibility: 'latest' })
  return isOurs ? untilAt : 'lost'
}

/** Lets it go, so that another node need not wait. Faults: store_busy. */
export async function releaseLease({ engine }: Context, lease: Lease): Promise<void> {
  await engine.tx((db) => releaseLeaseForOperator(db, lease), { visibility: 'latest' })
}
