/**
 * backoff - the state machine of one episode: feedback, the passing of time, and an operator's Recover
 *
 * Each function is pure: (policy, episode, what happened, now) → episode. When the state changes, the episode takes the epoch that the caller
 * passes, and its counts restart at zero. n only rises; it is reset in ACTIVE, after a long time without trouble.
 *
 * See also: queue/backoff/backoff-state (the states), queue/backoff/backoff-classes (the classes), queue/backoff/trip-detection,
 * queue/backoff/key-state (the caller).
 */
import { type BackoffEpisode, MAX_EVIDENCE, recoveryOf } from './backoff-episode.ts'
import { type EvidenceReply, type KeyTransition, TRANSITION_KINDS } from '../message.ts'
import type { BackoffClassRow } from './backoff-classes.ts'
import type { BackoffPolicy } from './policy.ts'
import { learnAtPause, learnAtRecovery, pauseEndOf } from './pause-length.ts'
import { type BackoffSignal, type BackoffState, nextBackoffState } from './backoff-state.ts'
import { countFeedback, detectTrip, emptyCounts, hasRelapseShare } from './trip-detection.ts'

/** `epoch`: the number that a transition would get; `random`: from 0 to 1. */
export type TransitionInput = { readonly now: number; readonly epoch: number; readonly random: number }

/** One result, as a key takes it. */
export type BackoffFeedback = {
  /** The number of its dispatch. A later report has the present one. */
  readonly dispatchNumber: number
  readonly kind: 'hit' | 'complaint' | 'clean' | 'accepted'
  /** Whether it is one of the attempts that a share is taken of. A later report is not. */
  readonly isAttempt: boolean
  /** Whether the denominator has counted it already. */
  readonly isCounted: boolean
  /** Whether the same message was a hit of the class before. Where its class relapses by a share, such hits count only in a probe or a recovery. */
  readonly isRepeat: boolean
  readonly reply: EvidenceReply | null
  readonly statedDelayMs: number | null
  readonly zone: string | null
  /** Whether the class trips, where the caller decides it instead of the measures (network); else null. */
  readonly trips: boolean | null
  /** The key's present rate of accepted messages, and its open connections. */
  readonly cleanPerMinute: number
  readonly connections: number
}

/** The episode in another state, with a new epoch and empty counts. */
function enterState(policy: BackoffPolicy, episode: BackoffEpisode, to: BackoffState, input: TransitionInput): BackoffEpisode {
  const { now, epoch } = input
  const counts = emptyCounts(policy.classes[episode.class])
  const reset = { state: to, epoch, since: now, until: null, counts, inARow: 0, batch: 0, sent: 0, answered: 0, movedAt: now }
  const learned = to === 'recovering' && episode.state === 'probing' ? learnAtRecovery(policy, episode, now) : {}
  return { ...episode, ...reset, ...learned, rung: to === 'recovering' ? 0 : null, rungAt: now, clean: 0 }
}

/** Resets n where the key was clean for long enough. */
function resetIfQuiet(policy: BackoffPolicy, episode: BackoffEpisode, now: number): BackoffEpisode {
  if (episode.state !== 'active' || episode.n === 0) return episode
  const quietMs = Math.max(policy.forgetMs, policy.forgetPauseMultiple * episode.pausedMs)
  return now - Math.max(episode.since, episode.troubleAt) < quietMs ? episode : { ...episode, n: 0, pausedMs: 0, evidence: [] }
}

/** Enters PAUSED. n rises unless the pause continues the same step: after THROTTLED, or after a silent probe. */
function enterPaused(
  policy: BackoffPolicy,
  episode: BackoffEpisode,
  feedback: BackoffFeedback | null,
  input: TransitionInput,
): BackoffEpisode {
  const isNewPause = feedback !== null && episode.state !== 'throttled'
  const learned = feedback === null ? {} : learnAtPause(policy, episode, input.now)
  const counted = { ...episode, n: Math.max(1, episode.n + (isNewPause ? 1 : 0)), ...learned }
  const until = pauseEndOf(policy, counted, feedback, input)
  return { ...enterState(policy, counted, 'paused', input), until, pausedMs: until === null ? 0 : until - input.now }
}

function enterThrottled(policy: BackoffPolicy, episode: BackoffEpisode, input: TransitionInput): BackoffEpisode {
  return { ...enterState(policy, episode, 'throttled', input), n: episode.n + 1 }
}

const withEvidence = (episode: BackoffEpisode, reply: EvidenceReply | null): BackoffEpisode =>
  reply === null ? episode : { ...episode, evidence: [...episode.evidence, reply].slice(-MAX_EVIDENCE) }

/** A hit changes the state. */
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

/** Applies feedback to an episode. Feedback of an older epoch changes nothing and is not counted. */
export function applyFeedback(
  policy: BackoffPolicy,
  before: BackoffEpisode,
  feedback: BackoffFeedback,
  input: TransitionInput,
): BackoffEpisode {
  if (feedback.dispatchNumber <= before.epoch) return before
  const backoffClass = policy.classes[before.class]
  const isHit = feedback.kind === 'hit' || feedback.kind === 'complaint'
  const isProbation = before.state === 'probing' || before.state === 'recovering'
  if (isHit && feedback.isRepeat && backoffClass.relapse === 'share' && !isProbation) return before
  const episode: BackoffEpisode = {
    ...resetIfQuiet(policy, before, input.now),
    counts: countFeedback(backoffClass, before, feedback, input.now),
    inARow: isHit ? before.inARow + 1 : 0,
    answered: before.answered + (before.state === 'probing' && feedback.isAttempt ? 1 : 0),
    clean: before.clean + (isHit || !feedback.isAttempt ? 0 : 1),
    movedAt: feedback.isAttempt ? input.now : before.movedAt,
  }
  return isHit ? applyHit(policy, backoffClass, episode, feedback, input) : applyClean(policy, episode, feedback, input)
}

function applyHit(
  policy: BackoffPolicy,
  backoffClass: BackoffClassRow,
  counted: BackoffEpisode,
  feedback: BackoffFeedback,
  input: TransitionInput,
): BackoffEpisode {
  const { isTripped, signal } = detectTrip(backoffClass, counted, feedback.trips, input.now)
  const isTrouble = backoffClass.relapse === 'hit' || isTripped
  const episode = withEvidence(isTrouble ? { ...counted, troubleAt: input.now } : counted, feedback.reply)
  if (episode.state !== 'probing' && episode.state !== 'recovering')
    return signal === null ? episode : applySignal(policy, episode, signal, feedback, input)
  const isShareRelapse =
    backoffClass.relapse === 'share' &&
    (episode.state === 'recovering' || isProbeOver(episode)) &&
    hasRelapseShare(backoffClass, episode, input.now)
  return isTrouble || isShareRelapse ? applySignal(policy, episode, 'hit', feedback, input) : applyClean(policy, episode, feedback, input)
}

/** Whether all results of a probe are in. */
const isProbeOver = ({ state, sent, batch, answered }: BackoffEpisode): boolean => state === 'probing' && sent >= batch && answered >= sent

/** Ends a probe whose results are all in, and few enough of the class. */
function applyClean(policy: BackoffPolicy, episode: BackoffEpisode, feedback: BackoffFeedback, input: TransitionInput): BackoffEpisode {
  if (!isProbeOver(episode)) return episode
  const backoffClass = policy.classes[episode.class]
  if (backoffClass.relapse === 'share' && hasRelapseShare(backoffClass, episode, input.now))
    return applySignal(policy, episode, 'hit', feedback, input)
  return enterState(policy, episode, nextBackoffState(episode.state, 'clean'), input)
}

/** The messages that wait for a key, counted up to a probe batch. */
type KeyBacklog = { readonly waiting: number }

/** Lets time pass. To be called at `nextBackoffWakeAt`, and when messages that could be a probe are gone. */
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

/** Enters PROBING with a batch of the waiting messages. */
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

/** Moves to the next rung if the present one is passed. */
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

/** When time alone may change an episode; null: never. */
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

/** Records a dispatch under an episode. */
export function recordDispatch(episode: BackoffEpisode, now: number): BackoffEpisode {
  if (episode.state === 'probing') return { ...episode, sent: episode.sent + 1, movedAt: now }
  return episode.rung === null ? episode : { ...episode, movedAt: now }
}

/** Records that a dispatch of this epoch ended without a reply of the provider. A probe may send another message in its place. */
export function recordRecall(episode: BackoffEpisode, number: number): BackoffEpisode {
  return episode.state === 'probing' && number > episode.epoch ? { ...episode, sent: Math.max(0, episode.sent - 1) } : episode
}

/** An operator's Recover: at once at the lowest rate, or by a probe. */
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

/** The event of a transition; null where the state did not change. */
export function createTransition(
  policy: BackoffPolicy,
  [before, after]: readonly [BackoffEpisode, BackoffEpisode],
  now: number,
  by: KeyTransition['by'],
): KeyTransition | null {
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
