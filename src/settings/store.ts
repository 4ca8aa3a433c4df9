/**
 * store - settings of the time limits of the store
 *
 * See also: settings/schema (all settings), store/engine/postgres/limits, docs/RELIABILITY.md.
 */
import { z } from 'zod'
import type { EngineOptions } from '../store/engine/engine.ts'
import { setting } from './setting.ts'

const seconds = (least: number, most: number, standard: number): z.ZodDefault<z.ZodNumber> =>
  z.number().min(least).max(most).default(standard)

export const storeSettings = z
  .strictObject({
    deadlineSeconds: setting(
      seconds(1, 600, 20),
      'Seconds after which a transaction that somebody waits for is given up as 451 or 503, waiting for its turn included; a read on PostgreSQL too',
      'longer than store.statementSeconds, so that the answer of the server arrives first; a sending server waits for ten minutes (RFC 5321 §4.5.3.2.6)',
    ),
    statementSeconds: setting(
      seconds(1, 600, 15),
      'Seconds until PostgreSQL cancels a statement of such a transaction (statement_timeout)',
      'a statement of ours takes milliseconds; a longer one is in trouble, and its work is done again',
    ),
    lockSeconds: setting(
      seconds(1, 600, 5),
      'Seconds that such a transaction waits for a row or table lock on PostgreSQL (lock_timeout)',
      'a lock is held for milliseconds, so after five seconds its holder is gone',
    ),
    idleSeconds: setting(
      seconds(1, 600, 10),
      'Seconds between two statements of a transaction after which PostgreSQL ends its session and frees its locks (idle_in_transaction_session_timeout)',
      'a node that is lost in mid-transaction keeps others waiting no longer',
    ),
    scanSeconds: setting(
      seconds(10, 86_400, 600),
      'Seconds for one page of an export, of retention or of another long scan on PostgreSQL',
      'a page takes seconds on a busy server, and nobody waits for it',
    ),
    maintenanceLockSeconds: setting(
      seconds(1, 3_600, 30),
      'Seconds that a migration, a rebuild or the making of partitions waits for a lock on PostgreSQL',
      'whoever wants the same table queues behind the waiting one',
    ),
    replica: setting(
      z
        .string()
        .regex(/^postgres(?:ql)?:\/\//, 'must begin with postgres://')
        .optional(),
      'Streaming replica of the PostgreSQL database, for lists of messages, statistics and exports: postgres://USER:PASSWORD@HOST/NAME',
      'none: all reads go to the primary; decisions and checks before sending always do',
      true,
    ),
    replicaLagSeconds: setting(
      seconds(1, 600, 5),
      'Seconds that store.replica may be behind; beyond them, and while it is away, its reads go to the primary',
      'a list that is five seconds old is still current for a person, and a healthy replica is behind by less than a second',
    ),
    maintenanceIdleSeconds: setting(
      seconds(10, 86_400, 600),
      'Seconds between two statements of such work after which PostgreSQL ends its session',
      'a rebuild computes between its statements',
    ),
  })
  .refine(({ lockSeconds, statementSeconds }) => lockSeconds <= statementSeconds, {
    path: ['lockSeconds'],
    message: 'must not be above store.statementSeconds, which would end the statement first',
  })
  .refine(({ statementSeconds, deadlineSeconds }) => statementSeconds < deadlineSeconds, {
    path: ['statementSeconds'],
    message: 'must be below store.deadlineSeconds, so that the server cancels what nobody waits for any more',
  })

/** The limits as the store takes them. */
export function engineLimitsOf(store: z.output<typeof storeSettings>): Required<Pick<EngineOptions, 'limits' | 'maintenanceLimits'>> {
  const { deadlineSeconds, statementSeconds, lockSeconds, idleSeconds } = store
  const { scanSeconds, maintenanceLockSeconds, maintenanceIdleSeconds } = store
  return {
    limits: {
      statement: statementSeconds * 1_000,
      lock: lockSeconds * 1_000,
      idleInTransaction: idleSeconds * 1_000,
      deadline: deadlineSeconds * 1_000,
    },
    maintenanceLimits: {
      scan: scanSeconds * 1_000,
      lock: maintenanceLockSeconds * 1_000,
      idleInTransaction: maintenanceIdleSeconds * 1_000,
    },
  }
}
