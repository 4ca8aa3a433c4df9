/**
 * sequences - numbers that are given out once, in blocks
 *
 * A block is reserved in a transaction of its own and used from memory. Numbers that a crash leaves unused are never given out.
 *
 * See also: correlate/delivery-id.
 */
import type { Database } from './engine.ts'
import { createTableMapping, integerColumn, textColumn } from './mapping.ts'

type Sequence = { readonly account: number; readonly name: string; readonly next: number }

export const SEQUENCES = createTableMapping<Sequence>('sequences', ['account_id', 'name'], {
  account: integerColumn('account_id'),
  name: textColumn('name', 'none'),
  next: integerColumn('next'),
})

/** Reserves `size` numbers of a sequence. Returns the first. A sequence starts at 0. */
export async function reserveSequenceNumbers(db: Database, account: number, name: string, size: number): Promise<number> {
  const row = await db.one(
    `insert into sequences (account_id, name, next) values ($1, $2, $3)
     on conflict (account_id, name) do update set next = sequences.next + excluded.next returning next`,
    [account, name, size],
  )
  return Number(row?.['next']) - size
}
