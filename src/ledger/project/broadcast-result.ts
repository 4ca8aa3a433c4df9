/**
 * broadcast-result - the broadcast view of a delivery, from the same facts by ranks of its own
 *
 * Unsent 0, sent 1, soft bounced while still retrying 2; delivered, blocked (401, 402), failed (404, 406), bounced (other 40x), soft bounced
 * for good, duplicate, no email selected 3, where the first wins; opened 4, from delivered only. Here delivered never becomes bounced.
 *
 * Pure. See also: ledger/project/status-rank (the other view), ledger/project/fold.
 */
import type { StatusEffect } from '../facts/decision.ts'
import type { Fact } from '../facts/fact.ts'
import type { BroadcastResult } from './state.ts'

export type BaseBroadcastResult = Exclude<BroadcastResult, 'opened'>

const RESULT_RANKS = { unsent: 0, sent: 1, 'soft-bounced-retrying': 2, final: 3 } as const

/** Sub statuses with a name of their own; all others of status 4 are `bounced`. */
const RESULT_BY_SUB_STATUS: Readonly<Record<number, BaseBroadcastResult>> = { 401: 'blocked', 402: 'blocked', 404: 'failed', 406: 'failed' }

/** What one fact says about the result; null: nothing. `effect` is the one in force (null where it was superseded). */
export function resultOfFact(
  fact: Fact,
  effect: StatusEffect | null,
): { readonly result: BaseBroadcastResult; readonly rank: number } | null {
  if (effect !== null) return { result: resultOfEffect(effect), rank: effect.status === 18 ? RESULT_RANKS.unsent : RESULT_RANKS.final }
  if (fact.kind === 'attempt' && !fact.data.final) return { result: 'soft-bounced', rank: RESULT_RANKS['soft-bounced-retrying'] }
  if (fact.kind !== 'request') return null
  const { result } = fact.data
  return { result, rank: result === 'unsent' ? RESULT_RANKS.unsent : result === 'sent' ? RESULT_RANKS.sent : RESULT_RANKS.final }
}

function resultOfEffect(effect: StatusEffect): BaseBroadcastResult {
  if (effect.status === 18) return 'unsent'
  if (effect.status === 1) return 'delivered'
  return effect.status === 5 ? 'soft-bounced' : (RESULT_BY_SUB_STATUS[effect.subStatus ?? 0] ?? 'bounced')
}

/** The result that is shown: an open or a click lifts what was delivered. */
export function displayedResultOf(base: BaseBroadcastResult, openedAt: number | null, clickedAt: number | null): BroadcastResult {
  return base === 'delivered' && (openedAt !== null || clickedAt !== null) ? 'opened' : base
}

/** The results in the words of the specification. */
export const RESULT_NAMES: Readonly<Record<BroadcastResult, string>> = {
  unsent: 'Unsent',
  sent: 'Sent',
  'soft-bounced': 'Soft Bounced',
  delivered: 'Delivered',
  blocked: 'Blocked',
  failed: 'Failed',
  bounced: 'Bounced',
  duplicate: 'Duplicate',
  'no-email-selected': 'No Email Selected',
  opened: 'Opened',
}
