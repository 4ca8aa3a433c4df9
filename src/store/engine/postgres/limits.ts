/**
 * limits - the time limits of transactions and reads on PostgreSQL
 *
 * A node that falls silent in mid-transaction keeps its row locks until the server ends its session, and a server that falls silent keeps its
 * caller until the caller gives up. So the server has three limits for each transaction, and the caller has a deadline of its own. The
 * server's limits are set inside each transaction and never as startup parameters: pgbouncer refuses those, and its usual remedy
 * (`ignore_startup_parameters`) drops them without a word.
 *
 * Pure. https://www.postgresql.org/docs/current/runtime-config-client.html. See also: store/engine/postgres/postgres.
 */

/** All in milliseconds. 0 means no limit, as for PostgreSQL. */
export type PostgresLimits = {
  /** One statement. */
  readonly statement: number
  /** One wait for a lock. */
  readonly lock: number
  /** The time between two statements of a transaction, after which the server ends the session and frees its locks. */
  readonly idleInTransaction: number
  /** The caller's deadline for a whole transaction or read, repetitions and waiting for a connection included. */
  readonly deadline: number
}

/**
 * Work that somebody waits for. A lock is held for milliseconds, so five seconds mean that its holder is gone; that holder is ended after ten,
 * so that the next try finds the row free. The deadline is longer than a statement, so that the server's answer arrives first.
 */
export const DEFAULT_LIMITS: PostgresLimits = { statement: 15_000, lock: 5_000, idleInTransaction: 10_000, deadline: 20_000 }

/** `scan`: one page of a long scan, outside of a transaction. */
export type MaintenanceLimits = Pick<PostgresLimits, 'lock' | 'idleInTransaction'> & { readonly scan: number }

/** Migrations, rebuilds, scans of exports and of retention. They may take hours, but must not make others queue behind a lock for long. */
export const DEFAULT_MAINTENANCE_LIMITS: MaintenanceLimits = { lock: 30_000, idleInTransaction: 600_000, scan: 600_000 }

/** The limits of a maintenance transaction. */
export const maintenanceLimitsOf = ({ lock, idleInTransaction }: MaintenanceLimits): PostgresLimits => ({
  statement: 0,
  lock,
  idleInTransaction,
  deadline: 0,
})

/** The limits of a page of a scan. The caller waits a little longer than the server. */
export const scanLimitsOf = (limits: MaintenanceLimits): PostgresLimits => ({
  ...maintenanceLimitsOf(limits),
  statement: limits.scan,
  deadline: limits.scan * 1.1,
})

const serverSettingsOf = (limits: PostgresLimits): readonly (readonly [string, number])[] => [
  ['statement_timeout', limits.statement],
  ['lock_timeout', limits.lock],
  ['idle_in_transaction_session_timeout', limits.idleInTransaction],
]

/** Statements that set the server's limits: `local` for the transaction that has begun, `session` for the connection. */
export function limitsSql(scope: 'local' | 'session', limits: PostgresLimits): string {
  return serverSettingsOf(limits)
    .map(([name, millis]) => `set ${scope} ${name} = ${Math.trunc(millis)}`)
    .join('; ')
}

/** Lets a commit be answered only when it survives a crash of the server, even if the server's default is `off`. Stricter levels stay. */
export const DURABLE_COMMITS_SQL =
  "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'"

/** A query whose row has one column for each limit, in milliseconds as the server counts it. */
export function readBackSql(limits: PostgresLimits): string {
  const columns = serverSettingsOf(limits).map(([name]) => `(select setting::bigint from pg_settings where name = '${name}') as ${name}`)
  return `select ${columns.join(', ')}`
}

/** The limits that the server does not apply, with the value that it has instead. */
export function ignoredLimits(limits: PostgresLimits, row: Readonly<Record<string, unknown>>): readonly string[] {
  return serverSettingsOf(limits).flatMap(([name, millis]) => (Number(row[name]) === millis ? [] : [`${name} is ${String(row[name])}`]))
}
