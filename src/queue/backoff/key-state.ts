/**
 * key-state - what is known about a backoff key, whether it lets a message through now, and what changes it
 *
 * A key state exists only where there is something to know: a key without one is open. The state machine itself is queue/backoff/backoff;
 * this file numbers its transitions, writes their events and sets their timers. Mutates the queue.
 *
 * See also: queue/queue-state, queue/backoff/backoff, queue/backoff/send-budget (how much a key lets through), queue/backoff/key-scope.
 */
import type { KeyTransition, QueueEvent } from '../message.ts'
import { type KeyState, nextSequenceNumber, type QueueState } from '../queue-state.ts'
import { addHoldPeriod, isOperatorHold } from '../schedule/hold-time.ts'
import { RANDOM_SALTS, seededRandom } from '../schedule/seeded-random.ts'
import { pushTimer } from '../schedule/timer-heap.ts'
import { advanceBackoff, createTransition, nextBackoffWakeAt, type TransitionInput } from './backoff.ts'
import { type BackoffEpisode, type BackoffLimits, backoffLimitsOf, NO_BACKOFF_LIMITS } from './backoff-episode.ts'
import { type BackoffKeyId, parseKey } from './backoff-key.ts'
import { countCleanAttempts } from '../clean-attempts.ts'
import { NO_EPISODES, putEpisode } from './key-episodes.ts'
import { countWaiting } from './key-scope.ts'
import { minLimit, opensAt } from './send-budget.ts'
import { emptySlidingCount } from './sliding-count.ts'
import { isAwaited } from '../schedule/waiting-streams.ts'
import { policyOf } from '../shaping/limits-in-force.ts'

const HOUR_MS = 3_600_000

/** The state of a key, created where there is none. */
export function getOrCreateKeyState(queue: QueueState, id: BackoffKeyId, now: number): KeyState {
  const known = queue.keyStates.get(id)
  if (known !== undefined) return known
  countCleanAttempts(queue, id, (each, at) => createKeyState(queue, each, at))
  return queue.keyStates.get(id) ?? createKeyState(queue, id, now)
}

function createKeyState(queue: QueueState, id: BackoffKeyId, now: number): KeyState {
  const keyState: KeyState = {
    id,
    key: parseKey(id),
    episodes: NO_EPISODES,
    backoffLimits: NO_BACKOFF_LIMITS,
    attempts: [],
    delivered: [],
    accepted: emptySlidingCount(HOUR_MS),
    bucket: { tokens: 1, refilledAt: now },
    learnedRate: null,
    learnedConcurrency: null,
    operatorRate: null,
    manualPause: null,
    holdPeriods: [],
    warmUp: null,
    failureCohort: null,
    failedAt: null,
    line: null,
    timerAt: null,
  }
  queue.keyStates.set(id, keyState)
  return keyState
}

/** What a transition at this moment gets. The number is taken only if the state changes. */
export function nextTransitionInput(queue: QueueState, now: number): TransitionInput {
  const epoch = queue.sequence + 1
  return { now, epoch, random: seededRandom(queue.seed, epoch, RANDOM_SALTS.jitter) }
}

function mergeLimits(a: BackoffLimits, b: BackoffLimits): BackoffLimits {
  const closedUntil =
    a.closedUntil === 'operator' || b.closedUntil === 'operator'
      ? 'operator'
      : Math.max(Number(a.closedUntil), Number(b.closedUntil)) || false
  return {
    closedUntil,
    perMinute: minLimit(a.perMinute, b.perMinute),
    connections: minLimit(a.connections, b.connections),
    probesLeft: minLimit(a.probesLeft, b.probesLeft),
  }
}

/** Recomputes what the episodes of a key allow together. */
export function refreshBackoffLimits(queue: QueueState, keyState: KeyState): void {
  let limits = NO_BACKOFF_LIMITS
  for (const episode of keyState.episodes.values()) {
    const own = backoffLimitsOf(policyOf(queue, keyState.key), episode)
    if (own !== NO_BACKOFF_LIMITS) limits = mergeLimits(limits, own)
  }
  keyState.backoffLimits = limits
}

/** A provider that refuses for minutes counts by minutes, or starts anew: a rate learnt from an hour says nothing about it. */
const SHORT_REFUSAL_MS = 20 * 60_000

/** Whether a probe has just shown that a refusal was short. */
const isShortRefusal = (queue: QueueState, [before, after]: readonly [BackoffEpisode, BackoffEpisode], now: number): boolean =>
  queue.policy.classes[before.class].learnsPause !== null &&
  before.state === 'probing' &&
  after.state === 'recovering' &&
  now - (before.refusedAt ?? 0) <= SHORT_REFUSAL_MS

/** Replaces an episode by its new value. Returns the event of the transition, if there was one. */
export function replaceEpisode(
  queue: QueueState,
  { keyState, before, after }: { readonly keyState: KeyState; readonly before: BackoffEpisode; readonly after: BackoffEpisode },
  input: { readonly now: number; readonly by: KeyTransition['by'] },
): QueueEvent[] {
  if (after === before) return []
  putEpisode(queue, keyState, after)
  if (isOperatorHold(before) && !isOperatorHold(after)) addHoldPeriod(keyState, { from: before.since, until: input.now })
  const isUnlimited = before.state === 'active' && after.state === 'active' && before.rung === null && after.rung === null
  if (isUnlimited) return []
  if (isShortRefusal(queue, [before, after], input.now)) keyState.learnedRate = null
  refreshBackoffLimits(queue, keyState)
  queue.keysToWake.add(keyState.id)
  const event = createTransition(policyOf(queue, keyState.key), [before, after], input.now, input.by)
  if (event === null) return []
  nextSequenceNumber(queue)
  return event.to === 'paused' ? [event, ...recallEvents(queue, keyState.id, input.now)] : [event]
}

/** The recall of the attempts in flight under a key that has just closed. */
function recallEvents(queue: QueueState, key: BackoffKeyId, now: number): QueueEvent[] {
  const numbers = [...queue.inFlightAttempts.values()].filter(({ keys }) => keys.includes(key)).map(({ dispatch }) => dispatch.number)
  return numbers.length === 0 ? [] : [{ kind: 'recall', at: now, key, numbers }]
}

/** The waiting messages that a key covers, counted up to a probe batch. An MTA that keeps its own queue is taken to have as many. */
export const countProbeCandidates = (queue: QueueState, key: BackoffKeyId): number =>
  queue.keepsMessages ? countWaiting(queue, key, queue.policy.probeBatch) : queue.policy.probeBatch

/** Lets time pass for a key: every episode advances as far as `now` allows. */
export function advanceKeyState(queue: QueueState, keyState: KeyState, now: number): QueueEvent[] {
  const events: QueueEvent[] = []
  for (const name of keyState.episodes.keys()) {
    for (let before = keyState.episodes.get(name); before !== undefined; before = keyState.episodes.get(name)) {
      const needsCount = before.state === 'paused' || before.state === 'probing'
      const backlog = { waiting: needsCount ? countProbeCandidates(queue, keyState.id) : 0 }
      const after = advanceBackoff(policyOf(queue, keyState.key), before, backlog, nextTransitionInput(queue, now))
      if (after === before) break
      events.push(...replaceEpisode(queue, { keyState, before, after }, { now, by: 'queue' }))
    }
  }
  setKeyTimer(queue, keyState, now)
  return events
}

/** Sets the next moment at which time alone changes something for a key. */
export function setKeyTimer(queue: QueueState, keyState: KeyState, now: number): void {
  let at = keyState.manualPause?.until ?? Infinity
  for (const episode of keyState.episodes.values()) at = Math.min(at, nextBackoffWakeAt(policyOf(queue, keyState.key), episode) ?? Infinity)
  if (isAwaited(keyState)) at = Math.min(at, opensAt(queue, keyState, now) ?? Infinity)
  if (at === Infinity || (keyState.timerAt !== null && keyState.timerAt <= at)) return
  keyState.timerAt = Math.max(at, now + 1)
  pushTimer(queue.timers, { at: keyState.timerAt, order: nextSequenceNumber(queue), kind: 'key', id: keyState.id })
}
