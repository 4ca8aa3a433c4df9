/**
 * effect - from a verdict to a status, by the account's policy
 *
 * `by-permanence`: the verdict's sub status names the family. `by-channel`: a final refusal in the dialogue is invalid, whatever comes back
 * later a soft bounce (a permanent "user unknown" becomes 506). Permanence is stored beside it, for lists go by permanence. An unlawful
 * address is 404 whenever it is reported; a server that we could not reach ourselves is 403.
 *
 * Pure. See also: classify/reasons, ledger/project/status-rank.
 */
import { REASONS } from '../../classify/reasons.ts'
import type { Verdict } from '../../classify/verdict.ts'
import type { StatusEffect, DeliveryStatus, VerdictSummary } from '../facts/decision.ts'
import type { AccountSettings } from '../account-settings.ts'

export type EffectInput = {
  readonly verdict: Pick<Verdict, 'reason' | 'permanence' | 'subStatus' | 'fault' | 'weak'>
  readonly asynchronous: boolean
  readonly policy: AccountSettings['statusPolicy']
  /** The code of the refusal, in the dialogue. */
  readonly code: number | null
  readonly forwarded: boolean
  readonly engaged: boolean
}

/** What a final refusal or a failed report does. */
export function effectOf(input: EffectInput): StatusEffect {
  const { verdict, asynchronous, forwarded, engaged } = input
  const subStatus = subStatusByPolicy(input)
  const status: DeliveryStatus = subStatus < 500 ? 4 : 5
  const { reason, permanence, fault, weak } = verdict
  return { status, subStatus, asynchronous, reason, permanence, fault, weak, forwarded, engaged }
}

/** A 250, or a report that says so. */
export const DELIVERED_EFFECT: StatusEffect = {
  status: 1,
  subStatus: null,
  asynchronous: false,
  reason: null,
  permanence: null,
  fault: null,
  weak: false,
  forwarded: false,
  engaged: false,
}

/** One of our own lists, or an address that is none, answered before anything was sent. */
export function localRefusalEffectOf(reason: 'blacklisted' | 'unsubscribed' | 'format-error'): StatusEffect {
  const row = REASONS[reason]
  return { ...DELIVERED_EFFECT, status: 4, subStatus: row.permanent, reason, permanence: 'permanent', fault: row.fault }
}

/**
 * The broadcast leaves this copy out: the sender's own list has the address twice, or did not mean it for this type of mail. 409, for no
 * other sub status is true of it; `fault` list, for the address itself is as good as before and nobody shall clean it away.
 */
export const EXCLUDED_EFFECT: StatusEffect = {
  ...DELIVERED_EFFECT,
  status: 4,
  subStatus: 409,
  reason: 'other',
  permanence: 'permanent',
  fault: 'list',
}

function subStatusByPolicy({ verdict, asynchronous, policy, code }: EffectInput): number {
  const row = REASONS[verdict.reason]
  if (!asynchronous && verdict.reason === 'unreachable') return row.permanent
  if (policy === 'by-permanence') return verdict.subStatus
  if (asynchronous) return row.temporary
  return verdict.permanence === 'permanent' || (code !== null && code >= 500) ? row.permanent : row.temporary
}

/** RFC-sized replies are short; what strangers write is cut. */
const MAX_STORED_TEXT_LENGTH = 2_048

/** The proof that a fact keeps. */
export function summariseVerdict(verdict: Verdict): VerdictSummary {
  const { evidence } = verdict
  return {
    rule: verdict.rule,
    table: verdict.table,
    reason: verdict.reason,
    permanence: verdict.permanence,
    matched: evidence.matched.slice(0, 16),
    text: evidence.text.slice(0, MAX_STORED_TEXT_LENGTH),
    code: evidence.code,
    replyStatus: evidence.status,
    permanenceFrom: evidence.permanenceFrom,
    provider: evidence.provider,
  }
}
