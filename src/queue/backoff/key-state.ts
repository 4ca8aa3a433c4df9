/**
 * key-state - what is known of a key, whether it lets a mail through now, and what moves it
 *
 * A gate is made when there is something to know: a key that nobody ever answered on has none, and is open. The machine itself is
 * queue/backoff/backoff; here its turns are numbered, its events are written, and its moments are set. Mutates the stock that it is given.
 *
 * See also: queue/queue-state, queue/backoff/backoff, queue/backoff/rate-limiter, queue/backoff/concurrency-limiter, queue/backoff/warm-up.
 */
import { isOperatorHold, addHoldPeriod } from '../schedule/hold-time.ts'
import { type BackoffEpisode, NO_BACKOFF_LIMITS, type BackoffLimits, backoffLimitsOf } from './backoff-episode.ts'
import { keyKindOf, type BackoffKey } from './backoff-key.ts'
import type { QueueEvent, BackoffTransition } from '../message.ts'
import { nextTokenAt, refillBucket } from './rate-limiter.ts'
import { advanceBackoff, createTransition, type TransitionInput, nextBackoffWakeAt } from './backoff.ts'
import { seededRandom, RANDOM_SALTS } from '../schedule/seeded-random.ts'
import { slotsLeft } from '../schedule/fair-share.ts'
import { type KeyState, nextSequenceNumber, type QueueState } from '../queue-state.ts'
import { emptySlidingCount } from './sliding-count.ts'
import { pushTimer } from '../schedule/timer-heap.ts'
import { warmUpAllowance, startOfUtcDay, startOfNextUtcDay } from './warm-up.ts'

const HOUR_MS = 3_600_000

/** The gate of a key, made where there is none. */
export function getOrCreateKeyState(queue: QueueState, key: BackoffKey, now: number): KeyState {
  const known = queue.keyStates.get(key)
  if (known !== undefined) return known
  const keyState: KeyState = {
    id: key,
    kind: keyKindOf(key),
    episodes: new Map(),
    backoffLimits: NO_BACKOFF_LIMITS,
    attempts: new Map(),
    delivered: new Map(),
    accepted: emptySlidingCount(HOUR_MS),
    bucket: { tokens: 1, refilledAt: now },
    pace: null,
    breadth: null,
    limit: null,
    manual: null,
    spans: [],
    warming: null,
    failureCohort: null,
    hostSetFailedAt: new Map(),
    waitingStreams: new Set(),
    timerAt: null,
  }
  queue.keyStates.set(key, keyState)
  return keyState
}

/** The machine's turn at this moment. The number is taken only if the state changes. */
export function nextTransitionInput(queue: QueueState, now: number): TransitionInput {
  const epoch = queue.sequence + 1
  return { now, epoch, roll: seededRandom(queue.seed, epoch, RANDOM_SALTS.jitter) }
}

const minLimit = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.min(a, b))

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

/** What the episodes of a gate allow together, worked out anew. */
export function refreshBackoffLimits(queue: QueueState, keyState: KeyState): void {
  let limits = NO_BACKOFF_LIMITS
  for (const episode of keyState.episodes.values()) {
    const own = backoffLimitsOf(queue.policy, episode)
    if (own !== NO_BACKOFF_LIMITS) limits = mergeLimits(limits, own)
  }
  keyState.backoffLimits = limits
}

/** Puts an episode's new value in its place; writes the event of a transition. */
export function replaceEpisode(
  queue: QueueState,
  { gate: keyState, before, after }: { readonly gate: KeyState; readonly before: BackoffEpisode; readonly after: BackoffEpisode },
  input: { readonly now: number; readonly by: BackoffTransition['by'] },
): QueueEvent[] {
  if (after === before) return []
  keyState.episodes.set(after.class, after)
  if (isOperatorHold(before) && !isOperatorHold(after)) addHoldPeriod(keyState, { from: before.since, until: input.now })
  const isUnlimited = before.state === 'active' && after.state === 'active' && before.rung === null && after.rung === null
  if (isUnlimited) return []
  refreshBackoffLimits(queue, keyState)
  queue.keysToWake.add(keyState.id)
  const event = createTransition(queue.policy, [before, after], input.now, input.by)
  if (event === null) return []
  nextSequenceNumber(queue)
  return event.to === 'paused' ? [event, ...recallEvents(queue, keyState.id, input.now)] : [event]
}

/** What is in flight for a key that has just closed. */
function recallEvents(queue: QueueState, key: BackoffKey, now: number): QueueEvent[] {
  const numbers = [...queue.inFlightAttempts.values()].filter(({ keys }) => keys.includes(key)).map(({ dispatch }) => dispatch.number)
  return numbers.length === 0 ? [] : [{ kind: 'recall', at: now, key, numbers }]
}

/** Under which name the streams that a key may cover are found. */
export function scopeName(key: BackoffKey): string {
  const [kind, first = '', second = ''] = key.split('|')
  if (kind === 'ip' || kind === 'connection' || kind === 'sender-domain') return `site|${second}`
  return kind === 'network' && first === 'site' ? `site|${second}` : key
}

/** How many mails wait that a key covers, counted up to a batch. */
export function countWaitingFor(queue: QueueState, key: BackoffKey): number {
  let waiting = 0
  for (const id of queue.streamsByScope.get(scopeName(key)) ?? []) {
    const stream = queue.streams.get(id)
    if (stream === undefined || stream.waiting === 0) continue
    if (!stream.keys.includes(key) && !stream.egressPaths.some(({ keys }) => keys.includes(key))) continue
    waiting += stream.waiting
    if (waiting >= queue.policy.probeBatch) break
  }
  return waiting
}

/** Time passes at a gate: every episode goes as far as the moment takes it. */
export function advanceKeyState(queue: QueueState, keyState: KeyState, now: number): QueueEvent[] {
  const events: QueueEvent[] = []
  for (const name of keyState.episodes.keys()) {
    for (let before = keyState.episodes.get(name); before !== undefined; before = keyState.episodes.get(name)) {
      const needsCount = before.state === 'paused' || before.state === 'probing'
      const after = advanceBackoff(
        queue.policy,
        before,
        { waiting: needsCount ? countWaitingFor(queue, keyState.id) : 0 },
        nextTransitionInput(queue, now),
      )
      if (after === before) break
      events.push(...replaceEpisode(queue, { gate: keyState, before, after }, { now, by: 'queue' }))
    }
  }
  setKeyTimer(queue, keyState, now)
  return events
}

/** Mails a minute that a gate allows; null: no limit. */
const rateLimitOf = (keyState: KeyState): number | null =>
  minLimit(minLimit(keyState.backoffLimits.perMinute, keyState.pace?.perMinute ?? null), keyState.limit)

/** What is left of a warming IP's day; null: no limit. */
function warmUpLeftToday(keyState: KeyState, now: number): number | null {
  if (keyState.warming === null) return null
  const allowance = warmUpAllowance(keyState.warming.startedAt, now)
  if (allowance === null) return null
  return allowance - (keyState.warming.day === startOfUtcDay(now) ? keyState.warming.sent : 0)
}

/** How many connections a gate allows: by its episodes, by what it has learnt, by the setting; null: no limit. */
function connectionLimitOf(queue: QueueState, { kind, backoffLimits: limits, breadth: concurrencyLimit }: KeyState): number | null {
  const learned = concurrencyLimit === null ? null : Math.floor(concurrencyLimit.most)
  return minLimit(minLimit(limits.connections, learned), kind === 'connection' ? queue.connectionsPerSite : null)
}

/** How many mails a gate lets through at this moment. */
export function sendBudgetOf(queue: QueueState, keyState: KeyState, now: number): number {
  const { backoffLimits: limits } = keyState
  if (limits.closedUntil !== false || keyState.manual !== null) return 0
  const connectionLimit = connectionLimitOf(queue, keyState)
  const connections = connectionLimit === null ? Infinity : connectionLimit - (queue.inFlightByKey.get(keyState.id) ?? 0)
  const probes = limits.probesLeft === null ? Infinity : Math.min(1, limits.probesLeft)
  const rate = rateLimitOf(keyState)
  if (rate !== null) keyState.bucket = refillBucket(keyState.bucket, rate, now)
  const tokens = rate === null ? Infinity : Math.floor(keyState.bucket.tokens)
  return Math.max(0, Math.min(slotsLeft(queue, keyState.id), connections, probes, tokens, warmUpLeftToday(keyState, now) ?? Infinity))
}

/** When a gate that lets nothing through may do so by time alone; null: only an answer or an operator opens it. */
export function opensAt(keyState: KeyState, now: number): number | null {
  const { backoffLimits: limits } = keyState
  if (limits.closedUntil === 'operator') return null
  const candidates = [limits.closedUntil === false ? now : limits.closedUntil, keyState.manual?.until ?? now]
  if ((warmUpLeftToday(keyState, now) ?? 1) <= 0) candidates.push(startOfNextUtcDay(now))
  const rate = rateLimitOf(keyState)
  if (rate !== null) candidates.push(nextTokenAt(refillBucket(keyState.bucket, rate, now), rate))
  const latest = Math.max(...candidates)
  return latest > now ? latest : null
}

/** Sets the next moment at which time alone changes something at a gate. */
export function setKeyTimer(queue: QueueState, keyState: KeyState, now: number): void {
  let at = keyState.manual?.until ?? Infinity
  for (const episode of keyState.episodes.values()) at = Math.min(at, nextBackoffWakeAt(queue.policy, episode) ?? Infinity)
  if (keyState.waitingStreams.size > 0) at = Math.min(at, opensAt(keyState, now) ?? Infinity)
  if (at === Infinity || (keyState.timerAt !== null && keyState.timerAt <= at)) return
  keyState.timerAt = Math.max(at, now + 1)
  pushTimer(queue.timers, { at: keyState.timerAt, n: nextSequenceNumber(queue), what: 'gate', id: keyState.id })
}
