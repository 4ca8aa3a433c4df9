/**
 * reclassifier - runs reclassifications in the background, one page at a time
 *
 * One job runs at a time, over all nodes. Each page moves the progress of its job in the transaction that appends its facts, under a lease:
 * a job whose node was killed continues exactly where it stopped, here or on another node, and a page never counts twice. Between pages the
 * job rests as long as the page took, so that intake has the store at least half of the time.
 *
 * See also: service/reclassify/reclassify-page, service/reclassify/reclassifications (the service), store/reclassifications.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RuleTable } from '../../classify/rule-table.ts'
import { compileDraft, decodeRuleFiles } from '../../config/rule-draft.ts'
import { Fault, isRetryable } from '../../errors.ts'
import { addSamples, addToSummary, type SummarisedChange } from '../../ledger/decide/reclassification-summary.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import {
  claimReclassificationForOperator,
  countRunningReclassificationsForOperator,
  releaseReclassification,
  saveReclassificationProgress,
  transitionReclassification,
  type ReclassificationProgress,
  type ReclassificationRow,
} from '../../store/reclassifications.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import type { Context } from '../context.ts'
import { dryRunTransaction } from '../dry-run.ts'
import { transact } from '../transact.ts'
import {
  decideReclassificationPage,
  notifiesOf,
  readReclassificationPage,
  reclassificationNeedsOf,
  type ReclassificationPage,
  type ReclassificationRun,
} from './reclassify-page.ts'

export type BackgroundReclassifier = {
  /** Runs the next job until it ends or must stop. Never throws. */
  readonly tick: () => Promise<void>
  /** Stops the running job after its page and releases it for another node. Idempotent. */
  readonly close: () => Promise<void>
}

/** A page takes less than a second. A node that does not renew its lease for this long is considered dead. */
const LEASE_MS = 60_000
/** The delay before a job is claimed again after the store was unavailable. */
const RETRY_DELAY_MS = 5_000
/** A job fails after this many starts without a completed page. */
const MAX_ATTEMPTS = 5
/** The longest time before a job starts. A tick with nothing to do costs one read. */
const TICK_INTERVAL_MS = 1_000

type Internals = { readonly context: Context; readonly lease: string; readonly state: { isClosing: boolean } }

/** Creates the reclassifier. It does nothing until `tick` is called. */
export function createReclassifier(context: Context): BackgroundReclassifier {
  const internals: Internals = { context, lease: randomUUID(), state: { isClosing: false } }
  let running: Promise<void> | null = null
  const tick = (): Promise<void> =>
    (running ??= runNextJob(internals).finally(() => {
      running = null
    }))
  return {
    tick,
    close: async () => {
      internals.state.isClosing = true
      await running
    },
  }
}

/** Calls `tick` at intervals. The returned function stops that, and then closes the reclassifier. */
export function startReclassifier(reclassifier: BackgroundReclassifier): () => Promise<void> {
  const timer = setInterval(() => void reclassifier.tick(), TICK_INTERVAL_MS)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await reclassifier.close()
  }
}

async function runNextJob(internals: Internals): Promise<void> {
  const { context, state } = internals
  try {
    const job = state.isClosing ? null : await claimJob(internals)
    if (job !== null) await runJob(internals, job)
  } catch (error) {
    context.telemetry.log.error({ err: error }, 'reclassifications could not be claimed; they will be claimed later')
  }
}

async function claimJob({ context, lease }: Internals): Promise<ReclassificationRow | null> {
  // Check without a lock first: usually there is no job.
  if ((await countRunningReclassificationsForOperator(context.engine.read)) === 0) return null
  const now = context.now()
  const claim = { now, leaseUntil: now + LEASE_MS, lease }
  return context.engine.tx((db) => claimReclassificationForOperator(db, claim), { lockName: 'reclassifications', visibility: 'latest' })
}

async function runJob(internals: Internals, job: ReclassificationRow): Promise<void> {
  const { context } = internals
  const { jobId, state } = job
  context.telemetry.log.info({ job: jobId, state, done: job.done }, 'reclassification started')
  try {
    if (job.attempts > MAX_ATTEMPTS)
      throw new Fault('internal', `the reclassification was started ${MAX_ATTEMPTS} times without completing a page`)
    const isStopped = await runPages(internals, { job, table: tableOf(context, job) })
    if (isStopped) await context.engine.tx((db) => releaseReclassification(db, job, 0), { visibility: 'latest' })
  } catch (error) {
    await failJob(internals, job, error)
  }
}

/** The table of a job; null: it undoes another job. Faults: conflict (the shipped rules of this program are not those of the job). */
function tableOf(context: Context, { rules, undoes, tableVersion }: ReclassificationRow): RuleTable | null {
  if (undoes !== null) return null
  const table = compileDraft(context.rules(), decodeRuleFiles(rules))
  if (table.version === tableVersion) return table
  throw new Fault(
    'conflict',
    `the shipped rules have changed (table ${table.version}, not ${tableVersion}): start another reclassification`,
  )
}

/** Runs page after page. Returns true if the job must be released. */
async function runPages(internals: Internals, first: ReclassificationRun): Promise<boolean> {
  const { context, state } = internals
  const accounts = await accountsOf(context, first.job)
  let run = first
  for (;;) {
    if (state.isClosing) return true
    const startedAt = performance.now()
    const page = await readReclassificationPage(context, run, accounts)
    const job = await savePage(context, run, page)
    // Another node has the job, it was cancelled, or this was its last page.
    if (job === null || page.next === null) return false
    run = { ...run, job }
    await sleep(performance.now() - startedAt)
  }
}

async function accountsOf({ engine }: Context, { onlyAccount }: ReclassificationRow): Promise<readonly number[]> {
  if (onlyAccount !== null) return [onlyAccount]
  return (await listAccountsForOperator(engine.read)).map(({ account }) => account).toSorted((a, b) => a - b)
}

/** Decides a page and saves it with the progress of the job. Resolves to the job after the page; null: the lease was lost. */
async function savePage(context: Context, run: ReclassificationRun, page: ReclassificationPage): Promise<ReclassificationRow | null> {
  const { job } = run
  const changes = job.state === 'checking' ? await previewPage(context, job, page) : []
  const progress = job.state === 'checking' ? await saveChecked(context, { job, page, changes }) : await saveApplied(context, job, page)
  if (progress === null) return null
  const { cursor, done, summary, samples } = progress
  context.telemetry.count('bounced_reclassified_total', { state: job.state }, summary.changed - summaryOf(job).changed)
  const saved = job.state === 'checking' ? { preview: summary } : { outcome: summary }
  return { ...job, ...saved, cursor, done, samples: samples ?? job.samples }
}

const summaryOf = ({ state, preview, outcome }: ReclassificationRow): ReclassificationRow['preview'] =>
  state === 'checking' ? preview : outcome

function progressOf(
  context: Context,
  job: ReclassificationRow,
  page: ReclassificationPage,
  changes: readonly SummarisedChange[],
): ReclassificationProgress {
  const { examined, unreadable, read, next } = page
  return {
    cursor: next,
    done: job.done + read,
    leaseUntil: context.now() + LEASE_MS,
    summary: addToSummary(summaryOf(job), { examined, unreadable, changes }),
    samples: job.state === 'checking' ? addSamples(job.samples, changes) : null,
  }
}

/** What a page would change, with every change of lists. */
async function previewPage(context: Context, job: ReclassificationRow, page: ReclassificationPage): Promise<readonly SummarisedChange[]> {
  if (page.candidates.size === 0) return []
  const snapshot = await context.accountCache.snapshot()
  return dryRunTransaction(context, reclassificationNeedsOf(page, snapshot), async (transaction) => ({
    result: await decideReclassificationPage({ job, lists: 'all' }, { page, snapshot, transaction }),
  }))
}

type CheckedPage = { readonly job: ReclassificationRow; readonly page: ReclassificationPage; readonly changes: readonly SummarisedChange[] }

async function saveChecked(context: Context, { job, page, changes }: CheckedPage): Promise<ReclassificationProgress | null> {
  const progress = progressOf(context, job, page, changes)
  const isHeld = await context.engine.tx(
    async (db) => {
      const isSaved = await saveReclassificationProgress(db, job, progress)
      if (isSaved && page.next === null) await transitionReclassification(db, job.jobId, 'ended', { at: context.now(), lease: job.lease })
      return isSaved
    },
    { visibility: 'latest' },
  )
  return isHeld ? progress : null
}

/** Facts, projections, list entries, webhook events and progress in one transaction. */
async function saveApplied(
  context: Context,
  job: ReclassificationRow,
  page: ReclassificationPage,
): Promise<ReclassificationProgress | null> {
  const snapshot = await context.accountCache.snapshot()
  const needs = page.candidates.size === 0 ? {} : reclassificationNeedsOf(page, snapshot)
  return transact<ReclassificationProgress | null>(context, needs, async (transaction) => {
    const { db, ledgerState, moment } = transaction
    // The lease is checked by a write of this transaction before anything is applied: a lost job leaves no facts.
    if (!(await saveReclassificationProgress(db, job, { ...progressOf(context, job, page, []), cursor: job.cursor })))
      return { result: null }
    const changes =
      page.candidates.size === 0 ? [] : await decideReclassificationPage({ job, lists: job.lists }, { page, snapshot, transaction })
    const progress = progressOf(context, job, page, changes)
    await saveReclassificationProgress(db, job, progress)
    const notify = job.webhooks ? notifiesOf(changes, ledgerState) : () => false
    if (page.next !== null) return { result: progress, notify }
    await transitionReclassification(db, job.jobId, 'ended', { at: context.now(), lease: job.lease })
    const { changed, lists } = progress.summary
    const count = (action: string): number => lists.reduce((sum, group) => sum + (group.action === action ? group.n : 0), 0)
    const detail = { job: job.jobId, table: job.tableVersion, changed, removed: count('remove'), added: count('add'), held: count('hold') }
    applyFacts(ledgerState, [createAuditFact(0, 'reclassification.applied', detail, { actor: job.appliedBy ?? job.askedBy, moment })])
    return { result: progress, notify }
  })
}

async function failJob({ context }: Internals, job: ReclassificationRow, error: unknown): Promise<void> {
  const { jobId } = job
  context.telemetry.log.error({ job: jobId, err: error }, 'reclassification failed')
  const message = error instanceof Fault ? error.message : `internal error; the log describes it under ${jobId}`
  try {
    await context.engine.tx(
      async (db) => {
        if (isRetryable(error)) await releaseReclassification(db, job, context.now() + RETRY_DELAY_MS)
        else await transitionReclassification(db, jobId, 'failed', { at: context.now(), lease: job.lease, error: message.slice(0, 500) })
      },
      { visibility: 'latest' },
    )
  } catch (cause) {
    // The lease expires, and the job is claimed again.
    context.telemetry.log.error({ job: jobId, err: cause }, 'reclassification could not be released')
  }
}
