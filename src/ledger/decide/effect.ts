/**
 * effect - the status that a verdict leads to, by the account's policy
 *
 * `by-permanence`: the sub status of the verdict decides the status. `by-channel`: a final refusal in the SMTP session is invalid, anything
 * reported later a soft bounce (a permanent "user unknown" becomes 506). Permanence is stored with the status, because lists depend on
 * it.
 * A syntactically invalid address is always 404; a server that we could not reach ourselves is 403.
 *
 * Pure. See also: classify/reasons, ledger/project/status-rank.
 */
import { type Reason, REASONS } from '../../classify/reasons.ts'
import type { Verdict } from '../../classify/verdict.ts'
import type { StatusEffect, DeliveryStatus, VerdictSummary } from '../facts/decision.ts'
import type { AccountSettings } from '../account-settings.ts'

type EffectInput = {
  readonly verdict: Pick<Verdict, 'reason' | 'permanence' | 'subStatus' | 'fault' | 'weak'>
  readonly asynchronous: boolean
  readonly policy: AccountSettings['statusPolicy']
  /** The code of a refusal in the SMTP session. */
  readonly code: number | null
  readonly forwarded: boolean
  readonly engaged: boolean
}

/** The effect of a final refusal or of a failure report. */
export function effectOf(input: EffectInput): StatusEffect {
  const { verdict, asynchronous, forwarded, engaged } = input
  const subStatus = subStatusByPolicy(input)
  const status: DeliveryStatus = subStatus < 500 ? 4 : 5
  const { reason, permanence, fault, weak } = verdict
  return { status, subStatus, asynchronous, reason, permanence, fault, weak, forwarded, engaged }
}

/** The effect of giving up with the reason of the last retry: a temporary failure, whatever the reason. */
export function expiredEffectOf(reason: Reason, policy: AccountSettings['statusPolicy']): StatusEffect {
  const { temporary: subStatus, fault } = REASONS[reason]
  const verdict = { reason, permanence: 'temporary', subStatus, fault, weak: false } as const
  return effectOf({ verdict, asynchronous: false, policy, code: null, forwarded: false, engaged: false })
}

/** The effect of a 250, and of a report of delivery. */
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

/** The effect if one of our own lists refuses the address, or if it is not a valid address. Nothing was sent. */
export function localRefusalEffectOf(reason: 'blacklisted' | 'unsubscribed' | 'format-error'): StatusEffect {
  const row = REASONS[reason]
  return { ...DELIVERED_EFFECT, status: 4, subStatus: row.permanent, reason, permanence: 'permanent', fault: row.fault }
}

/**
 * The effect if a broadcast leaves a recipient out: the sender's list has the address twice, or no address for this type of mail. 409,
 * because no other sub status applies; fault `list`, so that no sender removes the address from a list.
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

/** Replies in line with the RFCs are short; longer untrusted text is truncated. */
const MAX_STORED_TEXT_LENGTH = 2_048

/** The evidence that a fact stores. */
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
