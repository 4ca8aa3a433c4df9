/**
 * trip-detection - counts the feedback of an episode by the measures of its class, and decides whether the class trips
 *
 * Pure. See also: queue/backoff/backoff-classes (the measures), queue/backoff/sliding-count (the windows), queue/backoff/backoff (what a trip does).
 */
import type { BackoffClassRow, TripMeasure } from './backoff-classes.ts'
import type { BackoffEpisode, MeasureCount } from './backoff-episode.ts'
import type { BackoffSignal } from './backoff-state.ts'
import { addToCount, countInWindow, emptySlidingCount } from './sliding-count.ts'

/** Counts of zero for each measure of a class. */
export const emptyCounts = ({ measures }: BackoffClassRow): readonly MeasureCount[] =>
  measures.map(({ windowMs }) => ({ hits: emptySlidingCount(windowMs), of: emptySlidingCount(windowMs) }))

/** What a measure needs to know about one piece of feedback. */
type CountedFeedback = {
  readonly kind: 'hit' | 'complaint' | 'clean' | 'accepted'
  /** Whether it is one of the attempts that a share is taken of. A later report is not. */
  readonly isAttempt: boolean
  /** Whether the denominator has counted it already. */
  readonly isCounted: boolean
}

/** The counts of an episode with one more piece of feedback. */
export function countFeedback(
  { measures }: BackoffClassRow,
  { counts }: BackoffEpisode,
  feedback: CountedFeedback,
  now: number,
): readonly MeasureCount[] {
  return counts.map((count, i) => {
    const measure = measures[i]
    if (measure === undefined) return count
    const isHit = feedback.kind === (measure.numerator === 'complaints' ? 'complaint' : 'hit')
    const isDenominator = feedback.isAttempt && !feedback.isCounted && (measure.denominator === 'attempts' || feedback.kind === 'accepted')
    return { hits: isHit ? addToCount(count.hits, now) : count.hits, of: isDenominator ? addToCount(count.of, now) : count.of }
  })
}

/** One measure's decision. `isFar`: the share is `multiple` times the ratio at which the class trips. */
function evaluateMeasure(
  measure: TripMeasure,
  { hits, of }: MeasureCount,
  at: { readonly now: number; readonly inARow: number; readonly multiple: number | null },
): { readonly trips: boolean; readonly isFar: boolean } {
  const n = countInWindow(hits, at.now)
  const all = countInWindow(of, at.now)
  const isEnough = n >= measure.threshold && n >= measure.ratio * all
  const trips = all >= measure.floor ? isEnough : measure.inARow > 0 && at.inARow >= measure.inARow && n >= measure.ratio * all
  return { trips, isFar: trips && at.multiple !== null && n >= at.multiple * measure.ratio * all }
}

/** The signal that the counts of an episode give; null: none. `trips`: the caller's own decision, which replaces that of the measures. */
export function detectTrip(row: BackoffClassRow, episode: BackoffEpisode, trips: boolean | null, now: number): BackoffSignal | null {
  const ratio = episode.state === 'throttled' ? (row.repeatTrip?.ratio ?? null) : null
  const evaluations = row.measures.flatMap((measure, i) => {
    const count = episode.counts[i]
    const at = { now, inARow: episode.inARow, multiple: row.pauseAtMultiple }
    return count === undefined ? [] : [evaluateMeasure(ratio === null ? measure : { ...measure, ratio }, count, at)]
  })
  const isTripped = trips ?? evaluations.some((each) => each.trips)
  if (!isTripped) return null
  const isFar = evaluations.some((each) => each.isFar)
  if (episode.state === 'throttled') return detectRepeatTrip(row, episode, isFar, now)
  return row.firstAction === 'pause' || isFar ? 'blocked' : 'tripped'
}

/** The signal of a throttled key that trips again. */
function detectRepeatTrip(row: BackoffClassRow, episode: BackoffEpisode, isFar: boolean, now: number): BackoffSignal | null {
  if (row.pauseLength === 'never') return null
  if (row.pauseAtMultiple !== null) return isFar ? 'blocked' : null
  return row.repeatTrip !== null && now - episode.since < row.repeatTrip.afterMs ? null : 'blocked'
}
