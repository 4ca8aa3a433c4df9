/**
 * lease - work that one node does at a time, and another takes over when it falls silent
 *
 * A lease is held until a moment and renewed before it. Its `term` rises whenever it changes hands: a transaction that asks
 * `holdsLease` commits only while nobody else has taken it, however late its node wakes up. A node that comes back under its own name
 * takes its lease again at once.
 *
 * See also: service/deliver/lease (who renews it).
 */
import type { Database } from './engine.ts'
import { integerColumn, createTableMapping, textColumn } from './mapping.ts'

export type Lease = { readonly name: string; readonly holder: string; readonly term: number; readonly untilAt: number }

export const LEASES = createTableMapping<Lease>('queue_lease', ['name'], {
  name: textColumn('name', 'none'),
  holder: textColumn('holder', 'none'),
  term: integerColumn('term'),
  untilAt: integerColumn('until_at'),
})

type LeaseRequest = { readonly name: string; readonly holder: string; readonly now: number; readonly untilAt: number }

/** Takes a lease that is free, has run out or is the holder's own, as a new term; null: another holds it. */
export async function acquireLeaseForOperator(db: Database, { name, holder, now, untilAt }: LeaseRequest): Promise<Lease | null> {
  const row = await db.one(
    `insert into queue_lease (name, holder, term, until_at) values ($1, $2, 1, $3)
     on conflict (name) do update set holder = excluded.holder, term = queue_lease.term + 1, until_at = excluded.until_at
     where queue_lease.until_at <= $4 or queue_lease.holder = excluded.holder
     returning name, holder, term, until_at`,
    [name, holder, untilAt, now],
  )
  return row === null ? null : LEASES.decode(row)
}

/** Holds it for longer; false: another has taken it. */
export async function renewLeaseForOperator(db: Database, { name, term, untilAt }: Omit<Lease, 'holder'>): Promise<boolean> {
  return (await db.run('update queue_lease set until_at = $3 where name = $1 and term = $2', [name, term, untilAt])) === 1
}

/** Lets it go at once; nothing where another has taken it. */
export async function releaseLeaseForOperator(db: Database, { name, term }: Pick<Lease, 'name' | 'term'>): Promise<void> {
  await db.run('update queue_lease set until_at = 0 where name = $1 and term = $2', [name, term])
}

/** Whether a term is still the present one; nobody takes it before this transaction ends. */
export async function holdsLease(db: Database, { name, term }: Pick<Lease, 'name' | 'term'>): Promise<boolean> {
  const row = await db.one('select l.term from queue_lease l where l.name = $1 {lock l}', [name])
  return row !== null && Number(row['term']) === term
}
