/**
 * postgres - the engine for more than one node
 *
 * Isolation: a transaction sees one snapshot (repeatable read). Load reads rows, decide judges by them, save writes them; under
 * read committed a row that was absent at load could be inserted by another node in between and the upsert would quietly overwrite
 * it. Under repeatable read that very upsert, and every lock of a row changed since, is a serialization failure, and the whole callback
 * runs again. Serializable would add aborts for reads that nobody writes (shares, rates), where a moment's lag harms nothing.
 * Claims and work under a named lock ask for `sees: latest`: they must see what was committed while they waited.
 *
 * Every statement is prepared; arrays go as literals, which the server reads by the casts in the statement.
 * See also: store/engine/engine (the contract), store/engine/sql, store/engine/sqlite (its sibling).
 */
import { setTimeout as rest } from 'node:timers/promises'
import postgres from 'postgres'
import { Fault } from '../../errors.ts'
import type { Claim, Db, Engine, EngineOptions, Keys, Reader, TxOptions } from './engine.ts'
import { guardDriver } from './postgres-race.ts'
import { createGuard } from './transaction-guard.ts'
import { packAside } from './compression.ts'
import type { Shape } from './mapping.ts'
import { arrayLiteral, claimSql, insertSql, spell, spellKeys, upsertSql } from './sql.ts'
import { cleanValue } from './value.ts'
import type { Row, Value } from './value.ts'

/** Rows with the number of rows that the statement touched. */
type Found = { readonly rows: readonly Row[]; readonly count: number }

type Statement = { readonly text: string; readonly params: readonly Value[] }

type Ask = (statement: Statement) => Promise<Found>

type Sender = Pick<postgres.Sql, 'unsafe'>

const CONNECTIONS = 8

/** A callback that lost this often is in a fight that waiting in the queue solves better. */
const MAX_RUNS = 10

/** A key taken twice in a row is no race any more. */
const MAX_UNIQUE_RUNS = 3

/** The first pause before another run; it doubles, and chance parts those that collided. */
const FIRST_REST_MILLIS = 4

/** Chosen by chance at the start; DESIGN, Store: 16 slots. */
const SLOT = Math.floor(Math.random() * 16)

/** int8 and numeric (sums of int8) come as text; all of ours are below 2^53. */
const NUMBERS = { to: 20, from: [20, 1700], serialize: String, parse: Number }

/** Connects and asks once. Throws Fault store_busy where no server answers, config_invalid where it refuses the user or database. */
export async function openPostgres(url: string, options: EngineOptions): Promise<Engine> {
  const sql = postgres(url, {
    max: options.connections ?? CONNECTIONS,
    prepare: true,
    fetch_types: false,
    connect_timeout: 10,
    onnotice: () => undefined,
    types: { number8: NUMBERS },
  })
  const endGuard = guardDriver()
  const close = async (): Promise<void> => {
    await sql.end({ timeout: 10 })
    endGuard()
  }
  try {
    await sql.unsafe('select 1')
  } catch (error) {
    await close()
    throw faultOf(error)
  }
  const read = readerOver(askOver(sql))
  return {
    kind: 'postgres',
    read,
    bulk: read,
    scrub: () => Promise.resolve(true),
    tx: (work, txOptions = {}) => repeat(() => transact(sql, work, txOptions)),
    close,
  }
}

async function repeat<T>(run: () => Promise<T>): Promise<T> {
  for (let runs = 1; ; runs++) {
    try {
      return await run()
    } catch (error) {
      const fault = faultOf(error)
      if (runs >= runsFor(fault)) throw fault
      await rest(Math.random() * FIRST_REST_MILLIS * 2 ** runs)
    }
  }
}

/** How often a callback that ended so may run. */
function runsFor(error: unknown): number {
  const state = error instanceof Fault ? error.detail['sqlstate'] : null
  if (state === '40001' || state === '40P01') return MAX_RUNS
  return state === '23505' ? MAX_UNIQUE_RUNS : 1
}

async function transact<T>(sql: postgres.Sql, work: (db: Db) => Promise<T>, options: TxOptions): Promise<T> {
  const latest = options.lock !== undefined || options.sees === 'latest'
  const results: T[] = []
  await sql.begin(latest ? 'isolation level read committed' : 'isolation level repeatable read', async (connection) => {
    const guard = createGuard(askOver(connection))
    try {
      if (options.lock !== undefined)
        await guard.ask({ text: 'select pg_advisory_xact_lock(hashtextextended($1, 0))', params: [options.lock] })
      results.push(await work(dbOver(guard.ask)))
      if (guard.broken() !== null) throw guard.broken()
    } catch (error) {
      throw guard.broken() ?? error
    } finally {
      guard.end()
    }
  })
  return results[0] as T
}

function askOver(sender: Sender): Ask {
  return async ({ text, params }) => {
    try {
      const found = await sender.unsafe(text, [...params], { prepare: true })
      // The door between the driver's types and ours: the schema has text, bytea and what NUMBERS reads, and nothing else.
      return { rows: found as unknown as readonly Row[], count: found.count }
    } catch (error) {
      throw faultOf(error)
    }
  }
}

function readerOver(ask: Ask): Reader {
  const all: Reader['all'] = async (sql, params = []) => (await ask({ text: spell('postgres', sql), params: params.map(cleanValue) })).rows
  return {
    kind: 'postgres',
    all,
    one: async (sql, params) => (await all(sql, params))[0] ?? null,
    inKeys: async (sql: string, keys: Keys, params: readonly Value[] = []) => {
      if (keys.rows.length === 0) return []
      const arrays = keys.types.map((_, i) => arrayLiteral(keys.rows.map((row) => cleanValue(row[i]))))
      return (await ask({ text: spellKeys('postgres', sql, keys.types, params.length), params: [...params.map(cleanValue), ...arrays] }))
        .rows
    },
  }
}

function dbOver(ask: Ask): Db {
  const into = async <R>(text: string, { table, encode }: Shape<R>, rows: readonly R[]): Promise<number> => {
    if (rows.length === 0) return 0
    const encoded = rows.map(encode)
    const columns = Object.keys(table.columns).map((name) => encoded.map((row) => cleanValue(row[name])))
    for (const at of table.packed) columns[at] = await Promise.all((columns[at] ?? []).map(packed))
    const params = columns.map(arrayLiteral)
    return (await ask({ text, params })).count
  }
  return {
    ...readerOver(ask),
    slot: SLOT,
    run: async (sql, params = []) => (await ask({ text: spell('postgres', sql), params: params.map(cleanValue) })).count,
    insertMany: async (shape, rows, onConflict = 'refuse') => into(insertSql('postgres', shape.table, onConflict), shape, rows),
    upsertMany: async (shape, rows, rule = {}) => {
      await into(upsertSql('postgres', shape.table, rule), shape, rows)
    },
    claim: async (claim: Claim) => (await ask({ text: claimSql('postgres', claim), params: claim.params.map(cleanValue) })).rows,
  }
}

const packed = async (value: Value): Promise<Value> => (value instanceof Uint8Array ? packAside(value) : value)

/** Classes of SQLSTATE, and codes of the driver and of the system, that heal when the server is back or has room again. */
const MAY_HEAL = ['08', '40', '53', '55', '57', '58']
const DRIVER_CODES = [
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  'CONNECTION_CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
]

/** The Fault for what the server or the driver said; what neither said passes as it is. */
function faultOf(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof Fault || !('code' in error) || typeof error.code !== 'string') return error
  const { code } = error
  const detail = { sqlstate: code }
  if (DRIVER_CODES.includes(code))
    return new Fault('store_busy', `PostgreSQL cannot be reached: ${error.message}`, { cause: error, detail })
  if (!(error instanceof postgres.PostgresError)) return error
  const family = code.slice(0, 2)
  if (MAY_HEAL.includes(family)) return new Fault('store_busy', `PostgreSQL cannot do this now: ${error.message}`, { cause: error, detail })
  if (family === '23')
    return new Fault('conflict', `the store already holds this or forbids it: ${error.message}`, { cause: error, detail })
  if (family === '28' || family === '3D')
    return new Fault('config_invalid', `PostgreSQL refuses us: ${error.message}`, { cause: error, detail })
  return new Fault('internal', `PostgreSQL failed: ${error.message}`, { cause: error, detail })
}
