/**
 * retire-months - retires whole months of a partitioned store: keeps what their tokens need, then drops the partitions
 *
 * The result is that of the row-wise way (service/admin/retire): a delivery whose outcome counts in an open period of its site is removed
 * by row, so that the counter is subtracted; the remains of the others are kept page by page; then the partitions of the month are dropped in
 * one transaction. A month with a delivery that was requested later (registered with a token that was made in that month) is left to the
 * row-wise way, and is dropped when that delivery is old as well.
 *
 * A partition that a long read is using is dropped by a later run: nobody waits for the drop, and its rows are not removed one by one meanwhile.
 *
 * See also: store/partitions/month-retention, store/facts/retention, docs/RETENTION.md.
 */
import { readMetadataForOperator, writeMetadataForOperator } from '../../store/engine/metadata.ts'
import type { Database } from '../../store/engine/engine.ts'
import type { TimeWindow } from '../../store/facts/rebuild-counters.ts'
import { removeDeliveries } from '../../store/facts/retention.ts'
import {
  dropMonth,
  hasYoungDelivery,
  keepRemains,
  listLateOutcomes,
  listOldMonths,
  dropPartition,
  listEndedMonths,
  type DeliveryKey,
} from '../../store/partitions/month-retention.ts'
import { windowOf, type PartitionedTable } from '../../store/partitions/partitioned-tables.ts'
import { isLockTimeout, withShortLocks } from '../../store/partitions/short-locks.ts'
import { RETIRE_LOCK } from './retirement-clock.ts'
import { runStep, type RetireRun } from './retirement-run.ts'

/** Rows that one transaction removes: each has a dozen index entries. */
const PAGE_SIZE = 200
/** Deliveries whose remains one transaction copies: one narrow row each. */
const REMAINS_PAGE_SIZE = 2_000

/** Resolves to false if the run must stop. Does nothing where the store has no partitions. */
export async function retireMonths(run: RetireRun): Promise<boolean> {
  for (const month of await listOldMonths(run.context.engine.bulkRead, run.before)) {
    if (await hasYoungDelivery(run.context.engine.bulkRead, month, run.before)) continue
    if (!(await removeLateOutcomes(run, month))) return false
    if (!(await keepRemainsOfMonth(run, month))) return false
    const shouldContinue = await dropStep(run, async () => {
      const dropped = await withShortLocks(run.context.engine, RETIRE_LOCK, (db) => dropMonth(db, month, run.before))
      run.counts.deliveries += dropped?.deliveries ?? 0
      run.counts.facts += dropped?.facts ?? 0
    })
    if (!shouldContinue) return false
  }
  return true
}

/**
 * Drops the months of a table that ended before the cutoff and that `isFree` permits to drop, in the transaction that drops. Resolves to false
 * if the run must stop.
 */
export async function dropEndedMonths(
  run: RetireRun,
  table: PartitionedTable,
  isFree: (db: Database, month: TimeWindow) => Promise<boolean> = () => Promise.resolve(true),
): Promise<boolean> {
  for (const month of await listEndedMonths(run.context.engine.bulkRead, table, run.before)) {
    const drop = (db: Database): Promise<void> => dropPartition(db, { table, month, isFree: () => isFree(db, windowOf(month)) })
    if (!(await dropStep(run, () => withShortLocks(run.context.engine, RETIRE_LOCK, drop)))) return false
  }
  return true
}

/** One step that drops a partition, or leaves it to a later run. */
function dropStep(run: RetireRun, drop: () => Promise<void>): Promise<boolean> {
  return runStep(run, async () => {
    try {
      await drop()
    } catch (error) {
      if (!isLockTimeout(error)) throw error
      run.state.isPostponed = true
      run.context.telemetry.log.info({ before: run.before }, 'a partition is in use; it is dropped later')
    }
  })
}

async function removeLateOutcomes(run: RetireRun, month: number): Promise<boolean> {
  const { context, before, firstValidId } = run
  for (;;) {
    const late = await listLateOutcomes(context.engine.bulkRead, { month, since: before, limit: PAGE_SIZE })
    if (late.length === 0) return true
    for (const [account, keys] of Map.groupBy(late, (key) => key.account)) {
      const ids = keys.map(({ deliveryId }) => deliveryId)
      const shouldContinue = await runStep(run, async () => {
        const { deliveries, facts } = await context.engine.tx((db) => removeDeliveries(db, account, { ids, firstValidId }), {
          lockName: RETIRE_LOCK,
        })
        run.counts.deliveries += deliveries
        run.counts.facts += facts
      })
      if (!shouldContinue) return false
    }
  }
}

/** How far the remains of a month are kept, in runs with the same cutoff. `after` null: all of them. */
type RemainsPosition = { readonly before: number; readonly month: number; readonly after: DeliveryKey | null }
const REMAINS_POSITION_KEY = 'retired_remains'

/** The next run continues after the last page. */
async function keepRemainsOfMonth(run: RetireRun, month: number): Promise<boolean> {
  const { context, before, firstValidId } = run
  const text = await readMetadataForOperator(context.engine.bulkRead, REMAINS_POSITION_KEY)
  // The cast is sound: only this function writes this value.
  const known = text === null ? null : (JSON.parse(text) as RemainsPosition)
  const start = { before, month, after: { account: -1, deliveryId: '' } }
  let position: RemainsPosition = known?.month === month && known.before === before ? known : start
  while (position.after !== null) {
    const from = position.after
    const shouldContinue = await runStep(run, async () => {
      position = await context.engine.tx(
        async (db) => {
          const next = { before, month, after: await keepRemains(db, { month, from, firstValidId, limit: REMAINS_PAGE_SIZE }) }
          await writeMetadataForOperator(db, REMAINS_POSITION_KEY, JSON.stringify(next))
          return next
        },
        { lockName: RETIRE_LOCK },
      )
    })
    if (!shouldContinue) return false
  }
  return true
}
