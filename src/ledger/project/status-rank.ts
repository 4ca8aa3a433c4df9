/**
 * status-rank - which of a delivery's facts sets its status
 *
 * Rank 18 < 1 < 5 in the dialogue < 4 in the dialogue < 5 reported later < 4 reported later. The higher rank wins in whatever order facts
 * come; at equal rank the earlier, then the lower id. So the winner is the greatest of a total order: any permutation gives the same.
 *
 * Pure. See also: ledger/decide/effect, ledger/project/fold.
 */
import type { StatusEffect, DeliveryStatus } from '../facts/decision.ts'

type RankRow = { readonly status: DeliveryStatus; readonly asynchronous: boolean | null; readonly rank: number }

/** `asynchronous` null: it does not matter. */
const STATUS_RANKS = [
  { status: 18, asynchronous: null, rank: 0 },
  { status: 1, asynchronous: null, rank: 1 },
  { status: 5, asynchronous: false, rank: 2 },
  { status: 4, asynchronous: false, rank: 3 },
  { status: 5, asynchronous: true, rank: 4 },
  { status: 4, asynchronous: true, rank: 5 },
] as const satisfies readonly RankRow[]

/** The rank of what a fact says. */
export function statusRank(effect: Pick<StatusEffect, 'status' | 'asynchronous'>): number {
  const row = STATUS_RANKS.find(
    (each) => each.status === effect.status && (each.asynchronous === null || each.asynchronous === effect.asynchronous),
  )
  return row?.rank ?? 0
}

/** Something that stands in an order of ranks. `fact` is '' for what no fact has set yet. */
export type RankedFact = { readonly rank: number; readonly at: number; readonly fact: string }

/** Whether `next` takes the place of `now`. A strict total order over facts. */
export function outranks(next: RankedFact, current: RankedFact): boolean {
  if (current.fact === '') return next.fact !== ''
  if (next.rank !== current.rank) return next.rank > current.rank
  if (next.at !== current.at) return next.at < current.at
  return next.fact < current.fact
}
