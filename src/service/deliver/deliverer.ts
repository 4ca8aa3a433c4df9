/**
 * deliverer - the daemon around the delivery queue
 *
 * One node delivers, the others stand by: whoever has the lease loads what waits, and takes turns until the lease is lost or the end comes.
 * The loading goes on beside the turns. At the end nothing new begins, what is under way is answered within a bound and written down; what
 * is not stays marked in the store, is counted at the next start, and is sent again.
 *
 *     const deliverer = createDeliverer(shop, { transport, render, placeOf, … })
 *     deliverer.start()
 *     deliverer.nudge()          mail was accepted, or an order given: look at once
 *     await deliverer.close()    then close the transport
 *
 * See also: service/deliver/delivery-loop, service/deliver/delivery-session, service/deliver/sender, service/deliver/queue-loader, docs/DELIVERY.md.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BackoffPolicy } from '../../queue/backoff/policy.ts'
import { createQueue } from '../../queue/queue.ts'
import type { DeliveryRetrySchedule } from '../../queue/schedule/retry.ts'
import type { Transport } from '../../smtp-client/transport.ts'
import type { Lease } from '../../store/engine/lease.ts'
import { createMailSender, type MailSender, type RenderMessage } from './sender.ts'
import { createLaneSnapshots } from './lane-snapshots.ts'
import { releaseLease, lastStartAt, renewLease, acquireLease } from './lease.ts'
import { createKeyPersistence } from './key-persistence.ts'
import type { Context } from '../context.ts'
import { createWakeup, type Wakeup } from '../wakeup.ts'
import { createSession, type DeliverySession } from './delivery-session.ts'
import { stopSession, POLL_INTERVAL_MS, msUntilNextTick, tick, type DeliveryLoop } from './delivery-loop.ts'
import { createQueueLoader, type ResolveDestination, type QueueLoader } from './queue-loader.ts'

export type DelivererOptions = {
  readonly transport: Transport
  readonly render: RenderMessage
  /** The site and the hosts of a domain. */
  readonly resolveDestination: ResolveDestination
  readonly policy: BackoffPolicy
  readonly retry: DeliveryRetrySchedule
  /** Egress IPs by account number; `*` for all others. */
  readonly pools: Readonly<Record<string, readonly string[]>>
  /** Mails under way at once, and of them from one IP to one site. */
  readonly concurrencyLimit: number
  readonly siteConcurrencyLimit: number
  /** Of made mails in memory. */
  readonly maxInFlightBytes: number
  /** The node's name: who comes back under it takes its lease at once. */
  readonly node: string
  readonly leaseMs: number
  /** How long an end waits for answers. */
  readonly closeTimeoutMs: number
}

export type Deliverer = {
  readonly start: () => void
  /** Something waits in the store. Never throws; does nothing while another node delivers. */
  readonly nudge: () => void
  /** Ends in order. Idempotent. */
  readonly close: () => Promise<void>
  /** Whether this node is the one that delivers, with all its mail loaded. */
  readonly isDelivering: () => boolean
}

const LEASE_NAME = 'deliver'
const DAY_MS = 86_400_000

type DelivererState = {
  readonly context: Context
  readonly options: DelivererOptions
  readonly wakeup: Wakeup
  readonly sender: MailSender
  readonly queueLoader: QueueLoader
  session: DeliverySession | null
  isClosing: boolean
}

/** Makes the deliverer; it does nothing until `start`. */
export function createDeliverer(context: Context, options: DelivererOptions): Deliverer {
  const wakeup = createWakeup()
  const { wake } = wakeup
  const { transport, render, concurrencyLimit, maxInFlightBytes, resolveDestination } = options
  const sender = createMailSender(context, { transport, render, resolveDestination, concurrencyLimit, maxInFlightBytes, wake })
  const queueLoader = createQueueLoader(context, { resolveDestination, wake })
  const state: DelivererState = { context, options, wakeup, sender, queueLoader, session: null, isClosing: false }
  let running: Promise<void> | null = null
  return {
    start: () => {
      running ??= runSessions(state)
    },
    nudge: () => {
      const { session } = state
      if (session === null) return
      session.hasNewMails = true
      session.lastPollAt = 0
      wake()
    },
    close: async () => {
      state.isClosing = true
      wake()
      await running
    },
    isDelivering: () => state.session?.isLoaded === true && !state.session.isEnding,
  }
}

/** Term after term, until the end. Never rejects. */
async function runSessions(state: DelivererState): Promise<void> {
  const { context, options, wakeup } = state
  let holder = options.node
  while (!state.isClosing) {
    try {
      const { leaseMs } = options
      const lease = await acquireLease(context, { name: LEASE_NAME, holder, leaseMs })
      // Once only: two that bear one name by mistake would else take it from each other for ever.
      holder = `${options.node}/${randomUUID()}`
      if (lease !== null) await runSession(state, lease)
    } catch (error) {
      context.telemetry.log.error({ err: error }, 'the delivery queue could not begin; it is tried again')
    }
    if (!state.isClosing) await wakeup.wait(POLL_INTERVAL_MS)
  }
}

async function runSession(state: DelivererState, lease: Lease): Promise<void> {
  const { context, options, wakeup, sender, queueLoader } = state
  const { policy, retry, pools, concurrencyLimit, siteConcurrencyLimit: connections } = options
  const queue = createQueue({
    policy,
    retrySchedule: retry,
    pools,
    connectionsPerSite: connections,
    maxInFlight: concurrencyLimit,
    seed: lease.term,
  })
  const session = createSession(lease, queue, lastStartAt(lease.untilAt, options.leaseMs))
  const keyPersistence = createKeyPersistence()
  const laneSnapshots = createLaneSnapshots(options.node)
  const loop: DeliveryLoop = {
    context,
    sender,
    queueLoader,
    keyPersistence,
    laneSnapshots,
    concurrencyLimit,
    giveUpDays: retry.giveUpMs / DAY_MS,
    wake: wakeup.wake,
  }
  const stopRenewing = startLeaseRenewal(state, session)
  try {
    await keyPersistence.restore(context.engine.read, session.queue, context.now())
    state.session = session
    context.telemetry.setGauge('bounced_queue_lease_held', 1)
    context.telemetry.log.info({ term: lease.term }, 'this node delivers')
    const loading = loadUntilComplete(state, session)
    while (!state.isClosing && !session.isEnding) {
      await tick(loop, session)
      await wakeup.wait(msUntilNextTick(options, session, context.now()))
    }
    await endSession(state, session, loop)
    await loading
  } finally {
    state.session = null
    context.telemetry.setGauge('bounced_queue_lease_held', 0)
    await stopRenewing()
  }
}

/** All that waits, again and again until it is there. */
async function loadUntilComplete({ context, queueLoader }: DelivererState, session: DeliverySession): Promise<void> {
  while (!session.isEnding && !session.isLoaded) {
    try {
      await queueLoader.load(session)
      if (session.isLoaded) context.telemetry.log.info({ mails: session.queue.entries.size }, 'waiting mail is loaded')
    } catch (error) {
      context.telemetry.log.error({ err: error }, 'waiting mail could not be loaded; it is tried again')
      await sleep(POLL_INTERVAL_MS)
    }
  }
}

/** Renews from now on; the answer ends it. */
function startLeaseRenewal({ context, options, wakeup }: DelivererState, session: DeliverySession): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  const renew = async (): Promise<void> => {
    try {
      const until = await renewLease(context, session.lease, options.leaseMs)
      if (until !== 'lost') session.leaseUntil = lastStartAt(until, options.leaseMs)
      else {
        context.telemetry.log.warn({ term: session.lease.term }, 'another node delivers now; this one stands by')
        stopSession(session)
        wakeup.wake()
      }
    } catch (error) {
      context.telemetry.log.error({ err: error }, 'the lease could not be renewed; it is tried again')
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

/** Nothing begins any more; what is under way is waited for, and all that is known is written down. */
async function endSession({ context, options, sender }: DelivererState, session: DeliverySession, loop: DeliveryLoop): Promise<void> {
  stopSession(session)
  sender.startAttempts(session)
  const timeout = new AbortController()
  await Promise.race([
    sender.waitUntilIdle(session),
    sleep(options.closeTimeoutMs, undefined, { signal: timeout.signal, ref: false }).catch(() => undefined),
  ])
  timeout.abort()
  for (let ticks = 0; ticks < MAX_FINAL_TICKS && hasUnwritten(session); ticks++) await tick(loop, session)
  if (session.sendingCount > 0)
    context.telemetry.log.warn({ mails: session.sendingCount }, 'mails were still being sent at the end; they are sent again')
  await releaseLease(context, session.lease).catch((error: unknown) =>
    context.telemetry.log.error({ err: error }, 'the lease could not be let go'),
  )
}

/** One for what was answered, and more for ends by the thousand. */
const MAX_FINAL_TICKS = 20

const hasUnwritten = ({ updates, endedUpdates, transitions, awaitingMark }: DeliverySession): boolean =>
  updates.length + endedUpdates.length + transitions.length + awaitingMark.length > 0
