/**
 * broadcast-result - the broadcast view of a delivery, from the same facts with ranks of its own
 *
 * Ranks: unsent 0; sent 1; soft bounced while still retrying 2; delivered, blocked (401, 402), failed (404, 406), bounced (other 40x), soft
 * bounced finally, duplicate and no email selected 3. At equal rank the first wins. Opened replaces delivered and sent. In this view delivered
 * never becomes bounced.
 *
 * Pure. See also: ledger/project/status-rank (the other view), ledger/project/fold.
 */
import type { StatusEffect } from '../facts/decision.ts'
import type { Fact } from '../facts/fact.ts'

const NAMES = {
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
} as const satisfies Record<string, string>
export type BroadcastResult = keyof typeof NAMES

/** Every result, with its name in the specification. */
export const RESULT_NAMES: Readonly<Record<BroadcastResult, string>> = NAMES

/** The result before opens and clicks. */
export type BaseBroadcastResult = Exclude<BroadcastResult, 'opened'>

const RESULT_RANKS = { unsent: 0, sent: 1, 'soft-bounced-retrying': 2, final: 3 } as const

/** Sub statuses with a result of their own. All others of status 4 are `bounced`. */
const RESULT_BY_SUB_STATUS: Readonly<Record<number, BaseBroadcastResult>> = { 401: 'blocked', 402: 'blocked', 404: 'failed', 406: 'failed' }

/**
 * The result that one fact reports, with its rank. Null: the fact reports none. `effect` is the one in force, null if it was superseded.
 */
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

/** The displayed result: an open or a click that counts turns delivered into opened, and sent too, because it proves that the mail arrived. */
export function displayedResultOf(base: BaseBroadcastResult, openedAt: number | null, clickedAt: number | null): BroadcastResult {
  return (base === 'delivered' || base === 'sent') && (openedAt !== null || clickedAt !== null) ? 'opened' : base
}
