/**
 * notifier - sends the webhook events of the outbox, with one worker for each endpoint
 *
 * A tick starts a worker for each endpoint that has due events, unless its worker is running or its circuit breaker is open. A slow endpoint
 * therefore delays no other, and an endpoint that is down costs nothing. An account with many slow endpoints uses at most a quarter of the workers. A worker claims a batch, sends it over a few connections, and
 * settles all its events in one transaction. If the process dies, its claims expire: delivery is at least once, with the same `webhook-id`.
 *
 * See also: service/notify/webhook-sender (one event), webhook/circuit-breaker, webhook/retry-schedule, store/webhook/outbox.
 */
import { advanceBreaker, CLOSED_BREAKER, recordResult, type CircuitBreaker } from '../../webhook/circuit-breaker.ts'
import { retryDelayMs } from '../../webhook/retry-schedule.ts'
import { findEndpoint, type Endpoint } from '../../store/webhook/endpoints.ts'
import {
  claimOutboxForOperator,
  listDueEndpointsForOperator,
  rescheduleOutboxForOperator,
  removeDeliveredOutboxForOperator,
  type EndpointRef,
  type OutboxRow,
} from '../../store/webhook/outbox.ts'
import { addWatchCounts } from '../../store/facts/watch-counters.ts'
import type { WatchCount } from '../../ledger/project/watch-counts.ts'
import { quarterHourOf } from '../../ledger/project/state.ts'
import { disableGoneEndpoint } from './disable-endpoint.ts'
import { resumeAfterRecovery } from './webhook-replay.ts'
import { createWebhookSender, type AttemptedSend, type WebhookSenderOptions, type SendResult } from './webhook-sender.ts'
import type { Context } from '../context.ts'
import { logAttempts, type AttemptLogRules, type LoggedAttempt } from './attempt-log.ts'

type Notifier = {
  /** Starts a worker for each endpoint that has due events. Never throws. */
  readonly tick: () => Promise<void>
  /** Resolves when no worker is running. */
  readonly waitUntilIdle: () => Promise<void>
  /** Stops: waits for open requests, and returns events that were not sent to the outbox. Idempotent. */
  readonly close: () => Promise<void>
}

type NotifyOptions = WebhookSenderOptions &
  AttemptLogRules & {
    /** Whether failed events are sent again when their endpoint recovers. */
    readonly replayWhenWell: boolean
    /** The most workers that run at once. */
    readonly maxWorkers?: number
  }

/** Connections to one endpoint. */
export const CONNECTIONS_PER_ENDPOINT = 8
/** Events that a worker claims at once: few enough to time out within the lease. */
const BATCH_ROWS = 64
/** 64 events over 8 connections take 24 s if each request times out after 3 s. */
const LEASE_MS = 60_000
/** Keeps the connections of all workers well below the usual limit of open files. */
const MAX_WORKERS = 64
/** The delay before an event whose payload could not be read is tried again. */
const UNREAD_RETRY_MS = 10_000
/** The longest time before a new event is sent. A tick with nothing to do costs one indexed read. */
const TICK_INTERVAL_MS = 500

type EndpointWorker = { breaker: CircuitBreaker; isAwaitingRecovery: boolean; running: Promise<void> | null; lastRun: number }

type NotifierInternals = NotifyOptions & {
  readonly context: Context
  readonly workers: Map<string, EndpointWorker>
  readonly sender: ReturnType<typeof createWebhookSender>
  /** `runs`: workers started so far; `isSaturated`: more endpoints have due events than workers may run at once. */
  readonly state: { isClosing: boolean; isSaturated: boolean; runs: number }
}

const keyOf = ({ account, endpointId }: EndpointRef): string => `${account}/${endpointId}`
const accountPartOf = (key: string): string => key.slice(0, key.indexOf('/'))

/** Creates the notifier. It does nothing until `tick` is called. */
export function createNotifier(context: Context, options: NotifyOptions): Notifier {
  const internals: NotifierInternals = {
    ...options,
    context,
    workers: new Map(),
    sender: createWebhookSender(context, options),
    state: { isClosing: false, isSaturated: false, runs: 0 },
  }
  const waitUntilIdle = async (): Promise<void> => {
    for (let running = runningOf(internals); running.length > 0; running = runningOf(internals)) await Promise.all(running)
  }
  return {
    tick: () => tick(internals),
    waitUntilIdle,
    close: async () => {
      internals.state.isClosing = true
      await waitUntilIdle()
    },
  }
}

/** Calls `tick` at intervals. The returned function stops that, and then closes the notifier. */
export function startNotifier(notifier: Notifier): () => Promise<void> {
  let running: Promise<void> | null = null
  const timer = setInterval(() => {
    running ??= notifier.tick().finally(() => {
      running = null
    })
  }, TICK_INTERVAL_MS)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await running
    await notifier.close()
  }
}

const runningOf = ({ workers }: NotifierInternals): readonly Promise<void>[] =>
  [...workers.values()].flatMap(({ running }) => running ?? [])

async function tick(internals: NotifierInternals): Promise<void> {
  const { context, workers, state } = internals
  try {
    const elapsed = context.elapsed()
    const due = await listDueEndpointsForOperator(context.engine.read, context.now())
    const free = due.map((ref) => ({ ref, worker: workerOf(workers, ref) })).filter(({ worker }) => worker.running === null)
    for (const { worker } of free) worker.breaker = advanceBreaker(worker.breaker, elapsed)
    const ready = free.filter(({ worker }) => worker.breaker.state !== 'open').toSorted((a, b) => a.worker.lastRun - b.worker.lastRun)
    const freeSlots = (internals.maxWorkers ?? MAX_WORKERS) - runningOf(internals).length
    state.isSaturated = ready.length > freeSlots
    for (const { ref, worker } of withinAccountShare(internals, ready).slice(0, freeSlots)) {
      if (state.isClosing) return
      worker.lastRun = ++state.runs
      worker.running = runWorker(internals, ref, worker).finally(() => {
        worker.running = null
      })
    }
  } catch (error) {
    context.telemetry.log.error({ err: error }, 'outbox could not be read; reading will be retried')
  }
}

type ReadyEndpoint = { readonly ref: EndpointRef; readonly worker: EndpointWorker }

/** Leaves out the endpoints of accounts that use their share of the workers: a batch of slow endpoints takes most of a minute. */
function withinAccountShare(
  { maxWorkers = MAX_WORKERS, workers }: NotifierInternals,
  ready: readonly ReadyEndpoint[],
): readonly ReadyEndpoint[] {
  const share = Math.max(2, Math.floor(maxWorkers / 4))
  const used = new Map<string, number>()
  const count = (account: string): number => {
    const n = (used.get(account) ?? 0) + 1
    used.set(account, n)
    return n
  }
  for (const [key, { running }] of workers) if (running !== null) count(accountPartOf(key))
  return ready.filter(({ ref }) => count(String(ref.account)) <= share)
}

function workerOf(workers: Map<string, EndpointWorker>, ref: EndpointRef): EndpointWorker {
  const known = workers.get(keyOf(ref))
  if (known !== undefined) return known
  // The endpoint may have failed before this process started: its first success counts as a recovery.
  const worker: EndpointWorker = { breaker: CLOSED_BREAKER, isAwaitingRecovery: true, running: null, lastRun: 0 }
  workers.set(keyOf(ref), worker)
  return worker
}

/** Sends batches until nothing is due, the circuit breaker opens or the notifier closes. Sends only one batch if other endpoints wait. */
async function runWorker(internals: NotifierInternals, ref: EndpointRef, worker: EndpointWorker): Promise<void> {
  const { context, state } = internals
  try {
    for (let isMore = true; isMore && !state.isClosing;) isMore = (await runBatch(internals, ref, worker)) && !state.isSaturated
  } catch (error) {
    context.telemetry.log.error({ ...ref, err: error }, 'webhooks could not be sent; they will be retried')
  }
  const open = [...internals.workers.values()].filter(({ breaker }) => breaker.state === 'open').length
  context.telemetry.setGauge('bounced_webhook_circuits_open', open)
}

async function runBatch(internals: NotifierInternals, ref: EndpointRef, worker: EndpointWorker): Promise<boolean> {
  const { context, sender } = internals
  const limit = worker.breaker.state === 'trial' ? 1 : BATCH_ROWS
  const endpoint = await findEndpoint(context.engine.read, ref.account, ref.endpointId)
  if (endpoint === null || !endpoint.enabled) return false
  const now = context.now()
  const claim = { now, leaseUntil: now + LEASE_MS, limit, endpoint: ref }
  const rows = await context.engine.tx((db) => claimOutboxForOperator(db, claim), { visibility: 'latest' })
  if (rows.length === 0) return false
  const send = await sender(endpoint, rows)
  const outcomes = await mapWithConcurrency(rows, (row) => sendOne(internals, { worker, row }, send))
  await settleBatch(internals, endpoint, outcomes)
  if (outcomes.some(({ result }) => result?.kind === 'heard') && worker.isAwaitingRecovery) {
    worker.isAwaitingRecovery = false
    await resumeAfterRecovery(context, ref, {
      shouldReplay: internals.replayWhenWell,
      shouldStop: () => internals.state.isClosing,
    })
  }
  return worker.breaker.state !== 'open' && !outcomes.some(({ result }) => result?.kind === 'gone')
}

/** `result` is null if no request was made, because the circuit breaker opened or the notifier closed. */
type SendOutcome = { readonly row: OutboxRow; readonly result: SendResult | null }
type SendItem = { readonly worker: EndpointWorker; readonly row: OutboxRow }

async function sendOne(
  { context, state }: NotifierInternals,
  { worker, row }: SendItem,
  send: (row: OutboxRow) => Promise<SendResult>,
): Promise<SendOutcome> {
  if (state.isClosing || worker.breaker.state === 'open') return { row, result: null }
  const result = await send(row)
  const { account, endpointId, eventId, attempts } = row
  context.telemetry.count('bounced_webhooks_total', { outcome: result.kind })
  context.telemetry.log.debug({ account, endpointId, eventId, attempts, outcome: result.kind }, 'webhook attempted')
  if (!wasAttempted(result)) return { row, result }
  context.telemetry.observe('bounced_webhook_seconds', result.millis / 1_000)
  const before = worker.breaker.state
  worker.breaker = recordResult(worker.breaker, result.kind === 'heard', context.elapsed())
  if (worker.breaker.state === 'open' && before === 'closed') {
    worker.isAwaitingRecovery = true
    context.telemetry.log.warn({ account, endpointId }, 'webhook endpoint keeps failing: circuit breaker opened')
  }
  return { row, result }
}

const wasAttempted = (result: SendResult): result is AttemptedSend => result.kind !== 'moot' && result.kind !== 'unread'

/** Maps items over a limited number of workers. The results have the order of the items. */
async function mapWithConcurrency<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = []
  const queue = [...items.entries()]
  const sendRemaining = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) results[next[0]] = await work(next[1])
  }
  await Promise.all(Array.from({ length: CONNECTIONS_PER_ENDPOINT }, sendRemaining))
  return results
}

async function settleBatch(internals: NotifierInternals, endpoint: Endpoint, outcomes: readonly SendOutcome[]): Promise<void> {
  const { context } = internals
  const now = context.now()
  const isDone = ({ result }: SendOutcome): boolean => result?.kind === 'heard' || result?.kind === 'moot'
  const done = outcomes.filter(isDone).map(({ row }) => row)
  const requeued = new Map(
    outcomes.filter((outcome) => !isDone(outcome)).map((outcome) => [outcome.row.eventId, requeue(endpoint, outcome, context.now())]),
  )
  const attempts = outcomes.flatMap(({ row, result }): LoggedAttempt[] => {
    if (result === null || !wasAttempted(result)) return []
    const state = result.kind === 'heard' ? 'heard' : requeued.get(row.eventId)?.state === 'failed' ? 'failed' : 'waiting'
    return [{ row, attempt: result, state }]
  })
  await context.engine.tx(
    async (db) => {
      await removeDeliveredOutboxForOperator(db, done)
      await rescheduleOutboxForOperator(db, [...requeued.values()])
      await logAttempts(db, attempts, internals)
      await addWatchCounts(db, attemptCounts(endpoint, attempts, now))
    },
    { visibility: 'latest' },
  )
  if (outcomes.some(({ result }) => result?.kind === 'gone')) await disableGoneEndpoint(context, endpoint)
}

/** Counts successes and failures, for the alert webhook-failing. */
function attemptCounts({ account, endpointId }: Endpoint, attempts: readonly LoggedAttempt[], now: number): readonly WatchCount[] {
  const succeeded = attempts.filter(({ state }) => state === 'heard').length
  const common = { account, quarter: quarterHourOf(now), name: String(endpointId) }
  const counts: readonly WatchCount[] = [
    { ...common, metric: 'webhook-heard', n: succeeded },
    { ...common, metric: 'webhook-refused', n: attempts.length - succeeded },
  ]
  return counts.filter(({ n }) => n > 0)
}

/** The new state of an event that was not delivered. An event that was not sent keeps its number of attempts. */
function requeue({ ladder: retrySchedule }: Endpoint, { row, result }: SendOutcome, now: number): OutboxRow {
  if (result === null || !wasAttempted(result))
    return { ...row, state: 'waiting', attempts: row.attempts - 1, dueAt: result === null ? now : now + UNREAD_RETRY_MS }
  const error = 'error' in result ? result.error : null
  // The endpoint is disabled now: the event is due as soon as the endpoint is enabled again.
  const delayMs = result.kind === 'gone' ? 0 : retryDelayMs(retrySchedule, row.attempts)
  return delayMs === null ? { ...row, state: 'failed', error } : { ...row, state: 'waiting', dueAt: now + delayMs, error }
}
