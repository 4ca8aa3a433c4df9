/**
 * lease - a job that one node does at a time, and another takes over if it fails
 *
 * A lease is held until an end time on the clock of the store and renewed before it, so that a node whose clock is wrong neither takes a
 * lease early nor holds it longer. Its `term` increases whenever the lease changes hands: a transaction that
 * checks `holdsLease` commits only while no other node has taken the lease, however late its node wakes up. A node that returns under its
 * own name acquires its lease again at once. An end that is further ahead than any lease lasts was written while the clock was wrong: the lease has expired.
 *
 * See also: service/deliver/lease (which renews it), store/engine/shared-clock.
 */
import type { Database } from './engine.ts'
import { integerColumn, createTableMapping, textColumn } from './mapping.ts'
import { readStoreClock } from './shared-clock.ts'

export type Lease = { readonly name: string; readonly holder: string; readonly term: number; readonly untilAt: number }

export const LEASES = createTableMapping<Lease>('queue_lease', ['name'], {
  name: textColumn('name', 'none'),
  holder: textColumn('holder', 'none'),
  term: integerColumn('term'),
  untilAt: integerColumn('until_at'),
})

/** No lease lasts longer: `delivery.leaseSeconds` is 600 at most. */
const LONGEST_LEASE_MS = 3_600_000

/** Whether a lease is current at `$n`, the clock of the store. */
export const isCurrentSql = (untilAt: string, clock: string): string =>
  `(${untilAt} > ${clock} and ${untilAt} <= ${clock} + ${LONGEST_LEASE_MS})`

/**
 * The first term of a lease without a row: the seconds since 1970. The row of a node that has been gone for long is removed, and a term of its next row must be
 * none that it had before.
 */
const firstTermAt = (clock: number): number => Math.floor(clock / 1_000)

/** `now` is the clock of this process. */
type LeaseRequest = { readonly name: string; readonly holder: string; readonly now: number; readonly leaseMs: number }

/**
 * Acquires a lease that is free, has expired or is the holder's own, with a new term. Returns null if another node holds it. The `untilAt` of
 * the result is the end of the lease on the clock of this process: `leaseMs` after the moment before the request.
 */
export async function acquireLeaseForOperator(db: Database, { name, holder, now, leaseMs }: LeaseRequest): Promise<Lease | null> {
  const clock = await readStoreClock(db, now)
  const row = await db.one(
    `insert into queue_lease (name, holder, term, until_at) values ($1, $2, $5, $3)
     on conflict (name) do update set holder = excluded.holder, term = queue_lease.term + 1, until_at = excluded.until_at
     where not ${isCurrentSql('queue_lease.until_at', '$4')} or queue_lease.holder = excluded.holder
     returning name, holder, term, until_at`,
    [name, holder, clock + leaseMs, clock, firstTermAt(clock)],
  )
  return row === null ? null : { ...LEASES.decode(row), untilAt: now + leaseMs }
}

type LeaseRenewal = Pick<Lease, 'name' | 'term'> & Pick<LeaseRequest, 'now' | 'leaseMs'>

/** Extends a lease to `leaseMs` from now. Returns false if another node has taken it. */
export async function renewLeaseForOperator(db: Database, { name, term, now, leaseMs }: LeaseRenewal): Promise<boolean> {
  const untilAt = (await readStoreClock(db, now)) + leaseMs
  return (await db.run('update queue_lease set until_at = $3 where name = $1 and term = $2', [name, term, untilAt])) === 1
}

/** Releases a lease at once. Does nothing if another node has taken it. */
export async function releaseLeaseForOperator(db: Database, { name, term }: Pick<Lease, 'name' | 'term'>): Promise<void> {
  await db.run('update queue_lease set until_at = 0 where name = $1 and term = $2', [name, term])
}

/** Whether a term is still current. Locks the lease until the end of this transaction. */
export async function holdsLease(db: Database, { name, term }: Pick<Lease, 'name' | 'term'>): Promise<boolean> {
  const row = await db.one('select l.term from queue_lease l where l.name = $1 {lock l}', [name])
  return row !== null && Number(row['term']) === term
}
