/**
 * sqlite-fault - the Fault for an error of SQLite
 *
 * https://www.sqlite.org/rescode.html. See also: store/engine/sqlite-thread, store/engine/postgres (its counterpart).
 */
import { Fault } from '../../errors.ts'
import type { SqliteFailure } from './sqlite-worker.ts'

/** Primary result codes that may go away: busy, locked, no memory, read only, I/O error, disk full, cannot open. */
const RETRYABLE_CODES: readonly number[] = [5, 6, 7, 8, 10, 13, 14]
const CONSTRAINT_CODE = 19

/** Converts an error by its primary code, which is the low byte of the extended code. Total. */
export function toSqliteFault(failure: SqliteFailure): Fault {
  const primary = failure.code & 0xff
  const detail = { sqlite: failure.code }
  if (RETRYABLE_CODES.includes(primary)) return new Fault('store_busy', `the store cannot do this now: ${failure.message}`, { detail })
  if (primary === CONSTRAINT_CODE)
    return new Fault('conflict', `the store already holds this or forbids it: ${failure.message}`, { detail })
  return new Fault('internal', `the store failed: ${failure.message}`, { detail })
}
