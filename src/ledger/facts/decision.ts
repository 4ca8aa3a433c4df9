/**
 * decision - the parts of a decision that facts store: status effect, verdict, provenance of a report
 *
 * A fact stores these instead of its input alone, so that the fold needs no rules and no settings.
 *
 * Pure. See also: ledger/decide/effect (creates effects and summaries), ledger/facts/fact.
 */
import type { FaultParty, Reason } from '../../classify/reasons.ts'
import type { Permanence, VerdictEvidence } from '../../classify/verdict.ts'

/** 18 sending, 1 delivered, 4 invalid email, 5 soft bounce. */
export type DeliveryStatus = 18 | 1 | 4 | 5

/** Our words for the statuses; the numbers are those of the compatible API. */
export const DELIVERY_STATUS_NAMES = { 18: 'sending', 1: 'delivered', 4: 'invalid', 5: 'soft-bounce' } as const satisfies Record<
  DeliveryStatus,
  string
>

export type StatusName = (typeof DELIVERY_STATUS_NAMES)[DeliveryStatus]

/** How a fact changes the status of its delivery. Null in a fact means no change. */
export type StatusEffect = {
  readonly status: DeliveryStatus
  readonly subStatus: number | null
  readonly asynchronous: boolean
  readonly reason: Reason | null
  readonly permanence: Permanence | null
  readonly fault: FaultParty | null
  /** The only basis is the reporter's own Status field. */
  readonly weak: boolean
  /** Final-Recipient is at another domain, so the mail was forwarded. No list takes an entry from it. */
  readonly forwarded: boolean
  /** A permanent `not-exist` for an address with a delivery, open or click in the 30 days before. Input of the mass-bounce guard. */
  readonly engaged: boolean
}

/** The evidence that is stored with a decision. `text` has at most 2,048 characters. */
export type VerdictSummary = {
  readonly rule: string
  readonly table: string
  readonly reason: Reason
  readonly permanence: Permanence
  readonly matched: readonly string[]
  readonly text: string
  readonly code: number | null
  readonly replyStatus: string | null
  readonly permanenceFrom: VerdictEvidence['permanenceFrom']
  readonly provider: string | null
}

/**
 * A reporter's aligned signature together with our token, our token alone, VERP that the account trusts, an event of the account's own ESP, an
 * operator's word.
 */
export const PROOFS = ['signed', 'token', 'verp', 'event', 'operator'] as const
export type Proof = (typeof PROOFS)[number]

/** How a report was tied to its delivery (`via`: correlate/references), and how well that is proven. */
export type MatchProvenance = { readonly via: string; readonly proof: Proof }
