/**
 * verdict - what a reply means, with its proof
 *
 * See also: classify/reasons (the table of reasons), classify/classify (who decides).
 */
import type { SmtpReply } from '../mail/smtp/reply.ts'
import type { DsnAction } from '../mail/report.ts'
import type { Reason, FaultParty } from './reasons.ts'

export type Permanence = 'permanent' | 'temporary'

/** Where the name of the provider came from, in order of trust (DESIGN, Rules). */
export type ProviderHint = {
  readonly source: 'delivery-mx' | 'remote-mta' | 'quoted-host' | 'dkim' | 'recipient-domain' | 'token'
  /** A host (for the first four), a domain, or the reply text (for `token`). */
  readonly value: string
}

/** What is classified: one recipient of a report, or one live answer. */
export type ClassifierInput = {
  readonly reply: SmtpReply
  /** The report's own Status field; null in a live dialogue. */
  readonly reportStatus: string | null
  readonly action: DsnAction
  /** All words about this recipient that a rule may read. */
  readonly text: string
  readonly hints: readonly ProviderHint[]
}

/** Codes of the pause classes (queue/backoff/backoff-classes), null when the answer pauses nothing. */
export type BackoffClass =
  | 'ip-reputation'
  | 'ip-blocklist'
  | 'deferred-for-good'
  | 'domain-rate'
  | 'domain-quota-day'
  | 'ip-rate'
  | 'connection-frequency'
  | 'network'
  | 'greylist'
  | 'busy'
  | 'content'
  | 'recipient'

export type VerdictEvidence = {
  /** The phrases (or the code row) of the rule that held. */
  readonly matched: readonly string[]
  /** The text the rule read, at most 2,048 characters. */
  readonly text: string
  readonly code: number | null
  readonly status: string | null
  /** What permanence was read from. */
  readonly permanenceFrom: 'rule' | 'reason' | 'reply-code' | 'reply-status' | 'report-status' | 'default'
  readonly provider: string | null
  readonly providerFrom: ProviderHint['source'] | null
}

export type Verdict = {
  readonly reason: Reason
  readonly fault: FaultParty
  readonly permanence: Permanence
  /** The policy `by-permanence`; `by-channel` is applied by the ledger. */
  readonly subStatus: number
  /** Rests on the reporter's own Status alone: never feeds a list. */
  readonly weak: boolean
  /** A 4xx or a 5xx that a rule calls a deferral: try again. */
  readonly deferral: boolean
  readonly rule: string
  readonly table: string
  readonly backoffClass: BackoffClass | null
  readonly evidence: VerdictEvidence
}
