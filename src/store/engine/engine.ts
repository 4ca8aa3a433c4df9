/**
 * engine - the few verbs that tell two engines apart; everything above writes one SQL
 *
 * SQL is written once, with `$1 … $n` for parameters, in the part of the language that both engines speak. What they do not
 * share is a verb here: many rows at once, many keys at once, and claiming work.
 *
 * Promises, on both engines (test/store/engine.test.ts is the contract):
 * - `tx` runs its callback alone on SQLite and in one snapshot on PostgreSQL; it commits durably or leaves nothing. A callback may
 *   run again from its start (serialization failure, deadlock, a race for a unique key), so it must not act outside the store.
 * - A statement that fails breaks its transaction: later verbs of that callback refuse.
 * - Verbs called without awaiting between them travel together (one message to SQLite's thread, one flight to PostgreSQL), and
 *   run in the order of the calls: `await Promise.all([db.insertMany(…), db.upsertMany(…)])`.
 * - What can be tried again later is Fault store_busy; a broken rule of the schema is Fault conflict.
 *
 * See also: store/engine/sqlite, store/engine/postgres, store/engine/value (the types that may pass), store/engine/mapping
 * (how a value of the core becomes a row).
 */
import type { TableMapping } from './mapping.ts'
import type { ColumnType, Table } from './table.ts'
import type { SqlRow, SqlValue } from './value.ts'

export type EngineKind = 'sqlite' | 'postgres'

/** Keys for `inKeys`: tuples with their types. In the SQL `{keys}` is a derived table with the columns k1, k2, …. */
export type KeyTuples = { readonly types: readonly ColumnType[]; readonly rows: readonly (readonly SqlValue[])[] }

/** Verbs that change nothing. */
export type DatabaseReader = {
  readonly kind: EngineKind
  /** Every row that the statement gives. */
  readonly all: (sql: string, params?: readonly SqlValue[]) => Promise<readonly SqlRow[]>
  /** The first row, or null. */
  readonly one: (sql: string, params?: readonly SqlValue[]) => Promise<SqlRow | null>
  /**
   * Rows by a list of keys of any length, in one prepared statement. Name the keys first, so that both engines start from them:
   * `select d.* from {keys} k cross join deliveries d where d.account_id = k.k1 and d.delivery_id = k.k2`.
   */
  readonly inKeys: (sql: string, keys: KeyTuples, params?: readonly SqlValue[]) => Promise<readonly SqlRow[]>
}

/** What an insert does with a row whose key (or another unique key) is taken. */
export type ConflictRule = 'refuse' | 'ignore'

/** Columns not named in `add` or `keep` are replaced by the new row's. `rows` must differ in their keys. */
export type UpsertRule = { readonly addColumns?: readonly string[]; readonly keepColumns?: readonly string[] }

/**
 * Work to be taken: rows of `table` where `where` holds, in `order`, at most `limit`, are changed by `set` and given back. Nodes
 * that claim at once never get the same row. `where` and `set` share `params`.
 */
export type ClaimQuery = {
  readonly table: Table
  readonly where: string
  readonly order: string
  readonly set: string
  readonly params: readonly SqlValue[]
  readonly limit: number
}

/** All verbs, inside a transaction. */
export type Database = DatabaseReader & {
  /** Which slot of a counter this process adds to: nodes that count at once then seldom meet in one row. */
  readonly counterSlot: number
  /** Runs one statement; how many rows it changed. */
  readonly run: (sql: string, params?: readonly SqlValue[]) => Promise<number>
  /** Inserts rows in the order given; how many were new. */
  readonly insertMany: <R>(shape: TableMapping<R>, rows: readonly R[], onConflict?: ConflictRule) => Promise<number>
  /** Inserts rows, or changes those whose key is there. On PostgreSQL rows are locked in the order given: sort by key. */
  readonly upsertMany: <R>(shape: TableMapping<R>, rows: readonly R[], rule?: UpsertRule) => Promise<void>
  readonly claim: (claim: ClaimQuery) => Promise<readonly SqlRow[]>
}

export type TransactionOptions = {
  /**
   * `snapshot` (default): all statements see the moment of the first one, and a change by another node of what this one changes
   * runs the callback again; so decisions made from rows read hold at the commit. `latest`: each statement sees what is committed
   * then; for claims and for work under `lock`, where a snapshot would be older than the lock. SQLite has one writer: no difference.
   */
  readonly visibility?: 'snapshot' | 'latest'
  /** At most one transaction of this name runs at a time, over all nodes. */
  readonly lockName?: string
}

export type Engine = {
  readonly kind: EngineKind
  /** For the API; never waits for the writer, sees what is committed. */
  readonly read: DatabaseReader
  /** The same for long walks through a table (exports, retention), so that a question of the API never waits behind a page of theirs. */
  readonly bulkRead: DatabaseReader
  readonly tx: <T>(work: (db: Database) => Promise<T>, options?: TransactionOptions) => Promise<T>
  /**
   * What was deleted or overwritten leaves the files: after an erasure. SQLite's log is written back and cut; its freed pages are
   * zeroed as they are freed. On PostgreSQL dead rows go with its own vacuum, and this does nothing. False: another process reads the log, and
   * it is still there.
   */
  readonly truncateLog: () => Promise<boolean>
  /** Ends in order: what runs is finished, what comes later is Fault store_busy. */
  readonly close: () => Promise<void>
}

export type EngineOptions = {
  /** Connections to PostgreSQL; reads and transactions share them. */
  readonly connections?: number
  /** How long SQLite waits for a lock that another process holds. */
  readonly busyTimeoutMillis?: number
  /** What a slower disk would add to each fsync of SQLite's commits: for measurements (bench/node). */
  readonly commitDelayMillis?: number
}
