/**
 * sqlite - the embedded engine: one file, one writer thread, two reader threads
 *
 * The writer owns the only write connection and runs one transaction at a time, in the order of the requests. The readers see what is
 * committed and never wait. The second reader, for long scans, starts at its first use. WAL with synchronous FULL: a committed
 * transaction survives a power failure. After `close`, one file holds everything. A transaction has a deadline, which counts from its request.
 *
 * See also: store/engine/engine (the contract), store/engine/sqlite-thread, store/engine/postgres/postgres (the other engine).
 */
import { Fault } from '../../errors.ts'
import type { ClaimQuery, Database, Engine, EngineOptions, KeyTuples, DatabaseReader } from './engine.ts'
import { type Deadline, runUntilDeadline } from './deadline.ts'
import { DEFAULT_LIMITS } from './postgres/limits.ts'
import { createLastWrites } from './last-writes.ts'
import { createTransactionGuard } from './transaction-guard.ts'
import { claimSql, insertSql, encodeKeysAsJson, translateSql, translateKeyedSql, upsertSql } from './sql.ts'
import type { TableMapping } from './mapping.ts'
import { createSqliteThread } from './sqlite-thread.ts'
import type { ThreadResult, SqliteThread, ThreadOperation } from './sqlite-thread.ts'
import { normalizeValue } from './value.ts'
import { createLocalNudges } from './nudges.ts'
import type { SqlRow, SqlValue } from './value.ts'

type ExecuteOperation = (operation: ThreadOperation) => Promise<ThreadResult>

/** Another process (a backup, the command line) may hold the lock for a moment. */
const BUSY_TIMEOUT_MILLIS = 5_000

/** Opens or creates the file. Throws Fault store_busy if it cannot be opened, config_invalid without a file name. */
export async function openSqlite(path: string, options: EngineOptions): Promise<Engine> {
  if (path === '' || path.startsWith(':')) throw new Fault('config_invalid', 'the SQLite store needs a file name: several threads open it')
  const busyTimeoutMillis = options.busyTimeoutMillis ?? BUSY_TIMEOUT_MILLIS
  const writer = createSqliteThread({ path, readOnly: false, busyTimeoutMillis, commitDelayMillis: options.commitDelayMillis ?? 0 })
  const reader = createSqliteThread({ path, readOnly: true, busyTimeoutMillis })
  const bulkReader = createSqliteThread({ path, readOnly: true, busyTimeoutMillis })
  const runExclusively = createSerialQueue()
  const deadlineMillis = options.limits?.deadline ?? DEFAULT_LIMITS.deadline
  const transact = <T>(millis: number, work: (db: Database) => Promise<T>): Promise<T> =>
    runUntilDeadline(millis, (deadline) => runExclusively(() => runTransaction(writer, work, deadline)))
  // The writer first: it creates the file, which a reader cannot.
  await transact(0, async (db) => db.run('select 1'))
  const read = createSqliteReader((operation) => reader.execute(operation))
  const bulkRead = createSqliteReader((operation) => bulkReader.execute(operation))
  return {
    kind: 'sqlite',
    read,
    bulkRead,
    replica: { read, bulkRead, maxLagMillis: 0, generation: () => 0 },
    tx: (work, { isMaintenance, deadlineMillis: earlier = deadlineMillis } = {}) =>
      transact(isMaintenance === true ? 0 : Math.min(deadlineMillis, earlier), work),
    nudges: createLocalNudges(),
    truncateLog: () => runExclusively(async () => (await writer.execute({ verb: 'truncate-log' })).changes === 0),
    abort: () => {
      for (const thread of [writer, reader, bulkReader]) thread.abort()
    },
    async close() {
      await runExclusively(async () => {
        // The writer last: the last connection moves the log into the file and removes it, which a reader cannot.
        await Promise.all([reader.close(), bulkReader.close()])
        await writer.execute({ verb: 'truncate-log' }).catch(() => undefined)
        await writer.close()
      })
    },
  }
}

/** Runs tasks one after the other, in order. A failed task does not stop the next one. */
function createSerialQueue(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return (task) => {
    const current = last.then(task, task)
    last = current.catch(() => undefined)
    return current
  }
}

async function runTransaction<T>(writer: SqliteThread, work: (db: Database) => Promise<T>, deadline: Deadline): Promise<T> {
  // Its turn came too late.
  const expired = deadline.fault()
  if (expired !== null) throw expired
  const guard = createTransactionGuard((operation: ThreadOperation) => {
    const fault = deadline.fault()
    return fault === null ? writer.execute(operation) : Promise.reject(fault)
  })
  // Not awaited: it travels with the first calls of the callback. If it fails, so do they.
  const beginning = guard.execute({ verb: 'begin' })
  beginning.catch(() => undefined)
  const { commitWith, done, firstFailure } = createLastWrites()
  try {
    const result = await Promise.race([work({ ...createSqliteDatabase(guard.execute), commitWith }), deadline.passed])
    const committing = guard.execute({ verb: 'commit', failureBefore: firstFailure })
    guard.end()
    await Promise.all([beginning, done(), committing])
    return result
  } catch (error) {
    // The rollback fails if nothing was begun or the thread is gone. In both cases nothing is left.
    await writer.execute({ verb: 'rollback' }).catch(() => undefined)
    throw guard.firstFailure() ?? error
  } finally {
    guard.end()
  }
}

function createSqliteReader(execute: ExecuteOperation): DatabaseReader {
  const rows = async (sql: string, params: readonly SqlValue[]): Promise<readonly SqlRow[]> => {
    const { rows: result } = await execute({ verb: 'rows', sql, width: 0, values: params.map(normalizeValue) })
    return result
  }
  return {
    kind: 'sqlite',
    all: async (sql, params = []) => rows(translateSql('sqlite', sql), params),
    one: async (sql, params = []) => (await rows(translateSql('sqlite', sql), params))[0] ?? null,
    inKeys: async (sql: string, keys: KeyTuples, params: readonly SqlValue[] = []) =>
      keys.rows.length === 0 ? [] : rows(translateKeyedSql('sqlite', sql, keys.types, params.length), [...params, encodeKeysAsJson(keys)]),
  }
}

function createSqliteDatabase(execute: ExecuteOperation): Omit<Database, 'commitWith'> {
  const runForEachRow = async <R>(sql: string, { table, encodeInto }: TableMapping<R>, rows: readonly R[]): Promise<number> => {
    if (rows.length === 0) return 0
    const values: SqlValue[] = []
    for (const row of rows) encodeInto(row, values)
    const width = values.length / rows.length
    for (let index = 0; index < values.length; index++) values[index] = normalizeValue(values[index])
    return (await execute({ verb: 'run-each', sql, width, pack: table.compressedPositions, values })).changes
  }
  return {
    ...createSqliteReader(execute),
    // One writer needs one slot.
    counterSlot: 0,
    run: async (sql, params = []) =>
      (await execute({ verb: 'run', sql: translateSql('sqlite', sql), width: 0, values: params.map(normalizeValue) })).changes,
    insertMany: async (mapping, rows, onConflict = 'refuse') =>
      runForEachRow(insertSql('sqlite', mapping.table, onConflict), mapping, rows),
    upsertMany: async (mapping, rows, rule = {}) => {
      await runForEachRow(upsertSql('sqlite', mapping.table, rule), mapping, rows)
    },
    claim: async (claim: ClaimQuery) =>
      (await execute({ verb: 'rows', sql: claimSql('sqlite', claim), width: 0, values: claim.params.map(normalizeValue) })).rows,
  }
}
