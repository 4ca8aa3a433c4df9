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
export type Pace = {
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
const LEAST = 2
/** One refusal among many is noise: three, and a twentieth of the answers, ask for less. */
const ASKING = 3
const ASKING_SHARE = 0.05
/** What was seen is forgotten after a minute, but not before so many answers. */
const WINDOW = 60_000
const WINDOW_SEEN = 20
/** A flood of refusals is one lesson: what goes on for longer is for the pause machine. */
const REST = 60_000
/** A rate at which fewer went through cleanly was not tried: a provider that says no for an hour says nothing about it. */
const TRIED = 20
/** Providers count by the hour: whoever grows faster is at the limit again before the hour that he is measured by is over. */
const STEPS = 240
/** All of the hour went through in two of its twelve parts, or in one. */
const SHORT = 6
/** What each clean answer adds to a guess, in mails a minute: twofold in a quarter of an hour (ln 2 ÷ 15). */
const GUESS_STEP = 0.046
/** Addresses warm up over weeks: a rate that was not halved for seven days has done its work. */
const FORGET = 7 * 24 * 3_600_000

export type PaceHeard = {
  readonly number: number
  /** The answer asks for less. */
  readonly asks: boolean
  /** Accepted mails a minute: over the whole hour behind, and over those parts of it in which any were. */
  readonly clean: number
  readonly best: number
}

const NOTHING = { perMinute: null, start: 0, epoch: 0, seen: 0, asked: 0, clean: 0, guessTo: 0 } as const

/** What an answer teaches. Null: nothing is known. */
export function learn(pace: Pace | null, heard: PaceHeard, turn: { readonly now: number; readonly epoch: number }): Pace | null {
  const { now } = turn
  if (pace === null && !heard.asks) return null
  const before = pace ?? { ...NOTHING, halvedAt: now, from: now }
  if (heard.number <= before.epoch) return before
  const next = counted(before, heard.asks, now)
  if (heard.asks) return isLesson(next, now) ? halve(next, heard, turn) : next
  if (now - before.halvedAt >= FORGET) return null
  return before.perMinute === null ? next : { ...next, ...eased(before, before.perMinute) }
}

function counted(before: Pace, asks: boolean, now: number): Pace {
  const isOver = now - before.from >= WINDOW && before.seen >= WINDOW_SEEN
  const window = isOver ? { from: now, seen: 0, asked: 0 } : before
  const { from, seen, asked } = window
  return { ...before, from, seen: seen + 1, asked: asked + (asks ? 1 : 0), clean: before.clean + (asks ? 0 : 1) }
}

function isLesson({ perMinute, halvedAt, clean, seen, asked }: Pace, now: number): boolean {
  const isTried = perMinute === null || (now - halvedAt >= REST && clean >= TRIED)
  return isTried && asked >= ASKING && asked >= ASKING_SHARE * seen
}

function halve(pace: Pace, { clean, best }: PaceHeard, { now, epoch }: { readonly now: number; readonly epoch: number }): Pace {
  const isFirst = pace.perMinute === null
  const rate = pace.perMinute ?? Math.max(clean, 2 * LEAST)
  const isShort = best >= SHORT * clean
  const known = { start: isFirst ? rate : pace.start, guessTo: isFirst && isShort ? best / 2 : 0 }
  return { perMinute: Math.max(LEAST, rate / 2), ...known, epoch, halvedAt: now, from: now, seen: 0, asked: 0, clean: 0 }
}

/** The rate after one clean answer. Who is past the bound of his guess goes on by steps of what he has. */
function eased({ start, guessTo }: Pace, perMinute: number): Pick<Pace, 'perMinute' | 'start' | 'guessTo'> {
  if (perMinute < guessTo) return { perMinute: perMinute + GUESS_STEP, start: Math.max(start, perMinute), guessTo }
  return { perMinute: perMinute + Math.max(0.1, start / STEPS) / Math.max(1, perMinute), start, guessTo: 0 }
}

/** Whole tokens may be spent. `at`: when `left` was true. */
export type Bucket = { readonly left: number; readonly at: number }

/** What a second brings may go out at once. */
const sizeOf = (perMinute: number): number => Math.max(1, perMinute / 60)

/** The bucket now. */
export function refill(bucket: Bucket, perMinute: number, now: number): Bucket {
  const left = Math.min(sizeOf(perMinute), bucket.left + ((now - bucket.at) * perMinute) / 60_000)
  return { left, at: now }
}

/** When the next whole token of a bucket that was just filled is there. */
export function nextToken(bucket: Bucket, perMinute: number): number {
  return bucket.left >= 1 ? bucket.at : bucket.at + Math.max(1, Math.ceil(((1 - bucket.left) * 60_000) / perMinute))
}
