/**
 * attempt-result - applies the result of an attempt to its message and to the backoff keys
 *
 * The message ends (delivered, failed or given up), is deferred by the retry schedule, or continues at once with an egress IP that has not been
 * refused. A message that was refused for its IP ends only when no permitted IP is left, and not if it was a probe of the IP. The queue stores
 * nothing: the caller writes the events before it continues.
 *
 * Mutates the queue. See also: queue/backoff/feedback (the keys), queue/schedule/retry (the schedule), queue/schedule/lane.
 */
import { deadlineFor } from './hold-time.ts'
import { BACKOFF_KEYS } from '../backoff/backoff-key.ts'
import { evidenceOf } from '../backoff/episode-feedback.ts'
import { applyReportToKeys, applyResultToKeys } from '../backoff/feedback.ts'
import { poolOf } from '../egress-pool.ts'
import { adjustWaiting, removeFromQueue, makeReady, advanceProbes, deferUntilDue, getOrCreateStream } from './lane.ts'
import type { AttemptResult, QueueEvent } from '../message.ts'
import type { RefusedAttempt } from '../../ledger/decide/attempt-reading.ts'
import { recordThroughput } from '../observe/throughput.ts'
import { retryScheduleOf } from '../shaping/limits-in-force.ts'
import { computeRetryDelay } from './retry.ts'
import { seededRandom, RANDOM_SALTS } from './seeded-random.ts'
import { learnHostConcurrency } from './fair-share.ts'
import type { InFlightAttempt, QueueEntry, QueueState } from '../queue-state.ts'
import { isAwaited } from './waiting-streams.ts'

/** As many replies as an episode keeps. */
const MAX_RECENT_REPLIES = 5

/**
 * Applies the result of a dispatch. Returns the event of the message, then the transitions of keys. A number that is not in flight changes
 * nothing and returns no events.
 */
export function applyAttemptResult(queue: QueueState, number: number, result: AttemptResult, now: number): QueueEvent[] {
  const attempt = queue.inFlightAttempts.get(number)
  const entry = attempt === undefined ? undefined : queue.entries.get(attempt.dispatch.mailId)
  if (attempt === undefined || entry === undefined) return []
  removeInFlight(queue, attempt)
  learnFromResult(queue, attempt, result)
  recordReply(queue, attempt, result, now)
  const previous = entry.lastResult
  if (isUnsent(attempt, result)) entry.attempts -= 1
  else entry.lastResult = result
  const disposition = decideDisposition(queue, { entry, attempt, result }, now)
  if (disposition.kind === 'defer') entry.lastResult = result
  if (disposition.kind !== 'end') requeue(queue, entry, disposition)
  const keyEvents = applyResultToKeys({ queue, attempt, result, previous, now })
  const entryEvents =
    disposition.kind === 'end'
      ? finishEntry(queue, { entry, attempt }, disposition.end, now)
      : deferredEvents(queue, entry, disposition, now)
  const stream = queue.streams.get(attempt.stream)
  return [...entryEvents, ...keyEvents, ...(stream === undefined ? [] : advanceProbes(queue, stream, now))]
}

/** Applies a later report about a message of an account (class `list-quality`). */
export function applyLaterReport(
  queue: QueueState,
  laterReport: { readonly kind: 'not-exist' | 'complaint'; readonly account: number },
  now: number,
): QueueEvent[] {
  return applyReportToKeys(queue, laterReport, now)
}

/** Removes a dispatch from the attempts in flight. */
function removeInFlight(queue: QueueState, attempt: InFlightAttempt): void {
  queue.inFlightAttempts.delete(attempt.dispatch.number)
  const lane = queue.lanes.get(attempt.lane)
  if (lane !== undefined) lane.inFlight -= 1
  for (const key of attempt.countedKeys) {
    const left = (queue.inFlightByKey.get(key) ?? 1) - 1
    if (left > 0) queue.inFlightByKey.set(key, left)
    else queue.inFlightByKey.delete(key)
  }
  for (const key of attempt.keys) if (isAwaited(queue.keyStates.get(key))) queue.keysToWake.add(key)
}

/** Learns from a result how many slots its host set may use. A broken connection and a recalled dispatch teach nothing. */
function learnFromResult(queue: QueueState, attempt: InFlightAttempt, result: AttemptResult): void {
  const stream = queue.streams.get(attempt.stream)
  if (stream === undefined || result.kind === 'recalled') return
  if (result.kind === 'unreachable' && result.how !== 'connect' && result.how !== 'dns') return
  const isSilent = result.kind === 'unreachable' || (result.kind === 'refused' && result.pause === 'network')
  learnHostConcurrency(queue, stream, !isSilent)
}

/** Keeps the reply for the operator's view of the lane, whether or not it changes a key. */
function recordReply(queue: QueueState, attempt: InFlightAttempt, result: AttemptResult, now: number): void {
  const lane = queue.lanes.get(attempt.lane)
  const reply = evidenceOf(attempt, result, now)
  if (lane !== undefined && reply !== null) lane.recentReplies = [...lane.recentReplies.slice(1 - MAX_RECENT_REPLIES), reply]
}

type EntryDisposition =
  | { readonly kind: 'end'; readonly end: 'delivered' | 'failed' | 'given-up' }
  | { readonly kind: 'defer'; readonly dueAt: number; readonly refusedBy: readonly string[] }
  /** Ready at once. */
  | { readonly kind: 'requeue'; readonly refusedBy: readonly string[] }

/** Whether nothing was sent, and the attempt does not count: it was recalled, or another egress IP has the address family of the destination. */
const isUnsent = ({ dispatch }: InFlightAttempt, result: AttemptResult): boolean =>
  result.kind === 'recalled' || (result.kind === 'unreachable' && result.how === 'no-family' && dispatch.hasOtherIp)

type AppliedResult = { readonly entry: QueueEntry; readonly attempt: InFlightAttempt; readonly result: AttemptResult }

function decideDisposition(queue: QueueState, { entry, attempt, result }: AppliedResult, now: number): EntryDisposition {
  if (result.kind === 'accepted') return { kind: 'end', end: 'delivered' }
  if (result.kind === 'recalled') return { kind: 'requeue', refusedBy: entry.refusedBy }
  if (result.kind === 'unreachable') {
    if (isUnsent(attempt, result)) return { kind: 'requeue', refusedBy: [...entry.refusedBy, attempt.dispatch.egressIp].toSorted() }
    const isBlocked = result.how !== 'dropped' && result.how !== 'no-family' && queue.policy.classes.network.key !== null
    return scheduleRetry(queue, entry, { isBlocked, statedDelayMs: null }, now)
  }
  const refusedBy = isIpRefusal(queue, result) ? [...entry.refusedBy, attempt.dispatch.egressIp].toSorted() : entry.refusedBy
  const hasOther = poolOf(queue.pools, entry.message).ips.some(({ ip }) => !refusedBy.includes(ip))
  if (refusedBy !== entry.refusedBy && hasOther) return { kind: 'requeue', refusedBy }
  if (!result.deferral && !isBlockProbe(queue, attempt, result)) return { kind: 'end', end: 'failed' }
  const backoffClass = result.pause === null ? null : queue.policy.classes[result.pause]
  const atLeast = Math.max(result.statedDelayMs ?? 0, backoffClass?.minRetryDelayMs ?? 0)
  const isBlocked = backoffClass !== null && backoffClass.key !== null
  return scheduleRetry(queue, { ...entry, refusedBy }, { isBlocked, statedDelayMs: atLeast }, now)
}

/** Whether the same message may be accepted from another egress IP. */
function isIpRefusal(queue: QueueState, { reason, pause }: RefusedAttempt): boolean {
  return pause === null ? reason === 'ip-blocked' : queue.policy.classes[pause].canRetryOtherIp
}

/** Whether a probe found its egress IP still refused. The message was sent to find that out, and waits for the end of the refusal as the others do. */
function isBlockProbe(queue: QueueState, { dispatch }: InFlightAttempt, { pause }: RefusedAttempt): boolean {
  if (pause === null || !queue.policy.classes[pause].canRetryOtherIp) return false
  return queue.keyStates.get(BACKOFF_KEYS.ip(dispatch))?.episodes.get(pause)?.state === 'probing'
}

function scheduleRetry(
  queue: QueueState,
  entry: QueueEntry,
  input: { readonly isBlocked: boolean; readonly statedDelayMs: number | null },
  now: number,
): EntryDisposition {
  const delayMs = computeRetryDelay(retryScheduleOf(queue, entry.message.site), {
    attempts: entry.attempts,
    isBlocked: input.isBlocked,
    statedDelayMs: input.statedDelayMs,
    random: seededRandom(queue.seed, queue.sequence + 1, RANDOM_SALTS.retry),
  })
  const dueAt = now + delayMs
  if (dueAt >= deadlineFor(queue, entry)) return { kind: 'end', end: 'given-up' }
  // Every egress IP has been tried: all may be tried again.
  const isRefusedByAll = poolOf(queue.pools, entry.message).ips.every(({ ip }) => entry.refusedBy.includes(ip))
  return { kind: 'defer', dueAt, refusedBy: isRefusedByAll ? [] : entry.refusedBy }
}

/** Counts the message as waiting before the keys get the result: a probe counts waiting messages. */
function requeue(queue: QueueState, entry: QueueEntry, disposition: Exclude<EntryDisposition, { readonly kind: 'end' }>): void {
  entry.refusedBy = disposition.refusedBy
  const stream = getOrCreateStream(queue, entry.message, entry.refusedBy)
  entry.stream = stream.id
  adjustWaiting(queue, stream, 1)
  if (disposition.kind === 'requeue') return makeReady(queue, entry)
  entry.state = 'deferred'
  entry.dueAt = disposition.dueAt
  deferUntilDue(queue, entry)
}

function deferredEvents(
  queue: QueueState,
  entry: QueueEntry,
  disposition: Exclude<EntryDisposition, { readonly kind: 'end' }>,
  now: number,
): QueueEvent[] {
  const dueAt = disposition.kind === 'defer' ? disposition.dueAt : now
  return [{ kind: 'mail.deferred', at: now, mailId: entry.message.id, attempts: entry.attempts, dueAt }]
}

function finishEntry(
  queue: QueueState,
  { entry, attempt }: Pick<AppliedResult, 'entry' | 'attempt'>,
  end: 'delivered' | 'failed' | 'given-up',
  now: number,
): QueueEvent[] {
  if (end === 'delivered') {
    const lane = queue.lanes.get(attempt.lane)
    queue.throughput = recordThroughput(queue.throughput, 'out', now)
    if (lane !== undefined) lane.throughput = recordThroughput(lane.throughput, 'out', now)
  }
  return removeFromQueue(queue, entry, end, now)
}
