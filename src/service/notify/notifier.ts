/**
 * notifier - sends what waits in the outbox, each endpoint in a lane of its own
 *
 * A turn takes what is due, an endpoint at a time, and only where its lane is free and its breaker lets it; so a slow endpoint delays no
 * other, and one that is down costs nothing. What was taken is sent with a few connections, then settled or put back in one transaction.
 * A process that dies gives its rows back when their lease ends: at least once, with the same `webhook-id`.
 *
 * See also: service/notify/webhook-sender (one event), webhook/circuit-breaker, webhook/retry-schedule, store/webhook/outbox.
 */
import { atTime, CLOSED, heard, type Breaker } from '../../webhook/circuit-breaker.ts'
import { restAfter } from '../../webhook/retry-schedule.ts'
import { findEndpoint, type Endpoint } from '../../store/webhook/endpoints.ts'
import {
  claimOutboxForOperator,
  dueEndpointsForOperator,
  putBackOutboxForOperator,
  settleOutboxForOperator,
  type EndpointRef,
  type OutboxRow,
} from '../../store/webhook/outbox.ts'
import { addWatchCounts } from '../../store/facts/watch-counters.ts'
import type { WatchCount } from '../../ledger/project/watch-counts.ts'
import { quarterOf } from '../../ledger/project/state.ts'
import { disableGone } from './disable-endpoint.ts'
import { welcomeBack } from './webhook-replay.ts'
import { createSender, type Asked, type SenderOptions, type Sent } from './webhook-sender.ts'
import type { Shop } from '../context.ts'
import { recordTries, type RecordRules, type Told } from './attempt-log.ts'

export type Notifier = {
  /** Looks once for what is due and starts it. Never throws. */
  readonly turn: () => Promise<void>
  /** Resolves when no lane runs. */
  readonly idle: () => Promise<void>
  /** Ends: what is under way is answered or times out, the rest is given back. Idempotent. */
  readonly close: () => Promise<void>
}

export type NotifyOptions = SenderOptions &
  RecordRules & {
    readonly replayWhenWell: boolean
    /** Lanes that run at once. */
    readonly maxLanes?: number
  }

/** Connections to one endpoint. */
export const CONNECTIONS = 8
/** Rows of one lane at a time: all of them time out well within the lease. */
const BATCH = 64
/** 64 rows over 8 connections take 24 s when each times out after 3. */
const LEASE_MS = 60_000
/** Lanes that run at once: with their connections well below the usual limit of open files. */
const MAX_LANES = 64
/** Until what could not be read is looked at again. */
const UNREAD_REST_MS = 10_000
/** How soon an event leaves; asking an idle outbox costs one indexed read. */
const EVERY_MS = 500

type Lane = { breaker: Breaker; isUnproven: boolean; running: Promise<void> | null; lastRun: number }

type Notify = NotifyOptions & {
  readonly shop: Shop
  readonly lanes: Map<string, Lane>
  readonly sender: ReturnType<typeof createSender>
  /** `runs`: lanes begun so far; `isCrowded`: more have work than may run. */
  readonly state: { isClosing: boolean; isCrowded: boolean; runs: number }
}

const keyOf = ({ account, endpointId }: EndpointRef): string => `${account}/${endpointId}`

/** Makes the notifier; it does nothing until a turn. */
export function createNotifier(shop: Shop, options: NotifyOptions): Notifier {
  const notify: Notify = {
    ...options,
    shop,
    lanes: new Map(),
    sender: createSender(shop, options),
    state: { isClosing: false, isCrowded: false, runs: 0 },
  }
  const idle = async (): Promise<void> => {
    for (let running = runningOf(notify); running.length > 0; running = runningOf(notify)) await Promise.all(running)
  }
  return {
    turn: () => turn(notify),
    idle,
    close: async () => {
      notify.state.isClosing = true
      await idle()
    },
  }
}

/** Turns from now on; the answer ends the turns and then the notifier. */
export function startNotifier(notifier: Notifier): () => Promise<void> {
  let running: Promise<void> | null = null
  const timer = setInterval(() => {
    running ??= notifier.turn().finally(() => {
      running = null
    })
  }, EVERY_MS)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await running
    await notifier.close()
  }
}

const runningOf = ({ lanes }: Notify): readonly Promise<void>[] => [...lanes.values()].flatMap(({ running }) => running ?? [])

async function turn(notify: Notify): Promise<void> {
  const { shop, lanes, state } = notify
  try {
    const now = shop.now()
    const due = await dueEndpointsForOperator(shop.engine.read, now)
    const free = due.map((ref) => ({ ref, lane: laneOf(lanes, ref) })).filter(({ lane }) => lane.running === null)
    for (const { lane } of free) lane.breaker = atTime(lane.breaker, now)
    const ready = free.filter(({ lane }) => lane.breaker.state !== 'open').toSorted((a, b) => a.lane.lastRun - b.lane.lastRun)
    const room = (notify.maxLanes ?? MAX_LANES) - runningOf(notify).length
    state.isCrowded = ready.length > room
    for (const { ref, lane } of ready.slice(0, room)) {
      if (state.isClosing) return
      lane.lastRun = ++state.runs
      lane.running = runLane(notify, ref, lane).finally(() => {
        lane.running = null
      })
    }
  } catch (error) {
    shop.telemetry.log.error({ err: error }, 'the outbox could not be read; it is asked again')
  }
}

function laneOf(lanes: Map<string, Lane>, ref: EndpointRef): Lane {
  const known = lanes.get(keyOf(ref))
  if (known !== undefined) return known
  // Whether it was unwell before this process began is not known: its first good answer lets what failed be tried once more.
  const lane: Lane = { breaker: CLOSED, isUnproven: true, running: null, lastRun: 0 }
  lanes.set(keyOf(ref), lane)
  return lane
}

/** Batch after batch, until nothing is due, the breaker opens or the end comes; one where others wait for the place. */
async function runLane(notify: Notify, ref: EndpointRef, lane: Lane): Promise<void> {
  const { shop, state } = notify
  try {
    for (let isMore = true; isMore && !state.isClosing;) isMore = (await runBatch(notify, ref, lane)) && !state.isCrowded
  } catch (error) {
    shop.telemetry.log.error({ ...ref, err: error }, 'webhooks could not be sent; they come again')
  }
  const open = [...notify.lanes.values()].filter(({ breaker }) => breaker.state === 'open').length
  shop.telemetry.gauge('bounced_webhook_endpoints_open', open)
}

async function runBatch(notify: Notify, ref: EndpointRef, lane: Lane): Promise<boolean> {
  const { shop, sender } = notify
  const limit = lane.breaker.state === 'trial' ? 1 : BATCH
  const endpoint = await findEndpoint(shop.engine.read, ref.account, ref.endpointId)
  if (endpoint === null || !endpoint.enabled) return false
  const now = shop.now()
  const claim = { now, leaseUntil: now + LEASE_MS, limit, endpoint: ref }
  const rows = await shop.engine.tx((db) => claimOutboxForOperator(db, claim), { sees: 'latest' })
  if (rows.length === 0) return false
  const send = await sender(endpoint, rows)
  const ends = await inParallel(rows, (row) => sendOne(notify, { endpoint, lane, row }, send))
  await settle(notify, endpoint, ends)
  if (ends.some(({ sent }) => sent?.kind === 'heard') && lane.isUnproven) {
    lane.isUnproven = false
    await welcomeBack(shop, ref, { replays: notify.replayWhenWell, mustStop: () => notify.state.isClosing })
  }
  return lane.breaker.state !== 'open' && !ends.some(({ sent }) => sent?.kind === 'gone')
}

/** `sent` null: not asked, because the breaker opened or the end came. */
type End = { readonly row: OutboxRow; readonly sent: Sent | null }
type One = { readonly endpoint: Endpoint; readonly lane: Lane; readonly row: OutboxRow }

async function sendOne({ shop, state }: Notify, { endpoint, lane, row }: One, send: (row: OutboxRow) => Promise<Sent>): Promise<End> {
  if (state.isClosing || lane.breaker.state === 'open') return { row, sent: null }
  const sent = await send(row)
  shop.telemetry.count('bounced_webhooks_total', { outcome: sent.kind })
  if (!wasAsked(sent)) return { row, sent }
  shop.telemetry.observe('bounced_webhook_seconds', sent.millis / 1_000)
  const before = lane.breaker.state
  lane.breaker = heard(lane.breaker, sent.kind === 'heard', shop.now())
  if (lane.breaker.state === 'open' && before === 'closed') {
    const { account, endpointId } = endpoint
    lane.isUnproven = true
    shop.telemetry.log.warn({ account, endpointId }, 'an endpoint does not answer well; it is left alone for a while')
  }
  return { row, sent }
}

const wasAsked = (sent: Sent): sent is Asked => sent.kind !== 'moot' && sent.kind !== 'unread'

/** A few at a time, in the order given; the answers stand in the same order. */
async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const done: R[] = []
  const queue = [...items.entries()]
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) done[next[0]] = await work(next[1])
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, worker))
  return done
}

async function settle(notify: Notify, endpoint: Endpoint, ends: readonly End[]): Promise<void> {
  const { shop } = notify
  const now = shop.now()
  const isDone = ({ sent }: End): boolean => sent?.kind === 'heard' || sent?.kind === 'moot'
  const done = ends.filter(isDone).map(({ row }) => row)
  const back = new Map(ends.filter((end) => !isDone(end)).map((end) => [end.row.eventId, putBack(endpoint, end, now)]))
  const told = ends.flatMap(({ row, sent }): Told[] => {
    if (sent === null || !wasAsked(sent)) return []
    const state = sent.kind === 'heard' ? 'heard' : back.get(row.eventId)?.state === 'failed' ? 'failed' : 'waiting'
    return [{ row, said: sent, state }]
  })
  await shop.engine.tx(
    async (db) => {
      await settleOutboxForOperator(db, done)
      await putBackOutboxForOperator(db, [...back.values()])
      await recordTries(db, told, notify)
      await addWatchCounts(db, triesOf(endpoint, told, now))
    },
    { sees: 'latest' },
  )
  if (ends.some(({ sent }) => sent?.kind === 'gone')) await disableGone(shop, endpoint)
}

/** How many were taken and how many not: what the alert about a failing endpoint is measured on. */
function triesOf({ account, endpointId }: Endpoint, told: readonly Told[], now: number): readonly WatchCount[] {
  const heard = told.filter(({ state }) => state === 'heard').length
  const of = { account, quarter: quarterOf(now), name: String(endpointId) }
  const counts: readonly WatchCount[] = [
    { ...of, metric: 'webhook-heard', n: heard },
    { ...of, metric: 'webhook-refused', n: told.length - heard },
  ]
  return counts.filter(({ n }) => n > 0)
}

/** Where a row stands after it was not heard. One that was not sent keeps its attempts. */
function putBack({ ladder }: Endpoint, { row, sent }: End, now: number): OutboxRow {
  if (sent === null || !wasAsked(sent))
    return { ...row, state: 'waiting', attempts: row.attempts - 1, dueAt: sent === null ? now : now + UNREAD_REST_MS }
  const error = 'error' in sent ? sent.error : null
  // Its endpoint is off from now on: it waits for the day when it is switched on.
  const rest = sent.kind === 'gone' ? 0 : restAfter(ladder, row.attempts)
  return rest === null ? { ...row, state: 'failed', error } : { ...row, state: 'waiting', dueAt: now + rest, error }
}
