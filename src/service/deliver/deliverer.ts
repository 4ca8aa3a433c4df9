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
import type { Policy } from '../../queue/backoff/policy.ts'
import { createQueue } from '../../queue/queue.ts'
import type { RetryLadder } from '../../queue/schedule/retry.ts'
import type { Transport } from '../../smtp-client/transport.ts'
import type { Lease } from '../../store/engine/lease.ts'
import { createCarrier, type Carrier, type Render } from './sender.ts'
import { createLaneKeeper } from './lane-snapshots.ts'
import { dropLease, lastBegin, renewLease, takeLease } from './lease.ts'
import { createKeyBook } from './key-persistence.ts'
import type { Shop } from '../context.ts'
import { createSignal, type Signal } from '../wakeup.ts'
import { openTerm, type Term } from './delivery-session.ts'
import { loseTerm, POLL_MS, restUntilTurn, takeTurn, type TurnDesk } from './delivery-loop.ts'
import { createWaiting, type PlaceOf, type Waiting } from './queue-loader.ts'

export type DeliverOptions = {
  readonly transport: Transport
  readonly render: Render
  /** The site and the hosts of a domain. */
  readonly placeOf: PlaceOf
  readonly policy: Policy
  readonly retry: RetryLadder
  /** Egress IPs by account number; `*` for all others. */
  readonly pools: Readonly<Record<string, readonly string[]>>
  /** Mails under way at once, and of them from one IP to one site. */
  readonly lines: number
  readonly linesPerSite: number
  /** Of made mails in memory. */
  readonly inFlightBytes: number
  /** The node's name: who comes back under it takes its lease at once. */
  readonly node: string
  readonly leaseMs: number
  /** How long an end waits for answers. */
  readonly closeMs: number
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

const LEASE = 'deliver'
const DAY_MS = 86_400_000

type Delivering = {
  readonly shop: Shop
  readonly options: DeliverOptions
  readonly signal: Signal
  readonly carrier: Carrier
  readonly waiting: Waiting
  term: Term | null
  isClosing: boolean
}

/** Makes the deliverer; it does nothing until `start`. */
export function createDeliverer(shop: Shop, options: DeliverOptions): Deliverer {
  const signal = createSignal()
  const { wake } = signal
  const { transport, render, lines, inFlightBytes, placeOf } = options
  const carrier = createCarrier(shop, { transport, render, placeOf, lines, inFlightBytes, wake })
  const waiting = createWaiting(shop, { placeOf, wake })
  const delivering: Delivering = { shop, options, signal, carrier, waiting, term: null, isClosing: false }
  let running: Promise<void> | null = null
  return {
    start: () => {
      running ??= serve(delivering)
    },
    nudge: () => {
      const { term } = delivering
      if (term === null) return
      term.hasFresh = true
      term.polledAt = 0
      wake()
    },
    close: async () => {
      delivering.isClosing = true
      wake()
      await running
    },
    isDelivering: () => delivering.term?.isLoaded === true && !delivering.term.isEnding,
  }
}

/** Term after term, until the end. Never rejects. */
async function serve(delivering: Delivering): Promise<void> {
  const { shop, options, signal } = delivering
  let holder = options.node
  while (!delivering.isClosing) {
    try {
      const { leaseMs } = options
      const lease = await takeLease(shop, { name: LEASE, holder, leaseMs })
      // Once only: two that bear one name by mistake would else take it from each other for ever.
      holder = `${options.node}/${randomUUID()}`
      if (lease !== null) await serveTerm(delivering, lease)
    } catch (error) {
      shop.telemetry.log.error({ err: error }, 'the delivery queue could not begin; it is tried again')
    }
    if (!delivering.isClosing) await signal.wait(POLL_MS)
  }
}

async function serveTerm(delivering: Delivering, lease: Lease): Promise<void> {
  const { shop, options, signal, carrier, waiting } = delivering
  const { policy, retry, pools, lines, linesPerSite: connections } = options
  const queue = createQueue({ policy, retry, pools, connections, lines, seed: lease.term })
  const term = openTerm(lease, queue, lastBegin(lease.untilAt, options.leaseMs))
  const keys = createKeyBook()
  const keeper = createLaneKeeper(options.node)
  const desk: TurnDesk = { shop, carrier, waiting, keys, keeper, lines, giveUpDays: retry.giveUpMs / DAY_MS, wake: signal.wake }
  const stopRenewing = startRenewing(delivering, term)
  try {
    await keys.place(shop.engine.read, term.queue, shop.now())
    delivering.term = term
    shop.telemetry.gauge('bounced_queue_delivering', 1)
    shop.telemetry.log.info({ term: lease.term }, 'this node delivers')
    const loading = load(delivering, term)
    while (!delivering.isClosing && !term.isEnding) {
      await takeTurn(desk, term)
      await signal.wait(restUntilTurn(options, term, shop.now()))
    }
    await endTerm(delivering, term, desk)
    await loading
  } finally {
    delivering.term = null
    shop.telemetry.gauge('bounced_queue_delivering', 0)
    await stopRenewing()
  }
}

/** All that waits, again and again until it is there. */
async function load({ shop, waiting }: Delivering, term: Term): Promise<void> {
  while (!term.isEnding && !term.isLoaded) {
    try {
      await waiting.load(term)
      if (term.isLoaded) shop.telemetry.log.info({ mails: term.queue.mails.size }, 'waiting mail is loaded')
    } catch (error) {
      shop.telemetry.log.error({ err: error }, 'waiting mail could not be loaded; it is tried again')
      await sleep(POLL_MS)
    }
  }
}

/** Renews from now on; the answer ends it. */
function startRenewing({ shop, options, signal }: Delivering, term: Term): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  const renew = async (): Promise<void> => {
    try {
      const until = await renewLease(shop, term.lease, options.leaseMs)
      if (until !== 'lost') term.leaseUntil = lastBegin(until, options.leaseMs)
      else {
        shop.telemetry.log.warn({ term: term.lease.term }, 'another node delivers now; this one stands by')
        loseTerm(term)
        signal.wake()
      }
    } catch (error) {
      shop.telemetry.log.error({ err: error }, 'the lease could not be renewed; it is tried again')
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
async function endTerm({ shop, options, carrier }: Delivering, term: Term, desk: TurnDesk): Promise<void> {
  loseTerm(term)
  carrier.pump(term)
  const bound = new AbortController()
  await Promise.race([carrier.idle(term), sleep(options.closeMs, undefined, { signal: bound.signal, ref: false }).catch(() => undefined)])
  bound.abort()
  for (let turns = 0; turns < LAST_TURNS && hasMore(term); turns++) await takeTurn(desk, term)
  if (term.sending > 0) shop.telemetry.log.warn({ mails: term.sending }, 'mails were still being sent at the end; they are sent again')
  await dropLease(shop, term.lease).catch((error: unknown) => shop.telemetry.log.error({ err: error }, 'the lease could not be let go'))
}

/** One for what was answered, and more for ends by the thousand. */
const LAST_TURNS = 20

const hasMore = ({ done, ended, moves, marking }: Term): boolean => done.length + ended.length + moves.length + marking.length > 0
