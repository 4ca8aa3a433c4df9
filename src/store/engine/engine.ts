/**
 * engine - the contract of the two database engines, SQLite and PostgreSQL
 *
 * SQL is written once, with `$1 … $n` for parameters, in the subset that both engines understand. The operations that differ are methods
 * here: bulk inserts, lookups by many keys, and claiming work.
 *
 * Guarantees, on both engines (test/store/engine/engine.test.ts checks them):
 * - `tx` runs its callback alone on SQLite and in one snapshot on PostgreSQL. It commits durably or leaves nothing. The callback may run
 *   again from its start (serialization failure, deadlock, unique key conflict), so it must not act outside the store.
 * - A failed statement breaks its transaction: later calls of that callback are refused.
 * - Calls that are made without an `await` between them travel together (one message to SQLite's thread, one pipeline to PostgreSQL) and
 *   run in the order of the calls: `await Promise.all([db.insertMany(…), db.upsertMany(…)])`.
 * - A violated constraint is Fault conflict, a value that the engine refuses as a value is Fault internal. Every other error of an engine
 *   is Fault store_busy: it says nothing about the rows. An error of the callback itself is passed on unchanged.
 *
 * See also: store/engine/sqlite, store/engine/postgres/postgres, store/engine/value (the types of values), store/engine/mapping (rows as typed
 * values).
 */
import type { Fault } from '../../errors.ts'
import type { TableMapping } from './mapping.ts'
import type { MaintenanceLimits, PostgresLimits } from './postgres/limits.ts'
import type { ColumnType, Table } from './table.ts'
import type { SqlRow, SqlValue } from './value.ts'
import type { Nudges } from './nudges.ts'

export type EngineKind = 'sqlite' | 'postgres'

/** Keys for `inKeys`: tuples and their types. In the SQL, `{keys}` is a derived table with the columns k1, k2, …. */
export type KeyTuples = { readonly types: readonly ColumnType[]; readonly rows: readonly (readonly SqlValue[])[] }

/** Read operations. */
export type DatabaseReader = {
  readonly kind: EngineKind
  /** Returns all rows of the statement. */
  readonly all: (sql: string, params?: readonly SqlValue[]) => Promise<readonly SqlRow[]>
  /** Returns the first row, or null. */
  readonly one: (sql: string, params?: readonly SqlValue[]) => Promise<SqlRow | null>
  /**
   * Returns the rows for a list of keys of any length, with one prepared statement. Put the keys first, so that both engines start from
   * them:
   * `select d.* from {keys} k cross join deliveries d where d.account_id = k.k1 and d.delivery_id = k.k2`.
   */
  readonly inKeys: (sql: string, keys: KeyTuples, params?: readonly SqlValue[]) => Promise<readonly SqlRow[]>
}

/** What an insert does with a row whose primary key or other unique key exists. */
export type ConflictRule = 'refuse' | 'ignore'

/** Columns that are in neither list are replaced by the new row's values. The keys of the rows must differ. */
export type UpsertRule = { readonly addColumns?: readonly string[]; readonly keepColumns?: readonly string[] }

/**
 * Claims work: at most `limit` rows of `table` for which `where` holds, in `order`, are changed by `set` and returned. Nodes that claim
 * at the same time never get the same row. `where` and `set` share `params`.
 */
export type ClaimQuery = {
  readonly table: Table
  readonly where: string
  readonly order: string
  readonly set: string
  readonly params: readonly SqlValue[]
  readonly limit: number
}

/** All operations, inside a transaction. */
export type Database = DatabaseReader & {
  /** The slot of the counters that this transaction adds to. No other running transaction has it, on any node. SQLite has one writer: 0. */
  readonly counterSlot: number
  /** Runs one statement. Returns how many rows it changed. */
  readonly run: (sql: string, params?: readonly SqlValue[]) => Promise<number>
  /** Inserts rows in the given order. Returns how many were new. */
  readonly insertMany: <R>(shape: TableMapping<R>, rows: readonly R[], onConflict?: ConflictRule) => Promise<number>
  /** Inserts rows, or updates the rows whose key exists. PostgreSQL locks rows in the given order: sort them by key. */
  readonly upsertMany: <R>(shape: TableMapping<R>, rows: readonly R[], rule?: UpsertRule) => Promise<void>
  readonly claim: (claim: ClaimQuery) => Promise<readonly SqlRow[]>
  /**
   * Ends the callback without waiting for its last writes: the commit travels behind them, and if one of them fails, the transaction fails as if it had
   * been awaited. On SQLite every call must have been made by then: one that follows is refused, and with it the transaction.
   */
  readonly commitWith: (writes: Promise<unknown>) => void
}

export type TransactionOptions = {
  /**
   * `snapshot` (default): all statements see the state at the first one, and a concurrent change by another node to a row that this
   * transaction changes makes the callback run again. So a decision from rows that were read still holds at the commit. `latest`: each
   * statement sees what is committed by then. Use it for claims and for work under `lockName`, where a snapshot would be older than the
   * lock. SQLite has one writer, so both are the same.
   */
  readonly visibility?: 'snapshot' | 'latest'
  /** At most one transaction with this lock runs at a time, over all nodes. */
  readonly lockName?: string
  /** A migration or a rebuild: no deadline; with PostgreSQL on a connection of its own. */
  readonly isMaintenance?: true
  /** An earlier deadline than that of other transactions, in milliseconds. A statement of SQLite goes on nevertheless (store/engine/deadline). */
  readonly deadlineMillis?: number
}

/**
 * Reads that may show the state of some seconds ago: lists, statistics, exports. Never for a decision, for what is checked before mail is sent, or for
 * what the same request has written. Without a replica they are the reads of the store itself.
 */
export type ReplicaReads = {
  readonly read: DatabaseReader
  /** For long scans. */
  readonly bulkRead: DatabaseReader
  /** How old the state can be; 0: there is no replica. */
  readonly maxLagMillis: number
  /** Changes whenever the reads go to another server. */
  readonly generation: () => number
}

/** `lagMillis` null: unknown. `problem`: why the replica is not used. */
export type ReplicaStatus = { readonly isUsed: boolean; readonly lagMillis: number | null; readonly problem: string | null }

export type Engine = {
  readonly kind: EngineKind
  /** Reads for the API. Never waits for the writer. Sees what is committed. */
  readonly read: DatabaseReader
  /** The same for long scans (exports, retention, erasure), so that a request to the API never waits behind a page of a scan. */
  readonly bulkRead: DatabaseReader
  readonly replica: ReplicaReads
  readonly tx: <T>(work: (db: Database) => Promise<T>, options?: TransactionOptions) => Promise<T>
  /** Between the nodes of this store. */
  readonly nudges: Nudges
  /**
   * Removes deleted and overwritten data from the files, after an erasure. SQLite's log is checkpointed and truncated; its freed pages
   * are overwritten with zeros when they are freed. On PostgreSQL this does nothing: vacuum removes dead rows. Returns false if another
   * process reads the log, which then still exists.
   */
  readonly truncateLog: () => Promise<boolean>
  /** Closes the store: running operations finish, later ones are Fault store_busy. */
  readonly close: () => Promise<void>
  /** Ends at once: running operations fail as store_busy and are rolled back, later ones are refused. For a store that does not answer. */
  readonly abort: () => void
}

export type EngineOptions = {
  /** A streaming replica of PostgreSQL, and what hears of its state once a second. */
  readonly replica?: { readonly url: string; readonly maxLagMillis: number; readonly onStatus: (status: ReplicaStatus) => void }
  /** Hears of each store_busy that this store causes, with the code of the engine. */
  readonly onFault?: (fault: Fault) => void
  /** Number of connections to PostgreSQL for transactions. Half as many are for reads, and two for maintenance. */
  readonly connections?: number
  /** Time limits in milliseconds (store/engine/postgres/limits). SQLite has the deadline only. */
  readonly limits?: Partial<PostgresLimits>
  /** The same for maintenance (PostgreSQL). */
  readonly maintenanceLimits?: MaintenanceLimits
  /** How long SQLite waits for a lock that another process holds, in milliseconds. */
  readonly busyTimeoutMillis?: number
  /** Added to each commit of SQLite, in milliseconds, to simulate a slower disk (bench/node). */
  readonly commitDelayMillis?: number
}
