/**
 * limit-allowance - how many messages a limit of a simulated provider allows a sender that it knows more or less well
 *
 * Pure. See also: simulator/provider-file (`cold`, `warm_after`), simulator/provider-limits.
 */
import type { LimitRow } from './provider-file.ts'

/** Messages allowed in the window of a limit: few for an unknown sender, and more with every message that was accepted. At least 1. */
export function allowanceOf(limit: LimitRow, acceptedCount: number): number {
  const warmUpShare = limit.warm_after === 0 ? 1 : Math.min(1, acceptedCount / limit.warm_after)
  return Math.max(1, Math.round(limit.count * (limit.cold + (1 - limit.cold) * warmUpShare)))
}
