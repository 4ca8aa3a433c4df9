/**
 * trip-detection - counts the feedback of an episode by the measures of its class, and decides whether the class trips
 *
 * Pure. See also: queue/backoff/backoff-classes (the measures), queue/backoff/sliding-count (the windows), queue/backoff/backoff (what a trip does).
 */
import type { BackoffClassRow, TripMeasure } from './backoff-classes.ts'
import type { BackoffEpisode, MeasureCount } from './backoff-episode.ts'
import type { BackoffSignal } from './backoff-state.ts'
import { addToCount, countInWindow, emptySlidingCount } from './sliding-count.ts'

/** So many hits in a row are no chance, even where an hour at full speed before them keeps the share low. */
const IN_A_ROW_AT_ANY_VOLUME = 10

/** A key that has learnt how long the provider refuses recognises the next time by fewer, and pauses at once. One alone may be chance. */
const IN_A_ROW_AGAIN = 2

/** The fewest results of a recovery that a share is taken of: a probe batch. */
const MIN_RELAPSE_RESULTS = 5

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

/** One measure's decision. `isShareOnly`: a long row does not trip it. `isFar`: the share is `multiple` times the ratio at which the class trips. */
function evaluateMeasure(
  measure: TripMeasure,
  { hits, of }: MeasureCount,
  at: {
    readonly now: number
    readonly inARow: number
    readonly multiple: number | null
    readonly isShareOnly: boolean
    readonly longRow: number
  },
): { readonly trips: boolean; readonly isFar: boolean } {
  const n = countInWindow(hits, at.now)
  const all = countInWindow(of, at.now)
  const isEnough = all >= measure.floor && n >= measure.threshold && n >= measure.ratio * all
  const isRow = measure.inARow > 0 && at.inARow >= measure.inARow && all < measure.floor && n >= measure.ratio * all
  const isLongRow = !at.isShareOnly && measure.inARow > 0 && at.inARow >= at.longRow
  const trips = isEnough || isRow || isLongRow
  return { trips, isFar: trips && at.multiple !== null && n >= at.multiple * measure.ratio * all }
}

/** `isTripped`: the measures say so. `signal`: what it does to the state; null: nothing. */
type TripDecision = { readonly isTripped: boolean; readonly signal: BackoffSignal | null }

/** What the counts of an episode say. `trips`: the caller's own decision, which replaces that of the measures. */
export function detectTrip(row: BackoffClassRow, episode: BackoffEpisode, trips: boolean | null, now: number): TripDecision {
  const ratio = episode.state === 'throttled' ? (row.repeatTrip?.ratio ?? null) : null
  const hasLearnt = row.learnsPause !== null && episode.n > 0
  const evaluations = row.measures.flatMap((measure, i) => {
    const count = episode.counts[i]
    const at = {
      now,
      inARow: episode.inARow,
      multiple: row.pauseAtMultiple,
      isShareOnly: ratio !== null,
      longRow: hasLearnt ? IN_A_ROW_AGAIN : IN_A_ROW_AT_ANY_VOLUME,
    }
    return count === undefined ? [] : [evaluateMeasure(ratio === null ? measure : { ...measure, ratio }, count, at)]
  })
  const isTripped = trips ?? evaluations.some((each) => each.trips)
  if (!isTripped) return { isTripped, signal: null }
  const isFar = evaluations.some((each) => each.isFar)
  if (episode.state === 'throttled') return { isTripped, signal: detectRepeatTrip(row, episode, isFar, now) }
  return { isTripped, signal: row.firstAction === 'pause' || isFar || hasLearnt ? 'blocked' : 'tripped' }
}

/** Whether the results of a probe or a recovery so far have the share at which a class with `relapse: 'share'` trips. */
export function hasRelapseShare(
  { measures: [measure] }: BackoffClassRow,
  { state, answered, clean, counts: [count] }: BackoffEpisode,
  now: number,
): boolean {
  if (measure === undefined || count === undefined) return false
  const hits = state === 'probing' ? answered - clean : countInWindow(count.hits, now)
  const all = state === 'probing' ? answered : countInWindow(count.of, now)
  return (state === 'probing' || all >= MIN_RELAPSE_RESULTS) && hits > 0 && hits >= measure.ratio * all
}

/** The signal of a throttled key that trips again. */
function detectRepeatTrip(row: BackoffClassRow, episode: BackoffEpisode, isFar: boolean, now: number): BackoffSignal | null {
  if (row.pauseAtMultiple !== null) return isFar ? 'blocked' : null
  return row.repeatTrip !== null && now - episode.since < row.repeatTrip.afterMs ? null : 'blocked'
}
