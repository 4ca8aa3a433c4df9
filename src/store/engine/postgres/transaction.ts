/**
 * transaction - one transaction on PostgreSQL: begin with its limits, work, commit, within a deadline
 *
 * `begin`, the limits and the first statements travel together. At the deadline the connection is destroyed, its statements fail as
 * store_busy, and the server rolls back. Whether a commit took effect is then unknown, as after a lost connection: the caller gets store_busy
 * and tries again, and facts are idempotent.
 *
 * A connection is used again only if its state is known: after a commit, or after a rollback of an error that leaves a session intact.
 *
 * See also: store/engine/postgres/postgres, store/engine/postgres/limits, store/engine/transaction-guard.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../../../errors.ts'
import type { TransactionOptions } from '../engine.ts'
import type { ParameterizedQuery, PostgresConnection, QueryResult } from './connection.ts'
import { limitsSql, type PostgresLimits } from './limits.ts'
import type { PostgresPool } from './pool.ts'
import { createTransactionGuard } from '../transaction-guard.ts'

type TransactionRequest<T> = {
  readonly pool: PostgresPool
  readonly limits: PostgresLimits
  readonly options: TransactionOptions
  readonly work: (execute: (query: ParameterizedQuery) => Promise<QueryResult>) => Promise<T>
}

/** After this many serialization failures the contention is too high for retries. */
const MAX_TRANSACTION_ATTEMPTS = 10

/** A key that exists at the second retry is not a race. */
const MAX_UNIQUE_VIOLATION_ATTEMPTS = 3

/** The base of the delay before a retry. It doubles, and a random factor separates the transactions that collided. */
const FIRST_RETRY_DELAY_MILLIS = 4

/** Runs a transaction, again after a race with another one. The deadline covers all runs. */
export async function transactWithRetries<T>(request: TransactionRequest<T>): Promise<T> {
  const { pool, limits } = request
  const endAt = performance.now() + limits.deadline
  for (let attempts = 1; ; attempts++) {
    try {
      const deadlineMillis = limits.deadline === 0 ? 0 : Math.max(1, endAt - performance.now())
      return await runWithDeadline({ pool, deadlineMillis, what: 'a transaction' }, (connection) => runTransaction(connection, request))
    } catch (error) {
      if (attempts >= maxAttemptsFor(error) || (limits.deadline > 0 && performance.now() > endAt)) throw error
      await sleep(Math.random() * FIRST_RETRY_DELAY_MILLIS * 2 ** attempts)
    }
  }
}

/** How often a callback that failed with this error may run. */
function maxAttemptsFor(error: unknown): number {
  const state = stateOf(error)
  if (state === '40001' || state === '40P01') return MAX_TRANSACTION_ATTEMPTS
  return state === '23505' ? MAX_UNIQUE_VIOLATION_ATTEMPTS : 1
}

const stateOf = (error: unknown): unknown => (error instanceof Fault ? error.detail['sqlstate'] : null)

type DeadlineOptions = { readonly pool: PostgresPool; readonly deadlineMillis: number; readonly what: string }

/** Lends a connection to `use`, and destroys it at the deadline. `deadlineMillis` 0: there is none. */
export async function runWithDeadline<T>(
  { pool, deadlineMillis, what }: DeadlineOptions,
  use: (connection: PostgresConnection) => Promise<T>,
): Promise<T> {
  const startedAt = performance.now()
  const connection = await pool.lend(deadlineMillis)
  if (deadlineMillis === 0) return use(connection).finally(() => pool.giveBack(connection))
  const { promise: ended, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => {
      const fault = new Fault('store_busy', `PostgreSQL did not finish ${what} within ${Math.round(deadlineMillis)} ms`)
      connection.destroy(fault)
      // A server that falls silent has lost the other connections too.
      pool.dropIdle()
      reject(fault)
    },
    Math.max(1, deadlineMillis - (performance.now() - startedAt)),
  )
  try {
    return await Promise.race([use(connection), ended])
  } finally {
    clearTimeout(timer)
    pool.giveBack(connection)
  }
}

/** Runs the callback once, and commits. */
async function runTransaction<T>(connection: PostgresConnection, { limits, options, work }: TransactionRequest<T>): Promise<T> {
  const isLatest = options.lockName !== undefined || options.visibility === 'latest'
  const guard = createTransactionGuard((query: ParameterizedQuery) => connection.execute(query))
  // Not awaited: it travels with the first statements. If it fails, so do they.
  const beginning = connection.executeScript(
    `begin isolation level ${isLatest ? 'read committed' : 'repeatable read'}; ${limitsSql('local', limits)}`,
  )
  beginning.catch(() => undefined)
  try {
    if (options.lockName !== undefined)
      await guard.execute({ text: 'select pg_advisory_xact_lock(hashtextextended($1, 0))', params: [options.lockName] })
    const result = await work(guard.execute)
    await beginning
    if (guard.firstFailure() !== null) throw guard.firstFailure()
    await commit(connection)
    return result
  } catch (error) {
    const cause = guard.firstFailure() ?? error
    await undo(connection, cause)
    throw cause
  } finally {
    guard.end()
  }
}

/** A commit after a failed statement is answered with the tag ROLLBACK and no error. */
async function commit(connection: PostgresConnection): Promise<void> {
  const { command } = await connection.executeScript('commit')
  if (command !== 'COMMIT') throw new Fault('store_busy', 'PostgreSQL rolled the transaction back at its commit')
}

/**
 * Errors after which a session is as before: refused values (22) and constraints (23), races (40), locks (55), a cancelled statement (57014).
 * After any other the connection is not used again: its prepared statements may be lost, or the server may have become a read-only standby.
 */
const HARMLESS_STATES = /^(?:22|23|40|55|57014)/

async function undo(connection: PostgresConnection, cause: unknown): Promise<void> {
  const state = stateOf(cause)
  if (typeof state === 'string' && !HARMLESS_STATES.test(state))
    connection.destroy(new Fault('store_busy', 'the connection is not used any more', { cause }))
  else
    await connection
      .executeScript('rollback')
      .catch((error: unknown) => connection.destroy(new Fault('store_busy', 'a rollback failed', { cause: error })))
}
