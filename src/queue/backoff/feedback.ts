/**
 * feedback - what an answer means to the keys that covered its dispatch
 *
 * Each answer is an attempt for the ip, sender-domain, connection and account keys, a hit for the one key of its class, and a success or a
 * failure for the network keys. What the provider never saw is no attempt of anybody's but the network's. What we say ourselves is nothing.
 *
 * Mutates the stock that it is given. See also: queue/backoff/backoff-classes (which class, which key), queue/backoff/backoff (the machine), queue/backoff/rate-limiter.
 */
import { createBackoffEpisode } from './backoff-episode.ts'
import {
  getOrCreateKeyState,
  advanceKeyState,
  replaceEpisode,
  refreshBackoffLimits,
  setKeyTimer,
  nextTransitionInput,
} from './key-state.ts'
import { BACKOFF_KEYS, type BackoffKey, type EgressRoute } from './backoff-key.ts'
import type { AttemptResult, Dispatch, EvidenceReply, QueueEvent } from '../message.ts'
import type { RefusedAttempt } from '../../ledger/decide/attempt-reading.ts'
import { learnConcurrency } from './concurrency-limiter.ts'
import { learnRate } from './rate-limiter.ts'
import { applyFeedback, type BackoffFeedback, recordRecall } from './backoff.ts'
import type { BackoffClassName, TripMeasure } from './backoff-classes.ts'
import type { InFlightAttempt, KeyState, QueueState } from '../queue-state.ts'
import { addToCount, emptySlidingCount, countPerMinute, countInWindow, type SlidingCount } from './sliding-count.ts'

/** Evidence is for people: the beginning says it. */
const MAX_EVIDENCE_CHARS = 512
/** A site is down when so many of its host sets failed within this time and none answered. */
const SITE_DOWN_HOST_SETS = 3
const SITE_DOWN_WINDOW_MS = 300_000

/** A hit: of which class, on which key. `trips`: known better than by measures. */
type ClassHit = { readonly class: BackoffClassName; readonly key: BackoffKey; readonly trips: boolean | null }

type ResultContext = { readonly queue: QueueState; readonly attempt: InFlightAttempt; readonly result: AttemptResult; readonly now: number }

/** The keys hear an answer. What moved, in order. */
export function applyResultToKeys(context: ResultContext): QueueEvent[] {
  const { queue, attempt, result, now } = context
  // A line that broke in the middle had been answered: it says nothing of the network, and no reply of the provider's.
  if (result.kind === 'recalled') return returnProbes(queue, attempt, attempt.keys, now)
  if (result.kind === 'unreachable' && result.how === 'dropped')
    return [...returnProbes(queue, attempt, attempt.keys, now), ...applyDropped(context)]
  if (result.kind === 'unreachable')
    return [...returnProbes(queue, attempt, attemptKeys(attempt.dispatch), now), ...applyUnreachable(context, result.how)]
  const hits = classHitsOf(queue, attempt.dispatch, result)
  const events = attemptKeys(attempt.dispatch).flatMap((key) =>
    applyToKey(context, getOrCreateKeyState(queue, key, now), hits.find((hit) => hit.key === key) ?? null),
  )
  return [...events, ...applyReached(context, hits)]
}

/** The keys that count attempts. */
const attemptKeys = (to: EgressRoute): BackoffKey[] => [
  BACKOFF_KEYS.ip(to),
  BACKOFF_KEYS.senderDomain(to),
  BACKOFF_KEYS.connection(to),
  BACKOFF_KEYS.account(to),
]

const networkKeys = (to: EgressRoute): BackoffKey[] => [
  BACKOFF_KEYS.networkDomain(to),
  BACKOFF_KEYS.networkHosts(to),
  BACKOFF_KEYS.networkSite(to),
]

/** A probe that the provider did not see may be sent again. */
function returnProbes(queue: QueueState, attempt: InFlightAttempt, keys: readonly BackoffKey[], now: number): QueueEvent[] {
  return keys.flatMap((key) => {
    const keyState = queue.keyStates.get(key)
    if (keyState === undefined || keyState.episodes.size === 0) return []
    for (const [name, episode] of keyState.episodes) keyState.episodes.set(name, recordRecall(episode, attempt.dispatch.number))
    refreshBackoffLimits(queue, keyState)
    queue.keysToWake.add(key)
    return advanceKeyState(queue, keyState, now)
  })
}

/** One line that breaks is chance; where most do, it is an answer that no rule knows. No other class hears of it. */
function applyDropped(context: ResultContext): QueueEvent[] {
  const { queue, attempt, now } = context
  const hits: ClassHit[] = []
  addHit(queue, hits, 'unknown', attempt.dispatch)
  return hits.flatMap((hit) => {
    const keyState = getOrCreateKeyState(queue, hit.key, now)
    countAttempt(queue, keyState, false, now)
    const isNew = !keyState.episodes.has(hit.class)
    if (isNew) startEpisode(queue, keyState, hit.class, now)
    const before = keyState.episodes.get(hit.class)
    if (before === undefined) return []
    const feedback = createFeedback(context, keyState, { isHit: true, trips: null, isCounted: isNew })
    const events = replaceEpisode(
      queue,
      { gate: keyState, before, after: applyFeedback(queue.policy, before, feedback, nextTransitionInput(queue, now)) },
      { now, by: 'queue' },
    )
    setKeyTimer(queue, keyState, now)
    return events
  })
}

/** What a reply is a hit of: its rule's class, and the two monitors. */
function classHitsOf(queue: QueueState, to: Dispatch, result: AttemptResult): ClassHit[] {
  if (result.kind !== 'refused') return []
  const hits: ClassHit[] = []
  const classOfResult = result.pause
  if (classOfResult !== null && classOfResult !== 'network') addHit(queue, hits, classOfResult, to)
  if (result.reason === 'not-exist' && !result.deferral) addHit(queue, hits, 'list-quality', to)
  if (classOfResult === null && result.reason === 'other' && result.code !== null && result.code >= 400 && result.code < 500)
    addHit(queue, hits, 'unknown', to)
  return hits
}

function addHit(queue: QueueState, hits: ClassHit[], name: BackoffClassName, to: Dispatch): void {
  const { key } = queue.policy.classes[name]
  if (key !== null && key !== 'network') hits.push({ class: name, key: BACKOFF_KEYS[key](to), trips: null })
}

/** What an answer leaves as evidence; null for a yes, and for what was not sent. */
export const evidenceOf = (attempt: InFlightAttempt, result: AttemptResult, now: number): EvidenceReply | null => {
  if (result.kind !== 'refused' && result.kind !== 'unreachable') return null
  const code = result.kind === 'refused' ? result.code : null
  return { at: now, mailId: attempt.dispatch.mailId, code, text: result.text.slice(0, MAX_EVIDENCE_CHARS) }
}

/** A gate hears an answer: its counts, each of its episodes, its rate. */
function applyToKey(context: ResultContext, keyState: KeyState, hit: ClassHit | null): QueueEvent[] {
  const { queue, result, now } = context
  countAttempt(queue, keyState, result.kind === 'accepted', now)
  const events = applyToEpisodes(context, keyState, hit)
  if (queue.policy.adapts) learnLimits(context, keyState)
  return events
}

/** The windows that the classes of a kind of key are measured in. */
function measuresOf(queue: QueueState, keyState: KeyState): readonly TripMeasure[] {
  return Object.values(queue.policy.classes).flatMap(({ key, measures }) =>
    key !== null && KEY_KIND_OF[key] === keyState.kind ? measures : [],
  )
}

const KEY_KIND_OF: Readonly<Record<string, string>> = {
  ip: 'ip',
  connection: 'connection',
  senderDomain: 'sender-domain',
  account: 'account',
}

function countAttempt(queue: QueueState, keyState: KeyState, isAccepted: boolean, now: number): void {
  if (keyState.attempts.size === 0) {
    for (const { windowMs } of measuresOf(queue, keyState)) keyState.attempts.set(windowMs, emptySlidingCount(windowMs))
    if (keyState.kind === 'account') keyState.delivered.set(86_400_000, emptySlidingCount(86_400_000))
  }
  for (const [windowMs, windowCount] of keyState.attempts) keyState.attempts.set(windowMs, addToCount(windowCount, now))
  if (!isAccepted) return
  for (const [windowMs, windowCount] of keyState.delivered) keyState.delivered.set(windowMs, addToCount(windowCount, now))
  keyState.accepted = addToCount(keyState.accepted, now)
}

/** Every episode of a gate hears an answer; a class that was never heard before gets its episode. */
function applyToEpisodes(context: ResultContext, keyState: KeyState, hit: ClassHit | null): QueueEvent[] {
  const { queue, now } = context
  const isNew = hit !== null && !keyState.episodes.has(hit.class)
  if (isNew) startEpisode(queue, keyState, hit.class, now)
  const events: QueueEvent[] = []
  for (const [name, before] of keyState.episodes) {
    const isHit = hit?.class === name
    const feedback = createFeedback(context, keyState, { isHit, trips: isHit ? hit.trips : null, isCounted: isHit && isNew })
    const after = applyFeedback(queue.policy, before, feedback, nextTransitionInput(queue, now))
    events.push(...replaceEpisode(queue, { gate: keyState, before, after }, { now, by: 'queue' }))
  }
  if (keyState.backoffLimits.probesLeft !== null) events.push(...advanceKeyState(queue, keyState, now))
  else if (keyState.episodes.size > 0) setKeyTimer(queue, keyState, now)
  return events
}

/** An episode that knows what the gate has counted before it: the present attempt among them. */
function startEpisode(queue: QueueState, keyState: KeyState, name: BackoffClassName, now: number): void {
  const countFor = (measure: TripMeasure): SlidingCount =>
    (measure.denominator === 'attempts' ? keyState.attempts : keyState.delivered).get(measure.windowMs) ??
    emptySlidingCount(measure.windowMs)
  keyState.episodes.set(name, createBackoffEpisode(queue.policy, { key: keyState.id, class: name, now }, countFor))
}

function createFeedback(
  context: ResultContext,
  keyState: KeyState,
  options: { readonly isHit: boolean; readonly trips: boolean | null; readonly isCounted: boolean },
): BackoffFeedback {
  const { queue, attempt, result, now } = context
  const refusal: RefusedAttempt | null = result.kind === 'refused' ? result : null
  // A network key counts no mails; the address counts those to its site.
  const rateSource = keyState.kind === 'network' ? getOrCreateKeyState(queue, BACKOFF_KEYS.ip(attempt.dispatch), now) : keyState
  return {
    dispatchNumber: attempt.dispatch.number,
    kind: options.isHit ? 'hit' : result.kind === 'accepted' ? 'accepted' : 'clean',
    isAttempt: true,
    isCounted: options.isCounted,
    reply: options.isHit ? evidenceOf(attempt, result, now) : null,
    statedDelayMs: refusal?.statedDelayMs ?? null,
    zone: refusal?.zone ?? null,
    trips: options.trips,
    cleanPerMinute: countPerMinute(rateSource.accepted, now),
    connections: Math.max(1, queue.inFlightByKey.get(keyState.id) ?? 1),
  }
}

/** The key learns its rate, or its connections. */
function learnLimits({ queue, attempt, result, now }: ResultContext, keyState: KeyState): void {
  if (keyState.kind === 'account') return
  const name = result.kind === 'refused' ? result.pause : null
  const halvedKey = name === null ? null : queue.policy.classes[name].halves
  const isOverLimit = halvedKey !== null && KEY_KIND_OF[halvedKey] === keyState.kind
  const { number } = attempt.dispatch
  const input = { now, epoch: queue.sequence }
  if (keyState.kind === 'connection') {
    // This one is no longer counted as open.
    keyState.breadth = learnConcurrency(
      keyState.breadth,
      { dispatchNumber: number, isOverLimit, openConnections: (queue.inFlightByKey.get(keyState.id) ?? 0) + 1 },
      input,
    )
    return
  }
  const before = keyState.pace
  const clean = countInWindow(keyState.accepted, now) / 60
  const best = countPerMinute(keyState.accepted, now)
  keyState.pace = learnRate(before, { dispatchNumber: number, isOverLimit, cleanPerMinute: clean, peakPerMinute: best }, input)
  if (before?.perMinute !== keyState.pace?.perMinute) queue.keysToWake.add(keyState.id)
}

/** The network keys hear that somebody answered. */
function applyReached(context: ResultContext, hits: readonly ClassHit[]): QueueEvent[] {
  const { queue, attempt, result, now } = context
  if (result.kind === 'refused' && result.pause === 'network' && hits.length === 0) return applyUnreachable(context, 'connect')
  return networkKeys(attempt.dispatch).flatMap((key) => {
    const keyState = queue.keyStates.get(key)
    if (keyState === undefined) return []
    keyState.failureCohort = null
    keyState.hostSetFailedAt.clear()
    return keyState.episodes.size === 0 ? [] : applyToEpisodes({ ...context, now }, keyState, null)
  })
}

/** The network keys hear that nobody did. */
function applyUnreachable(context: ResultContext, how: 'dns' | 'connect' | 'dropped'): QueueEvent[] {
  const { queue, attempt, now } = context
  if (queue.policy.classes.network.key === null) return []
  const to = attempt.dispatch
  const classOfResult = getOrCreateKeyState(queue, how === 'dns' ? BACKOFF_KEYS.networkDomain(to) : BACKOFF_KEYS.networkHosts(to), now)
  const events = applyToEpisodes(context, classOfResult, {
    class: 'network',
    key: classOfResult.id,
    trips: isCohortDown(queue, classOfResult),
  })
  if (how === 'dns') return events
  const siteState = getOrCreateKeyState(queue, BACKOFF_KEYS.networkSite(to), now)
  siteState.hostSetFailedAt.set(classOfResult.id, now)
  for (const [key, at] of siteState.hostSetFailedAt) if (now - at > SITE_DOWN_WINDOW_MS) siteState.hostSetFailedAt.delete(key)
  if (siteState.hostSetFailedAt.size < SITE_DOWN_HOST_SETS && siteState.episodes.size === 0) return events
  return [
    ...events,
    ...applyToEpisodes(context, siteState, {
      class: 'network',
      key: siteState.id,
      trips: siteState.hostSetFailedAt.size >= SITE_DOWN_HOST_SETS,
    }),
  ]
}

/** Whether every connection that was open at the first failure has failed, with no success between. */
function isCohortDown(queue: QueueState, keyState: KeyState): boolean {
  // The one that has just failed is no longer counted as in flight.
  keyState.failureCohort ??= { failed: 0, size: (queue.inFlightByKey.get(keyState.id) ?? 0) + 1 }
  keyState.failureCohort.failed += 1
  return keyState.failureCohort.failed >= keyState.failureCohort.size
}

/** What came back later about mail of an account: a permanent "no such user", or a complaint. */
export function applyReportToKeys(
  queue: QueueState,
  report: { readonly kind: 'not-exist' | 'complaint'; readonly account: number },
  now: number,
): QueueEvent[] {
  const { key } = queue.policy.classes['list-quality']
  if (key === null) return []
  const keyState = getOrCreateKeyState(queue, BACKOFF_KEYS.account(report), now)
  if (!keyState.episodes.has('list-quality')) startEpisode(queue, keyState, 'list-quality', now)
  const before = keyState.episodes.get('list-quality')
  if (before === undefined) return []
  const feedback: BackoffFeedback = {
    dispatchNumber: queue.sequence + 1,
    kind: report.kind === 'complaint' ? 'complaint' : 'hit',
    isAttempt: false,
    isCounted: true,
    reply: null,
    statedDelayMs: null,
    zone: null,
    trips: null,
    cleanPerMinute: countPerMinute(keyState.accepted, now),
    connections: 1,
  }
  const after = applyFeedback(queue.policy, before, feedback, nextTransitionInput(queue, now))
  const events = replaceEpisode(queue, { gate: keyState, before, after }, { now, by: 'queue' })
  setKeyTimer(queue, keyState, now)
  return events
}
