/**
 * sqlite-fault - the Fault for an error of SQLite
 *
 * https://www.sqlite.org/rescode.html. See also: store/engine/sqlite-thread, store/engine/postgres/postgres (its counterpart).
 */
import { Fault } from '../../errors.ts'
import type { SqliteFailure } from './sqlite-worker.ts'

const CONSTRAINT_CODE = 19
/** SQLite refuses a value: it is too big (18), has the wrong type (20, 3091), is null (1299), or a check forbids it (275). */
const REFUSED_VALUE_CODES: readonly number[] = [18, 20, 275, 1_299, 3_091]

/**
 * Converts an error by its extended code, whose low byte is the primary code. Only a refused value is about the content. Everything else
 * (locked, read only, disk full, damaged, out of memory, an unknown table) is store_busy, because no mail is to blame for it. Total.
 */
export function toSqliteFault(failure: SqliteFailure): Fault {
  const primary = failure.code & 0xff
  const detail = { sqlite: failure.code }
  if (REFUSED_VALUE_CODES.includes(failure.code)) return new Fault('internal', `the store refuses a value: ${failure.message}`, { detail })
  if (primary === CONSTRAINT_CODE)
    return new Fault('conflict', `the store already holds this or forbids it: ${failure.message}`, { detail })
  return new Fault('store_busy', `the store cannot do this now: ${failure.message}`, { detail })
}
