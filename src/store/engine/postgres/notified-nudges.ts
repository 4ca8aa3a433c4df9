/**
 * notified-nudges - nudges between nodes, by LISTEN and NOTIFY on a connection of their own
 *
 * A commit that notifies takes a lock of the whole database server, so that commits with a NOTIFY wait for each other. Nudges are therefore sent after
 * the commit of the work, in a transaction of their own, and at most twenty times a second. The connection is opened with the first listener; one that was
 * lost is opened again within seconds, and the nudges meanwhile are lost.
 *
 * https://www.postgresql.org/docs/current/sql-notify.html. See also: store/engine/nudges.
 */
import { randomUUID } from 'node:crypto'
import type { Fault } from '../../../errors.ts'
import { createLocalNudges, type Nudges } from '../nudges.ts'
import type { PostgresConnection } from './connection.ts'
import { limitsSql, type PostgresLimits } from './limits.ts'
import { createPostgresPool, type PostgresPool } from './pool.ts'
import { runWithDeadline } from './transaction.ts'

type NudgeOptions = {
  /** Creates a connection. `onNotified` gets the payload of each notification. */
  readonly connect: (onEnd: () => void, onNotified: (payload: string) => void) => PostgresConnection
  readonly limits: PostgresLimits
}

type NotifiedNudges = Nudges & { readonly abort: (cause: Fault) => void; readonly close: () => Promise<void> }

const CHANNEL = 'bounced_work'

/** The nudges of this time become one notification. */
const GATHER_MS = 50

/** How often the connection is tried. */
const CHECK_INTERVAL_MS = 5_000

export function createNotifiedNudges({ connect, limits }: NudgeOptions): NotifiedNudges {
  const own = randomUUID()
  const local = createLocalNudges()
  const pool = createListeningPool({ connect, limits }, (payload) => void (payload !== own && local.send()))
  const run = (text: string): Promise<void> =>
    runWithDeadline({ pool, deadlineMillis: limits.deadline, what: 'a nudge' }, (connection) => connection.executeScript(text)).then(
      () => undefined,
      () => undefined,
    )
  const notifications = createGatherer(() => run(`notify ${CHANNEL}, '${own}'`))
  const check = (): void => void run('select 1')
  let checking: NodeJS.Timeout | undefined
  const stop = (): void => {
    notifications.stop()
    clearInterval(checking)
  }
  return {
    send: () => {
      local.send()
      notifications.add()
    },
    listen: (listener) => {
      if (checking === undefined) check()
      checking ??= setInterval(check, CHECK_INTERVAL_MS).unref()
      return local.listen(listener)
    },
    abort: (cause) => {
      stop()
      pool.abort(cause)
    },
    close: () => {
      stop()
      return pool.close()
    },
  }
}

const createListeningPool = ({ connect, limits }: NudgeOptions, onNotified: (payload: string) => void): PostgresPool =>
  createPostgresPool({
    size: 1,
    create: (onEnd) => connect(onEnd, onNotified),
    open: (connection) => connection.executeScript(`${limitsSql('session', limits)}; listen ${CHANNEL}`),
  })

/** Sends once for all that was added in a time, and one at a time: what is added meanwhile is for the next one. */
function createGatherer(send: () => Promise<void>): { readonly add: () => void; readonly stop: () => void } {
  let timer: NodeJS.Timeout | undefined
  let isDue = false
  const onTimer = async (): Promise<void> => {
    isDue = false
    await send()
    timer = undefined
    if (isDue) add()
  }
  const add = (): void => {
    isDue = true
    timer ??= setTimeout(() => void onTimer(), GATHER_MS).unref()
  }
  return { add, stop: () => clearTimeout(timer) }
}
