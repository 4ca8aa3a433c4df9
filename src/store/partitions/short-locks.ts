/**
 * short-locks - transactions that lock a whole table which others use
 *
 * Every later statement on the table waits behind such a lock that waits itself, for example for an export. So each wait is shorter than a
 * sender notices, and the transaction is tried again after a pause, in which the others go on.
 *
 * See also: store/partitions/partitions, store/partitions/month-retention.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../../errors.ts'
import type { Database, Engine } from '../engine/engine.ts'

/** The longest time that other statements on the table wait, for each table. */
const LOCK_WAIT_MILLIS = 100

/** Long reads last seconds; a job tries again minutes later. */
const ATTEMPTS = 5
const PAUSE_MILLIS = 250

/** Runs maintenance under a named lock. Faults: store_busy if other work held a lock at each attempt ({@link isLockTimeout}): try again later. */
export async function withShortLocks<T>(engine: Engine, lockName: string, work: (db: Database) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await engine.tx(
        async (db) => {
          if (db.kind === 'postgres') await db.all(`select set_config('lock_timeout', '${LOCK_WAIT_MILLIS}', true)`)
          return work(db)
        },
        { lockName, isMaintenance: true },
      )
    } catch (error) {
      if (attempt === ATTEMPTS || !isLockTimeout(error)) throw error
      await sleep(PAUSE_MILLIS)
    }
  }
}

/** Whether a transaction failed because other work held a lock for too long. https://www.postgresql.org/docs/current/errcodes-appendix.html */
export const isLockTimeout = (error: unknown): boolean => error instanceof Fault && error.detail['sqlstate'] === '55P03'
