/**
 * fault - the Fault for an error of PostgreSQL or of its driver
 *
 * Only a value that the server refuses as a value is about the content. Everything else (unreachable, read only, disk full, a damaged page, a
 * deadlock, a lost prepared statement, an unknown table, a time limit) is store_busy, because no mail is to blame for it.
 *
 * https://www.postgresql.org/docs/current/errcodes-appendix.html. See also: store/engine/postgres/postgres, store/engine/sqlite-fault (its
 * counterpart).
 */
import postgres from 'postgres'
import { Fault } from '../../../errors.ts'

/** Class 22 is "data exception". A null (23502), a check (23514), and a value that is too large for an index (54000) are refused likewise. */
const REFUSED_VALUE_STATES: readonly string[] = ['23502', '23514', '54000']

/** The server does not know the user (28) or the database (3D), or it may not connect (42501 at the start). */
const REFUSED_CONNECTION_CLASSES: readonly string[] = ['28', '3D']

/** Converts any error of a statement. Total; a Fault stays as it is. */
export function toPostgresFault(error: unknown): Fault {
  if (error instanceof Fault) return error
  const message = error instanceof Error ? error.message : String(error)
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
  const details = { cause: error, detail: { sqlstate: code } }
  if (!(error instanceof postgres.PostgresError) || code === null)
    return new Fault('store_busy', `PostgreSQL cannot be reached: ${message}`, details)
  if (code.startsWith('22') || REFUSED_VALUE_STATES.includes(code))
    return new Fault('internal', `PostgreSQL refuses a value: ${message}`, details)
  if (code.startsWith('23')) return new Fault('conflict', `the store already holds this or forbids it: ${message}`, details)
  return new Fault('store_busy', `PostgreSQL cannot do this now: ${message}`, details)
}

/** Converts an error of the first connection: a refused user or database is a wrong setting, which waiting does not mend. */
export function toStartFault(error: unknown): Fault {
  const fault = toPostgresFault(error)
  const state = fault.detail['sqlstate']
  if (typeof state !== 'string' || !REFUSED_CONNECTION_CLASSES.includes(state.slice(0, 2))) return fault
  return new Fault('config_invalid', `PostgreSQL refuses the connection: ${fault.message}`, { cause: fault, detail: fault.detail })
}
