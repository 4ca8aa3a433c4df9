/**
 * sliding-count - counts events in a sliding window of twelve slots
 *
 * The window slides by a twelfth of its width: an event older than the window never counts, one younger than eleven twelfths of it always
 * does. Pure values. See also: queue/backoff/trip-detection.
 */
const SLOTS = 12

/** `slot`: the number of the newest slot since 1970; `counts`: newest first. The members are final: released stores hold them. */
export type SlidingCount = { readonly windowMs: number; readonly slot: number; readonly counts: readonly number[] }

/** A count of zero. */
export const emptySlidingCount = (windowMs: number): SlidingCount => ({ windowMs, slot: 0, counts: [] })

const slotOf = (slidingCount: SlidingCount, now: number): number => Math.floor((now * SLOTS) / slidingCount.windowMs)

/** The count without a future: events that were counted while the clock was ahead happen now. */
export const endAt = (slidingCount: SlidingCount, now: number): SlidingCount => ({
  ...slidingCount,
  slot: Math.min(slidingCount.slot, slotOf(slidingCount, now)),
})

/** The count with `n` more events at `now`. */
export function addToCount(slidingCount: SlidingCount, now: number, n = 1): SlidingCount {
  const slot = Math.max(slidingCount.slot, slotOf(slidingCount, now))
  const gap = slot - slidingCount.slot
  if (gap >= SLOTS || slidingCount.counts.length === 0) return { windowMs: slidingCount.windowMs, slot, counts: [n] }
  const counts = gap === 0 ? slidingCount.counts.slice() : [...Array.from({ length: gap }, () => 0), ...slidingCount.counts].slice(0, SLOTS)
  counts[0] = (counts[0] ?? 0) + n
  return { windowMs: slidingCount.windowMs, slot, counts }
}

/** The events inside the window. */
export function countInWindow(slidingCount: SlidingCount, now: number): number {
  const kept = SLOTS - Math.max(0, slotOf(slidingCount, now) - slidingCount.slot)
  let total = 0
  for (let i = 0; i < kept && i < slidingCount.counts.length; i++) total += slidingCount.counts[i] ?? 0
  return total
}

/** The events per minute over the slots that have any; 0 if none has. */
export function countPerMinute(slidingCount: SlidingCount, now: number): number {
  const kept = Math.max(0, SLOTS - Math.max(0, slotOf(slidingCount, now) - slidingCount.slot))
  const used = slidingCount.counts.slice(0, kept).filter((n) => n > 0)
  const total = used.reduce((all, n) => all + n, 0)
  return used.length === 0 ? 0 : (total * SLOTS * 60_000) / (used.length * slidingCount.windowMs)
}
