/**
 * smtp-transport - delivers messages by SMTP to the next hops of a route
 *
 * Tries the hosts in the order of the route until one replies; hosts that cannot be reached or cannot encrypt as required are skipped. Any reply is the
 * outcome, including a 4xx greeting: trying the next host of a provider that has just deferred us makes matters worse. An address that could not be
 * reached is tried last for a minute. If a pooled connection proves dead before any reply, the message uses a new one.
 *
 * RFC 5321 §5.1. See also: smtp-client/transport, smtp-client/routing, smtp-client/client-session, smtp-client/connection-pool.
 */
import { isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { upToEntries } from '../net/cache-bound.ts'
import { dial } from './dial.ts'
import { errorOutcome } from './reply-outcome.ts'
import type { AddressResult } from '../net/mx.ts'
import { openSmtpSession, type SessionResult, type SmtpSession } from './client-session.ts'
import { createConnectionPool, type PoolLimits, DEFAULT_POOL_LIMITS, type ConnectionPool } from './connection-pool.ts'
import { isPublicAddress } from '../net/ssrf-guard.ts'
import type { Telemetry } from '../telemetry.ts'
import type { Trace } from '../trace.ts'
import { createOpeningPace, type OpeningPace } from './opening-pace.ts'
import { createSessionTrace } from './session-trace.ts'
import type { SmtpOutcome, OutgoingMail, Router, RoutingResult, NextHop, Transport } from './transport.ts'
import { DEFAULT_STEP_TIMEOUTS, type StepTimeouts } from './step-timeouts.ts'

type SmtpTransportOptions = {
  readonly router: Router
  readonly addressesOf: (host: string, family: 4 | 6 | null) => Promise<AddressResult>
  /** The name in EHLO, which should resolve to the egress IP and back: one for all egress IPs, or one for each. */
  readonly ehloName: string | ((egressIp: string) => string)
  /** Whether hosts from public DNS may have private addresses. */
  readonly allowPrivate: boolean
  readonly timeouts?: Partial<StepTimeouts>
  readonly poolLimits?: Partial<PoolLimits>
  /** Publishes the sessions. */
  readonly trace?: Trace
  /** Debug messages only. */
  readonly log?: Telemetry['log']
}

/** Addresses tried for one message: the default of Postfix (smtp_mx_address_limit). */
const MAX_ADDRESSES_TRIED = 5

/** An address that could not be reached is tried last for a minute; one where TLS failed is used without TLS for an hour. */
const UNREACHABLE_MS = 60_000
const WITHOUT_TLS_MS = 3_600_000
const CACHE_SIZE = 10_000

type TransportState = {
  readonly options: SmtpTransportOptions
  readonly timeouts: StepTimeouts
  readonly pool: ConnectionPool
  readonly unreachable: LRUCache<string, true>
  readonly withoutTls: LRUCache<string, true>
  /** When connections to sites with a limit may be opened. */
  readonly openings: OpeningPace
  readonly closing: AbortController
  readonly activeSessions: Set<SmtpSession>
  /** Connections that have been tried; numbers them in the trace. */
  connectionCount: number
  isClosed: boolean
}

/** Creates the transport; it opens connections when there is mail to send. */
export function createSmtpTransport(options: SmtpTransportOptions): Transport {
  const state: TransportState = {
    options,
    timeouts: { ...DEFAULT_STEP_TIMEOUTS, ...options.timeouts },
    pool: createConnectionPool({ ...DEFAULT_POOL_LIMITS, ...options.poolLimits }),
    unreachable: new LRUCache({ ...upToEntries(CACHE_SIZE), ttl: UNREACHABLE_MS }),
    withoutTls: new LRUCache({ ...upToEntries(CACHE_SIZE), ttl: WITHOUT_TLS_MS }),
    openings: createOpeningPace(() => performance.now()),
    closing: new AbortController(),
    activeSessions: new Set(),
    connectionCount: 0,
    isClosed: false,
  }
  return {
    send: (mail) => sendOutgoingMail(state, mail),
    close: async () => {
      state.isClosed = true
      state.closing.abort()
      state.pool.close()
      for (const session of state.activeSessions) session.close()
    },
  }
}

/** The MX records have changed since the dispatch, and the new hosts belong to a site that is paused. */
const NO_HOST_ALLOWED = errorOutcome('dropped', 'the MX hosts of the domain belong to a site that is paused', null)

const TRANSPORT_CLOSED = errorOutcome('dropped', 'the transport is closed', null)

async function sendOutgoingMail(state: TransportState, mail: OutgoingMail): Promise<SmtpOutcome> {
  if (state.isClosed) return TRANSPORT_CLOSED
  const route = await state.options.router(mail.domain)
  state.options.log?.debug({ domain: mail.domain, route: describeRoute(route) }, 'route chosen')
  if (route.kind === 'refused') return { kind: 'reply', code: route.code, text: route.text, mx: null, phase: 'route' }
  if (route.kind === 'failed') return errorOutcome('dns', route.text, null)
  const nextHops = route.nextHops.filter(({ name }) => mail.mayUse?.(name) ?? true)
  if (nextHops.length === 0) return NO_HOST_ALLOWED
  const pooled = mail.isProbe ? null : acquireAny(state, mail, nextHops)
  if (pooled !== null) {
    const outcome = await sendInSession(state, pooled, mail)
    if (outcome !== null) return outcome
  }
  const wait = await waitForOpening(state, mail)
  const freed = wait === 'waited' && !mail.isProbe ? acquireAny(state, mail, nextHops) : null
  const outcome = freed === null ? null : await sendInSession(state, freed, mail)
  return outcome ?? (state.isClosed ? TRANSPORT_CLOSED : tryAddresses(state, mail, nextHops))
}

const describeRoute = (route: RoutingResult): string =>
  route.kind === 'route' ? route.nextHops.map(({ name, port }) => `${name}:${port}`).join(' ') : route.text

/** Waits until the site may get another connection from the egress IP. */
async function waitForOpening({ openings, closing }: TransportState, { egressIp, limits }: OutgoingMail): Promise<'waited' | 'at-once'> {
  const perMinute = limits?.newPerMinute ?? null
  if (limits === undefined || limits === null || perMinute === null) return 'at-once'
  const waitMs = openings.reserve(`${egressIp} ${limits.site}`, perMinute)
  if (waitMs <= 0) return 'at-once'
  // Closing the transport ends the wait.
  await sleep(waitMs, undefined, { signal: closing.signal }).catch(() => undefined)
  return 'waited'
}

type PooledSession = { readonly key: string; readonly session: SmtpSession }

const poolKeyOf = (mail: OutgoingMail, nextHop: NextHop): string => `${mail.egressIp} ${nextHop.name} ${nextHop.port}`

function acquireAny({ pool }: TransportState, mail: OutgoingMail, nextHops: readonly NextHop[]): PooledSession | null {
  for (const nextHop of nextHops) {
    const key = poolKeyOf(mail, nextHop)
    const session = pool.acquire(key)
    if (session !== null) return { key, session }
  }
  return null
}

/** Null: the pooled connection was already dead. */
async function sendInSession(state: TransportState, { key, session }: PooledSession, mail: OutgoingMail): Promise<SmtpOutcome | null> {
  const isReused = session.mailCount() > 0
  const { log } = state.options
  log?.debug({ deliveryId: mail.deliveryId, mx: session.mx, egressIp: mail.egressIp, isReused }, 'message goes out over a connection')
  const { mx: host, address, ehlo } = session
  if (isReused) mail.onConnection?.({ host, address, ehlo, tls: session.tls(), isReused, connectMs: null })
  state.activeSessions.add(session)
  const outcome = await session.send(mail)
  const { kind } = outcome
  log?.debug(
    { deliveryId: mail.deliveryId, mx: session.mx, result: kind === 'reply' ? `${outcome.code} ${outcome.phase}` : outcome.error },
    'attempt ended',
  )
  void session.reset().then((isUsable) => {
    state.activeSessions.delete(session)
    if (!isUsable) return
    if (state.isClosed) session.quit()
    else state.pool.release(key, session, mail.limits?.mails)
  })
  const isStale = isReused && outcome.kind === 'error' && !session.hasReplies() && !state.isClosed
  return isStale ? null : outcome
}

async function tryAddresses(state: TransportState, mail: OutgoingMail, nextHops: readonly NextHop[]): Promise<SmtpOutcome> {
  const candidates = await candidatesOf(state, mail, nextHops)
  let last = candidates.failed
  for (const { nextHop, address } of candidates.list) {
    if (state.isClosed) return TRANSPORT_CLOSED
    const opened = await openWithTlsFallback(state, mail, { nextHop, address })
    if (opened.kind === 'open')
      return (await sendInSession(state, { key: poolKeyOf(mail, nextHop), session: opened.session }, mail)) ?? last
    if (opened.outcome.kind === 'reply') return opened.outcome
    last = opened.outcome
    if (last.kind === 'error' && last.ownFault === 'egress') return last
    state.unreachable.set(unreachableKeyOf(mail, { nextHop, address }), true)
  }
  return last
}

type TargetAddress = { readonly nextHop: NextHop; readonly address: string }

/** The addresses to try, in order, and the outcome if there are none. */
async function candidatesOf(
  state: TransportState,
  mail: OutgoingMail,
  nextHops: readonly NextHop[],
): Promise<{ list: TargetAddress[]; failed: SmtpOutcome }> {
  const family = addressFamilyOf(mail, nextHops)
  const list: TargetAddress[] = []
  let failed = errorOutcome('connect', 'no host of the domain has an address', nextHops[0]?.name ?? null)
  for (const nextHop of nextHops) {
    if (list.length >= MAX_ADDRESSES_TRIED) break
    const found = await addressesOfNextHop(state, nextHop, family)
    if (typeof found === 'string') failed = errorOutcome('dns', found, nextHop.name)
    else list.push(...found)
  }
  if (list.length === 0 && failed.kind === 'error' && failed.error === 'connect' && (await hasOtherFamily(state, nextHops, family)))
    failed = { ...failed, ownFault: 'no-family' }
  const isUnreachable = (target: TargetAddress): boolean => state.unreachable.has(unreachableKeyOf(mail, target))
  const tried = list.slice(0, MAX_ADDRESSES_TRIED)
  return { list: [...tried.filter((each) => !isUnreachable(each)), ...tried.filter(isUnreachable)], failed }
}

const unreachableKeyOf = ({ egressIp }: OutgoingMail, { nextHop, address }: TargetAddress): string =>
  `${egressIp} ${address} ${nextHop.port}`

/** A socket that is bound to an address can only connect to its address family. */
function addressFamilyOf({ egressIp }: OutgoingMail, nextHops: readonly NextHop[]): 4 | 6 | null {
  const family = isIP(egressIp)
  return nextHops.some(({ proxy }) => proxy) || family === 0 ? null : family === 4 ? 4 : 6
}

/** Whether a host has an address, though none of this family. */
async function hasOtherFamily(state: TransportState, nextHops: readonly NextHop[], family: 4 | 6 | null): Promise<boolean> {
  if (family === null) return false
  for (const nextHop of nextHops) {
    const found = await addressesOfNextHop(state, nextHop, family === 4 ? 6 : 4)
    if (typeof found !== 'string' && found.length > 0) return true
  }
  return false
}

/** A text is the cause of a failed look-up. */
async function addressesOfNextHop({ options }: TransportState, nextHop: NextHop, family: 4 | 6 | null): Promise<TargetAddress[] | string> {
  if (nextHop.address !== null) return [{ nextHop, address: nextHop.address }]
  const found = await options.addressesOf(nextHop.name, family)
  if (found.kind === 'failed') return found.text
  if (found.kind === 'none') return []
  const allowed = options.allowPrivate ? found.addresses : found.addresses.filter(isPublicAddress)
  return allowed.map((address) => ({ nextHop, address }))
}

/** Opens a session; if optional TLS fails, opens another one without TLS. */
async function openWithTlsFallback(state: TransportState, mail: OutgoingMail, { nextHop, address }: TargetAddress): Promise<SessionResult> {
  const key = `${address} ${nextHop.port}`
  const first = await openConnection(state, mail, {
    nextHop,
    address,
    isWithoutTls: nextHop.tls === 'opportunistic' && state.withoutTls.has(key),
  })
  if (first.kind === 'open' || !first.canRetryWithoutTls || state.isClosed) return first
  state.withoutTls.set(key, true)
  return openConnection(state, mail, { nextHop, address, isWithoutTls: true })
}

const msSince = (startedAt: number): number => Math.round(performance.now() - startedAt)

async function openConnection(
  state: TransportState,
  mail: OutgoingMail,
  target: TargetAddress & { readonly isWithoutTls: boolean },
): Promise<SessionResult> {
  const { options, timeouts } = state
  const { nextHop, address, isWithoutTls } = target
  const { name, port, proxy } = nextHop
  const { egressIp } = mail
  const startedAt = performance.now()
  const trace = createSessionTrace(options.trace, { sessionId: `client-${++state.connectionCount}`, peer: address, mail })
  const dialResult = await dial({ name, address, port, egressIp, proxy, timeoutMs: timeouts.connectMs })
  if (dialResult.kind === 'failed') {
    const { text } = dialResult.outcome
    trace.publish('client.unreachable', () => ({ mx: name, address, port, egressIp, text }))
    mail.onConnection?.({ host: name, address, ehlo: null, tls: null, isReused: false, connectMs: msSince(startedAt) })
    return { ...dialResult, canRetryWithoutTls: false, tls: null }
  }
  const { socket } = dialResult
  trace.publish('client.connected', () => ({ mx: name, address, port, egressIp, localAddress: socket.localAddress ?? null, isWithoutTls }))
  const ehloName = typeof options.ehloName === 'string' ? options.ehloName : options.ehloName(egressIp)
  const opened = await openSmtpSession({ nextHop, socket, ehlo: ehloName, timeouts, isWithoutTls, trace, log: options.log })
  const tls = opened.kind === 'open' ? opened.session.tls() : opened.tls
  mail.onConnection?.({ host: name, address, ehlo: ehloName, tls, isReused: false, connectMs: msSince(startedAt) })
  // The transport was closed while only this function held the session.
  if (opened.kind === 'open' && state.isClosed) {
    opened.session.close()
    return { kind: 'failed', outcome: TRANSPORT_CLOSED, canRetryWithoutTls: false, tls }
  }
  return opened
}
