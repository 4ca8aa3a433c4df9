/**
 * sliding-count - how often something happened in the time behind, in twelve slots
 *
 * A window slides by a twelfth of its width: what is older than the window never counts, what is younger than eleven twelfths of it
 * always does. Pure values. See also: queue/backoff/backoff (who counts).
 */
const SLOTS = 12

/** `slot`: the number of the newest slot since 1970; `counts`: newest first. */
export type Tally = { readonly windowMs: number; readonly slot: number; readonly counts: readonly number[] }

/** Nothing yet. */
export const emptyTally = (windowMs: number): Tally => ({ windowMs, slot: 0, counts: [] })

const slotOf = (tally: Tally, now: number): number => Math.floor((now * SLOTS) / tally.windowMs)

/** One or more at that moment. */
export function count(tally: Tally, now: number, n = 1): Tally {
  const slot = Math.max(tally.slot, slotOf(tally, now))
  const gap = slot - tally.slot
  if (gap >= SLOTS || tally.counts.length === 0) return { windowMs: tally.windowMs, slot, counts: [n] }
  const counts = gap === 0 ? tally.counts.slice() : [...Array.from({ length: gap }, () => 0), ...tally.counts].slice(0, SLOTS)
  counts[0] = (counts[0] ?? 0) + n
  return { windowMs: tally.windowMs, slot, counts }
}

/** How many are inside the window. */
export function sum(tally: Tally, now: number): number {
  const kept = SLOTS - Math.max(0, slotOf(tally, now) - tally.slot)
  let total = 0
  for (let i = 0; i < kept && i < tally.counts.length; i++) total += tally.counts[i] ?? 0
  return total
}

/** How many a minute, over the slots in which there were any; 0 without any. */
export function perMinute(tally: Tally, now: number): number {
  const kept = Math.max(0, SLOTS - Math.max(0, slotOf(tally, now) - tally.slot))
  const used = tally.counts.slice(0, kept).filter((n) => n > 0)
  const total = used.reduce((all, n) => all + n, 0)
  return used.length === 0 ? 0 : (total * SLOTS * 60_000) / (used.length * tally.windowMs)
}
