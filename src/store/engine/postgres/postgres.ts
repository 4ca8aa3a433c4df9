/**
 * postgres - the engine for more than one node
 *
 * Isolation: a transaction sees one snapshot (repeatable read). A typical transaction reads rows, decides by them and saves them. Under
 * read committed, another node could insert a row that was absent when it was read, and the upsert would silently overwrite it. Under
 * repeatable read, such an upsert, and every lock of a row that has changed since, is a serialization failure, and the whole callback
 * runs again. Serializable would add aborts for reads that no transaction writes (shares, rates), where a short delay does no harm.
 * Claims and work under a named lock use `visibility: 'latest'`: they must see what was committed while they waited.
 *
 * Every transaction has the server's limits (store/engine/postgres/limits) and a deadline of its own. At the deadline its connection is
 * destroyed, so that nothing of it is left running here, and the server rolls it back. Transactions, reads and maintenance have connections of
 * their own, so that a read never waits for transactions, and a long scan delays neither. So have nudges.
 *
 * Every statement is prepared. Arrays are sent as literals, which the server reads by the casts in the statement.
 * See also: store/engine/postgres/transaction, store/engine/postgres/pool, store/engine/postgres/pooler-check, store/engine/engine (the contract), store/engine/sql, store/engine/sqlite (the other engine).
 */
import { Fault } from '../../../errors.ts'
import type { ClaimQuery, Database, Engine, EngineOptions, KeyTuples, DatabaseReader, ReplicaReads, TransactionOptions } from '../engine.ts'
import { installDriverRaceHandler } from './driver-race-handler.ts'
import { compressBytes } from '../compression.ts'
import { createCounterSlots } from '../counter-slots.ts'
import { createLastWrites } from '../last-writes.ts'
import type { TableMapping } from '../mapping.ts'
import { checkPooler } from './pooler-check.ts'
import { createPostgresConnection, listPostgresAddresses } from './connection.ts'
import type { ParameterizedQuery, PostgresConnection, QueryResult } from './connection.ts'
import { toStartFault } from './fault.ts'
import {
  DEFAULT_LIMITS,
  DEFAULT_MAINTENANCE_LIMITS,
  DURABLE_COMMITS_SQL,
  limitsSql,
  maintenanceLimitsOf,
  scanLimitsOf,
  type PostgresLimits,
} from './limits.ts'
import { createNotifiedNudges } from './notified-nudges.ts'
import { createPostgresPool, type PostgresPool } from './pool.ts'
import { watchReplica } from './replica.ts'
import { runWithDeadline, transactWithRetries } from './transaction.ts'
import { arrayLiteral, claimSql, insertSql, translateSql, translateKeyedSql, upsertSql } from '../sql.ts'
import { normalizeValue } from '../value.ts'
import type { SqlValue } from '../value.ts'

type ExecuteQuery = (statement: ParameterizedQuery) => Promise<QueryResult>

const DEFAULT_CONNECTIONS = 8

/** Maintenance runs one step after the other; the second connection serves a download meanwhile. */
const MAINTENANCE_CONNECTIONS = 2

/** A server that has not answered a connection by then is overloaded or gone. */
const CONNECT_MILLIS = 5_000

const counterSlots = createCounterSlots()

/**
 * Connects, checks what is between us and the server, and reads the limits back. Throws Fault store_busy if no server answers, config_invalid if it
 * refuses the user or the database, or if a pooler gives one connection to several sessions.
 */
export async function openPostgres(url: string, options: EngineOptions): Promise<Engine> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const maintenance = options.maintenanceLimits ?? DEFAULT_MAINTENANCE_LIMITS
  const [scanLimits, maintenanceLimits] = [scanLimitsOf(maintenance), maintenanceLimitsOf(maintenance)]
  const connect = createConnector(url, Math.min(CONNECT_MILLIS, limits.deadline / 2))
  const uninstallRaceHandler = installDriverRaceHandler()
  try {
    await checkPooler(() => connect(() => undefined), limits)
  } catch (error) {
    uninstallRaceHandler()
    throw toStartFault(error)
  }
  const pools = createPools(connect, options.connections ?? DEFAULT_CONNECTIONS, { limits, scanLimits })
  const read = createPostgresReader(createPooledExecutor(pools.reads, limits.deadline))
  const bulkRead = createPostgresReader(createPooledExecutor(pools.maintenance, scanLimits.deadline))
  const replica = openReplica(options, { read, bulkRead }, { limits, scanLimits })
  const nudges = createNotifiedNudges({ connect, limits })
  const all = [...Object.values(pools), ...replica.pools, nudges]
  return {
    kind: 'postgres',
    read,
    bulkRead,
    replica: replica.reads,
    nudges,
    truncateLog: () => Promise.resolve(true),
    tx: async (work, txOptions = {}) => {
      const [pool, used] =
        txOptions.isMaintenance === true ? [pools.maintenance, maintenanceLimits] : [pools.transactions, limitsWithin(limits, txOptions)]
      const slot = counterSlots.acquire()
      const run = (execute: ExecuteQuery): ReturnType<typeof work> => runWithLastWrites(work, createPostgresDatabase(execute, slot))
      return transactWithRetries({ pool, limits: used, options: txOptions, work: run }).finally(() => counterSlots.release(slot))
    },
    abort: () => all.forEach((each) => each.abort(new Fault('store_busy', 'the store is closed'))),
    close: async () => {
      replica.stop()
      await Promise.all(all.map((pool) => pool.close()))
      uninstallRaceHandler()
    },
  }
}

type Connect = (onEnd: () => void, onNotified?: (payload: string) => void) => PostgresConnection

/** Runs a callback, and waits for the writes that it has not waited for. */
async function runWithLastWrites<T>(work: (db: Database) => Promise<T>, database: Omit<Database, 'commitWith'>): Promise<T> {
  const { commitWith, done } = createLastWrites()
  const result = await work({ ...database, commitWith })
  await done()
  return result
}

type SessionLimits = Readonly<Record<'limits' | 'scanLimits', PostgresLimits>>

type OpenedReplica = { readonly reads: ReplicaReads; readonly pools: readonly PostgresPool[]; readonly stop: () => void }

/** Connects to the replica, if there is one. A read that it does not answer in half of the time is repeated on the primary. */
function openReplica(
  { replica, connections = DEFAULT_CONNECTIONS }: EngineOptions,
  primary: Pick<Engine, 'read' | 'bulkRead'>,
  { limits, scanLimits }: SessionLimits,
): OpenedReplica {
  if (replica === undefined) return { reads: { ...primary, maxLagMillis: 0, generation: () => 0 }, pools: [], stop: () => undefined }
  const deadline = limits.deadline / 2
  const pools = createPools(createConnector(replica.url, Math.min(CONNECT_MILLIS, deadline / 2)), connections, { limits, scanLimits })
  const watched = watchReplica({
    ...replica,
    primary,
    replica: {
      read: createPostgresReader(createPooledExecutor(pools.reads, deadline)),
      bulkRead: createPostgresReader(createPooledExecutor(pools.maintenance, scanLimits.deadline)),
    },
  })
  return { reads: watched, pools: Object.values(pools), stop: watched.stop }
}

/** The limits of a transaction that may set an earlier deadline. */
function limitsWithin(limits: PostgresLimits, { deadlineMillis }: TransactionOptions): PostgresLimits {
  if (deadlineMillis === undefined) return limits
  const { statement, lock, deadline } = limits
  return {
    ...limits,
    statement: Math.min(statement, deadlineMillis),
    lock: Math.min(lock, deadlineMillis),
    deadline: Math.min(deadline, deadlineMillis),
  }
}

type Pools = { readonly transactions: PostgresPool; readonly reads: PostgresPool; readonly maintenance: PostgresPool }

function createPools(connect: Connect, size: number, { limits, scanLimits }: SessionLimits): Pools {
  const createPool = (connections: number, session: PostgresLimits): PostgresPool =>
    createPostgresPool({
      size: connections,
      create: connect,
      open: (connection) => connection.executeScript(`${limitsSql('session', session)}; ${DURABLE_COMMITS_SQL}`),
    })
  return {
    transactions: createPool(size, limits),
    reads: createPool(Math.ceil(size / 2), limits),
    maintenance: createPool(MAINTENANCE_CONNECTIONS, scanLimits),
  }
}

/** Creates connections to the servers of the URL in turn, so that the next try goes to the next server. */
function createConnector(url: string, connectMillis: number): Connect {
  const addresses = listPostgresAddresses(url)
  let created = 0
  return (onEnd, onNotified) => {
    const address = addresses[created++ % addresses.length]
    if (address === undefined) throw new Fault('config_invalid', 'the database URL names no host')
    return createPostgresConnection({ url, address, connectMillis, onEnd, onNotified })
  }
}

/** Runs each read on a connection of its own, within the deadline. */
function createPooledExecutor(pool: PostgresPool, deadlineMillis: number): ExecuteQuery {
  return (query) => runWithDeadline({ pool, deadlineMillis, what: 'a read' }, (connection) => connection.execute(query))
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

function createPostgresDatabase(execute: ExecuteQuery, counterSlot: number): Omit<Database, 'commitWith'> {
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
