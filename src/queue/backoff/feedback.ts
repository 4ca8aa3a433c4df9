/**
 * feedback - what the result of an attempt means for the backoff keys that covered its dispatch
 *
 * Each reply is an attempt for the ip, sender-domain, connection and account keys, a hit for the one key of its class, and a success or a
 * failure for the network keys. An attempt that the provider never saw counts for the network keys only, and a fault of this host for the key
 * of its egress IP only. A recalled one counts for none.
 *
 * Mutates the queue. See also: queue/backoff/backoff-classes (which class, which key), queue/backoff/episode-feedback,
 * queue/backoff/network-feedback, queue/backoff/rate-limiter.
 */
import type { Dispatch, AttemptResult, QueueEvent } from '../message.ts'
import type { InFlightAttempt, KeyState, QueueState } from '../queue-state.ts'
import { applyFeedback, type BackoffFeedback, recordRecall } from './backoff.ts'
import { type BackoffClassName, CLASS_KEY_KINDS } from './backoff-classes.ts'
import { BACKOFF_KEYS, type BackoffKeyId, destinationKeys, egressKeys, type EgressRoute } from './backoff-key.ts'
import { learnConcurrency } from './concurrency-limiter.ts'
import { deferralMonitorOf } from './deferral-monitor.ts'
import { countAttempt } from './attempt-counts.ts'
import { applyHitAlone, applyToEpisodes, type EpisodeHit, type ResultContext, startEpisode } from './episode-feedback.ts'
import {
  advanceKeyState,
  getOrCreateKeyState,
  nextTransitionInput,
  refreshBackoffLimits,
  replaceEpisode,
  setKeyTimer,
} from './key-state.ts'
import { applyOwnFault, applyReached, applyUnreachable } from './network-feedback.ts'
import { learnRate } from './rate-limiter.ts'
import { countInWindow, countPerMinute } from './sliding-count.ts'
import { putEpisode } from './key-episodes.ts'
import { keepCleanAttempt } from '../clean-attempts.ts'
import { policyOf } from '../shaping/limits-in-force.ts'

type ClassHit = EpisodeHit & { readonly key: BackoffKeyId }

/** Passes a result to the keys. Returns the transitions, in order. */
export function applyResultToKeys(context: ResultContext): QueueEvent[] {
  const { queue, attempt, now } = context
  const { dispatch, answeredBy } = attempt
  if (answeredBy === undefined) return applyResult(context, attemptKeys(dispatch))
  const { site, gateway, isCounted } = answeredBy
  const to: Dispatch = { ...dispatch, site, gateway }
  const covered = [...destinationKeys(to), ...egressKeys(to, false)]
  const unanswered = attempt.keys.filter((key) => !covered.includes(key))
  const countingKeys = isCounted ? attemptKeys(to) : [BACKOFF_KEYS.account(to)]
  return [
    ...returnProbes(queue, attempt, unanswered, now),
    ...applyResult({ ...context, attempt: { ...attempt, dispatch: to } }, countingKeys),
  ]
}

/** The same for an attempt of another node, which has counted it for the account. */
export function applyForeignResultToKeys(context: ResultContext): QueueEvent[] {
  const to = context.attempt.dispatch
  return applyResult(
    context,
    attemptKeys(to).filter((key) => key !== BACKOFF_KEYS.account(to)),
  )
}

function applyResult(context: ResultContext, countingKeys: readonly BackoffKeyId[]): QueueEvent[] {
  const { queue, attempt, result, now } = context
  if (result.kind === 'recalled') return returnProbes(queue, attempt, attempt.keys, now)
  if (result.kind === 'unreachable') {
    const { how } = result
    // The peer had accepted the connection before it broke: this is no evidence about the network, and not a reply of the provider.
    if (how === 'dropped') return [...returnProbes(queue, attempt, attempt.keys, now), ...applyDropped(context)]
    if (how === 'no-family') return returnProbes(queue, attempt, attempt.keys, now)
    const ownEvents = how === 'egress' || how === 'no-route' ? applyOwnFault(context, how) : null
    if (ownEvents === null)
      return [...returnProbes(queue, attempt, countingKeys, now), ...applyUnreachable(context, how === 'dns' ? 'dns' : 'connect')]
    const others = attempt.keys.filter((key) => key !== BACKOFF_KEYS.own(attempt.dispatch))
    return [...returnProbes(queue, attempt, others, now), ...ownEvents]
  }
  const hits = classHitsOf(queue, attempt.dispatch, result)
  const keys = result.kind === 'accepted' ? keepCleanAttempt(queue, attempt.dispatch, countingKeys, now) : countingKeys
  const events = keys.flatMap((key) =>
    applyToKey(context, getOrCreateKeyState(queue, key, now), hits.find((hit) => hit.key === key) ?? null),
  )
  const isUnreachable = result.kind === 'refused' && result.pause === 'network' && hits.length === 0
  return [...events, ...(isUnreachable ? applyUnreachable(context, 'connect') : applyReached(context))]
}

/** The keys that count attempts. */
const attemptKeys = (to: EgressRoute): BackoffKeyId[] => [
  BACKOFF_KEYS.ip(to),
  BACKOFF_KEYS.senderDomain(to),
  BACKOFF_KEYS.connection(to),
  BACKOFF_KEYS.account(to),
]

/** Lets a key send another probe in place of one that the provider did not see. */
function returnProbes(queue: QueueState, attempt: InFlightAttempt, keys: readonly BackoffKeyId[], now: number): QueueEvent[] {
  return keys.flatMap((key) => {
    const keyState = queue.keyStates.get(key)
    if (keyState === undefined || keyState.episodes.size === 0) return []
    for (const episode of keyState.episodes.values()) putEpisode(queue, keyState, recordRecall(episode, attempt.dispatch.number))
    refreshBackoffLimits(queue, keyState)
    queue.keysToWake.add(key)
    return advanceKeyState(queue, keyState, now)
  })
}

/** One broken connection is chance. Where most break, they count like a reply that no rule knows, and for no other class. */
function applyDropped(context: ResultContext): QueueEvent[] {
  const { queue, attempt, now } = context
  return hitsOf(queue, ['unknown'], attempt.dispatch).flatMap((hit) =>
    applyHitAlone(context, getOrCreateKeyState(queue, hit.key, now), hit),
  )
}

/** The classes that a reply is a hit of: the class of its rule, and the monitors. */
function classHitsOf(queue: QueueState, to: Dispatch, result: AttemptResult): ClassHit[] {
  if (result.kind !== 'refused') return []
  const { pause, reason, deferral } = result
  const monitor = deferralMonitorOf(queue.policy, result)
  const names: BackoffClassName[] = [
    ...(pause !== null && pause !== 'network' ? [pause] : []),
    ...(reason === 'not-exist' && !deferral ? (['list-quality'] as const) : []),
    ...(monitor === null ? [] : [monitor]),
  ]
  return hitsOf(queue, names, to)
}

function hitsOf(queue: QueueState, names: readonly BackoffClassName[], to: Dispatch): ClassHit[] {
  return names.flatMap((name) => {
    const { key } = queue.policy.classes[name]
    return key === null || key === 'network' ? [] : [{ class: name, key: BACKOFF_KEYS[key](to), trips: null }]
  })
}

/** Passes a reply to one key: its counts, its episodes, its learnt limits. */
function applyToKey(context: ResultContext, keyState: KeyState, hit: ClassHit | null): QueueEvent[] {
  const { queue, result, now } = context
  countAttempt(queue, keyState, result.kind === 'accepted', now)
  const events = applyToEpisodes(context, keyState, hit)
  const isPausing = events.some((event) => event.kind === 'queue.paused' && event.from !== 'probing')
  if (queue.policy.adapts) learnLimits(context, keyState, isPausing)
  return events
}

/** The key learns its rate, or its simultaneous connections. */
function learnLimits({ queue, attempt, result, now }: ResultContext, keyState: KeyState, isPausing: boolean): void {
  const kind = keyState.key?.kind
  if (kind === 'account') return
  const name = result.kind === 'refused' ? result.pause : null
  const halvedKey = name === null ? null : policyOf(queue, keyState.key).classes[name].halves
  const isOverLimit = halvedKey !== null && CLASS_KEY_KINDS[halvedKey] === kind
  const dispatchNumber = attempt.dispatch.number
  const input = { now, epoch: queue.sequence }
  if (kind === 'connection') {
    // This attempt is no longer counted as open.
    const openConnections = (queue.inFlightByKey.get(keyState.id) ?? 0) + 1
    keyState.learnedConcurrency = learnConcurrency(keyState.learnedConcurrency, { dispatchNumber, isOverLimit, openConnections }, input)
    return
  }
  const before = keyState.learnedRate
  const cleanPerMinute = countInWindow(keyState.accepted, now) / 60
  const peakPerMinute = countPerMinute(keyState.accepted, now)
  keyState.learnedRate = learnRate(before, { dispatchNumber, isOverLimit, isPausing, cleanPerMinute, peakPerMinute }, input)
  if (before?.perMinute !== keyState.learnedRate?.perMinute) queue.keysToWake.add(keyState.id)
}

/** Passes a later report about an account's message to its key: a permanent "no such user", or a complaint. */
export function applyReportToKeys(
  queue: QueueState,
  report: { readonly kind: 'not-exist' | 'complaint'; readonly account: number },
  now: number,
): QueueEvent[] {
  if (queue.policy.classes['list-quality'].key === null) return []
  const keyState = getOrCreateKeyState(queue, BACKOFF_KEYS.account(report), now)
  if (!keyState.episodes.has('list-quality')) startEpisode(queue, keyState, 'list-quality', now)
  const before = keyState.episodes.get('list-quality')
  if (before === undefined) return []
  const feedback: BackoffFeedback = {
    dispatchNumber: queue.sequence + 1,
    kind: report.kind === 'complaint' ? 'complaint' : 'hit',
    isAttempt: false,
    isCounted: true,
    isRepeat: false,
    reply: null,
    statedDelayMs: null,
    zone: null,
    trips: null,
    cleanPerMinute: countPerMinute(keyState.accepted, now),
    connections: 1,
  }
  const after = applyFeedback(queue.policy, before, feedback, nextTransitionInput(queue, now))
  const events = replaceEpisode(queue, { keyState, before, after }, { now, by: 'queue' })
  setKeyTimer(queue, keyState, now)
  return events
}
