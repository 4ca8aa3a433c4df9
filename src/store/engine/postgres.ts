/**
 * postgres - the engine for more than one node
 *
 * Isolation: a transaction sees one snapshot (repeatable read). A typical transaction reads rows, decides by them and saves them. Under
 * read committed, another node could insert a row that was absent when it was read, and the upsert would silently overwrite it. Under
 * repeatable read, such an upsert, and every lock of a row that has changed since, is a serialization failure, and the whole callback
 * runs again. Serializable would add aborts for reads that no transaction writes (shares, rates), where a short delay does no harm.
 * Claims and work under a named lock use `visibility: 'latest'`: they must see what was committed while they waited.
 *
 * Every statement is prepared. Arrays are sent as literals, which the server reads by the casts in the statement.
 * See also: store/engine/engine (the contract), store/engine/sql, store/engine/sqlite (the other engine).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { Fault } from '../../errors.ts'
import type { ClaimQuery, Database, Engine, EngineOptions, KeyTuples, DatabaseReader, TransactionOptions } from './engine.ts'
import { toPostgresFault, toStartFault } from './postgres-fault.ts'
import { installDriverRaceHandler } from './postgres-race-handler.ts'
import { createTransactionGuard } from './transaction-guard.ts'
import { compressBytes } from './compression.ts'
import { createCounterSlots } from './counter-slots.ts'
import type { TableMapping } from './mapping.ts'
import { arrayLiteral, claimSql, insertSql, translateSql, translateKeyedSql, upsertSql } from './sql.ts'
import { normalizeValue } from './value.ts'
import type { SqlRow, SqlValue } from './value.ts'

/** The rows, and how many rows the statement touched. */
type QueryResult = { readonly rows: readonly SqlRow[]; readonly count: number }

type ParameterizedQuery = { readonly text: string; readonly params: readonly SqlValue[] }

type ExecuteQuery = (statement: ParameterizedQuery) => Promise<QueryResult>

type PostgresConnection = Pick<postgres.Sql, 'unsafe'>

const DEFAULT_CONNECTIONS = 8

const counterSlots = createCounterSlots()

/** After this many serialization failures the contention is too high for retries. */
const MAX_TRANSACTION_ATTEMPTS = 10

/** A key that exists at the second retry is not a race. */
const MAX_UNIQUE_VIOLATION_ATTEMPTS = 3

/** The base of the delay before a retry. It doubles, and a random factor separates the transactions that collided. */
const FIRST_RETRY_DELAY_MILLIS = 4

/** The driver returns int8 and numeric (sums of int8) as text. All of our values are below 2^53. */
const NUMERIC_TYPES = { to: 20, from: [20, 1700], serialize: String, parse: Number }

/** Connects and runs one query. Throws Fault store_busy if no server answers, config_invalid if it refuses the user or the database. */
export async function openPostgres(url: string, options: EngineOptions): Promise<Engine> {
  const sql = postgres(url, {
    max: options.connections ?? DEFAULT_CONNECTIONS,
    prepare: true,
    fetch_types: false,
    connect_timeout: 10,
    onnotice: () => undefined,
    types: { number8: NUMERIC_TYPES },
  })
  const uninstallRaceHandler = installDriverRaceHandler()
  const close = async (): Promise<void> => {
    await sql.end({ timeout: 10 })
    uninstallRaceHandler()
  }
  try {
    await sql.unsafe('select 1')
  } catch (error) {
    await close()
    throw toStartFault(error)
  }
  const read = createPostgresReader(createExecutor(sql))
  return {
    kind: 'postgres',
    read,
    bulkRead: read,
    truncateLog: () => Promise.resolve(true),
    tx: (work, txOptions = {}) => runWithRetries(() => runTransaction(sql, work, txOptions)),
    close,
  }
}

async function runWithRetries<T>(attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt()
    } catch (error) {
      if (attempts >= maxAttemptsFor(error)) throw error
      await sleep(Math.random() * FIRST_RETRY_DELAY_MILLIS * 2 ** attempts)
    }
  }
}

/** How often a callback that failed with this error may run. */
function maxAttemptsFor(error: unknown): number {
  const state = error instanceof Fault ? error.detail['sqlstate'] : null
  if (state === '40001' || state === '40P01') return MAX_TRANSACTION_ATTEMPTS
  return state === '23505' ? MAX_UNIQUE_VIOLATION_ATTEMPTS : 1
}

async function runTransaction<T>(sql: postgres.Sql, work: (db: Database) => Promise<T>, options: TransactionOptions): Promise<T> {
  const latest = options.lockName !== undefined || options.visibility === 'latest'
  const results: T[] = []
  const failures: unknown[] = []
  const slots: number[] = []
  const begun = sql.begin(latest ? 'isolation level read committed' : 'isolation level repeatable read', async (connection) => {
    const guard = createTransactionGuard(createExecutor(connection))
    const counterSlot = counterSlots.acquire()
    slots.push(counterSlot)
    try {
      if (options.lockName !== undefined)
        await guard.execute({ text: 'select pg_advisory_xact_lock(hashtextextended($1, 0))', params: [options.lockName] })
      results.push(await work(createPostgresDatabase(guard.execute, counterSlot)))
      if (guard.firstFailure() !== null) throw guard.firstFailure()
    } catch (error) {
      failures.push(guard.firstFailure() ?? error)
      throw failures[0]
    } finally {
      guard.end()
    }
  })
  try {
    await begun
  } catch (error) {
    throw failures.includes(error) ? error : toPostgresFault(error)
  } finally {
    for (const slot of slots) counterSlots.release(slot)
  }
  return results[0] as T
}

function createExecutor(connection: PostgresConnection): ExecuteQuery {
  return async ({ text, params }) => {
    try {
      const result = await connection.unsafe(text, [...params], { prepare: true })
      // Checked cast: the schema has text, bytea and what NUMERIC_TYPES parses, and nothing else.
      return { rows: result as unknown as readonly SqlRow[], count: result.count }
    } catch (error) {
      throw toPostgresFault(error)
    }
  }
}

function createPostgresReader(execute: ExecuteQuery): DatabaseReader {
  const all: DatabaseReader['all'] = async (sql, params = []) =>
    (await execute({ text: translateSql('postgres', sql), params: params.map(normalizeValue) })).rows
  return {
    kind: 'postgres',
    all,
    one: async (sql, params) => (await all(sql, params))[0] ?? null,
    inKeys: async (sql: string, keys: KeyTuples, params: readonly SqlValue[] = []) => {
      if (keys.rows.length === 0) return []
      const arrays = keys.types.map((_, i) => arrayLiteral(keys.rows.map((row) => normalizeValue(row[i]))))
      return (
        await execute({
          text: translateKeyedSql('postgres', sql, keys.types, params.length),
          params: [...params.map(normalizeValue), ...arrays],
        })
      ).rows
    },
  }
}

function createPostgresDatabase(execute: ExecuteQuery, counterSlot: number): Database {
  const insertRows = async <R>(text: string, { table, encode }: TableMapping<R>, rows: readonly R[]): Promise<number> => {
    if (rows.length === 0) return 0
    const encoded = rows.map(encode)
    const columns = Object.keys(table.columns).map((name) => encoded.map((row) => normalizeValue(row[name])))
    for (const position of table.compressedPositions) columns[position] = await Promise.all((columns[position] ?? []).map(compressIfBytes))
    const params = columns.map(arrayLiteral)
    return (await execute({ text, params })).count
  }
  return {
    ...createPostgresReader(execute),
    counterSlot,
    run: async (sql, params = []) => (await execute({ text: translateSql('postgres', sql), params: params.map(normalizeValue) })).count,
    insertMany: async (mapping, rows, onConflict = 'refuse') => insertRows(insertSql('postgres', mapping.table, onConflict), mapping, rows),
    upsertMany: async (mapping, rows, rule = {}) => {
      await insertRows(upsertSql('postgres', mapping.table, rule), mapping, rows)
    },
    claim: async (claim: ClaimQuery) =>
      (await execute({ text: claimSql('postgres', claim), params: claim.params.map(normalizeValue) })).rows,
  }
}

const compressIfBytes = async (value: SqlValue): Promise<SqlValue> => (value instanceof Uint8Array ? compressBytes(value) : value)
