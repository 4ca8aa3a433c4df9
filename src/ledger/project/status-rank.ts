/**
 * status-rank - which fact sets the status of a delivery
 *
 * Rank: 18 < 1 < 5 in the SMTP session < 4 in the SMTP session < 5 reported later < 4 reported later. The higher rank wins, whatever the
 * order of arrival; at equal rank the earlier time, then the lower id. The winner is the maximum of a total order, so any permutation of
 * the facts gives the same status.
 *
 * Pure. See also: ledger/decide/effect, ledger/project/fold.
 */
import type { StatusEffect, DeliveryStatus } from '../facts/decision.ts'

type RankRow = { readonly status: DeliveryStatus; readonly asynchronous: boolean | null; readonly rank: number }

/** `asynchronous` null: either. */
const STATUS_RANKS = [
  { status: 18, asynchronous: null, rank: 0 },
  { status: 1, asynchronous: null, rank: 1 },
  { status: 5, asynchronous: false, rank: 2 },
  { status: 4, asynchronous: false, rank: 3 },
  { status: 5, asynchronous: true, rank: 4 },
  { status: 4, asynchronous: true, rank: 5 },
] as const satisfies readonly RankRow[]

/** The rank of the effect of a fact. */
export function statusRank(effect: Pick<StatusEffect, 'status' | 'asynchronous'>): number {
  const row = STATUS_RANKS.find(
    (each) => each.status === effect.status && (each.asynchronous === null || each.asynchronous === effect.asynchronous),
  )
  return row?.rank ?? 0
}

/** The place of a fact in the order. `fact` is '' if no fact has set anything yet. */
type RankedFact = { readonly rank: number; readonly at: number; readonly fact: string }

/** Whether `next` replaces `current`. A strict total order over facts. */
export function outranks(next: RankedFact, current: RankedFact): boolean {
  if (current.fact === '') return next.fact !== ''
  if (next.rank !== current.rank) return next.rank > current.rank
  if (next.at !== current.at) return next.at < current.at
  return next.fact < current.fact
}
