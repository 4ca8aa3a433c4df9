/**
 * sqlite-worker - the thread that owns one connection to the SQLite file
 *
 * It runs the operations of a message in their order and answers once. An fsync or a long read stops this thread and nobody else.
 * In a chained message (the writer's) what stands behind a failure is not run; in the reader's, strangers' reads share a message
 * and each stands alone. A statement that belongs to a transaction never runs outside one, whatever was lost before it.
 *
 * See also: store/engine/sqlite (the other end), store/engine/message-packing.
 */
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { pack } from './compression.ts'
import { createPacker, createUnpacker } from './message-packing.ts'
import type { Packed, Packer } from './message-packing.ts'
import type { Value } from './value.ts'

export type WorkerSettings = {
  readonly path: string
  readonly readOnly: boolean
  readonly busyTimeoutMillis: number
  /** Added to each commit; for measurements only. */
  readonly commitDelayMillis?: number
}

/**
 * `scrub` writes the log back and cuts it: 1 where another process held it; `rows` gives rows; `run` a count; `loop` runs the statement once for each `width` values and gives the sum of counts. `pack` are the
 * positions among them whose bytes are packed first.
 */
export type Operation =
  | { readonly verb: 'begin' | 'commit' | 'rollback' | 'scrub' }
  | {
      readonly verb: 'rows' | 'run' | 'loop'
      readonly statement: Statement
      readonly width: number
      readonly pack: readonly number[]
      readonly packed: Packed
    }

/** A text, with the number by which it will be called once it has run (null: it has none); or such a number. */
export type Statement = number | { readonly sql: string; readonly number: number | null }

export type Request = { readonly chained: boolean; readonly operations: readonly Operation[]; readonly blob: Uint8Array }

/** `code` is SQLite's extended result code, or 0 where the failure is not SQLite's. */
export type Failure = { readonly code: number; readonly message: string }

export type Answer =
  | { readonly columns: readonly string[]; readonly packed: Packed }
  | { readonly changes: number }
  | { readonly failure: Failure }

export type Response = { readonly answers: readonly Answer[]; readonly blob: Uint8Array }

/** `null`: close the file and end. */
export type Mail = Request | null

/** Statements without a number: beyond this many they are forgotten. */
const MAX_UNNUMBERED = 100

/**
 * 64 MB of log between checkpoints: one long checkpoint instead of many costs fewer fsyncs. The log is cut back to it.
 * What is freed is zeroed, so that an erased address leaves the file with its row.
 * Caches: the writer's holds the hot pages of its indexes; the reader's is small, the system's file cache stands behind it.
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
  reader: ['cache_size = -16384', 'query_only = on'],
} as const

function openDatabase(settings: WorkerSettings): DatabaseSync {
  const database = new DatabaseSync(settings.path, { readOnly: settings.readOnly, timeout: settings.busyTimeoutMillis })
  for (const pragma of [...PRAGMAS.both, ...(settings.readOnly ? PRAGMAS.reader : PRAGMAS.writer)]) database.exec(`pragma ${pragma}`)
  return database
}

type Connection = {
  readonly database: DatabaseSync
  readonly readOnly: boolean
  readonly commitDelayMillis: number
  readonly numbered: StatementSync[]
  readonly unnumbered: Map<string, StatementSync>
}

function statementOf({ database, numbered, unnumbered }: Connection, named: Statement): StatementSync {
  if (typeof named === 'number') {
    const known = numbered[named]
    if (known === undefined) throw new Error(`no statement has the number ${named}`)
    return known
  }
  const { sql, number } = named
  const known = number === null ? unnumbered.get(sql) : numbered[number]
  if (known !== undefined) return known
  const statement = database.prepare(sql)
  statement.setReturnArrays(true)
  if (number !== null) numbered[number] = statement
  else {
    if (unnumbered.size >= MAX_UNNUMBERED) unnumbered.clear()
    unnumbered.set(sql, statement)
  }
  return statement
}

function perform(
  connection: Connection,
  operation: Operation,
  unpack: (packed: Packed) => ReturnType<ReturnType<typeof createUnpacker>>,
  packer: Packer,
): Answer {
  if (operation.verb === 'scrub') return { changes: scrub(connection.database) }
  if (!('statement' in operation)) {
    connection.database.exec(operation.verb === 'begin' ? 'begin immediate' : operation.verb)
    if (operation.verb === 'commit' && connection.commitDelayMillis > 0) sleep(connection.commitDelayMillis)
    return { changes: 0 }
  }
  const values = unpack(operation.packed)
  const statement = statementOf(connection, operation.statement)
  if (!connection.readOnly && !connection.database.isTransaction) throw new Error('the transaction of this statement is gone')
  if (operation.verb === 'run') return { changes: Number(statement.run(...values).changes) }
  if (operation.verb === 'rows') {
    // The door between the driver's types and ours: with setReturnArrays each row is an array of column values.
    const rows = statement.all(...values) as unknown as readonly (readonly (null | number | string | Uint8Array)[])[]
    const columns = statement.columns().map((column) => column.name)
    return { columns, packed: packer.add(rows.flat()) }
  }
  return { changes: loop(statement, operation, values) }
}

function loop(
  statement: StatementSync,
  { width, pack: packed }: { width: number; pack: readonly number[] },
  values: readonly Value[],
): number {
  let changes = 0
  for (let at = 0; at < values.length; at += width) {
    const row = values.slice(at, at + width)
    for (const position of packed) {
      const raw = row[position]
      if (raw instanceof Uint8Array) row[position] = pack(raw)
    }
    changes += Number(statement.run(...row).changes)
  }
  return changes
}

/** The first column says whether somebody was in the way (SQLite, pragma wal_checkpoint). */
function scrub(database: DatabaseSync): number {
  return Number(database.prepare('pragma wal_checkpoint(truncate)').get()?.['busy'])
}

/** As an fsync does, it stops this thread and costs no CPU. */
function sleep(millis: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)
}

function failureOf(error: unknown): Failure {
  const code: unknown = error instanceof Error && 'errcode' in error ? error.errcode : 0
  return { code: typeof code === 'number' ? code : 0, message: error instanceof Error ? error.message : String(error) }
}

function answer(connection: Connection, request: Request): Response {
  const unpack = createUnpacker(request.blob)
  const packer = createPacker()
  const answers: Answer[] = []
  let failure: Failure | null = null
  for (const operation of request.operations) {
    if (failure !== null && request.chained && operation.verb !== 'rollback') {
      answers.push({ failure })
      continue
    }
    try {
      answers.push(perform(connection, operation, unpack, packer))
    } catch (error) {
      failure = failureOf(error)
      answers.push({ failure })
    }
  }
  return { answers, blob: packer.blob() }
}

function serve(port: NonNullable<typeof parentPort>, settings: WorkerSettings): void {
  const database = openDatabase(settings)
  const connection: Connection = {
    database,
    readOnly: settings.readOnly,
    commitDelayMillis: settings.commitDelayMillis ?? 0,
    numbered: [],
    unnumbered: new Map(),
  }
  port.on('message', (mail: Mail) => {
    if (mail === null) {
      database.close()
      port.close()
      return
    }
    const response = answer(connection, mail)
    port.postMessage(response, response.blob.byteLength === 0 ? [] : [response.blob.buffer as ArrayBuffer])
  })
}

// Imported in a plain thread this file does nothing.
if (parentPort !== null && isSettings(workerData)) serve(parentPort, workerData)

function isSettings(data: unknown): data is WorkerSettings {
  return typeof data === 'object' && data !== null && 'path' in data && 'readOnly' in data && 'busyTimeoutMillis' in data
}
