/**
 * smtp-transport - carries mails by SMTP to wherever a route leads
 *
 * Hosts are tried in the route's order while they cannot be reached or cannot encrypt as they must; the first reply is the answer, a 4xx greeting
 * included: who knocks at the next host of a provider that has just said "later" makes it worse. What was not reachable is tried last for a
 * minute. A kept connection that turns out to be dead before it has said anything costs the mail nothing: it goes by a new one.
 *
 * RFC 5321 §5.1. See also: smtp-client/transport, smtp-client/routing, smtp-client/client-session, smtp-client/connection-pool.
 */
import { isIP } from 'node:net'
import { LRUCache } from 'lru-cache'
import { dial } from './dial.ts'
import { errorOutcome } from './reply-outcome.ts'
import type { Addresses } from '../net/mx.ts'
import { openSession, type Opening, type Session } from './client-session.ts'
import { createSessions, type Keeping, KEEPING, type Sessions } from './connection-pool.ts'
import { isPublicAddress } from '../net/ssrf-guard.ts'
import type { Outcome, Outgoing, Router, Stop, Transport } from './transport.ts'
import { PATIENCE, type Patience } from './step-timeouts.ts'

export type SmtpTransportWish = {
  readonly route: Router
  readonly addressesOf: (host: string, family: 4 | 6 | null) => Promise<Addresses>
  /** The name in EHLO: it should resolve to the egress IP, and back. One for all, or one an IP. */
  readonly ehlo: string | ((egressIp: string) => string)
  /** Whether hosts that a stranger's DNS names may stand in our own network. */
  readonly allowPrivate: boolean
  readonly patience?: Partial<Patience>
  readonly keeping?: Partial<Keeping>
}

/** Addresses tried for one mail: Postfix's own figure. */
const MAX_CALLS = 5

/** An address that could not be reached is tried last for so long; one that could not encrypt is not asked to for an hour. */
const ILL_MS = 60_000
const PLAIN_MS = 3_600_000
const REMEMBERED = 10_000

type Post = {
  readonly wish: SmtpTransportWish
  readonly patience: Patience
  readonly sessions: Sessions
  readonly ill: LRUCache<string, true>
  readonly plain: LRUCache<string, true>
  readonly busy: Set<Session>
  isClosed: boolean
}

/** Makes the transport. */
export function createSmtpTransport(wish: SmtpTransportWish): Transport {
  const post: Post = {
    wish,
    patience: { ...PATIENCE, ...wish.patience },
    sessions: createSessions({ ...KEEPING, ...wish.keeping }),
    ill: new LRUCache({ max: REMEMBERED, ttl: ILL_MS }),
    plain: new LRUCache({ max: REMEMBERED, ttl: PLAIN_MS }),
    busy: new Set(),
    isClosed: false,
  }
  return {
    send: (mail) => sendBy(post, mail),
    close: async () => {
      post.isClosed = true
      post.sessions.close()
      for (const session of post.busy) session.close()
    },
  }
}

const CLOSED = errorOutcome('dropped', 'the transport is closed', null)

async function sendBy(post: Post, mail: Outgoing): Promise<Outcome> {
  if (post.isClosed) return CLOSED
  const way = await post.wish.route(mail.domain)
  if (way.kind === 'refused') return { kind: 'reply', code: way.code, text: way.text, mx: null, phase: 'route' }
  if (way.kind === 'failed') return errorOutcome('dns', way.text, null)
  const kept = mail.probe ? null : lendAny(post, mail, way.stops)
  if (kept !== null) {
    const told = await carry(post, kept, mail)
    if (told !== null) return told
  }
  return callEach(post, mail, way.stops)
}

type Lent = { readonly key: string; readonly session: Session }

const keyOf = (mail: Outgoing, stop: Stop): string => `${mail.egressIp} ${stop.name} ${stop.port}`

function lendAny({ sessions }: Post, mail: Outgoing, stops: readonly Stop[]): Lent | null {
  for (const stop of stops) {
    const key = keyOf(mail, stop)
    const session = sessions.lend(key)
    if (session !== null) return { key, session }
  }
  return null
}

/** Null: the kept connection was dead already. */
async function carry(post: Post, { key, session }: Lent, mail: Outgoing): Promise<Outcome | null> {
  const isKept = session.carried() > 0
  post.busy.add(session)
  const told = await session.send(mail)
  void session.clear().then((isUsable) => {
    post.busy.delete(session)
    if (!isUsable) return
    if (post.isClosed) session.quit()
    else post.sessions.giveBack(key, session)
  })
  const isStale = isKept && told.kind === 'error' && !session.wasHeard() && !post.isClosed
  return isStale ? null : told
}

async function callEach(post: Post, mail: Outgoing, stops: readonly Stop[]): Promise<Outcome> {
  const calls = await callsOf(post, mail, stops)
  let last = calls.failed
  for (const { stop, address } of calls.list) {
    if (post.isClosed) return CLOSED
    const opened = await openAt(post, mail, { stop, address })
    if (opened.kind === 'open') return (await carry(post, { key: keyOf(mail, stop), session: opened.session }, mail)) ?? last
    if (opened.outcome.kind === 'reply') return opened.outcome
    post.ill.set(illKey(mail, { stop, address }), true)
    last = opened.outcome
  }
  return last
}

type Place = { readonly stop: Stop; readonly address: string }

/** Addresses in the order in which they are called, and what to say when none is to be had. */
async function callsOf(post: Post, mail: Outgoing, stops: readonly Stop[]): Promise<{ list: Place[]; failed: Outcome }> {
  const family = familyOf(mail, stops)
  const list: Place[] = []
  let failed = errorOutcome('connect', 'no host of the domain has an address', stops[0]?.name ?? null)
  for (const stop of stops) {
    if (list.length >= MAX_CALLS) break
    const found = await placesOf(post, stop, family)
    if (typeof found === 'string') failed = errorOutcome('dns', found, stop.name)
    else list.push(...found)
  }
  const isIll = (place: Place): boolean => post.ill.has(illKey(mail, place))
  const tried = list.slice(0, MAX_CALLS)
  return { list: [...tried.filter((each) => !isIll(each)), ...tried.filter(isIll)], failed }
}

const illKey = ({ egressIp }: Outgoing, { stop, address }: Place): string => `${egressIp} ${address} ${stop.port}`

/** A socket that is bound to an address reaches only its family. */
function familyOf({ egressIp }: Outgoing, stops: readonly Stop[]): 4 | 6 | null {
  const family = isIP(egressIp)
  return stops.some(({ proxy }) => proxy) || family === 0 ? null : family === 4 ? 4 : 6
}

/** A text: the look-up failed, and why. */
async function placesOf({ wish }: Post, stop: Stop, family: 4 | 6 | null): Promise<Place[] | string> {
  if (stop.address !== null) return [{ stop, address: stop.address }]
  const found = await wish.addressesOf(stop.name, family)
  if (found.kind === 'failed') return found.text
  if (found.kind === 'none') return []
  const allowed = wish.allowPrivate ? found.addresses : found.addresses.filter(isPublicAddress)
  return allowed.map((address) => ({ stop, address }))
}

/** Opens a session, in the clear at the second go where that is allowed. */
async function openAt(post: Post, mail: Outgoing, { stop, address }: Place): Promise<Opening> {
  const key = `${address} ${stop.port}`
  const first = await open(post, mail, { stop, address, inTheClear: stop.tls === 'opportunistic' && post.plain.has(key) })
  if (first.kind === 'open' || !first.plain || post.isClosed) return first
  post.plain.set(key, true)
  return open(post, mail, { stop, address, inTheClear: true })
}

async function open(post: Post, { egressIp }: Outgoing, place: Place & { readonly inTheClear: boolean }): Promise<Opening> {
  const { wish, patience } = post
  const { stop, address, inTheClear } = place
  const { name, port, proxy } = stop
  const call = await dial({ name, address, port, egressIp, proxy, limitMs: patience.connectMs })
  if (call.kind === 'failed') return { ...call, plain: false }
  const ehlo = typeof wish.ehlo === 'string' ? wish.ehlo : wish.ehlo(egressIp)
  const opened = await openSession({ stop, socket: call.socket, ehlo, patience, inTheClear })
  // The line had to be quiet while nobody but us held it.
  if (opened.kind === 'open' && post.isClosed) {
    opened.session.close()
    return { kind: 'failed', outcome: CLOSED, plain: false }
  }
  return opened
}
