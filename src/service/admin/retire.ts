/**
 * retire - removes data that is older than the retention period, in small steps
 *
 * First stores the cutoff: from then on, reports about older messages go to the inbox as `expired`, and rebuilds leave the counters of those
 * months alone. Then drops the partitions of whole months, where the store has them, removes deliveries with their facts (keeping what their tokens need until they expire), received mails with their
 * facts, undelivered webhook events, and site counters. Each step finds its rows on a reader, removes one page in one transaction, and then
 * sleeps as long as it took. A later run, on any node, continues where a stopped run ended. Suppression lists are never touched.
 *
 * See also: service/admin/retirement-clock (the date that it goes by), store/facts/retention, daemon/scheduled-jobs (when it runs), settings (retention.months), docs/RETENTION.md.
 */
import { monthOf } from '../../correlate/delivery-id.ts'
import { LOOSE_FACT_KINDS } from '../../ledger/facts/fact-kinds.ts'
import { readMetadataForOperator, writeMetadataForOperator } from '../../store/engine/metadata.ts'
import { listReportDigestsForOperator } from '../../store/mail/report-digests.ts'
import { removeRetiredDeliveries } from '../../store/facts/retired-deliveries.ts'
import {
  advanceRetentionCutoffForOperator,
  listOldDeliveryIds,
  scanOldFacts,
  findNextOutboxEndpointForOperator,
  listOldMailsForOperator,
  listOldOutbox,
  listOldSiteCountersForOperator,
  removeDeliveries,
  removeFacts,
  removeReceivedMailsForOperator,
  removeOutboxForOperator,
  removeSiteCountersForOperator,
} from '../../store/facts/retention.ts'
import { listEndedMonths } from '../../store/partitions/month-retention.ts'
import { partitionedTable } from '../../store/partitions/partitioned-tables.ts'
import { lowestIdAt } from '../fact-id-time.ts'
import type { Context } from '../context.ts'
import { dropEndedMonths, retireMonths } from './retire-months.ts'
import { accountsOf, runStep, zeroCounts, type RetireRun } from './retirement-run.ts'
import { readRetirementClock, RETIRE_LOCK, saveRetirementClock, type RetirementClock } from './retirement-clock.ts'

/** How much was removed. */
export type RetireResult = {
  /** Data of deliveries requested before this moment (epoch ms) is removed. */
  readonly before: number
  readonly deliveries: number
  readonly facts: number
  readonly mails: number
  readonly events: number
  /** Remains of deliveries that were retired earlier and whose tokens have expired. */
  readonly remains: number
  /** True if the clock is so far ahead of the newest mail that data is kept which it would remove (service/admin/retirement-clock). */
  readonly isHeld: boolean
  /** True if a partition was in use, so that a later run drops it. */
  readonly isPostponed: boolean
  /** False if the run was stopped before the end. */
  readonly isDone: boolean
}

type RetireRules = {
  /** Whole months to keep before the current one. */
  readonly months: number
  /** Called after each step; true ends the run. */
  readonly shouldStop?: () => boolean
}

/** Rows that one transaction removes: each has a dozen index entries. */
const PAGE_SIZE = 200
/** The same for narrow rows. */
const NARROW_PAGE_SIZE = 1_000
/** Rows that one scan reads: most of them are too young to remove. */
const SCAN_ROWS = 5_000

/** Removes everything older than the retention period. Idempotent. Faults: store_busy. */
export async function retire(context: Context, { months, shouldStop = () => false }: RetireRules): Promise<RetireResult> {
  const cutoff = await advanceClock(context, months)
  context.accountCache.invalidate()
  if (cutoff.isHeld) context.telemetry.log.warn({ before: cutoff.before }, HELD_TEXT)
  const run: RetireRun = { context, ...cutoff, counts: zeroCounts(), state: { isPostponed: false }, shouldStop }
  for (const part of [retireMonths, retireDeliveries, retireMails, retireLooseFacts, retireOutbox, retireSiteCounters, purgeRetiredStep]) {
    if (!(await part(run))) return reportRun(run, false)
  }
  return reportRun(run, true)
}

const HELD_TEXT = 'retention holds: the clock is far ahead of the newest mail; if it is right, run "bounced retire --confirm-date"'

/** Removes only the remains of retired deliveries whose tokens have expired. For installations with retention switched off. */
export async function purgeRetiredDeliveries(context: Context, shouldStop: () => boolean): Promise<RetireResult> {
  const clock = await advanceClock(context, 0)
  const run: RetireRun = { context, ...clock, counts: zeroCounts(), state: { isPostponed: false }, shouldStop }
  return reportRun(run, await purgeRetiredStep(run))
}

/** Stores the cutoff before anything is removed. */
function advanceClock(context: Context, months: number): Promise<RetirementClock> {
  return context.engine.tx(
    async (db) => {
      const clock = await readRetirementClock(context, db, months)
      if (months > 0) await advanceRetentionCutoffForOperator(db, clock.before)
      await saveRetirementClock(db, clock)
      return clock
    },
    { lockName: RETIRE_LOCK, visibility: 'latest' },
  )
}

function reportRun({ context: { telemetry }, before, isHeld, counts, state }: RetireRun, isDone: boolean): RetireResult {
  for (const [what, n] of Object.entries(counts)) if (n > 0) telemetry.count('bounced_retired_total', { what }, n)
  if (Object.values(counts).some((n) => n > 0))
    telemetry.log.info({ before, ...counts, isDone }, 'data older than the retention period removed')
  return { before, ...counts, isHeld, isPostponed: state.isPostponed, isDone }
}

async function retireDeliveries(run: RetireRun): Promise<boolean> {
  const { engine } = run.context
  // A later run drops the partition with most of them.
  if (run.state.isPostponed) return true
  for (const account of await accountsOf(run.context)) {
    for (;;) {
      const ids = await listOldDeliveryIds(engine.bulkRead, account, run.before, PAGE_SIZE)
      if (ids.length === 0) break
      const shouldContinue = await runStep(run, async () => {
        const { deliveries, facts } = await engine.tx((db) => removeDeliveries(db, account, { ids, firstValidId: run.firstValidId }), {
          lockName: RETIRE_LOCK,
        })
        run.counts.deliveries += deliveries
        run.counts.facts += facts
      })
      if (!shouldContinue) return false
    }
  }
  return true
}

/** The reports of a month that has a partition are dropped with it, after everything else about them was removed. */
async function retireMails(run: RetireRun): Promise<boolean> {
  const { engine } = run.context
  const dropped = new Set(await listEndedMonths(engine.bulkRead, REPORT_TABLE, run.before))
  const isDropped = (receivedAt: number): boolean => dropped.has(monthOf(receivedAt))
  for (let hasMore = true; hasMore;) {
    const mails = await listOldMailsForOperator(engine.bulkRead, run.before, PAGE_SIZE)
    hasMore = mails.length === PAGE_SIZE
    if (mails.length === 0) break
    const remove = (): Promise<void> => engine.tx((db) => removeReceivedMailsForOperator(db, mails, isDropped), { lockName: RETIRE_LOCK })
    if (!(await runStep(run, remove))) return false
    run.counts.mails += mails.length
  }
  return dropEndedMonths(run, REPORT_TABLE, async (db, { from, to }) => {
    return (await listReportDigestsForOperator(db, { from, to, limit: 1 })).length === 0
  })
}

const REPORT_TABLE = partitionedTable('reports')

/** How far the scan of the facts got, by account. The scan of an account without an entry has not started. */
type FactScanPositions = { readonly before: number; readonly after: Readonly<Record<string, string>> }
const FACT_POSITIONS_KEY = 'retired_facts'

/** Fact ids are ordered by time. A scan for the same `before` continues after the last id that it read. */
async function retireLooseFacts(run: RetireRun): Promise<boolean> {
  const { context, before } = run
  const text = await readMetadataForOperator(context.engine.bulkRead, FACT_POSITIONS_KEY)
  // The cast is sound: only this file writes this value.
  const known = text === null ? null : (JSON.parse(text) as FactScanPositions)
  let positions: FactScanPositions = known?.before === before ? known : { before, after: {} }
  for (const account of [0, ...(await accountsOf(context))]) {
    for (let scanned = SCAN_ROWS; scanned === SCAN_ROWS;) {
      const after = positions.after[account] ?? lowestIdAt(0)
      const facts = await scanOldFacts(context.engine.bulkRead, account, { after, before: lowestIdAt(before), maxRows: SCAN_ROWS })
      scanned = facts.length
      if (scanned === 0) break
      positions = { before, after: { ...positions.after, [account]: facts.at(-1)?.id ?? after } }
      const ids = facts.filter(({ kind }) => LOOSE_FACT_KINDS.includes(kind)).map(({ id }) => id)
      if (!(await removeLooseFacts(run, { account, ids, positions }))) return false
    }
  }
  return true
}

/** Removes one page a transaction; the last transaction also stores the new position. */
async function removeLooseFacts(
  run: RetireRun,
  { account, ids, positions }: { readonly account: number; readonly ids: readonly string[]; readonly positions: FactScanPositions },
): Promise<boolean> {
  for (let at = 0; at === 0 || at < ids.length; at += PAGE_SIZE) {
    const page = ids.slice(at, at + PAGE_SIZE)
    const shouldContinue = await runStep(run, () =>
      run.context.engine.tx(
        async (db) => {
          if (page.length > 0) await removeFacts(db, account, page)
          if (at + PAGE_SIZE >= ids.length) await writeMetadataForOperator(db, FACT_POSITIONS_KEY, JSON.stringify(positions))
        },
        { lockName: RETIRE_LOCK },
      ),
    )
    run.counts.facts += page.length
    if (!shouldContinue) return false
  }
  return true
}

async function retireOutbox(run: RetireRun): Promise<boolean> {
  const { engine } = run.context
  for (
    let ref = await findNextOutboxEndpointForOperator(engine.bulkRead, null);
    ref !== null;
    ref = await findNextOutboxEndpointForOperator(engine.bulkRead, ref)
  ) {
    for (let hasMore = true; hasMore;) {
      const rows = await listOldOutbox(engine.bulkRead, ref, lowestIdAt(run.before), PAGE_SIZE)
      hasMore = rows.length === PAGE_SIZE
      if (rows.length > 0 && !(await runStep(run, () => engine.tx((db) => removeOutboxForOperator(db, rows), { lockName: RETIRE_LOCK }))))
        return false
      run.counts.events += rows.length
    }
  }
  return true
}

async function retireSiteCounters(run: RetireRun): Promise<boolean> {
  const { engine } = run.context
  if (!(await dropEndedMonths(run, partitionedTable('site_counters')))) return false
  if (run.state.isPostponed) return true
  for (;;) {
    const rows = await listOldSiteCountersForOperator(engine.bulkRead, run.before, PAGE_SIZE)
    if (rows.length === 0) return true
    if (!(await runStep(run, () => engine.tx((db) => removeSiteCountersForOperator(db, rows), { lockName: RETIRE_LOCK })))) return false
  }
}

async function purgeRetiredStep(run: RetireRun): Promise<boolean> {
  const { engine } = run.context
  const page = { before: run.firstValidId, limit: NARROW_PAGE_SIZE }
  for (const account of await accountsOf(run.context)) {
    for (let removed = NARROW_PAGE_SIZE; removed === NARROW_PAGE_SIZE;) {
      const shouldContinue = await runStep(run, async () => {
        removed = await engine.tx((db) => removeRetiredDeliveries(db, account, page), { lockName: RETIRE_LOCK })
        run.counts.remains += removed
      })
      if (!shouldContinue) return false
    }
  }
  return true
}
