/**
 * rebuild - rebuilds the projections from the facts, or compares them with the stored rows
 *
 * Runs beside working nodes and is exact: the work is cut into slices, and each slice reads facts, rows and counters in one short
 * transaction, which sees one snapshot. Only rows that differ are written, so that a slice seldom meets another writer; if it does, it runs
 * again. An interrupted rebuild has repaired a part, and can be started again. Sends no webhooks. Leaves counters of retired months alone:
 * their facts are removed (service/admin/retire).
 *
 * See also: service/admin/rebuild-rows, service/admin/rebuild-counters, commands/store/rebuild.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../store/engine/engine.ts'
import { BEFORE_FIRST_SUBJECT, countFactsForOperator, FACT_TABLES } from '../../store/facts/rebuild.ts'
import { readRetentionCutoffForOperator } from '../../store/facts/retention.ts'
import type { CounterScope } from '../../store/facts/rebuild-counters.ts'
import type { Context } from '../context.ts'
import { nextCounterWindow, rebuildCounters } from './rebuild-counters.ts'
import { rebuildFactSlice, ORPHAN_SCANS } from './rebuild-rows.ts'

type RebuildOptions = {
  /** Compares only and writes nothing. */
  readonly check: boolean
  /** Called after each slice of facts. An error that it throws ends the run. */
  readonly onProgress: (facts: number, total: number) => void
}

type RebuildResult = {
  readonly facts: number
  /** Differences between the stored and the rebuilt rows, one line each; at most `MAX_SHOWN_DIFFERENCES`. */
  readonly differences: readonly string[]
  /** The number of all differences. A rebuild has repaired them, except lost messages. */
  readonly differing: number
  /** Messages that our own queue accepted, that have no outcome, and that are not in the queue. */
  readonly lost: number
}

const MAX_SHOWN_DIFFERENCES = 50

type RebuildRun = {
  readonly context: Context
  readonly check: boolean
  facts: number
  differing: number
  lost: number
  readonly differences: string[]
}

/** Rebuilds or checks the projections, slice by slice. Faults: store_busy. */
export async function rebuild(context: Context, { check, onProgress }: RebuildOptions): Promise<RebuildResult> {
  const run: RebuildRun = { context, check, facts: 0, differing: 0, lost: 0, differences: [] }
  const total = await countFactsForOperator(context.engine.bulkRead)
  await rebuildFromFacts(run, (facts) => onProgress(facts, total))
  await removeRowsWithoutFacts(run)
  const retentionStart = await readRetentionCutoffForOperator(context.engine.read)
  const { accounts } = await context.accountCache.snapshot()
  for (const { account } of accounts) await rebuildCounterScope(run, { account }, retentionStart)
  await rebuildCounterScope(run, { account: null }, retentionStart)
  return run
}

async function rebuildFromFacts(run: RebuildRun, onSlice: (facts: number) => void): Promise<void> {
  // The casts are sound: the argument is the table above.
  for (const table of Object.keys(FACT_TABLES) as (keyof typeof FACT_TABLES)[]) {
    for (let after: typeof BEFORE_FIRST_SUBJECT | null = BEFORE_FIRST_SUBJECT; after !== null;) {
      const start: typeof BEFORE_FIRST_SUBJECT = after
      const slice = await runSlice(run, (db) => rebuildFactSlice(db, table, start, run.check))
      run.facts += slice.facts
      run.lost += slice.lost
      after = slice.next
      onSlice(run.facts)
    }
  }
}

async function removeRowsWithoutFacts(run: RebuildRun): Promise<void> {
  for (const scan of ORPHAN_SCANS) await scan((work) => runSlice(run, work), run.check)
}

async function rebuildCounterScope(run: RebuildRun, scope: CounterScope, retentionStart: number): Promise<void> {
  const { bulkRead } = run.context.engine
  let window = await nextCounterWindow(bulkRead, scope, retentionStart)
  while (window !== null) {
    const current = window
    await runSlice(run, async (db) => ({ differences: await rebuildCounters(db, scope, current, run.check) }))
    window = await nextCounterWindow(bulkRead, scope, current.to)
  }
}

/** Runs one slice in a transaction of its own, and then lets others work for as long as it took. */
async function runSlice<Slice extends { readonly differences: readonly string[] }>(
  run: RebuildRun,
  work: (db: Database) => Promise<Slice>,
): Promise<Slice> {
  const startedAt = performance.now()
  const slice = await run.context.engine.tx(work, { isMaintenance: true })
  run.differing += slice.differences.length
  run.differences.push(...slice.differences.slice(0, MAX_SHOWN_DIFFERENCES - run.differences.length))
  await sleep(performance.now() - startedAt)
  return slice
}
