/**
 * retry - when a mail is tried again, and when it is given up
 *
 * The ladder is the mail's own and counts its attempts. A class that pauses keys brings the mail back early: what keeps it waiting is the key.
 * RFC 5321 §4.5.4.1 asks for 30 minutes between attempts and for 4 to 5 days; the first rungs are shorter, for greylisting.
 *
 * Pure. See also: queue/backoff/backoff-classes, queue/schedule/attempt-result (who asks).
 */
const MINUTE_MS = 60_000

export type DeliveryRetrySchedule = {
  /** Rests in milliseconds after the first, second, … attempt; the last holds. */
  readonly delaysMs: readonly number[]
  /** The rest is never longer where a key of the mail is held by a class. */
  readonly blockedDelayMs: number
  /** Each rest is multiplied by a number evenly between the two. */
  readonly jitter: readonly [number, number]
  /** Given up so long after it was accepted for sending. */
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

export type RetryInput = {
  /** How many attempts were made. */
  readonly attempts: number
  readonly isBlocked: boolean
  readonly statedDelayMs: number | null
  /** From 0 to 1. */
  readonly random: number
}

/** No provider is waited for longer than this, whatever it states. */
const MAX_STATED_DELAY_MS = 24 * 60 * MINUTE_MS

/** How long a mail rests after an attempt that was put off. A delay that the provider states wins where it is longer. */
export function computeRetryDelay(schedule: DeliveryRetrySchedule, input: RetryInput): number {
  const last = schedule.delaysMs[schedule.delaysMs.length - 1] ?? MINUTE_MS
  const delayMs = schedule.delaysMs[Math.max(0, input.attempts - 1)] ?? last
  const [low, high] = schedule.jitter
  const retryDelayMs = Math.round(
    (input.isBlocked ? Math.min(delayMs, schedule.blockedDelayMs) : delayMs) * (low + (high - low) * input.random),
  )
  return Math.max(retryDelayMs, Math.min(input.statedDelayMs ?? 0, MAX_STATED_DELAY_MS))
}
