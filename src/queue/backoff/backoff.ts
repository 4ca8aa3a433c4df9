/**
 * backoff - the machine: what one episode becomes when it hears an answer, when time passes, when an operator presses Recover
 *
 * Each function is pure: (policy, episode, what happened, now) → episode. Where the state changes, the epoch is the number that the caller
 * brings, counts begin anew, and n rises only: it is forgotten in ACTIVE, after a long time without trouble.
 *
 * See also: queue/backoff/backoff-state (the table of states), queue/backoff/backoff-classes (the table of classes), queue/backoff/key-state (who calls).
 */
import { endOfProviderDay, isTimeZone } from './provider-day.ts'
import { type MeasureCount, type BackoffEpisode, MAX_EVIDENCE, recoveryOf } from './backoff-episode.ts'
import type { EvidenceReply, BackoffTransition, BackoffTransitionKind } from '../message.ts'
import type { BackoffClassRow, TripMeasure } from './backoff-classes.ts'
import type { BackoffPolicy } from './policy.ts'
import { type BackoffSignal, type BackoffState, nextBackoffState } from './backoff-state.ts'
import { addToCount, emptySlidingCount, countInWindow } from './sliding-count.ts'

/** The moment, the number that a transition would get, and a number from 0 to 1. */
export type TransitionInput = { readonly now: number; readonly epoch: number; readonly roll: number }

/** One answer, as a key hears it. */
export type BackoffFeedback = {
  /** The number of its dispatch; a report that comes later has the present one. */
  readonly dispatchNumber: number
  readonly kind: 'hit' | 'complaint' | 'clean' | 'accepted'
  /** Whether it is one of the attempts that a share is taken of; a report that comes later is not. */
  readonly isAttempt: boolean
  /** Whether what the share is taken of has counted it already. */
  readonly isCounted: boolean
  readonly reply: EvidenceReply | null
  readonly statedDelayMs: number | null
  readonly zone: string | null
  /** Where the caller knows better than the measures whether the class trips (network); else null. */
  readonly trips: boolean | null
  /** The key's clean rate and its connections now. */
  readonly cleanPerMinute: number
  readonly connections: number
}

const DAY_MS = 24 * 3_600_000
/** No provider is believed that wants a longer rest. */
const MAX_STATED_DELAY_MS = 7 * DAY_MS

/** Where a pause that begins now ends; null: with an operator's Recover. */
function computePauseEnd(
  policy: BackoffPolicy,
  episode: BackoffEpisode,
  feedback: Pick<BackoffFeedback, 'statedDelayMs' | 'zone'> | null,
  input: TransitionInput,
): number | null {
  const backoffClass = policy.classes[episode.class]
  if (backoffClass.pauseLength === 'operator') return null
  const stated = policy.honorsStatedDelay ? (feedback?.statedDelayMs ?? null) : null
  if (stated !== null && stated > 0) return input.now + Math.min(stated, MAX_STATED_DELAY_MS)
  if (backoffClass.pauseLength === 'midnight') {
    const zone = feedback?.zone ?? 'UTC'
    return endOfProviderDay(input.now, isTimeZone(zone) ? zone : 'UTC') + Math.round(input.roll * policy.midnightJitterMs)
  }
  const [low, high] = policy.jitter
  const length = Math.min(backoffClass.capMs, backoffClass.baseMs * backoffClass.growth ** Math.min(400, episode.n - 1))
  return input.now + Math.round(length * (low + (high - low) * input.roll))
}

const emptyCounts = (backoffClass: BackoffClassRow): readonly MeasureCount[] =>
  backoffClass.measures.map(({ windowMs }) => ({ hits: emptySlidingCount(windowMs), of: emptySlidingCount(windowMs) }))

/** The episode in another state: a new epoch, counts from nothing. */
function enterState(policy: BackoffPolicy, episode: BackoffEpisode, to: BackoffState, input: TransitionInput): BackoffEpisode {
  const { now, epoch } = input
  const counts = emptyCounts(policy.classes[episode.class])
  const reset = { state: to, epoch, since: now, until: null, counts, inARow: 0, batch: 0, sent: 0, answered: 0, movedAt: now }
  return { ...episode, ...reset, rung: to === 'recovering' ? 0 : null, rungAt: now, clean: 0 }
}

/** n is forgotten where the key was clean for long enough. */
function resetIfQuiet(policy: BackoffPolicy, episode: BackoffEpisode, now: number): BackoffEpisode {
  if (episode.state !== 'active' || episode.n === 0) return episode
  const quietMs = Math.max(policy.forgetMs, policy.forgetPauseMultiple * episode.pausedMs)
  return now - Math.max(episode.since, episode.troubleAt) < quietMs ? episode : { ...episode, n: 0, pausedMs: 0, evidence: [] }
}

/** PAUSED: n rises unless the pause is the second half of the same step (throttled before, or silence). */
function enterPaused(
  policy: BackoffPolicy,
  episode: BackoffEpisode,
  feedback: BackoffFeedback | null,
  input: TransitionInput,
): BackoffEpisode {
  const isNewPause = feedback !== null && episode.state !== 'throttled'
  const counted = { ...episode, n: Math.max(1, episode.n + (isNewPause ? 1 : 0)) }
  const until = computePauseEnd(policy, counted, feedback, input)
  return { ...enterState(policy, counted, 'paused', input), until, pausedMs: until === null ? 0 : until - input.now }
}

function enterThrottled(policy: BackoffPolicy, episode: BackoffEpisode, input: TransitionInput): BackoffEpisode {
  return { ...enterState(policy, episode, 'throttled', input), n: episode.n + 1 }
}

/** What the counts say of one measure: `far` is so many times the ratio at which the class pauses in any state. */
function evaluateMeasure(
  measure: TripMeasure,
  { hits, of }: MeasureCount,
  at: { readonly now: number; readonly inARow: number; readonly times: number | null },
) {
  const n = countInWindow(hits, at.now)
  const all = countInWindow(of, at.now)
  const isEnough = n >= measure.threshold && n >= measure.ratio * all
  const trips = all >= measure.floor ? isEnough : measure.inARow > 0 && at.inARow >= measure.inARow && n >= measure.ratio * all
  return { trips, isFar: trips && at.times !== null && n >= at.times * measure.ratio * all }
}

/** The signal that the counts give, if any. */
function detectTrip(backoffClass: BackoffClassRow, episode: BackoffEpisode, trips: boolean | null, now: number): BackoffSignal | null {
  const isRepeat = backoffClass.repeatTrip !== null && episode.state === 'throttled'
  const evaluations = backoffClass.measures.map((measure, i) => {
    const measureCount = episode.counts[i]
    const effectiveMeasure = isRepeat && backoffClass.repeatTrip !== null ? { ...measure, ratio: backoffClass.repeatTrip.ratio } : measure
    return measureCount === undefined
      ? null
      : evaluateMeasure(effectiveMeasure, measureCount, { now, inARow: episode.inARow, times: backoffClass.pauseAtMultiple })
  })
  const isTripped = trips ?? evaluations.some((one) => one?.trips === true)
  if (!isTripped) return null
  if (episode.state === 'throttled')
    return detectRepeatTrip(
      backoffClass,
      episode,
      evaluations.some((one) => one?.isFar === true),
      now,
    )
  const isFar = backoffClass.pauseAtMultiple !== null && evaluations.some((one) => one?.isFar === true)
  return backoffClass.firstAction === 'pause' || isFar ? 'blocked' : 'tripped'
}

/** A throttled key that trips again. */
function detectRepeatTrip(backoffClass: BackoffClassRow, episode: BackoffEpisode, isFar: boolean, now: number): BackoffSignal | null {
  if (backoffClass.pauseLength === 'never') return null
  if (backoffClass.pauseAtMultiple !== null) return isFar ? 'blocked' : null
  return backoffClass.repeatTrip !== null && now - episode.since < backoffClass.repeatTrip.afterMs ? null : 'blocked'
}

/** Counts an answer in each measure. */
function countFeedback(
  backoffClass: BackoffClassRow,
  episode: BackoffEpisode,
  feedback: BackoffFeedback,
  now: number,
): readonly MeasureCount[] {
  return episode.counts.map((one, i) => {
    const measure = backoffClass.measures[i]
    if (measure === undefined) return one
    const isHit = feedback.kind === (measure.numerator === 'complaints' ? 'complaint' : 'hit')
    const isDenominator = feedback.isAttempt && !feedback.isCounted && (measure.denominator === 'attempts' || feedback.kind === 'accepted')
    return { hits: isHit ? addToCount(one.hits, now) : one.hits, of: isDenominator ? addToCount(one.of, now) : one.of }
  })
}

const withEvidence = (episode: BackoffEpisode, reply: EvidenceReply | null): BackoffEpisode =>
  reply === null ? episode : { ...episode, evidence: [...episode.evidence, reply].slice(-MAX_EVIDENCE) }

/** An answer of the class moved it. */
function applySignal(
  policy: BackoffPolicy,
  episode: BackoffEpisode,
  signal: BackoffSignal,
  feedback: BackoffFeedback,
  input: TransitionInput,
): BackoffEpisode {
  const to = nextBackoffState(episode.state, signal)
  if (to === episode.state) return episode
  const isNew = episode.state === 'active' && episode.rung === null
  const withRates = isNew ? { ...episode, rateBefore: feedback.cleanPerMinute, connectionsBefore: feedback.connections } : episode
  return to === 'throttled' ? enterThrottled(policy, withRates, input) : enterPaused(policy, withRates, feedback, input)
}

/** An answer on a key. One of an older epoch moves nothing, and is counted nowhere. */
export function applyFeedback(
  policy: BackoffPolicy,
  before: BackoffEpisode,
  feedback: BackoffFeedback,
  input: TransitionInput,
): BackoffEpisode {
  if (feedback.dispatchNumber <= before.epoch) return before
  const backoffClass = policy.classes[before.class]
  const isHit = feedback.kind === 'hit' || feedback.kind === 'complaint'
  const episode: BackoffEpisode = {
    ...resetIfQuiet(policy, before, input.now),
    counts: countFeedback(backoffClass, before, feedback, input.now),
    inARow: isHit ? before.inARow + 1 : 0,
    answered: before.answered + (before.state === 'probing' && feedback.isAttempt ? 1 : 0),
    clean: before.clean + (isHit || !feedback.isAttempt ? 0 : 1),
    movedAt: feedback.isAttempt ? input.now : before.movedAt,
  }
  return isHit ? applyHit(policy, backoffClass, episode, feedback, input) : applyClean(policy, episode, input)
}

function applyHit(
  policy: BackoffPolicy,
  backoffClass: BackoffClassRow,
  counted: BackoffEpisode,
  feedback: BackoffFeedback,
  input: TransitionInput,
): BackoffEpisode {
  const trip = detectTrip(backoffClass, counted, feedback.trips, input.now)
  const isTrouble = backoffClass.relapse === 'hit' || trip !== null
  const episode = withEvidence(isTrouble ? { ...counted, troubleAt: input.now } : counted, feedback.reply)
  if (episode.state === 'probing' || episode.state === 'recovering') {
    if (!isTrouble) return applyClean(policy, episode, input)
    return backoffClass.pauseLength === 'never'
      ? { ...enterState(policy, episode, 'throttled', input), n: episode.n }
      : applySignal(policy, episode, 'hit', feedback, input)
  }
  return trip === null ? episode : applySignal(policy, episode, trip, feedback, input)
}

/** A probe of which every answer is in and none is of the class. */
function applyClean(policy: BackoffPolicy, episode: BackoffEpisode, input: TransitionInput): BackoffEpisode {
  const isDone = episode.state === 'probing' && episode.sent >= episode.batch && episode.answered >= episode.sent
  return isDone ? enterState(policy, episode, nextBackoffState(episode.state, 'clean'), input) : episode
}

/** What a key has to send: mails that wait for it (counted up to a batch). */
export type KeyBacklog = { readonly waiting: number }

/** Time passes. Called at `wakeOf`, and whenever mail that could be a probe is gone. */
export function advanceBackoff(
  policy: BackoffPolicy,
  episode: BackoffEpisode,
  backlog: KeyBacklog,
  input: TransitionInput,
): BackoffEpisode {
  const backoffClass = policy.classes[episode.class]
  if (episode.state === 'paused') {
    if (episode.until === null || input.now < episode.until) return episode
    return policy.probes
      ? enterProbing(policy, episode, backlog, input)
      : enterState(policy, episode, nextBackoffState('paused', 'over'), input)
  }
  if (episode.state === 'probing') return advanceProbing(policy, episode, backlog, input)
  if (episode.state === 'throttled') {
    const isQuiet = input.now - Math.max(episode.since, episode.troubleAt) >= backoffClass.baseMs
    return isQuiet ? enterState(policy, episode, nextBackoffState('throttled', 'quiet'), input) : episode
  }
  return episode.rung === null ? resetIfQuiet(policy, episode, input.now) : advanceRecovery(policy, episode, episode.rung, input)
}

/** PROBING with a batch of what waits. */
function enterProbing(policy: BackoffPolicy, episode: BackoffEpisode, { waiting }: KeyBacklog, input: TransitionInput): BackoffEpisode {
  return { ...enterState(policy, episode, 'probing', input), batch: Math.min(policy.probeBatch, waiting) }
}

function advanceProbing(policy: BackoffPolicy, episode: BackoffEpisode, { waiting }: KeyBacklog, input: TransitionInput): BackoffEpisode {
  const isProbeInFlight = episode.sent > episode.answered
  if (isProbeInFlight) return input.now - episode.movedAt >= policy.probeTimeoutMs ? enterPaused(policy, episode, null, input) : episode
  if (episode.sent < episode.batch && waiting > 0) return episode
  if (episode.sent > 0) return enterState(policy, episode, nextBackoffState('probing', 'clean'), input)
  return waiting > 0
    ? { ...episode, batch: Math.min(policy.probeBatch, waiting) }
    : withFirstRung(enterState(policy, episode, nextBackoffState('probing', 'empty'), input))
}

const withFirstRung = (episode: BackoffEpisode): BackoffEpisode => ({ ...episode, rung: 0 })

/** The next rung, where this one is passed. */
function advanceRecovery(policy: BackoffPolicy, episode: BackoffEpisode, rung: number, input: TransitionInput): BackoffEpisode {
  const { ladder, rungs } = recoveryOf(policy, episode)
  const isPassed =
    rungs.some(({ afterMs, clean }) => input.now - episode.rungAt >= afterMs && episode.clean >= clean) ||
    input.now - Math.max(episode.rungAt, episode.movedAt) >= policy.rungIdleMs
  if (!isPassed) return episode
  const next = rung + 1
  if (next < ladder.length) return { ...episode, rung: next, rungAt: input.now, clean: 0 }
  if (episode.state === 'active') return { ...episode, rung: null, rungAt: input.now, clean: 0 }
  return enterState(policy, episode, nextBackoffState('recovering', 'clean'), input)
}

/** When time alone may move it; null: never. */
export function nextBackoffWakeAt(policy: BackoffPolicy, episode: BackoffEpisode): number | null {
  if (episode.state === 'paused') return episode.until
  if (episode.state === 'probing') return episode.sent > episode.answered ? episode.movedAt + policy.probeTimeoutMs : null
  if (episode.state === 'throttled') return Math.max(episode.since, episode.troubleAt) + policy.classes[episode.class].baseMs
  if (episode.rung === null) return null
  const passTimes = recoveryOf(policy, episode)
    .rungs.filter(({ clean }) => episode.clean >= clean)
    .map(({ afterMs }) => episode.rungAt + afterMs)
  return Math.min(...passTimes, Math.max(episode.rungAt, episode.movedAt) + policy.rungIdleMs)
}

/** A dispatch went out under it. */
export function recordDispatch(episode: BackoffEpisode, now: number): BackoffEpisode {
  if (episode.state === 'probing') return { ...episode, sent: episode.sent + 1, movedAt: now }
  return episode.rung === null ? episode : { ...episode, movedAt: now }
}

/** A dispatch of this epoch came back without an answer of the provider: a probe may send another in its place. */
export function recordRecall(episode: BackoffEpisode, number: number): BackoffEpisode {
  return episode.state === 'probing' && number > episode.epoch ? { ...episode, sent: Math.max(0, episode.sent - 1) } : episode
}

/** An operator's Recover: at once with the lowest rate, or by a probe. */
export function recoverBackoff(
  policy: BackoffPolicy,
  episode: BackoffEpisode,
  how: 'immediate' | 'probe',
  backlog: KeyBacklog,
  input: TransitionInput,
): BackoffEpisode {
  if (how === 'probe') return episode.state === 'paused' ? enterProbing(policy, episode, backlog, input) : episode
  const to = nextBackoffState(episode.state, 'recover')
  return to === episode.state ? episode : withFirstRung(enterState(policy, episode, to, input))
}

const TRANSITION_KINDS: Readonly<Record<BackoffState, BackoffTransitionKind>> = {
  throttled: 'queue.throttled',
  paused: 'queue.paused',
  probing: 'queue.probing',
  recovering: 'queue.recovering',
  active: 'queue.recovered',
}

/** The event of a transition; null where there was none. */
export function createTransition(
  policy: BackoffPolicy,
  [before, after]: readonly [BackoffEpisode, BackoffEpisode],
  now: number,
  by: BackoffTransition['by'],
): BackoffTransition | null {
  if (before.epoch === after.epoch) return null
  return {
    kind: TRANSITION_KINDS[after.state],
    at: now,
    key: after.key,
    class: after.class,
    from: before.state,
    to: after.state,
    n: after.n,
    epoch: after.epoch,
    nextSendingAt: after.state === 'paused' ? after.until : now,
    evidence: after.evidence,
    alarm: policy.classes[after.class].isAlarming && after.state === 'paused',
    by,
  }
}
