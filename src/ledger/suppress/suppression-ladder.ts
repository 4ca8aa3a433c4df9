/**
 * suppression-ladder - how long each hit keeps an address on the bounce list
 *
 * Pure. See also: ledger/suppress/suppression (chooses the rung).
 */
import type { AccountSettings } from '../account-settings.ts'
import { DAY_MS } from './address-history.ts'

const HOUR_MS = 3_600_000

/** Durations in milliseconds. Above the last rung the duration stays or doubles, up to the cap. */
type SuppressionLadder = { readonly rungsMs: readonly number[]; readonly above: 'hold' | 'double'; readonly capMs: number }

const TENCENT_LADDER: SuppressionLadder = { rungsMs: [DAY_MS], above: 'double', capMs: 30 * DAY_MS }

/** The ladders that an account can choose, named after the vendors that use them. */
export const SUPPRESSION_LADDERS = {
  engagelab: { tencent: TENCENT_LADDER, others: { rungsMs: [30 * DAY_MS, 60 * DAY_MS, 180 * DAY_MS], above: 'hold', capMs: 180 * DAY_MS } },
  sendcloud: {
    tencent: TENCENT_LADDER,
    others: { rungsMs: [HOUR_MS, 4 * HOUR_MS, 8 * HOUR_MS, DAY_MS], above: 'double', capMs: 180 * DAY_MS },
  },
} as const satisfies Record<AccountSettings['ladder'], { readonly tencent: SuppressionLadder; readonly others: SuppressionLadder }>

/** How long the n-th hit holds, in milliseconds; n starts at 1. Never decreases with n. */
export function suppressionMsOf(ladder: SuppressionLadder, n: number): number {
  const rung = ladder.rungsMs[n - 1]
  if (rung !== undefined) return Math.min(rung, ladder.capMs)
  const last = ladder.rungsMs[ladder.rungsMs.length - 1] ?? ladder.capMs
  const steps = Math.min(n - ladder.rungsMs.length, 40)
  return Math.min(ladder.above === 'hold' ? last : last * 2 ** steps, ladder.capMs)
}
