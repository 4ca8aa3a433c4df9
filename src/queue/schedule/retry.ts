/**
 * retry - the retry schedule of a message, and its lifetime
 *
 * The delay depends on the message's own attempts. A message whose key backs off comes back early, because the key keeps it waiting.
 * RFC 5321 §4.5.4.1 recommends 30 minutes between attempts and 4 to 5 days in all. The first delays are shorter, for greylisting.
 *
 * Pure. See also: queue/backoff/backoff-classes, queue/schedule/attempt-result (uses it).
 */
const MINUTE_MS = 60_000

export type DeliveryRetrySchedule = {
  /** Delays after the first, second, … attempt. The last one repeats. */
  readonly delaysMs: readonly number[]
  /** The longest delay where a key of the message backs off. */
  readonly blockedDelayMs: number
  /** Each delay is multiplied by a random number between these two, evenly distributed. */
  readonly jitter: readonly [number, number]
  /** The lifetime: a message is given up this long after it was accepted. */
  readonly giveUpMs: number
}

export const RETRY_SCHEDULES = {
  default: {
    delaysMs: [1, 5, 15, 30, 60, 120, 240].map((minutes) => minutes * MINUTE_MS),
    blockedDelayMs: 5 * MINUTE_MS,
    jitter: [0.9, 1.1],
    giveUpMs: 4 * 24 * 60 * MINUTE_MS,
  },
} as const satisfies Record<string, DeliveryRetrySchedule>

type RetryInput = {
  /** Attempts made so far. */
  readonly attempts: number
  readonly isBlocked: boolean
  readonly statedDelayMs: number | null
  /** From 0 to 1. */
  readonly random: number
}

/** The longest stated delay that is kept. */
const MAX_STATED_DELAY_MS = 24 * 60 * MINUTE_MS

/** No delay of this schedule is longer. */
export const longestDelayOf = ({ delaysMs, jitter }: DeliveryRetrySchedule): number =>
  Math.max(MAX_STATED_DELAY_MS, Math.round(Math.max(...delaysMs) * jitter[1]))

/** The delay after a deferral, in milliseconds. A delay that the provider states wins where it is longer. */
export function computeRetryDelay(schedule: DeliveryRetrySchedule, input: RetryInput): number {
  const last = schedule.delaysMs[schedule.delaysMs.length - 1] ?? MINUTE_MS
  const delayMs = schedule.delaysMs[Math.max(0, input.attempts - 1)] ?? last
  const [low, high] = schedule.jitter
  const retryDelayMs = Math.round(
    (input.isBlocked ? Math.min(delayMs, schedule.blockedDelayMs) : delayMs) * (low + (high - low) * input.random),
  )
  return Math.max(retryDelayMs, Math.min(input.statedDelayMs ?? 0, MAX_STATED_DELAY_MS))
}
