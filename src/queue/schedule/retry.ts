/**
 * retry - when a mail is tried again, and when it is given up
 *
 * The ladder is the mail's own and counts its attempts. A class that pauses keys brings the mail back early: what keeps it waiting is the key.
 * RFC 5321 §4.5.4.1 asks for 30 minutes between attempts and for 4 to 5 days; the first rungs are shorter, for greylisting.
 *
 * Pure. See also: queue/backoff/backoff-classes, queue/schedule/attempt-result (who asks).
 */
const MINUTE = 60_000

export type RetryLadder = {
  /** Rests in milliseconds after the first, second, … attempt; the last holds. */
  readonly rungs: readonly number[]
  /** The rest is never longer where a key of the mail is held by a class. */
  readonly heldMs: number
  /** Each rest is multiplied by a number evenly between the two. */
  readonly jitter: readonly [number, number]
  /** Given up so long after it was accepted for sending. */
  readonly giveUpMs: number
}

export const RETRY = {
  default: {
    rungs: [1, 5, 15, 30, 60, 120, 240].map((minutes) => minutes * MINUTE),
    heldMs: 5 * MINUTE,
    jitter: [0.9, 1.1],
    giveUpMs: 4 * 24 * 60 * MINUTE,
  },
} as const satisfies Record<string, RetryLadder>

export type RetryAfter = {
  /** How many attempts were made. */
  readonly attempts: number
  readonly held: boolean
  readonly statedDelayMs: number | null
  /** From 0 to 1. */
  readonly roll: number
}

/** No provider is waited for longer than this, whatever it states. */
const LONGEST_STATED = 24 * 60 * MINUTE

/** How long a mail rests after an attempt that was put off. A delay that the provider states wins where it is longer. */
export function restOf(ladder: RetryLadder, after: RetryAfter): number {
  const last = ladder.rungs[ladder.rungs.length - 1] ?? MINUTE
  const rung = ladder.rungs[Math.max(0, after.attempts - 1)] ?? last
  const [low, high] = ladder.jitter
  const rest = Math.round((after.held ? Math.min(rung, ladder.heldMs) : rung) * (low + (high - low) * after.roll))
  return Math.max(rest, Math.min(after.statedDelayMs ?? 0, LONGEST_STATED))
}
