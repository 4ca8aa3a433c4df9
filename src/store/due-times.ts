/**
 * due-times - brings work forward whose due time no schedule can have made: it was written while the clock was wrong
 *
 * A due time or the end of a claim that lies further ahead than any schedule reaches would keep its row waiting until the clock gets there, for days or years. The
 * clock of a process ignores short jumps (steady-clock), so that such rows come from a start with a wrong clock, or from one that was wrong for long.
 *
 * Idempotent. See also: service/deliver/queue-loader (the same for queued messages), store/engine/lease, daemon/scheduled-jobs.
 */
import type { Database } from './engine/engine.ts'

const HOUR_MS = 3_600_000

/** `longestMs`: no schedule or claim reaches further; with room for clocks that differ. `where`: the rows that wait. */
const DUE_TIMES = [
  // webhook/retry-schedule: 24 hours.
  { table: 'outbox', column: 'due_at', longestMs: 25 * HOUR_MS, where: "state in ('waiting', 'sending')" },
  // service/receive/pending-verifier: an hour.
  { table: 'pending_verifications', column: 'due_at', longestMs: 2 * HOUR_MS, where: '1 = 1' },
  // service/alerts/alerts: four minutes.
  { table: 'alerts', column: 'mail_due_at', longestMs: HOUR_MS, where: 'mailed < change' },
  // service/export/exporter: a minute.
  { table: 'exports', column: 'lease_until', longestMs: HOUR_MS, where: "state in ('queued', 'running')" },
] as const

/** Makes rows due whose due time is further ahead than possible. Returns how many. `now`: the clock of the store. */
export async function bringForwardForOperator(db: Database, now: number): Promise<number> {
  let count = 0
  for (const { table, column, longestMs, where } of DUE_TIMES)
    count += await db.run(`update ${table} set ${column} = $1 where ${where} and ${column} > $2`, [now, now + longestMs])
  return count
}
