/**
 * pooler-check - finds out at the start whether a pooler shares our connections, and whether the server applies our limits
 *
 * Behind pgbouncer in transaction or statement mode, two statements of one connection run in two sessions of the server. Prepared statements,
 * advisory locks and limits of a session are then somebody else's, and mails are decided wrongly without an error. So one connection asks for
 * its session's process, while others hold transactions open: the process must stay the same. A pooler in session mode passes.
 *
 * https://www.pgbouncer.org/features.html. See also: store/engine/postgres/postgres, docs/RELIABILITY.md.
 */
import { Fault } from '../../../errors.ts'
import type { PostgresConnection, QueryResult } from './connection.ts'
import { ignoredLimits, limitsSql, readBackSql, type PostgresLimits } from './limits.ts'

/** A pooler may hand its sessions out in turn. Each transaction takes one more of those that it has ready. */
const OPEN_TRANSACTIONS = 3

/** Above the time that a healthy server needs by far. */
const CHECK_MILLIS = 10_000

const POOLER_MESSAGE =
  'a pooler between bounced and PostgreSQL gives each transaction another session (pgbouncer with pool_mode transaction or statement): ' +
  'set pool_mode = session for this database, or connect to PostgreSQL directly'

/** Throws Fault config_invalid if sessions are shared or the limits have no effect, store_busy if no server answers in time. */
export async function checkPooler(connect: () => PostgresConnection, limits: PostgresLimits): Promise<void> {
  const connections: PostgresConnection[] = []
  const open = (): PostgresConnection => {
    const connection = connect()
    connections.push(connection)
    return connection
  }
  const timer = setTimeout(() => {
    const fault = new Fault(
      'store_busy',
      `PostgreSQL did not answer within ${CHECK_MILLIS} ms; behind a pooler, it may need pool_mode = session`,
    )
    for (const connection of connections) connection.destroy(fault)
  }, CHECK_MILLIS)
  try {
    await checkSessions(open, limits)
  } finally {
    clearTimeout(timer)
    await Promise.all(connections.map((connection) => connection.close()))
  }
}

async function checkSessions(open: () => PostgresConnection, limits: PostgresLimits): Promise<void> {
  const watched = open()
  const process = await readProcess(watched)
  for (let i = 0; i < OPEN_TRANSACTIONS; i++) {
    const other = open()
    await beginOrRefuse(other, watched, limits)
    await checkLimits(other, limits)
    if ((await readProcess(watched)) !== process) throw new Fault('config_invalid', POOLER_MESSAGE)
  }
}

const ask = (connection: PostgresConnection, text: string): Promise<QueryResult> => connection.execute({ text, params: [] })

async function readProcess(connection: PostgresConnection): Promise<number> {
  return Number((await ask(connection, 'select pg_backend_pid() as process')).rows[0]?.['process'])
}

/** In statement mode, pgbouncer ends a connection at `begin`, and the other connections go on. */
async function beginOrRefuse(connection: PostgresConnection, watched: PostgresConnection, limits: PostgresLimits): Promise<void> {
  await ask(connection, 'select 1')
  try {
    await connection.executeScript(`begin; ${limitsSql('local', limits)}`)
  } catch (error) {
    if (!connection.hasEnded()) throw error
    await readProcess(watched)
    throw new Fault('config_invalid', POOLER_MESSAGE, { cause: error })
  }
}

async function checkLimits(connection: PostgresConnection, limits: PostgresLimits): Promise<void> {
  const ignored = ignoredLimits(limits, (await ask(connection, readBackSql(limits))).rows[0] ?? {})
  if (ignored.length > 0)
    throw new Fault(
      'config_invalid',
      `PostgreSQL does not apply the time limits of a transaction (${ignored.join(', ')}): what is between us drops them`,
    )
}
