/**
 * hold-time - excludes the time in which only a person can release a message from the message's lifetime
 *
 * A manual pause, and a pause without a next sending time, hold messages because somebody wants it so: that time does not age a message.
 * A key keeps its past holds as periods. A held message never expires, and after the hold it gets some time to be tried.
 *
 * Within a lane, the message that was accepted first expires first, with or without holds, unless a person paused one of its labels.
 * See also: queue/schedule/expiry, queue/backoff/key-state, queue/schedule/operator-commands.
 */
import type { BackoffEpisode } from '../backoff/backoff-episode.ts'
import { type BackoffKeyId, destinationKeys, labelKeys } from '../backoff/backoff-key.ts'
import { retryScheduleOf } from '../shaping/limits-in-force.ts'
import { routeOf } from '../stream-route.ts'
import type { HoldPeriod, KeyState, StreamRoute, QueueEntry, QueueState } from '../queue-state.ts'

/** More pauses than anybody makes in the lifetime of a message. Beyond that, the two oldest are merged. */
const MAX_HOLD_PERIODS = 32

const DAY_MS = 86_400_000

/** After a hold a message is tried for at least this long: a recovery starts at a tenth of the rate. */
const MIN_TIME_AFTER_HOLD_MS = DAY_MS

/** How long a key remembers its last hold: longer than a message lives that other keys held too. */
const HOLD_PERIOD_RETENTION_MS = 64 * DAY_MS

/** Whether only an operator ends the episode's pause. */
export const isOperatorHold = ({ state, until }: BackoffEpisode): boolean => state === 'paused' && until === null

/** Records a hold of this key that has ended. */
export function addHoldPeriod(keyState: KeyState, period: HoldPeriod): void {
  const all = [...keyState.holdPeriods, period]
  const [first, second, ...others] = all
  const isFull = all.length > MAX_HOLD_PERIODS && first !== undefined && second !== undefined
  keyState.holdPeriods = isFull ? [{ from: first.from, until: second.until }, ...others] : all
}

/** Forgets holds that no waiting message has met. */
export function forgetOldHoldPeriods(keyState: KeyState, now: number): void {
  if (now - (keyState.holdPeriods.at(-1)?.until ?? now) > HOLD_PERIOD_RETENTION_MS) keyState.holdPeriods = []
}

const hasOperatorHold = (queue: QueueState, key: BackoffKeyId): boolean => {
  const keyState = queue.keyStates.get(key)
  return keyState !== undefined && (keyState.manualPause !== null || [...keyState.episodes.values()].some(isOperatorHold))
}

type StreamKeys = Pick<StreamRoute, 'keys' | 'egressPaths'>

/** Whether only a person can release the messages of these keys now. */
function isStreamOnHold(queue: QueueState, { keys, egressPaths }: StreamKeys): boolean {
  const isEveryPathHeld =
    egressPaths.length > 0 && egressPaths.every((egressPath) => egressPath.keys.some((key) => hasOperatorHold(queue, key)))
  return isEveryPathHeld || keys.some((key) => hasOperatorHold(queue, key))
}

/** When a message expires, as far as is known now; Infinity while a person holds it. */
export function deadlineFor(queue: QueueState, { message, stream: id }: Pick<QueueEntry, 'message' | 'stream'>): number {
  // The stream of a message in flight may have been dropped.
  const stream = queue.streams.get(id)
  const { keys, egressPaths }: StreamKeys =
    stream === undefined ? { keys: destinationKeys(message), egressPaths: [] } : routeOf(queue, stream)
  // A message in flight may have left a stream that it shared with other labels.
  const streamKeys = message.label === undefined ? { keys, egressPaths } : { keys: [...keys, ...labelKeys(message)], egressPaths }
  if (isStreamOnHold(queue, streamKeys)) return Infinity
  const { giveUpMs } = retryScheduleOf(queue, message.site)
  let [countedUntil, heldMs] = [message.acceptedAt, 0]
  for (const { from, until } of holdPeriodsOf(queue, streamKeys)) {
    heldMs += Math.max(0, until - Math.max(from, countedUntil))
    countedUntil = Math.max(countedUntil, until)
  }
  // Without a hold, `countedUntil` is still the time of acceptance.
  return Math.max(message.acceptedAt + giveUpMs + heldMs, countedUntil + Math.min(MIN_TIME_AFTER_HOLD_MS, giveUpMs))
}

function holdPeriodsOf({ keyStates }: QueueState, { keys, egressPaths }: StreamKeys): readonly HoldPeriod[] {
  const periods: HoldPeriod[] = []
  for (const key of keys) periods.push(...(keyStates.get(key)?.holdPeriods ?? []))
  for (const egressPath of egressPaths) for (const key of egressPath.keys) periods.push(...(keyStates.get(key)?.holdPeriods ?? []))
  return periods.length < 2 ? periods : periods.toSorted((a, b) => a.from - b.from)
}
