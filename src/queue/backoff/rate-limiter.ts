/**
 * rate-limiter - a token bucket, and a rate that a key learns
 *
 * There is no learnt rate until refusals ask for a lower one. Then the rate is half of the accepted messages. If refusals continue at that
 * rate, it falls to nine tenths of what was accepted in the last hour, by half at most. Each clean reply adds a little: an hour at full rate adds
 * a quarter of the rate at its start, or a sixteenth once it was refused.
 *
 * Most providers count by the hour, so the first halving takes the accepted messages of an hour. A provider that refuses within the first ten
 * minutes may count by the minute and would then get far too little. In that case the first rate is a guess, which doubles in a quarter of an
 * hour, up to half of the peak rate or until the second halving.
 *
 * Pure values. See also: queue/backoff/backoff-classes (`halves`), queue/backoff/send-budget, queue/backoff/concurrency-limiter.
 */

/**
 * `perMinute` null: nothing learnt yet. `seen` (results) and `asked` (those that ask for less) count since `from`. Results of dispatches up to
 * `epoch` are older than the rate. The members are final: released stores hold them.
 */
export type AdaptiveRate = {
  readonly perMinute: number | null
  readonly start: number
  readonly epoch: number
  readonly halvedAt: number
  readonly from: number
  readonly seen: number
  readonly asked: number
  /** Clean replies since the last halving. */
  readonly clean: number
  /** The bound up to which a guess grows fast; 0: the rate is no guess. */
  readonly guessTo: number
}

/** The lowest learnt rate: below it, one refusal among few would starve a lane. */
const MIN_PER_MINUTE = 2
/** A single refusal is noise: it takes three, and a twentieth of the results, to halve the rate. */
const MIN_OVER_LIMIT = 3
const MIN_OVER_LIMIT_SHARE = 0.05
/** The counts restart after a minute, but not before this many results. */
const WINDOW_MS = 60_000
const MIN_WINDOW_REPLIES = 20
/** A rate that was in force for an hour meets the limit at what was accepted in that hour. The new rate stays a little below. */
const ACCEPTED_SHARE = 0.9
/** After its first refusal a rate grows by a sixteenth an hour instead of a quarter. */
const SLOW_GROWTH_SHARE = 0.25
/** A burst of refusals halves the rate once. Longer trouble is a matter of the backoff. */
const MIN_HALVING_INTERVAL_MS = 60_000
/** A rate at which fewer messages were accepted has not been tried: a provider that refuses everything says nothing about it. */
const MIN_CLEAN_REPLIES = 20
/**
 * Each clean reply adds start ÷ (240 × rate), and an hour at the full rate has 60 × rate of them: a quarter of the start. A faster growth would
 * reach the limit again within the hour that the provider counts by.
 */
const GROWTH_STEPS = 240
/** A peak of this many times the average: all of the hour was accepted in one or two of its twelve slots. */
const SHORT_BURST_FACTOR = 6
/** What each clean reply adds to a guess, in messages a minute: it doubles in a quarter of an hour (ln 2 ÷ 15). */
const GUESS_STEP = 0.046
/** IPs warm up over weeks: a rate that was not halved for seven days is obsolete. */
const FORGET_MS = 7 * 24 * 3_600_000

type RateFeedback = {
  readonly dispatchNumber: number
  /** Whether the reply asks for a lower rate. */
  readonly isOverLimit: boolean
  /** Whether the key pauses because of it: so many in a row need no further count. */
  readonly isPausing: boolean
  /** Accepted messages a minute: over the last hour, and over those of its slots that have any. */
  readonly cleanPerMinute: number
  readonly peakPerMinute: number
}

const EMPTY_RATE = { perMinute: null, start: 0, epoch: 0, seen: 0, asked: 0, clean: 0, guessTo: 0 } as const

/** The rate after a result; null: nothing is known. */
export function learnRate(
  rate: AdaptiveRate | null,
  feedback: RateFeedback,
  input: { readonly now: number; readonly epoch: number },
): AdaptiveRate | null {
  const { now } = input
  if (rate === null && !feedback.isOverLimit) return null
  const before = rate ?? { ...EMPTY_RATE, halvedAt: now, from: now }
  if (feedback.dispatchNumber <= before.epoch) return before
  const next = countReply(before, feedback.isOverLimit, now)
  if (feedback.isOverLimit) return shouldLower(next, feedback.isPausing, now) ? lowerRate(next, feedback, input) : next
  if (now - before.halvedAt >= FORGET_MS) return null
  return before.perMinute === null ? next : { ...next, ...increaseRate(before, before.perMinute) }
}

function countReply(before: AdaptiveRate, isOverLimit: boolean, now: number): AdaptiveRate {
  const isOver = now - before.from >= WINDOW_MS && before.seen >= MIN_WINDOW_REPLIES
  const window = isOver ? { from: now, seen: 0, asked: 0 } : before
  const { from, seen, asked } = window
  return { ...before, from, seen: seen + 1, asked: asked + (isOverLimit ? 1 : 0), clean: before.clean + (isOverLimit ? 0 : 1) }
}

function shouldLower({ perMinute, halvedAt, clean, seen, asked }: AdaptiveRate, isPausing: boolean, now: number): boolean {
  const isRateTried = perMinute === null || (now - halvedAt >= MIN_HALVING_INTERVAL_MS && clean >= MIN_CLEAN_REPLIES)
  const isCounted = asked >= MIN_OVER_LIMIT && asked >= MIN_OVER_LIMIT_SHARE * seen
  return isRateTried && (isCounted || (isPausing && perMinute !== null))
}

function lowerRate(
  rate: AdaptiveRate,
  { cleanPerMinute: clean, peakPerMinute: best }: RateFeedback,
  { now, epoch }: { readonly now: number; readonly epoch: number },
): AdaptiveRate {
  const lowered = rate.perMinute === null ? firstRate(clean, best) : nextRate(rate.perMinute, clean)
  return { ...lowered, epoch, halvedAt: now, from: now, seen: 0, asked: 0, clean: 0 }
}

type LoweredRate = Pick<AdaptiveRate, 'perMinute' | 'start' | 'guessTo'>

function firstRate(clean: number, best: number): LoweredRate {
  const start = Math.max(clean, 2 * MIN_PER_MINUTE)
  return { perMinute: Math.max(MIN_PER_MINUTE, start / 2), start, guessTo: best >= SHORT_BURST_FACTOR * clean ? best / 2 : 0 }
}

/** A rate that was refused is near the limit: it grows slowly from there. */
function nextRate(before: number, clean: number): LoweredRate {
  const perMinute = Math.max(MIN_PER_MINUTE, before / 2, Math.min(before, ACCEPTED_SHARE * clean))
  return { perMinute, start: SLOW_GROWTH_SHARE * perMinute, guessTo: 0 }
}

/** The rate after one clean reply. A guess beyond its bound becomes an ordinary rate. */
function increaseRate({ start, guessTo }: AdaptiveRate, perMinute: number): Pick<AdaptiveRate, 'perMinute' | 'start' | 'guessTo'> {
  if (perMinute < guessTo) return { perMinute: perMinute + GUESS_STEP, start: Math.max(start, perMinute), guessTo }
  return { perMinute: perMinute + Math.max(0.1, start / GROWTH_STEPS) / Math.max(1, perMinute), start, guessTo: 0 }
}

/** `tokens` may be fractions; only whole ones are spent. */
export type TokenBucket = { readonly tokens: number; readonly refilledAt: number }

/** The bucket holds the tokens of one second, at least one. */
const bucketSize = (perMinute: number): number => Math.max(1, perMinute / 60)

/** The bucket at `now`. */
export function refillBucket(bucket: TokenBucket, perMinute: number, now: number): TokenBucket {
  const left = Math.min(bucketSize(perMinute), bucket.tokens + ((now - bucket.refilledAt) * perMinute) / 60_000)
  return { tokens: left, refilledAt: now }
}

/** When a bucket that was just refilled has a whole token. */
export function nextTokenAt(bucket: TokenBucket, perMinute: number): number {
  return bucket.tokens >= 1 ? bucket.refilledAt : bucket.refilledAt + Math.max(1, Math.ceil(((1 - bucket.tokens) * 60_000) / perMinute))
}
