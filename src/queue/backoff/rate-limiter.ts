/**
 * rate-limiter - how fast a key may send: a bucket of tokens, and a rate that it learns
 *
 * Nothing is limited until refusals ask for less: then the rate is half of what went through cleanly, and half again if they go on while it
 * is tried; each clean answer adds a little, so that an hour at full rate adds a quarter of the rate where it began.
 *
 * Providers count by the hour, so the lesson takes what passed in one. Who refuses within the first ten minutes may count by the minute, and
 * would then be sent far too little: so that first lesson is a guess, which grows twofold in a quarter of an hour, up to half of what went
 * through at its best, or until the second lesson.
 *
 * Pure values. See also: queue/backoff/backoff-classes (`halves`), queue/backoff/key-state, queue/backoff/concurrency-limiter (the same for connections).
 */

/** Mails a minute; null: nothing learnt yet. `seen` and `asked` since `from`; answers to dispatches up to `epoch` are older than the rate. */
export type AdaptiveRate = {
  readonly perMinute: number | null
  readonly start: number
  readonly epoch: number
  readonly halvedAt: number
  readonly from: number
  readonly seen: number
  readonly asked: number
  /** Clean answers since the last halving. */
  readonly clean: number
  /** How far a guess may grow fast; 0: it is none any more. */
  readonly guessTo: number
}

/** It never learns to send less than this: below it, one refusal among few would starve a lane. */
const MIN_PER_MINUTE = 2
/** One refusal among many is noise: three, and a twentieth of the answers, ask for less. */
const MIN_OVER_LIMIT = 3
const MIN_OVER_LIMIT_SHARE = 0.05
/** What was seen is forgotten after a minute, but not before so many answers. */
const WINDOW_MS = 60_000
const MIN_WINDOW_ANSWERS = 20
/** A flood of refusals is one lesson: what goes on for longer is for the pause machine. */
const MIN_HALVING_INTERVAL_MS = 60_000
/** A rate at which fewer went through cleanly was not tried: a provider that says no for an hour says nothing about it. */
const MIN_CLEAN_ANSWERS = 20
/** Providers count by the hour: whoever grows faster is at the limit again before the hour that he is measured by is over. */
const GROWTH_STEPS = 240
/** All of the hour went through in two of its twelve parts, or in one. */
const SHORT_BURST_FACTOR = 6
/** What each clean answer adds to a guess, in mails a minute: twofold in a quarter of an hour (ln 2 ÷ 15). */
const GUESS_STEP = 0.046
/** Addresses warm up over weeks: a rate that was not halved for seven days has done its work. */
const FORGET_MS = 7 * 24 * 3_600_000

export type RateFeedback = {
  readonly dispatchNumber: number
  /** The answer asks for less. */
  readonly isOverLimit: boolean
  /** Accepted mails a minute: over the whole hour behind, and over those parts of it in which any were. */
  readonly cleanPerMinute: number
  readonly peakPerMinute: number
}

const EMPTY_RATE = { perMinute: null, start: 0, epoch: 0, seen: 0, asked: 0, clean: 0, guessTo: 0 } as const

/** What an answer teaches. Null: nothing is known. */
export function learnRate(
  rate: AdaptiveRate | null,
  feedback: RateFeedback,
  input: { readonly now: number; readonly epoch: number },
): AdaptiveRate | null {
  const { now } = input
  if (rate === null && !feedback.isOverLimit) return null
  const before = rate ?? { ...EMPTY_RATE, halvedAt: now, from: now }
  if (feedback.dispatchNumber <= before.epoch) return before
  const next = countAnswer(before, feedback.isOverLimit, now)
  if (feedback.isOverLimit) return shouldHalve(next, now) ? halveRate(next, feedback, input) : next
  if (now - before.halvedAt >= FORGET_MS) return null
  return before.perMinute === null ? next : { ...next, ...increaseRate(before, before.perMinute) }
}

function countAnswer(before: AdaptiveRate, isOverLimit: boolean, now: number): AdaptiveRate {
  const isOver = now - before.from >= WINDOW_MS && before.seen >= MIN_WINDOW_ANSWERS
  const window = isOver ? { from: now, seen: 0, asked: 0 } : before
  const { from, seen, asked } = window
  return { ...before, from, seen: seen + 1, asked: asked + (isOverLimit ? 1 : 0), clean: before.clean + (isOverLimit ? 0 : 1) }
}

function shouldHalve({ perMinute, halvedAt, clean, seen, asked }: AdaptiveRate, now: number): boolean {
  const isRateTried = perMinute === null || (now - halvedAt >= MIN_HALVING_INTERVAL_MS && clean >= MIN_CLEAN_ANSWERS)
  return isRateTried && asked >= MIN_OVER_LIMIT && asked >= MIN_OVER_LIMIT_SHARE * seen
}

function halveRate(
  rate: AdaptiveRate,
  { cleanPerMinute: clean, peakPerMinute: best }: RateFeedback,
  { now, epoch }: { readonly now: number; readonly epoch: number },
): AdaptiveRate {
  const isFirst = rate.perMinute === null
  const currentPerMinute = rate.perMinute ?? Math.max(clean, 2 * MIN_PER_MINUTE)
  const isShortBurst = best >= SHORT_BURST_FACTOR * clean
  const known = { start: isFirst ? currentPerMinute : rate.start, guessTo: isFirst && isShortBurst ? best / 2 : 0 }
  return {
    perMinute: Math.max(MIN_PER_MINUTE, currentPerMinute / 2),
    ...known,
    epoch,
    halvedAt: now,
    from: now,
    seen: 0,
    asked: 0,
    clean: 0,
  }
}

/** The rate after one clean answer. Who is past the bound of his guess goes on by steps of what he has. */
function increaseRate({ start, guessTo }: AdaptiveRate, perMinute: number): Pick<AdaptiveRate, 'perMinute' | 'start' | 'guessTo'> {
  if (perMinute < guessTo) return { perMinute: perMinute + GUESS_STEP, start: Math.max(start, perMinute), guessTo }
  return { perMinute: perMinute + Math.max(0.1, start / GROWTH_STEPS) / Math.max(1, perMinute), start, guessTo: 0 }
}

/** Whole tokens may be spent. `at`: when `left` was true. */
export type TokenBucket = { readonly tokens: number; readonly refilledAt: number }

/** What a second brings may go out at once. */
const bucketSize = (perMinute: number): number => Math.max(1, perMinute / 60)

/** The bucket now. */
export function refillBucket(bucket: TokenBucket, perMinute: number, now: number): TokenBucket {
  const left = Math.min(bucketSize(perMinute), bucket.tokens + ((now - bucket.refilledAt) * perMinute) / 60_000)
  return { tokens: left, refilledAt: now }
}

/** When the next whole token of a bucket that was just filled is there. */
export function nextTokenAt(bucket: TokenBucket, perMinute: number): number {
  return bucket.tokens >= 1 ? bucket.refilledAt : bucket.refilledAt + Math.max(1, Math.ceil(((1 - bucket.tokens) * 60_000) / perMinute))
}
