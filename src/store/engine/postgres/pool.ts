/**
 * pool - lends connections to PostgreSQL, each to one user at a time, in the order of the requests
 *
 * A connection is opened when one is needed and kept. One that has ended is replaced. After a failed opening the next one waits a moment, at
 * most a second, so that a server that is away costs little and is noticed at once when it is back. A request that waits too long is Fault
 * store_busy.
 *
 * See also: store/engine/postgres/connection, store/engine/postgres/postgres (the user).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../../../errors.ts'
import type { PostgresConnection } from './connection.ts'

export type PostgresPool = {
  /** Lends a connection until `giveBack`. Faults: store_busy (none became free in time, no server answers, closed). */
  readonly lend: (withinMillis: number) => Promise<PostgresConnection>
  readonly giveBack: (connection: PostgresConnection) => void
  /** Ends the connections that nobody uses: the server behind them may be gone. */
  readonly dropIdle: () => void
  /** Ends all connections at once; running statements fail as store_busy. */
  readonly abort: (cause: Fault) => void
  /** Waits until no connection is lent, refuses new requests, and ends. Idempotent. */
  readonly close: () => Promise<void>
}

type PoolOptions = {
  readonly size: number
  /** Creates a connection, without opening it. `onEnd` is to be called when it ends. */
  readonly create: (onEnd: () => void) => PostgresConnection
  /** Opens a new connection with its first statement. */
  readonly open: (connection: PostgresConnection) => Promise<unknown>
}

type Waiter = {
  readonly resolve: (connection: PostgresConnection) => void
  readonly reject: (fault: unknown) => void
}

type PoolState = PoolOptions & {
  readonly all: Set<PostgresConnection>
  readonly idle: PostgresConnection[]
  readonly waiters: Waiter[]
  /** Called when no connection is lent. */
  readonly onUnused: (() => void)[]
  closed: Fault | null
  failures: number
  /** On the monotonic clock. */
  restUntil: number
}

/** The rest before the next opening doubles with each failure, up to a second. */
const FIRST_REST_MILLIS = 50
const MAX_REST_MILLIS = 1_000

export function createPostgresPool(options: PoolOptions): PostgresPool {
  const pool: PoolState = {
    ...options,
    all: new Set(),
    idle: [],
    waiters: [],
    onUnused: [],
    closed: null,
    failures: 0,
    restUntil: 0,
  }
  return {
    lend: (withinMillis) => lend(pool, withinMillis),
    giveBack: (connection) => giveBack(pool, connection),
    dropIdle: () => {
      for (const connection of pool.idle.splice(0)) connection.destroy(new Fault('store_busy', 'the connection is not used any more'))
    },
    abort: (cause) => {
      refuseRequests(pool, cause)
      for (const connection of pool.all) connection.destroy(cause)
    },
    close: async () => {
      refuseRequests(pool, new Fault('store_busy', 'the store is closed'))
      if (pool.idle.length < pool.all.size) await new Promise<void>((resolve) => pool.onUnused.push(resolve))
      await Promise.all(pool.idle.splice(0).map((connection) => connection.close()))
    },
  }
}

/** `withinMillis` 0: waits as long as it takes. */
function lend(pool: PoolState, withinMillis: number): Promise<PostgresConnection> {
  const { closed, waiters } = pool
  if (closed !== null) return Promise.reject(closed)
  return new Promise((resolve, reject) => {
    let isWaiting = true
    const timer = withinMillis === 0 ? null : setTimeout(() => giveUp(), withinMillis)
    const stopWaiting = (): boolean => {
      const wasWaiting = isWaiting
      isWaiting = false
      if (timer !== null) clearTimeout(timer)
      return wasWaiting
    }
    const waiter: Waiter = {
      resolve: (connection) => (stopWaiting() ? resolve(connection) : giveBack(pool, connection)),
      reject: (fault) => void (stopWaiting() && reject(fault)),
    }
    const giveUp = (): void => {
      const position = waiters.indexOf(waiter)
      if (position >= 0) waiters.splice(position, 1)
      waiter.reject(new Fault('store_busy', `PostgreSQL lent no connection within ${withinMillis} ms`))
    }
    waiters.push(waiter)
    serveWaiters(pool)
  })
}

function giveBack(pool: PoolState, connection: PostgresConnection): void {
  if (!connection.hasEnded()) pool.idle.push(connection)
  settleUnused(pool)
  serveWaiters(pool)
}

function serveWaiters(pool: PoolState): void {
  const { waiters, idle, all, size } = pool
  while (waiters.length > 0 && (idle.length > 0 || all.size < size)) {
    const waiter = waiters.shift()
    const connection = idle.pop()
    if (waiter === undefined) return
    if (connection === undefined) void openFor(pool, waiter)
    else waiter.resolve(connection)
  }
}

/** Opens a connection for a request. Never rejects. */
async function openFor(pool: PoolState, waiter: Waiter): Promise<void> {
  const connection = pool.create(() => {
    pool.all.delete(connection)
    const position = pool.idle.indexOf(connection)
    if (position >= 0) pool.idle.splice(position, 1)
    settleUnused(pool)
    serveWaiters(pool)
  })
  pool.all.add(connection)
  try {
    await sleep(Math.max(0, pool.restUntil - performance.now()))
    await pool.open(connection)
    pool.failures = 0
    waiter.resolve(connection)
  } catch (error) {
    pool.restUntil = performance.now() + Math.min(MAX_REST_MILLIS, FIRST_REST_MILLIS * 2 ** pool.failures)
    pool.failures += 1
    waiter.reject(error)
    connection.destroy(new Fault('store_busy', 'PostgreSQL cannot be reached', { cause: error }))
  }
}

function settleUnused({ idle, all, onUnused }: PoolState): void {
  if (idle.length === all.size) for (const settle of onUnused.splice(0)) settle()
}

function refuseRequests(pool: PoolState, cause: Fault): void {
  pool.closed ??= cause
  for (const { reject } of pool.waiters.splice(0)) reject(pool.closed)
}
