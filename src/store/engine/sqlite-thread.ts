/**
 * sqlite-thread - a worker thread with one SQLite connection, as promises
 *
 * Operations that are requested before the event loop turns to something else travel in one message: a message between two threads costs more than
 * the statements of a small batch. If the thread dies, its unanswered operations fail with Fault
 * store_busy, so that the remote server or the client retries. The next operation starts a new thread; SQLite recovers the file when it
 * opens it.
 *
 * See also: store/engine/sqlite-worker (the other end), store/engine/sqlite (the caller).
 */
import { Worker } from 'node:worker_threads'
import { Fault } from '../../errors.ts'
import { workerUrl } from '../../worker-url.ts'
import { createMessagePacker, createMessageUnpacker } from './message-packing.ts'
import type { MessagePacker } from './message-packing.ts'
import { toSqliteFault } from './sqlite-fault.ts'
import type { WorkerMessage, WorkerOperation, WorkerResponse, StatementRef, SqliteWorkerSettings } from './sqlite-worker.ts'
import type { SqlRow, SqlValue } from './value.ts'

/** An operation of the caller: as WorkerOperation, but with unpacked values. */
export type ThreadOperation =
  | { readonly verb: 'begin' | 'rollback' | 'truncate-log' }
  | {
      readonly verb: 'commit'
      /** Called when the message is sent, after all code that the calls have started: a failure that is known by then, or null. After one the commit fails unsent. */
      readonly failureBefore?: () => unknown
    }
  | {
      readonly verb: 'rows' | 'run' | 'run-each'
      readonly sql: string
      readonly width: number
      readonly pack?: readonly number[]
      readonly values: readonly SqlValue[]
    }

export type ThreadResult = { readonly rows: readonly SqlRow[]; readonly changes: number }

export type SqliteThread = {
  /** Throws Fault store_busy, conflict, or internal (a refused value). */
  execute(operation: ThreadOperation): Promise<ThreadResult>
  close(): Promise<void>
  /** Ends the thread at once; its operations fail as store_busy. */
  abort(): void
}

type PendingOperation = {
  readonly operation: ThreadOperation
  readonly resolve: (result: ThreadResult) => void
  readonly reject: (error: unknown) => void
}

/**
 * The number of a statement. `isPrepared`: the thread has run it and knows it by its number, so that a text of up to 3 KB is not sent
 * again. `columns`: those of its last rows, which are not sent again either.
 */
type StatementNumber = { readonly number: number; isPrepared: boolean; columns: readonly string[] }

type RunningWorker = {
  readonly worker: Worker
  readonly inFlight: PendingOperation[][]
  readonly statementNumbers: Map<string, StatementNumber>
}

/**
 * In megabytes. The thread creates short-lived values only. A small young generation is collected often and returns the memory of mails
 * soon.
 */
const MAX_YOUNG_GENERATION_MEGABYTES = 8

const startWorker = (settings: SqliteWorkerSettings): Worker =>
  new Worker(workerUrl('./sqlite-worker', import.meta.url), {
    workerData: settings,
    resourceLimits: { maxYoungGenerationSizeMb: MAX_YOUNG_GENERATION_MEGABYTES },
  })

/** Starts the thread at the first operation, and again at the first operation after its death. */
export function createSqliteThread(
  settings: SqliteWorkerSettings,
  createWorker: (settings: SqliteWorkerSettings) => Worker = startWorker,
): SqliteThread {
  let running: RunningWorker | null = null
  let closed = false
  let aborted = false
  const queued: PendingOperation[] = []

  const flush = (): void => {
    const batch = queued.splice(0).filter(isToBeSent)
    if (batch.length === 0) return
    if (aborted) return rejectAll(batch, new Fault('store_busy', 'the store is closed'))
    const current = (running ??= startRunningWorker(createWorker(settings), (ended) => {
      if (running === ended) running = null
    }))
    sendBatch(current, batch)
  }

  return {
    execute(operation) {
      if (closed) return Promise.reject(new Fault('store_busy', 'the store is closed'))
      return new Promise((resolve, reject) => {
        if (queued.push({ operation, resolve, reject }) === 1) afterAllMicrotasks(flush)
      })
    },
    async close() {
      if (closed) return
      closed = true
      // Operations that were requested before still run.
      flush()
      if (running !== null) await endWorker(running.worker)
    },
    abort() {
      closed = true
      aborted = true
      void running?.worker.terminate()
    },
  }
}

/** Node runs its ticks when no microtask is left; a tick that is requested outside of a microtask would run before them. */
const afterAllMicrotasks = (run: () => void): void => queueMicrotask(() => process.nextTick(run))

/** Rejects a commit before which something has failed that the thread has not heard of: the code that makes the calls. */
function isToBeSent({ operation, reject }: PendingOperation): boolean {
  const failure = operation.verb === 'commit' ? (operation.failureBefore?.() ?? null) : null
  if (failure !== null) reject(failure)
  return failure === null
}

function rejectAll(operations: readonly PendingOperation[], fault: Fault): void {
  for (const { reject } of operations) reject(fault)
}

/** Connects a worker to the operations that it is sent. If it ends, the unanswered ones fail, and `onEnd` is called. */
function startRunningWorker(worker: Worker, onEnd: (ended: RunningWorker) => void): RunningWorker {
  const started: RunningWorker = { worker, inFlight: [], statementNumbers: new Map() }
  const failInFlight = (cause: unknown): void => {
    onEnd(started)
    const detail = cause instanceof Error && 'errcode' in cause ? { sqlite: cause.errcode } : {}
    const fault = new Fault('store_busy', `the store's thread ended: ${explainEnd(errorMessage(cause))}`, { cause, detail })
    rejectAll(started.inFlight.splice(0).flat(), fault)
  }
  worker.on('message', (response: WorkerResponse) => settleBatch(started, response))
  worker.on('error', failInFlight)
  worker.on('exit', (code) => failInFlight(new Error(`exit code ${code}`)))
  return started
}

/** Adds to SQLite's text what to do about it. */
function explainEnd(message: string): string {
  return message.includes('readonly database') ? `${message} (this user cannot write to the data folder or to the database file)` : message
}

function sendBatch({ worker, inFlight, statementNumbers }: RunningWorker, batch: PendingOperation[]): void {
  inFlight.push(batch)
  const packer = createMessagePacker()
  const operations = batch.map(({ operation }) => packOperation(operation, packer, statementNumbers))
  postToWorker(worker, { operations, blob: packer.blob() })
}

async function endWorker(worker: Worker): Promise<void> {
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  postToWorker(worker, null)
  await ended
}

function postToWorker(worker: Worker, message: WorkerMessage): void {
  // An empty blob is not transferred: a transfer costs more than a copy.
  worker.postMessage(message, message === null || message.blob.byteLength === 0 ? [] : [message.blob.buffer as ArrayBuffer])
}

function packOperation(operation: ThreadOperation, packer: MessagePacker, statementNumbers: Map<string, StatementNumber>): WorkerOperation {
  if (!('sql' in operation)) return { verb: operation.verb }
  return {
    verb: operation.verb,
    statement: toStatementRef(operation.sql, statementNumbers),
    width: operation.width,
    pack: operation.pack ?? [],
    packed: packer.add(operation.values),
  }
}

/** Only the filters of lists could make more. Further statements are sent as text. */
const MAX_NUMBERED_STATEMENTS = 400

function toStatementRef(sql: string, statementNumbers: Map<string, StatementNumber>): StatementRef {
  const name = statementNumbers.get(sql)
  if (name !== undefined) return name.isPrepared ? name.number : { sql, number: name.number }
  if (statementNumbers.size >= MAX_NUMBERED_STATEMENTS) return { sql, number: null }
  const number = statementNumbers.size
  statementNumbers.set(sql, { number, isPrepared: false, columns: [] })
  return { sql, number }
}

function settleBatch({ inFlight, statementNumbers }: RunningWorker, response: WorkerResponse): void {
  const batch = inFlight.shift() ?? []
  const unpack = createMessageUnpacker(response.blob)
  batch.forEach((pending, i) => {
    const result = response.results[i]
    if (result === undefined) return pending.reject(new Fault('store_busy', "the store's thread did not answer"))
    if ('failure' in result) return pending.reject(toSqliteFault(result.failure))
    const name = 'sql' in pending.operation ? statementNumbers.get(pending.operation.sql) : undefined
    if (name !== undefined) name.isPrepared = true
    if ('changes' in result) return pending.resolve({ rows: [], changes: result.changes })
    const columns = result.columns ?? name?.columns ?? []
    if (name !== undefined) name.columns = columns
    return pending.resolve({ rows: decodeRows(columns, unpack(result.packed)), changes: 0 })
  })
}

function decodeRows(columns: readonly string[], values: readonly SqlValue[]): SqlRow[] {
  const rows: SqlRow[] = []
  for (let offset = 0; offset < values.length; offset += columns.length) {
    const row: Record<string, SqlValue> = {}
    columns.forEach((name, i) => (row[name] = values[offset + i] ?? null))
    rows.push(row)
  }
  return rows
}

function errorMessage(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
