/**
 * sqlite-worker - the thread that owns one SQLite connection
 *
 * Runs the operations of a message in order and answers once. An fsync or a long read blocks this thread only. After a failure the writer
 * runs nothing until the transaction is rolled back or another one begins, so a commit that was sent along with its last writes commits all of them or
 * nothing. In a message of a reader, unrelated reads share the message, so each stands alone. A statement of a transaction never runs outside one,
 * whatever was lost before it.
 *
 * See also: store/engine/sqlite-thread (the other end), store/engine/message-packing.
 */
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { compressSync } from './compression.ts'
import { createMessagePacker, createMessageUnpacker } from './message-packing.ts'
import type { PackedValues, MessagePacker } from './message-packing.ts'
import type { SqlValue } from './value.ts'

export type SqliteWorkerSettings = {
  readonly path: string
  readonly readOnly: boolean
  readonly busyTimeoutMillis: number
  /** Added to each commit, in milliseconds. For measurements only. */
  readonly commitDelayMillis?: number
}

/**
 * `truncate-log` checkpoints and truncates the log; its result is 1 if another process held it. `rows` returns rows, `run` a count.
 * `run-each` runs the statement once for each `width` values and returns the sum of the counts. `pack` are the positions among them whose
 * bytes are compressed first.
 */
export type WorkerOperation =
  | { readonly verb: 'begin' | 'commit' | 'rollback' | 'truncate-log' }
  | {
      readonly verb: 'rows' | 'run' | 'run-each'
      readonly statement: StatementRef
      readonly width: number
      readonly pack: readonly number[]
      readonly packed: PackedValues
    }

/** A text with the number by which it is known once it has run (null: none), or such a number. */
export type StatementRef = number | { readonly sql: string; readonly number: number | null }

type WorkerRequest = { readonly operations: readonly WorkerOperation[]; readonly blob: Uint8Array<ArrayBuffer> }

/** `code` is SQLite's extended result code, or 0 for another error. */
export type SqliteFailure = { readonly code: number; readonly message: string }

/** `columns` null: those of the last result of the statement. */
type OperationResult =
  | { readonly columns: readonly string[] | null; readonly packed: PackedValues }
  | { readonly changes: number }
  | { readonly failure: SqliteFailure }

export type WorkerResponse = { readonly results: readonly OperationResult[]; readonly blob: Uint8Array }

/** `null`: close the file and exit. */
export type WorkerMessage = WorkerRequest | null

/** At this many statements without a number the cache is cleared. */
const MAX_UNNUMBERED_STATEMENTS = 100

/**
 * 64 MB of log between checkpoints: one long checkpoint costs fewer fsyncs than many short ones. The log is truncated to that size. Freed
 * pages are overwritten with zeros, so that an erased address leaves the file with its row. The writer's cache holds the hot pages of its
 * indexes. The reader's is small, since the file cache of the operating system is behind it.
 */
const PRAGMAS = {
  both: ['temp_store = memory', 'foreign_keys = off', 'trusted_schema = off'],
  writer: [
    'auto_vacuum = incremental',
    'secure_delete = on',
    'journal_mode = wal',
    'synchronous = full',
    'wal_autocheckpoint = 16384',
    'journal_size_limit = 67108864',
    'cache_size = -24576',
  ],
  reader: ['cache_size = -8192', 'query_only = on'],
} as const

function openDatabase(settings: SqliteWorkerSettings): DatabaseSync {
  const database = new DatabaseSync(settings.path, { readOnly: settings.readOnly, timeout: settings.busyTimeoutMillis })
  for (const pragma of [...PRAGMAS.both, ...(settings.readOnly ? PRAGMAS.reader : PRAGMAS.writer)]) database.exec(`pragma ${pragma}`)
  return database
}

type SqliteConnection = {
  readonly database: DatabaseSync
  readonly readOnly: boolean
  readonly commitDelayMillis: number
  readonly statementsByNumber: StatementSync[]
  readonly statementsBySql: Map<string, StatementSync>
  /** What the other end knows of the columns of numbered statements: to read and to send fifty names costs more than a row. Empty: nothing yet. */
  readonly answeredColumns: Map<StatementSync, readonly string[]>
  /** The failure of the running transaction (writer only). */
  failure: SqliteFailure | null
}

function prepareStatement(
  { database, statementsByNumber, statementsBySql, answeredColumns }: SqliteConnection,
  reference: StatementRef,
): StatementSync {
  if (typeof reference === 'number') {
    const prepared = statementsByNumber[reference]
    if (prepared === undefined) throw new Error(`no statement has the number ${reference}`)
    return prepared
  }
  const { sql, number } = reference
  const prepared = number === null ? statementsBySql.get(sql) : statementsByNumber[number]
  if (prepared !== undefined) return prepared
  const statement = database.prepare(sql)
  statement.setReturnArrays(true)
  if (number !== null) {
    statementsByNumber[number] = statement
    answeredColumns.set(statement, [])
  } else {
    if (statementsBySql.size >= MAX_UNNUMBERED_STATEMENTS) statementsBySql.clear()
    statementsBySql.set(sql, statement)
  }
  return statement
}

function executeOperation(
  connection: SqliteConnection,
  operation: WorkerOperation,
  unpack: (packed: PackedValues) => ReturnType<ReturnType<typeof createMessageUnpacker>>,
  packer: MessagePacker,
): OperationResult {
  if (operation.verb === 'truncate-log') return { changes: truncateLog(connection.database) }
  if (!('statement' in operation)) {
    connection.database.exec(operation.verb === 'begin' ? 'begin immediate' : operation.verb)
    if (operation.verb === 'commit' && connection.commitDelayMillis > 0) sleep(connection.commitDelayMillis)
    return { changes: 0 }
  }
  const values = unpack(operation.packed)
  const statement = prepareStatement(connection, operation.statement)
  if (!connection.readOnly && !connection.database.isTransaction) throw new Error('the transaction of this statement is gone')
  if (operation.verb === 'run') return { changes: Number(statement.run(...values).changes) }
  if (operation.verb === 'rows') {
    // Checked cast: with setReturnArrays each row is an array of column values.
    const rows = statement.all(...values) as unknown as readonly (readonly (null | number | string | Uint8Array)[])[]
    return { columns: newColumnsOf(connection, statement, rows[0]?.length), packed: packer.add(rows.flat()) }
  }
  return { changes: runForEachRow(statement, operation, values) }
}

/** The columns of a statement, or null if the other end knows them. `width` is that of its rows: a change of the schema can change both. */
function newColumnsOf(
  { answeredColumns }: SqliteConnection,
  statement: StatementSync,
  width: number | undefined,
): readonly string[] | null {
  const known = answeredColumns.get(statement)
  if (known !== undefined && (width === undefined || width === known.length)) return null // no rows need no columns
  const columns = statement.columns().map((column) => column.name)
  if (known !== undefined) answeredColumns.set(statement, columns)
  return columns
}

function runForEachRow(
  statement: StatementSync,
  { width, pack: packed }: { width: number; pack: readonly number[] },
  values: readonly SqlValue[],
): number {
  let changes = 0
  for (let offset = 0; offset < values.length; offset += width) {
    const row = values.slice(offset, offset + width)
    for (const position of packed) {
      const raw = row[position]
      if (raw instanceof Uint8Array) row[position] = compressSync(raw)
    }
    changes += Number(statement.run(...row).changes)
  }
  return changes
}

/** The first column is 1 if another connection was in the way (SQLite, pragma wal_checkpoint). */
function truncateLog(database: DatabaseSync): number {
  return Number(database.prepare('pragma wal_checkpoint(truncate)').get()?.['busy'])
}

/** Blocks this thread without using CPU, as an fsync does. */
function sleep(millis: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)
}

function toFailure(error: unknown): SqliteFailure {
  const code: unknown = error instanceof Error && 'errcode' in error ? error.errcode : 0
  return { code: typeof code === 'number' ? code : 0, message: error instanceof Error ? error.message : String(error) }
}

function executeRequest(connection: SqliteConnection, request: WorkerRequest): WorkerResponse {
  const unpack = createMessageUnpacker(request.blob)
  const packer = createMessagePacker()
  const results: OperationResult[] = []
  for (const operation of request.operations) {
    if (operation.verb === 'rollback' || operation.verb === 'begin') connection.failure = null
    if (connection.failure !== null) {
      results.push({ failure: connection.failure })
      continue
    }
    try {
      results.push(executeOperation(connection, operation, unpack, packer))
    } catch (error) {
      const failure = toFailure(error)
      if (!connection.readOnly) connection.failure = failure
      results.push({ failure })
    }
  }
  return { results, blob: packer.blob() }
}

function serve(port: NonNullable<typeof parentPort>, settings: SqliteWorkerSettings): void {
  const database = openDatabase(settings)
  const connection: SqliteConnection = {
    database,
    readOnly: settings.readOnly,
    commitDelayMillis: settings.commitDelayMillis ?? 0,
    statementsByNumber: [],
    statementsBySql: new Map(),
    answeredColumns: new Map(),
    failure: null,
  }
  port.on('message', (message: WorkerMessage) => {
    if (message === null) {
      database.close()
      port.close()
      return
    }
    const response = executeRequest(connection, message)
    // SQLite has copied the bytes. A collection would free them later: this thread allocates little, so that megabytes of mails would wait for one.
    message.blob.buffer.transfer(0)
    port.postMessage(response, response.blob.byteLength === 0 ? [] : [response.blob.buffer as ArrayBuffer])
  })
}

// Outside of a worker thread, this file does nothing.
if (parentPort !== null && isSettings(workerData)) serve(parentPort, workerData)

function isSettings(data: unknown): data is SqliteWorkerSettings {
  return typeof data === 'object' && data !== null && 'path' in data && 'readOnly' in data && 'busyTimeoutMillis' in data
}
