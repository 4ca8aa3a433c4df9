/**
 * pace - how fast a key may send: a bucket of tokens, and a rate that it learns
 *
 * Nothing is limited until refusals ask for less: then the rate is half of what went through cleanly, and half again if they go on; each
 * clean answer adds a little, so that an hour at full rate adds a quarter of the rate where it began.
 *
 * Pure values. See also: queue/pauseclass (`halves`), queue/gate.
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
/** Providers count by the hour: whoever grows faster is at the limit again before the hour that he is measured by is over. */
const STEPS = 240
/** A rate that was not halved for a day has done its work. */
const FORGET = 24 * 3_600_000

export type PaceHeard = {
  readonly number: number
  /** The answer asks for less. */
  readonly asks: boolean
  /** Accepted mails a minute until now. */
  readonly clean: number
}

/** What an answer teaches. Null: nothing is known. */
export function learn(pace: Pace | null, heard: PaceHeard, turn: { readonly now: number; readonly epoch: number }): Pace | null {
  const { now, epoch } = turn
  if (pace === null && !heard.asks) return null
  const before = pace ?? { perMinute: null, start: 0, epoch: 0, halvedAt: now, from: now, seen: 0, asked: 0 }
  if (heard.number <= before.epoch) return before
  const isOver = now - before.from >= WINDOW && before.seen >= WINDOW_SEEN
  const window = isOver ? { from: now, seen: 0, asked: 0 } : { from: before.from, seen: before.seen, asked: before.asked }
  const seen = window.seen + 1
  const asked = window.asked + (heard.asks ? 1 : 0)
  const next = { ...before, from: window.from, seen, asked }
  const isRested = before.perMinute === null || now - before.halvedAt >= REST
  if (heard.asks) return isRested && asked >= ASKING && asked >= ASKING_SHARE * seen ? halve(next, heard.clean, { now, epoch }) : next
  if (now - before.halvedAt >= FORGET) return null
  return before.perMinute === null ? next : { ...next, perMinute: eased(before.perMinute, before.start) }
}

function halve(pace: Pace, clean: number, { now, epoch }: { readonly now: number; readonly epoch: number }): Pace {
  const rate = pace.perMinute ?? Math.max(clean, 2 * LEAST)
  const start = pace.perMinute === null ? rate : pace.start
  return { perMinute: Math.max(LEAST, rate / 2), start, epoch, halvedAt: now, from: now, seen: 0, asked: 0 }
}

const eased = (perMinute: number, start: number): number => perMinute + Math.max(0.1, start / STEPS) / Math.max(1, perMinute)

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
