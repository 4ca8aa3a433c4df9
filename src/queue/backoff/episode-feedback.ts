/**
 * episode-feedback - counts the result of an attempt for one backoff key and passes it to the key's episodes
 *
 * Mutates the queue. See also: queue/backoff/feedback (which keys), queue/backoff/backoff (the state machine), queue/backoff/backoff-classes.
 */
import type { AttemptResult, EvidenceReply, QueueEvent } from '../message.ts'
import type { InFlightAttempt, KeyState, QueueState } from '../queue-state.ts'
import { applyFeedback, type BackoffFeedback } from './backoff.ts'
import { countAttempt, countFor } from './attempt-counts.ts'
import type { BackoffClassName } from './backoff-classes.ts'
import { createBackoffEpisode } from './backoff-episode.ts'
import { BACKOFF_KEYS } from './backoff-key.ts'
import { deferralMonitorOf } from './deferral-monitor.ts'
import { advanceKeyState, getOrCreateKeyState, nextTransitionInput, replaceEpisode, setKeyTimer } from './key-state.ts'
import { putEpisode } from './key-episodes.ts'
import { countPerMinute } from './sliding-count.ts'
import { policyOf } from '../shaping/limits-in-force.ts'

/** Evidence is read by people: the beginning is enough. */
const MAX_EVIDENCE_CHARS = 512

/** The result of an attempt, and the queue that it changes. */
export type ResultContext = {
  readonly queue: QueueState
  readonly attempt: InFlightAttempt
  readonly result: AttemptResult
  /** The result of the message before; null: there was none, or it is not known. */
  readonly previous: AttemptResult | null
  readonly now: number
}

/** A hit of a class. `trips`: where the caller knows better than the measures whether the class trips; else null. */
export type EpisodeHit = { readonly class: BackoffClassName; readonly trips: boolean | null }

/** The evidence that a result leaves; null for an accepted message and for one that was not sent. */
export function evidenceOf(attempt: InFlightAttempt, result: AttemptResult, now: number): EvidenceReply | null {
  if (result.kind !== 'refused' && result.kind !== 'unreachable') return null
  const code = result.kind === 'refused' ? result.code : null
  return { at: now, mailId: attempt.dispatch.mailId, code, text: result.text.slice(0, MAX_EVIDENCE_CHARS) }
}

/** Starts an episode with the counts of the key so far, the present attempt included. */
export function startEpisode(queue: QueueState, keyState: KeyState, name: BackoffClassName, now: number): void {
  const at = { key: keyState.id, class: name, now }
  putEpisode(
    queue,
    keyState,
    createBackoffEpisode(policyOf(queue, keyState.key), at, (measure) => countFor(keyState, measure)),
  )
}

/** Passes a result to every episode of a key. A class that the key meets for the first time gets an episode. */
export function applyToEpisodes(context: ResultContext, keyState: KeyState, hit: EpisodeHit | null): QueueEvent[] {
  const { queue, now } = context
  const isNew = hit !== null && !keyState.episodes.has(hit.class)
  if (isNew) startEpisode(queue, keyState, hit.class, now)
  const events: QueueEvent[] = []
  for (const [name, before] of keyState.episodes) {
    const isHit = hit?.class === name
    const feedback = createFeedback(context, keyState, { isHit, trips: isHit ? hit.trips : null, isCounted: isHit && isNew })
    const after = applyFeedback(policyOf(queue, keyState.key), before, feedback, nextTransitionInput(queue, now))
    events.push(...replaceEpisode(queue, { keyState, before, after }, { now, by: 'queue' }))
  }
  if (keyState.backoffLimits.probesLeft !== null) events.push(...advanceKeyState(queue, keyState, now))
  else if (keyState.episodes.size > 0) setKeyTimer(queue, keyState, now)
  return events
}

/** Counts a hit for the episode of its class alone; no other episode of the key sees the attempt. */
export function applyHitAlone(context: ResultContext, keyState: KeyState, hit: EpisodeHit): QueueEvent[] {
  const { queue, now } = context
  countAttempt(queue, keyState, false, now)
  const isNew = !keyState.episodes.has(hit.class)
  if (isNew) startEpisode(queue, keyState, hit.class, now)
  const before = keyState.episodes.get(hit.class)
  if (before === undefined) return []
  const feedback = createFeedback(context, keyState, { isHit: true, trips: hit.trips, isCounted: isNew })
  const after = applyFeedback(policyOf(queue, keyState.key), before, feedback, nextTransitionInput(queue, now))
  const events = replaceEpisode(queue, { keyState, before, after }, { now, by: 'queue' })
  setKeyTimer(queue, keyState, now)
  return events
}

function createFeedback(
  context: ResultContext,
  keyState: KeyState,
  options: { readonly isHit: boolean; readonly trips: boolean | null; readonly isCounted: boolean },
): BackoffFeedback {
  const { queue, attempt, result, previous, now } = context
  const refusal = result.kind === 'refused' ? result : null
  // A network key counts no messages. The key of the egress IP at the site does.
  const rateSource = keyState.key?.kind === 'network' ? getOrCreateKeyState(queue, BACKOFF_KEYS.ip(attempt.dispatch), now) : keyState
  return {
    dispatchNumber: attempt.dispatch.number,
    kind: options.isHit ? 'hit' : result.kind === 'accepted' ? 'accepted' : 'clean',
    isAttempt: true,
    isCounted: options.isCounted,
    isRepeat: previous !== null && deferralMonitorOf(queue.policy, previous) !== null,
    reply: options.isHit ? evidenceOf(attempt, result, now) : null,
    statedDelayMs: refusal?.statedDelayMs ?? null,
    zone: refusal?.zone ?? null,
    trips: options.trips,
    cleanPerMinute: countPerMinute(rateSource.accepted, now),
    connections: Math.max(1, queue.inFlightByKey.get(keyState.id) ?? 1),
  }
}
