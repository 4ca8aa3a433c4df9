/**
 * age-retention - removes or folds rows that are older than a number of days, in small transactions
 *
 * See also: daemon/scheduled-jobs, docs/RETENTION.md.
 */
import type { Context } from '../service/context.ts'
import type { Database } from '../store/engine/engine.ts'
import { foldCountersForOperator } from '../store/facts/counter-folding.ts'
import { removeOldRawMailsForOperator } from '../store/mail/raw-mail.ts'

const DAY_MS = 86_400_000

/** One hour. */
const FOLD_AFTER_DAYS = 1 / 24

/** Rows that one transaction removes. A longer transaction would block the writer. */
const ROWS_PER_TRANSACTION = 500

type RemoveBefore = (db: Database, before: number, limit: number) => Promise<number>

/** Removes raw mail older than a number of days. */
export function removeOldRawMails(context: Pick<Context, 'engine' | 'now'>, rawDays: number): Promise<void> {
  return removeOlderThan(context, rawDays, removeOldRawMailsForOperator)
}

/** Folds counters whose quarter-hours are so old that few transactions still add to them. */
export const foldOldCounters = (context: Pick<Context, 'engine' | 'now'>): Promise<void> =>
  removeOlderThan(context, FOLD_AFTER_DAYS, foldCountersForOperator)

/** Calls `removeBefore`, one transaction a call, until it removes less than it may. Other writers run between the calls. Idempotent. */
export async function removeOlderThan(
  { engine, now }: Pick<Context, 'engine' | 'now'>,
  ageDays: number,
  removeBefore: RemoveBefore,
): Promise<void> {
  const before = now() - ageDays * DAY_MS
  for (let removed = ROWS_PER_TRANSACTION; removed === ROWS_PER_TRANSACTION;)
    removed = await engine.tx((db) => removeBefore(db, before, ROWS_PER_TRANSACTION))
}
