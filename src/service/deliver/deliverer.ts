/**
 * deliverer - runs the delivery queue of this node: acquires its lease, runs a session, and repeats
 *
 * All nodes deliver, each the lane groups that it holds (service/deliver/groups). A session loads their messages and ticks until the node loses its lease or closes. Ticks run
 * while messages are still being loaded. On close, no new attempt begins, and running attempts have a bounded time to end. Messages whose attempts have not
 * ended by then stay marked in the store; the next session counts the interrupted attempts and sends the messages again.
 *
 *     const deliverer = createDeliverer(context, { transport, render, resolveDestination, … })
 *     deliverer.start()
 *     await deliverer.close()    then close the transport
 *
 * See also: service/deliver/delivery-loop, service/deliver/lease, service/deliver/sender, docs/DELIVERY.md.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BackoffPolicy } from '../../queue/backoff/policy.ts'
import type { PoolRule, PoolTable } from '../../queue/egress-pool.ts'
import { createQueue } from '../../queue/queue.ts'
import { longestDelayOf, type DeliveryRetrySchedule } from '../../queue/schedule/retry.ts'
import type { Transport } from '../../smtp-client/transport.ts'
import type { Lease } from '../../store/engine/lease.ts'
import type { MessageRenderer } from './render.ts'
import { createMailSender, type MailSender } from './sender.ts'
import { createLaneSnapshots } from './lane-snapshots.ts'
import { releaseLease, lastStartAt, renewLease, acquireLease } from './lease.ts'
import { createGroupSpread } from './groups/group-spread.ts'
import { isLoaded } from './groups/held-groups.ts'
import { createKeyPersistence } from './key-persistence.ts'
import type { Context } from '../context.ts'
import { createWakeup, type Wakeup } from '../wakeup.ts'
import type { SessionView } from './delivery-session.ts'
import { createDeliveryLoop, type DeliveryLoop } from './delivery-loop.ts'
import { POLL_INTERVAL_MS } from './tick-schedule.ts'
import { createQueueLoader, type OnResolved, type QueueLoader, type ResolveDestination } from './queue-loader.ts'

type DelivererOptions = {
  readonly transport: Transport
  readonly render: MessageRenderer
  /** The site and the hosts of a domain. */
  readonly resolveDestination: ResolveDestination
  readonly policy: BackoffPolicy
  readonly retry: DeliveryRetrySchedule
  readonly pools: PoolTable
  readonly poolRules?: readonly PoolRule[]
  /** Messages being sent at once: of all, and from one egress IP to one site. */
  readonly concurrencyLimit: number
  readonly siteConcurrencyLimit: number
  /** How much faster than the clock the shaping of sites runs: for simulated providers. */
  readonly shapingSpeed?: number
  /** Bytes of built messages in memory. */
  readonly maxInFlightBytes: number
  /** The name of the node. A node that restarts under its name takes its lease over at once. */
  readonly node: string
  readonly leaseMs: number
  /** How long a node that fell silent has time to report the outcomes of its attempts, before their messages are sent again. */
  readonly uncertainMs: number
  /** How long `close` waits for running attempts. */
  readonly closeTimeoutMs: number
}

type Deliverer = {
  readonly start: () => void
  /** Ends running attempts and releases the lease. Idempotent. */
  readonly close: () => Promise<void>
  /** Whether this node holds lane groups and has loaded all their messages. */
  readonly isDelivering: () => boolean
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

type DelivererState = {
  readonly context: Context
  readonly options: DelivererOptions
  readonly wakeup: Wakeup
  readonly sender: MailSender
  /** Null: this node does not deliver. */
  loop: DeliveryLoop | null
  /** No session has begun in this process: what its node has marked, an earlier process has, which has ended. */
  isFirst: boolean
  isClosing: boolean
  /** On the monotonic clock. */
  closeDeadline: number
  /** Ended sessions whose last attempts are still running. Never reject. */
  readonly draining: Set<Promise<unknown>>
}

/** Creates the deliverer; it does nothing until `start`. */
export function createDeliverer(context: Context, options: DelivererOptions): Deliverer {
  const wakeup = createWakeup()
  const { wake } = wakeup
  const { transport, render, maxInFlightBytes, resolveDestination } = options
  const sender = createMailSender(context, { transport, render, resolveDestination, maxInFlightBytes })
  const state: DelivererState = {
    context,
    options,
    wakeup,
    sender,
    loop: null,
    isFirst: true,
    isClosing: false,
    closeDeadline: Infinity,
    draining: new Set(),
  }
  let running: Promise<void> | null = null
  let stopListening = (): void => undefined
  return {
    start: () => {
      running ??= runSessions(state)
      stopListening = context.engine.nudges.listen(() => {
        state.loop?.requestPoll()
        wake()
      })
    },
    close: async () => {
      stopListening()
      state.isClosing = true
      state.closeDeadline = Math.min(state.closeDeadline, performance.now() + options.closeTimeoutMs)
      wake()
      await running
      await Promise.all(state.draining)
    },
    isDelivering: () => state.loop !== null && isLoaded(state.loop.session) && !state.loop.session.isEnding,
  }
}

/** One session after the other, until the deliverer closes. Never rejects. */
async function runSessions(state: DelivererState): Promise<void> {
  const { context, options, wakeup } = state
  let holder = options.node
  while (!state.isClosing) {
    try {
      const { node, leaseMs } = options
      const lease = await acquireLease(context, { node, holder, leaseMs })
      // The plain name is used once: two nodes with the same name would otherwise take the lease from each other endlessly.
      holder = `${options.node}/${randomUUID()}`
      if (lease !== null) await runSession(state, lease)
    } catch (error) {
      context.telemetry.log.error({ err: error }, 'delivery session failed; a new one will be started')
    }
    if (!state.isClosing) await wakeup.wait(POLL_INTERVAL_MS)
  }
}

async function runSession(state: DelivererState, lease: Lease): Promise<void> {
  const { context, wakeup } = state
  const loop = createLoop(state, lease)
  state.isFirst = false
  const stopRenewing = startLeaseRenewal(state, loop)
  const { telemetry } = context
  try {
    state.loop = loop
    telemetry.setGauge('bounced_queue_lease_held', 1)
    telemetry.log.info({ term: lease.term }, 'delivery lease acquired; this node delivers')
    let loading: Promise<void> | null = null
    while (!state.isClosing && !loop.session.isEnding) {
      await loop.tick()
      if (loop.session.groupsToLoad.size > 0)
        loading ??= loadUntilComplete(state, loop).finally(() => {
          loading = null
        })
      await wakeup.wait(loop.msUntilNextTick())
    }
    await endSession(state, loop)
    await loading
  } finally {
    state.loop = null
    telemetry.setGauge('bounced_queue_lease_held', 0)
    telemetry.setGauge('bounced_queue_lane_groups', 0)
    await stopRenewing()
  }
}

function createLoop({ context, options, wakeup, sender, isFirst }: DelivererState, lease: Lease): DeliveryLoop {
  const {
    policy,
    retry,
    pools,
    poolRules = [],
    concurrencyLimit,
    siteConcurrencyLimit,
    resolveDestination,
    node,
    leaseMs,
    uncertainMs,
  } = options
  const { shapingSpeed = 1 } = options
  const longestDelayMs = Math.max(longestDelayOf(retry), (context.shaping?.().longestRetryMinutes ?? 0) * 2 * MINUTE_MS)
  const queue = createQueue({
    policy,
    retrySchedule: retry,
    pools,
    poolRules,
    connectionsPerSite: siteConcurrencyLimit,
    maxInFlight: concurrencyLimit,
    seed: lease.term,
  })
  const ended = isFirst ? { node, at: context.now() } : null
  const isQueued = (deliveryId: string): boolean => queue.entries.has(deliveryId)
  const createLoader = (onResolved: OnResolved): QueueLoader =>
    createQueueLoader(context, { resolveDestination, onResolved, uncertainMs, ended, longestDelayMs, isQueued })
  const parts = {
    sender,
    groupSpread: createGroupSpread(context, node),
    createLoader,
    keyPersistence: createKeyPersistence(),
    laneSnapshots: createLaneSnapshots(node),
  }
  return createDeliveryLoop(
    { context, ...parts, concurrencyLimit, shapingSpeed, giveUpDays: retry.giveUpMs / DAY_MS, node, wake: wakeup.wake },
    { lease, queue, leaseUntil: lastStartAt(lease.untilAt, leaseMs) },
  )
}

async function loadUntilComplete({ context }: DelivererState, { load, session }: DeliveryLoop): Promise<void> {
  const { log } = context.telemetry
  while (!session.isEnding && session.groupsToLoad.size > 0) {
    try {
      await load()
      if (isLoaded(session)) log.info({ mails: session.queue.entries.size }, 'queued messages loaded')
    } catch (error) {
      log.error({ err: error }, 'queued messages could not be loaded; loading will be retried')
      await sleep(POLL_INTERVAL_MS)
    }
  }
}

/** Renews the lease at a third of its time. The returned function ends that. */
function startLeaseRenewal({ context, options, wakeup }: DelivererState, loop: DeliveryLoop): () => Promise<void> {
  const { log } = context.telemetry
  const { lease } = loop.session
  let running: Promise<void> = Promise.resolve()
  const renew = async (): Promise<void> => {
    try {
      const until = await renewLease(context, lease, options)
      if (until !== 'lost') {
        loop.extendLease(lastStartAt(until, options.leaseMs))
        log.debug({ term: lease.term }, 'delivery lease renewed')
        return
      }
      log.warn({ term: lease.term }, 'delivery lease lost: other nodes have its lane groups, and this node begins anew')
      loop.stop()
      wakeup.wake()
    } catch (error) {
      log.error({ err: error }, 'delivery lease could not be renewed; renewal will be retried')
    }
  }
  const timer = setInterval(() => {
    running = running.then(renew)
  }, options.leaseMs / 3)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}

/**
 * Begins no more attempts, commits the outcomes of running ones, and releases the lease. A node that has lost its lease waits for them in the background, since
 * nobody else knows them, and is on standby meanwhile.
 */
async function endSession(state: DelivererState, loop: DeliveryLoop): Promise<void> {
  loop.stop()
  const draining: Promise<unknown> = drain(state, loop).then(() => state.draining.delete(draining))
  state.draining.add(draining)
  if (!state.isClosing) return
  await Promise.all(state.draining)
  const { log } = state.context.telemetry
  await releaseLease(state.context, loop.session.lease).catch((error: unknown) => {
    log.error({ err: error }, 'delivery lease could not be released')
  })
}

/** Commits outcomes until no attempt is running and everything is written, or until the time to close is over. Never rejects. */
async function drain(state: DelivererState, loop: DeliveryLoop): Promise<void> {
  const { session } = loop
  for (;;) {
    await loop.tick()
    if (session.sendingCount === 0 && !hasUnwritten(session)) return
    if (performance.now() >= state.closeDeadline) break
    await sleep(DRAIN_INTERVAL_MS)
  }
  const unwritten = session.updates.length + session.endedUpdates.length
  const text = 'outcomes of attempts were not committed at shutdown; their messages will be sent again'
  state.context.telemetry.log.warn({ running: session.sendingCount, unwritten }, text)
}

/** How often the results of the last attempts are committed. */
const DRAIN_INTERVAL_MS = 50

const hasUnwritten = ({ updates, endedUpdates, transitions, awaitingMark, lateReports, lateResults }: SessionView): boolean =>
  [updates, endedUpdates, transitions, awaitingMark, lateReports, lateResults].some(({ length }) => length > 0)
