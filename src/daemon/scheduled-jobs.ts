/**
 * scheduled-jobs - what the daemon does by itself from time to time
 *
 * One chore at a time; a chore that fails is told in the log and comes again. Old raw mail goes, what is older than its months goes, rotated keys end, mails that nobody
 * closed are given up.
 *
 * See also: settings (retention, giveUpDays), service/deliver/give-up.
 */
import type { DnsLookup } from '../net/dns.ts'
import type { Settings } from '../settings/schema.ts'
import { removeExpiredCredentialsForOperator } from '../store/account/credentials.ts'
import type { Database } from '../store/engine/engine.ts'
import { removeOldRawMailsForOperator } from '../store/mail/raw-mail.ts'
import { removeOldForwardedMailsForOperator } from '../store/mail/forwarded-mails.ts'
import { removeOldWatchCountsForOperator } from '../store/facts/watch-counters.ts'
import { removeOldWebhookRecordsForOperator } from '../store/webhook/attempts.ts'
import { removeOldQueuedFeedbackForOperator } from '../store/queue/backoff-keys.ts'
import { removeSettledQueueCommandsForOperator } from '../store/queue/commands.ts'
import { removeOldSubmissionsForOperator } from '../store/mail/submissions.ts'
import { maintainDkimKeys } from '../service/admin/dkim.ts'
import { giveUpOverdue } from '../service/deliver/give-up.ts'
import { retire, purgeRetiredDeliveries } from '../service/admin/retire.ts'
import type { Context } from '../service/context.ts'
import { IDEMPOTENCY_WINDOW_MS } from '../service/submit/submit.ts'

type ScheduledJob = { readonly name: string; readonly run: () => Promise<unknown> }

/** Often enough that a limit of days holds to the minute that people see, seldom enough to cost nothing. */
const JOB_INTERVAL_MS = 5 * 60_000
const DAY_MS = 86_400_000

/** Of each round: other chores wait for it, and a month of mails takes some hours. */
const RETIREMENT_BUDGET_MS = 60_000

/** The longest look back of an alert is four weeks. */
const WATCH_COUNT_DAYS = 35

/** Rows that one transaction removes: a long one would hold the writer. */
const ROWS_PER_TRANSACTION = 500

/** `watch` evaluates the alerts. */
type ScheduledJobOptions = { readonly lookUp: DnsLookup; readonly evaluateAlerts: () => Promise<void> }

/** Begins; the answer ends them, after the one that runs. */
export function startScheduledJobs(
  context: Context,
  settings: Settings,
  { lookUp, evaluateAlerts }: ScheduledJobOptions,
): () => Promise<void> {
  const state = { isClosing: false }
  const jobs: readonly ScheduledJob[] = [
    { name: 'alerts', run: evaluateAlerts },
    ...createJobs(context, settings, { lookUp, isClosing: () => state.isClosing }),
  ]
  let running: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    running = running.then(() => runJobs(context, jobs))
  }, JOB_INTERVAL_MS)
  timer.unref()
  return () => {
    state.isClosing = true
    clearInterval(timer)
    return running
  }
}

type JobContext = { readonly lookUp: DnsLookup; readonly isClosing: () => boolean }

/** Where nobody delivers any more, nobody takes them; the queue's classes look back hours. */
const QUEUE_REPORT_DAYS = 7

/** Who asks what became of an order asks within days; the audit keeps who gave it. */
const SETTLED_COMMAND_MS = 7 * DAY_MS

function createJobs(context: Context, settings: Settings, { lookUp, isClosing }: JobContext): readonly ScheduledJob[] {
  const { engine, now } = context
  return [
    { name: 'raw mail', run: () => removeOldRawMails(context, settings.retention.rawDays) },
    { name: 'routed mail', run: () => removeOlderThan(context, settings.retention.routeDays, removeOldForwardedMailsForOperator) },
    { name: 'records of webhooks', run: () => removeOlderThan(context, settings.webhooks.recordDays, removeOldWebhookRecordsForOperator) },
    { name: 'counts for alerts', run: () => removeOlderThan(context, WATCH_COUNT_DAYS, removeOldWatchCountsForOperator) },
    { name: 'retirement', run: () => retireWithinBudget(context, settings.retention.months, isClosing) },
    { name: 'give up', run: () => giveUpOverdue(context) },
    { name: 'rotated keys', run: () => engine.tx((db) => removeExpiredCredentialsForOperator(db, now())) },
    { name: 'answers given', run: () => removeOlderThan(context, IDEMPOTENCY_WINDOW_MS / DAY_MS, removeOldSubmissionsForOperator) },
    { name: 'reports for the queue', run: () => removeOlderThan(context, QUEUE_REPORT_DAYS, removeOldQueuedFeedbackForOperator) },
    { name: 'orders to the queue', run: () => engine.tx((db) => removeSettledQueueCommandsForOperator(db, now() - SETTLED_COMMAND_MS)) },
    { name: 'signing keys', run: () => maintainDkimKeys(context, lookUp) },
  ]
}

async function runJobs({ telemetry }: Context, jobs: readonly ScheduledJob[]): Promise<void> {
  for (const { name, run } of jobs) {
    try {
      await run()
    } catch (error) {
      telemetry.log.error({ chore: name, err: error }, 'a chore failed; it comes again')
    }
  }
}

async function retireWithinBudget(context: Context, months: number, isClosing: () => boolean): Promise<void> {
  const deadline = context.now() + RETIREMENT_BUDGET_MS
  const shouldStop = (): boolean => isClosing() || context.now() > deadline
  await (months === 0 ? purgeRetiredDeliveries(context, shouldStop) : retire(context, { months, shouldStop }))
}

/** Removes raw mail older than so many days, a page a transaction, so that intake goes on between them. */
export function removeOldRawMails(context: Context, rawDays: number): Promise<void> {
  return removeOlderThan(context, rawDays, removeOldRawMailsForOperator)
}

type RemoveBefore = (db: Database, before: number, limit: number) => Promise<number>

async function removeOlderThan({ engine, now }: Context, ageDays: number, removeBefore: RemoveBefore): Promise<void> {
  const before = now() - ageDays * DAY_MS
  for (let removed = ROWS_PER_TRANSACTION; removed === ROWS_PER_TRANSACTION;)
    removed = await engine.tx((db) => removeBefore(db, before, ROWS_PER_TRANSACTION))
}
