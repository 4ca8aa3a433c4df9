/**
 * scheduled-jobs - the daemon's periodic maintenance: retention, expiry of rotated keys, overdue mails, alerts
 *
 * One job runs at a time. A job that fails is logged and runs again in the next round.
 *
 * See also: settings/schema (retention, giveUpDays), daemon/age-retention, service/deliver/give-up.
 */
import type { DnsLookup } from '../net/dns.ts'
import { removeOldReportCopiesForOperator } from '../store/mail/report-copies.ts'
import type { Settings } from '../settings/schema.ts'
import { bringForwardForOperator } from '../store/due-times.ts'
import { removeExpiredCredentialsForOperator } from '../store/account/credentials.ts'
import { measureMailBodiesForOperator } from '../store/mail/mail-bodies.ts'
import { removeOldFollowedMessagesForOperator } from '../store/mail/followed-messages.ts'
import { removeOldForwardedMailsForOperator } from '../store/mail/forwarded-mails.ts'
import { removeOldWatchCountsForOperator } from '../store/facts/watch-counters.ts'
import { removeOldWebhookRecordsForOperator } from '../store/webhook/attempts.ts'
import { removeDeadLeasesForOperator } from '../store/queue/lane-groups.ts'
import { removeOldLateResultsForOperator } from '../store/queue/late-results.ts'
import { removeOldAdviceInputsForOperator } from '../store/queue/advice.ts'
import { removeOldQueuedFeedbackForOperator } from '../store/queue/backoff-keys.ts'
import { removeSettledQueueCommandsForOperator } from '../store/queue/commands.ts'
import { removeOldRegisteredQueueIdsForOperator } from '../store/mail/registered-queue-ids.ts'
import { createPartitionsAhead } from '../store/partitions/partitions.ts'
import { removeOldSubmissionsForOperator } from '../store/mail/submissions.ts'
import { maintainDkimKeys } from '../service/admin/dkim.ts'
import { giveUpOverdue } from '../service/deliver/give-up.ts'
import { retire, purgeRetiredDeliveries } from '../service/admin/retire.ts'
import { clearOldEngagement } from '../service/track/engagement-retention.ts'
import { checkTrackingDomains } from '../service/track/tracking-domains.ts'
import type { Context } from '../service/context.ts'
import { foldOldCounters, removeOldRawMails, removeOlderThan } from './age-retention.ts'
import { IDEMPOTENCY_WINDOW_MS } from '../service/submit/submit.ts'

type ScheduledJob = { readonly name: string; readonly run: () => Promise<unknown> }

/** Frequent enough that a limit of days is exact to a few minutes, rare enough to cost nothing. */
const JOB_INTERVAL_MS = 5 * 60_000
const DAY_MS = 86_400_000

/** The limit of one round, because the other jobs wait for it. A month of mails takes some hours. */
const RETIREMENT_BUDGET_MS = 60_000

/** An alert looks back four weeks at most. */
const WATCH_COUNT_DAYS = 35

type ScheduledJobOptions = { readonly lookUp: DnsLookup; readonly evaluateAlerts: () => Promise<void> }

/** Starts the jobs. The result stops them, after the job that runs. */
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

/** Longer than a Return-Path token is valid, so that no late report causes a second copy. */
const REPORT_COPY_DAYS = 35

/** The delivering node takes reports within seconds, and the backoff classes look back hours. Where no node delivers, the rows stay. */
const QUEUE_REPORT_DAYS = 7

/** No MTA keeps a mail longer in its queue (the defaults are four to five days). */
const FOLLOWED_DAYS = 30

/** A client queries the result of a command within days. The audit facts keep who sent it. */
const SETTLED_COMMAND_MS = 7 * DAY_MS

function createJobs(context: Context, settings: Settings, { lookUp, isClosing }: JobContext): readonly ScheduledJob[] {
  const { engine, now } = context
  return [
    { name: 'partitions', run: () => createPartitionsAhead(engine, now()) },
    { name: 'raw mail', run: () => removeOldRawMails(context, settings.retention.rawDays) },
    { name: 'stored mail', run: () => measureStoredMail(context) },
    { name: 'forwarded mail', run: () => removeOlderThan(context, settings.retention.routeDays, removeOldForwardedMailsForOperator) },
    { name: 'followed mails', run: () => removeOlderThan(context, FOLLOWED_DAYS, removeOldFollowedMessagesForOperator) },
    { name: 'registered queue ids', run: () => removeOlderThan(context, FOLLOWED_DAYS, removeOldRegisteredQueueIdsForOperator) },
    { name: 'webhook attempts', run: () => removeOlderThan(context, settings.webhooks.recordDays, removeOldWebhookRecordsForOperator) },
    { name: 'counter folding', run: () => foldOldCounters(context) },
    { name: 'alert counters', run: () => removeOlderThan(context, WATCH_COUNT_DAYS, removeOldWatchCountsForOperator) },
    { name: 'retirement', run: () => retireWithinBudget(context, settings.retention.months, isClosing) },
    { name: 'old opens and clicks', run: () => clearWithinBudget(context, isClosing) },
    { name: 'due times', run: () => bringForward(context) },
    { name: 'give up', run: () => giveUpOverdue(context) },
    { name: 'rotated keys', run: () => engine.tx((db) => removeExpiredCredentialsForOperator(db, now())) },
    {
      name: 'stored submission responses',
      run: () => removeOlderThan(context, IDEMPOTENCY_WINDOW_MS / DAY_MS, removeOldSubmissionsForOperator),
    },
    { name: 'queued feedback', run: () => removeOlderThan(context, QUEUE_REPORT_DAYS, removeOldQueuedFeedbackForOperator) },
    { name: 'reported outcomes', run: () => removeOlderThan(context, 1, removeOldAdviceInputsForOperator) },
    { name: 'leases of dead nodes', run: () => engine.tx((db) => removeDeadLeasesForOperator(db, now()), { visibility: 'latest' }) },
    { name: 'report copies', run: () => removeOlderThan(context, REPORT_COPY_DAYS, removeOldReportCopiesForOperator) },
    { name: 'late results', run: () => engine.tx((db) => removeOldLateResultsForOperator(db, now() - DAY_MS)) },
    { name: 'settled queue commands', run: () => engine.tx((db) => removeSettledQueueCommandsForOperator(db, now() - SETTLED_COMMAND_MS)) },
    { name: 'signing keys', run: () => maintainDkimKeys(context, lookUp) },
    { name: 'tracking domains', run: () => checkTrackingDomains(context, lookUp) },
  ]
}

async function bringForward({ engine, now, telemetry }: Context): Promise<void> {
  const rows = await engine.tx((db) => bringForwardForOperator(db, now()), { visibility: 'latest' })
  if (rows > 0)
    telemetry.log.warn(
      { rows },
      'due times were further ahead than any schedule: the clock was wrong when they were written; they are due now',
    )
}

/** Sets the gauges of the bytes that strangers have filled. */
async function measureStoredMail({ engine, telemetry }: Context): Promise<void> {
  const { mails, bytes } = await measureMailBodiesForOperator(engine.bulkRead)
  telemetry.setGauge('bounced_stored_mails', mails)
  telemetry.setGauge('bounced_stored_mail_bytes', bytes)
}

async function runJobs({ telemetry }: Context, jobs: readonly ScheduledJob[]): Promise<void> {
  for (const { name, run } of jobs) {
    try {
      await run()
    } catch (error) {
      telemetry.log.error({ job: name, err: error }, 'scheduled job failed; it will run again in the next round')
    }
  }
}

async function retireWithinBudget(context: Context, months: number, isClosing: () => boolean): Promise<void> {
  const deadline = context.elapsed() + RETIREMENT_BUDGET_MS
  const shouldStop = (): boolean => isClosing() || context.elapsed() > deadline
  await (months === 0 ? purgeRetiredDeliveries(context, shouldStop) : retire(context, { months, shouldStop }))
}

async function clearWithinBudget(context: Context, isClosing: () => boolean): Promise<void> {
  const deadline = context.elapsed() + RETIREMENT_BUDGET_MS
  await clearOldEngagement(context, () => isClosing() || context.elapsed() > deadline)
}
