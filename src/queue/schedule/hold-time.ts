/**
 * hold-time - time in which nobody but a person lets a mail go, and when the mail is given up
 *
 * A manual pause, and a pause without a next sending time, hold mail because somebody wants it so: that time makes no mail too old. A gate
 * keeps it as spans. While a mail is so held it is never given up, and for some time after that it is not either, so that it can be tried.
 *
 * Within a lane, who was accepted first is given up first, spans or not. See also: queue/schedule/expiry, queue/backoff/key-state, queue/schedule/operator-commands.
 */
import type { BackoffEpisode } from '../backoff/backoff-episode.ts'
import { destinationKeys, type BackoffKey } from '../backoff/backoff-key.ts'
import type { KeyState, QueueEntry, QueueState, MessageStream } from '../queue-state.ts'

/** Time from and until, in epoch milliseconds. */
export type HoldPeriod = { readonly from: number; readonly until: number }

/** More pauses than anybody makes in the life of a mail. Of more, the oldest are taken for one. */
const MAX_HOLD_PERIODS = 32

const DAY_MS = 86_400_000

/** After a hold a mail is tried for so long at least: a recovery begins at a tenth of the rate. */
const MIN_TIME_AFTER_HOLD_MS = DAY_MS

/** So long after its last hold a gate knows of them: longer than mail lives that was held at other gates too. */
const HOLD_PERIOD_RETENTION_MS = 64 * DAY_MS

/** Whether only an operator ends it. */
export const isOperatorHold = ({ state, until }: BackoffEpisode): boolean => state === 'paused' && until === null

/** A hold of this gate is over. */
export function addHoldPeriod(keyState: KeyState, period: HoldPeriod): void {
  const all = [...keyState.spans, period]
  const [first, second, ...rest] = all
  const isFull = all.length > MAX_HOLD_PERIODS && first !== undefined && second !== undefined
  keyState.spans = isFull ? [{ from: first.from, until: second.until }, ...rest] : all
}

/** Forgets holds that no waiting mail has met. */
export function forgetOldHoldPeriods(keyState: KeyState, now: number): void {
  if (now - (keyState.spans.at(-1)?.until ?? now) > HOLD_PERIOD_RETENTION_MS) keyState.spans = []
}

const hasOperatorHold = (queue: QueueState, key: BackoffKey): boolean => {
  const keyState = queue.keyStates.get(key)
  return keyState !== undefined && (keyState.manual !== null || [...keyState.episodes.values()].some(isOperatorHold))
}

type StreamKeys = Pick<MessageStream, 'keys' | 'egressPaths'>

/** Whether nobody but a person lets mail go now. */
function isStreamOnHold(queue: QueueState, { keys, egressPaths }: StreamKeys): boolean {
  const isEveryPathHeld =
    egressPaths.length > 0 && egressPaths.every((egressPath) => egressPath.keys.some((key) => hasOperatorHold(queue, key)))
  return isEveryPathHeld || keys.some((key) => hasOperatorHold(queue, key))
}

/** When a mail is given up, as far as is known now; Infinity while a person holds it. */
export function deadlineFor(queue: QueueState, { message, stream: id }: Pick<QueueEntry, 'message' | 'stream'>): number {
  // Of mail in flight the stream may be forgotten.
  const streamKeys: StreamKeys = queue.streams.get(id) ?? { keys: destinationKeys(message), egressPaths: [] }
  if (isStreamOnHold(queue, streamKeys)) return Infinity
  const { giveUpMs } = queue.retrySchedule
  let [countedUntil, heldMs] = [message.acceptedAt, 0]
  for (const { from, until } of holdPeriodsOf(queue, streamKeys)) {
    heldMs += Math.max(0, until - Math.max(from, countedUntil))
    countedUntil = Math.max(countedUntil, until)
  }
  // Where nothing held it, `counted` is when it was accepted.
  return Math.max(message.acceptedAt + giveUpMs + heldMs, countedUntil + Math.min(MIN_TIME_AFTER_HOLD_MS, giveUpMs))
}

function holdPeriodsOf({ keyStates }: QueueState, { keys, egressPaths }: StreamKeys): readonly HoldPeriod[] {
  const periods: HoldPeriod[] = []
  for (const key of keys) periods.push(...(keyStates.get(key)?.spans ?? []))
  for (const egressPath of egressPaths) for (const key of egressPath.keys) periods.push(...(keyStates.get(key)?.spans ?? []))
  return periods.length < 2 ? periods : periods.toSorted((a, b) => a.from - b.from)
}
