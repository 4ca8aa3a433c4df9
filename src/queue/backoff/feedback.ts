/**
 * feedback - what an answer means to the keys that covered its dispatch
 *
 * Each answer is an attempt for the ip, sender-domain, connection and account keys, a hit for the one key of its class, and a success or a
 * failure for the network keys. What the provider never saw is no attempt of anybody's but the network's. What we say ourselves is nothing.
 *
 * Mutates the stock that it is given. See also: queue/backoff/backoff-classes (which class, which key), queue/backoff/backoff (the machine), queue/backoff/rate-limiter.
 */
import { freshEpisode } from './backoff-episode.ts'
import { gateOf, passGate, put, refresh, setGateTimer, turnOf } from './key-state.ts'
import { KEYS, type KeyId, type Route } from './backoff-key.ts'
import type { Answer, Dispatch, EvidenceReply, QueueEvent, Refusal } from '../message.ts'
import { learnBreadth } from './concurrency-limiter.ts'
import { learn } from './rate-limiter.ts'
import { hear, type Heard, takeBack } from './backoff.ts'
import type { ClassName, Measure } from './backoff-classes.ts'
import type { Flight, Gate, Stock } from '../queue-state.ts'
import { count, emptyTally, perMinute, sum, type Tally } from './sliding-count.ts'

/** Evidence is for people: the beginning says it. */
const MAX_TEXT = 512
/** A site is down when so many of its host sets failed within this time and none answered. */
const SITE_SETS = 3
const SITE_WINDOW = 300_000

/** A hit: of which class, on which key. `trips`: known better than by measures. */
type Hit = { readonly class: ClassName; readonly key: KeyId; readonly trips: boolean | null }

type Met = { readonly queue: Stock; readonly flight: Flight; readonly answer: Answer; readonly now: number }

/** The keys hear an answer. What moved, in order. */
export function hearAnswer(met: Met): QueueEvent[] {
  const { queue, flight, answer, now } = met
  // A line that broke in the middle had been answered: it says nothing of the network, and no reply of the provider's.
  if (answer.kind === 'recalled') return giveBack(queue, flight, flight.keys, now)
  if (answer.kind === 'unreachable' && answer.how === 'dropped') return [...giveBack(queue, flight, flight.keys, now), ...hearDropped(met)]
  if (answer.kind === 'unreachable') return [...giveBack(queue, flight, ownKeys(flight.dispatch), now), ...hearUnreached(met, answer.how)]
  const hits = hitsOf(queue, flight.dispatch, answer)
  const events = ownKeys(flight.dispatch).flatMap((key) =>
    hearAt(met, gateOf(queue, key, now), hits.find((hit) => hit.key === key) ?? null),
  )
  return [...events, ...hearReached(met, hits)]
}

/** The keys that count attempts. */
const ownKeys = (to: Route): KeyId[] => [KEYS.ip(to), KEYS.senderDomain(to), KEYS.connection(to), KEYS.account(to)]

const networkKeys = (to: Route): KeyId[] => [KEYS.networkDomain(to), KEYS.networkHosts(to), KEYS.networkSite(to)]

/** A probe that the provider did not see may be sent again. */
function giveBack(queue: Stock, flight: Flight, keys: readonly KeyId[], now: number): QueueEvent[] {
  return keys.flatMap((key) => {
    const gate = queue.gates.get(key)
    if (gate === undefined || gate.episodes.size === 0) return []
    for (const [name, episode] of gate.episodes) gate.episodes.set(name, takeBack(episode, flight.dispatch.number))
    refresh(queue, gate)
    queue.hot.add(key)
    return passGate(queue, gate, now)
  })
}

/** One line that breaks is chance; where most do, it is an answer that no rule knows. No other class hears of it. */
function hearDropped(met: Met): QueueEvent[] {
  const { queue, flight, now } = met
  const hits: Hit[] = []
  addHit(queue, hits, 'unknown', flight.dispatch)
  return hits.flatMap((hit) => {
    const gate = gateOf(queue, hit.key, now)
    countAt(queue, gate, false, now)
    const isNew = !gate.episodes.has(hit.class)
    if (isNew) openEpisode(queue, gate, hit.class, now)
    const before = gate.episodes.get(hit.class)
    if (before === undefined) return []
    const heard = heardOf(met, gate, { isHit: true, trips: null, isCounted: isNew })
    const events = put(queue, { gate, before, after: hear(queue.policy, before, heard, turnOf(queue, now)) }, { now, by: 'queue' })
    setGateTimer(queue, gate, now)
    return events
  })
}

/** What a reply is a hit of: its rule's class, and the two monitors. */
function hitsOf(queue: Stock, to: Dispatch, answer: Answer): Hit[] {
  if (answer.kind !== 'refused') return []
  const hits: Hit[] = []
  const own = answer.pause
  if (own !== null && own !== 'network') addHit(queue, hits, own, to)
  if (answer.reason === 'not-exist' && !answer.deferral) addHit(queue, hits, 'list-quality', to)
  if (own === null && answer.reason === 'other' && answer.code !== null && answer.code >= 400 && answer.code < 500)
    addHit(queue, hits, 'unknown', to)
  return hits
}

function addHit(queue: Stock, hits: Hit[], name: ClassName, to: Dispatch): void {
  const { key } = queue.policy.classes[name]
  if (key !== null && key !== 'network') hits.push({ class: name, key: KEYS[key](to), trips: null })
}

/** What an answer leaves as evidence; null for a yes, and for what was not sent. */
export const evidenceOf = (flight: Flight, answer: Answer, now: number): EvidenceReply | null => {
  if (answer.kind !== 'refused' && answer.kind !== 'unreachable') return null
  const code = answer.kind === 'refused' ? answer.code : null
  return { at: now, mailId: flight.dispatch.mailId, code, text: answer.text.slice(0, MAX_TEXT) }
}

/** A gate hears an answer: its counts, each of its episodes, its rate. */
function hearAt(met: Met, gate: Gate, hit: Hit | null): QueueEvent[] {
  const { queue, answer, now } = met
  countAt(queue, gate, answer.kind === 'accepted', now)
  const events = tellEpisodes(met, gate, hit)
  if (queue.policy.adapts) teach(met, gate)
  return events
}

/** The windows that the classes of a kind of key are measured in. */
function windowsOf(queue: Stock, gate: Gate): readonly Measure[] {
  return Object.values(queue.policy.classes).flatMap(({ key, measures }) => (key !== null && KIND_OF[key] === gate.kind ? measures : []))
}

const KIND_OF: Readonly<Record<string, string>> = {
  ip: 'ip',
  connection: 'connection',
  senderDomain: 'sender-domain',
  account: 'account',
}

function countAt(queue: Stock, gate: Gate, isAccepted: boolean, now: number): void {
  if (gate.attempts.size === 0) {
    for (const { windowMs } of windowsOf(queue, gate)) gate.attempts.set(windowMs, emptyTally(windowMs))
    if (gate.kind === 'account') gate.delivered.set(86_400_000, emptyTally(86_400_000))
  }
  for (const [windowMs, tally] of gate.attempts) gate.attempts.set(windowMs, count(tally, now))
  if (!isAccepted) return
  for (const [windowMs, tally] of gate.delivered) gate.delivered.set(windowMs, count(tally, now))
  gate.accepted = count(gate.accepted, now)
}

/** Every episode of a gate hears an answer; a class that was never heard before gets its episode. */
function tellEpisodes(met: Met, gate: Gate, hit: Hit | null): QueueEvent[] {
  const { queue, now } = met
  const isNew = hit !== null && !gate.episodes.has(hit.class)
  if (isNew) openEpisode(queue, gate, hit.class, now)
  const events: QueueEvent[] = []
  for (const [name, before] of gate.episodes) {
    const isHit = hit?.class === name
    const heard = heardOf(met, gate, { isHit, trips: isHit ? hit.trips : null, isCounted: isHit && isNew })
    const after = hear(queue.policy, before, heard, turnOf(queue, now))
    events.push(...put(queue, { gate, before, after }, { now, by: 'queue' }))
  }
  if (gate.opening.probes !== null) events.push(...passGate(queue, gate, now))
  else if (gate.episodes.size > 0) setGateTimer(queue, gate, now)
  return events
}

/** An episode that knows what the gate has counted before it: the present attempt among them. */
function openEpisode(queue: Stock, gate: Gate, name: ClassName, now: number): void {
  const known = (measure: Measure): Tally =>
    (measure.per === 'attempts' ? gate.attempts : gate.delivered).get(measure.windowMs) ?? emptyTally(measure.windowMs)
  gate.episodes.set(name, freshEpisode(queue.policy, { key: gate.id, class: name, now }, known))
}

function heardOf(
  met: Met,
  gate: Gate,
  given: { readonly isHit: boolean; readonly trips: boolean | null; readonly isCounted: boolean },
): Heard {
  const { queue, flight, answer, now } = met
  const refusal: Refusal | null = answer.kind === 'refused' ? answer : null
  // A network key counts no mails; the address counts those to its site.
  const rated = gate.kind === 'network' ? gateOf(queue, KEYS.ip(flight.dispatch), now) : gate
  return {
    number: flight.dispatch.number,
    what: given.isHit ? 'hit' : answer.kind === 'accepted' ? 'accepted' : 'clean',
    isAttempt: true,
    isCounted: given.isCounted,
    reply: given.isHit ? evidenceOf(flight, answer, now) : null,
    statedDelayMs: refusal?.statedDelayMs ?? null,
    zone: refusal?.zone ?? null,
    trips: given.trips,
    rate: perMinute(rated.accepted, now),
    connections: Math.max(1, queue.inFlight.get(gate.id) ?? 1),
  }
}

/** The key learns its rate, or its connections. */
function teach({ queue, flight, answer, now }: Met, gate: Gate): void {
  if (gate.kind === 'account') return
  const name = answer.kind === 'refused' ? answer.pause : null
  const halves = name === null ? null : queue.policy.classes[name].halves
  const asks = halves !== null && KIND_OF[halves] === gate.kind
  const { number } = flight.dispatch
  const turn = { now, epoch: queue.sequence }
  if (gate.kind === 'connection') {
    // This one is no longer counted as open.
    gate.breadth = learnBreadth(gate.breadth, { number, asks, open: (queue.inFlight.get(gate.id) ?? 0) + 1 }, turn)
    return
  }
  const before = gate.pace
  const clean = sum(gate.accepted, now) / 60
  const best = perMinute(gate.accepted, now)
  gate.pace = learn(before, { number, asks, clean, best }, turn)
  if (before?.perMinute !== gate.pace?.perMinute) queue.hot.add(gate.id)
}

/** The network keys hear that somebody answered. */
function hearReached(met: Met, hits: readonly Hit[]): QueueEvent[] {
  const { queue, flight, answer, now } = met
  if (answer.kind === 'refused' && answer.pause === 'network' && hits.length === 0) return hearUnreached(met, 'connect')
  return networkKeys(flight.dispatch).flatMap((key) => {
    const gate = queue.gates.get(key)
    if (gate === undefined) return []
    gate.suspect = null
    gate.failedAt.clear()
    return gate.episodes.size === 0 ? [] : tellEpisodes({ ...met, now }, gate, null)
  })
}

/** The network keys hear that nobody did. */
function hearUnreached(met: Met, how: 'dns' | 'connect' | 'dropped'): QueueEvent[] {
  const { queue, flight, now } = met
  if (queue.policy.classes.network.key === null) return []
  const to = flight.dispatch
  const own = gateOf(queue, how === 'dns' ? KEYS.networkDomain(to) : KEYS.networkHosts(to), now)
  const events = tellEpisodes(met, own, { class: 'network', key: own.id, trips: isCohortDown(queue, own) })
  if (how === 'dns') return events
  const site = gateOf(queue, KEYS.networkSite(to), now)
  site.failedAt.set(own.id, now)
  for (const [key, at] of site.failedAt) if (now - at > SITE_WINDOW) site.failedAt.delete(key)
  if (site.failedAt.size < SITE_SETS && site.episodes.size === 0) return events
  return [...events, ...tellEpisodes(met, site, { class: 'network', key: site.id, trips: site.failedAt.size >= SITE_SETS })]
}

/** Whether every connection that was open at the first failure has failed, with no success between. */
function isCohortDown(queue: Stock, gate: Gate): boolean {
  // The one that has just failed is no longer counted as in flight.
  gate.suspect ??= { failed: 0, cohort: (queue.inFlight.get(gate.id) ?? 0) + 1 }
  gate.suspect.failed += 1
  return gate.suspect.failed >= gate.suspect.cohort
}

/** What came back later about mail of an account: a permanent "no such user", or a complaint. */
export function hearLater(
  queue: Stock,
  report: { readonly kind: 'not-exist' | 'complaint'; readonly account: number },
  now: number,
): QueueEvent[] {
  const { key } = queue.policy.classes['list-quality']
  if (key === null) return []
  const gate = gateOf(queue, KEYS.account(report), now)
  if (!gate.episodes.has('list-quality')) openEpisode(queue, gate, 'list-quality', now)
  const before = gate.episodes.get('list-quality')
  if (before === undefined) return []
  const heard: Heard = {
    number: queue.sequence + 1,
    what: report.kind === 'complaint' ? 'complaint' : 'hit',
    isAttempt: false,
    isCounted: true,
    reply: null,
    statedDelayMs: null,
    zone: null,
    trips: null,
    rate: perMinute(gate.accepted, now),
    connections: 1,
  }
  const after = hear(queue.policy, before, heard, turnOf(queue, now))
  const events = put(queue, { gate, before, after }, { now, by: 'queue' })
  setGateTimer(queue, gate, now)
  return events
}
