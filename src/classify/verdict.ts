/**
 * verdict - the meaning of a reply, with its evidence
 *
 * Pure. See also: classify/reasons (the reasons), classify/classify (creates verdicts).
 */
import type { SmtpReply } from '../mail/smtp/reply.ts'
import type { DsnAction } from '../mail/report.ts'
import type { Reason, FaultParty } from './reasons.ts'

export const PERMANENCES = ['permanent', 'temporary'] as const
export type Permanence = (typeof PERMANENCES)[number]

/** Where the name of a provider can come from besides the reply text, the most trusted first. */
export const PROVIDER_HINT_SOURCES = ['delivery-mx', 'remote-mta', 'quoted-host', 'dkim', 'recipient-domain', 'reporter'] as const
type ProviderHintSource = (typeof PROVIDER_HINT_SOURCES)[number]

/** A host or domain that may tell the provider. `value` is a host name for the first three sources, else a domain. */
export type ProviderHint = { readonly source: ProviderHintSource; readonly value: string }

/** What named the provider: a hint, or a token in the reply text that only one provider writes. */
export type ProviderSource = ProviderHintSource | 'token'

/** The input of `classify`: one recipient of a report, or one live reply. */
export type ClassifierInput = {
  readonly reply: SmtpReply
  /** The report's own Status field; null in a live session. */
  readonly reportStatus: string | null
  readonly action: DsnAction
  /** All text about this recipient that a rule may read. */
  readonly text: string
  readonly hints: readonly ProviderHint[]
}

/** Backoff classes that a rule can name (`pause` in rule files). See also: queue/backoff/backoff-classes. */
export const RULE_BACKOFF_CLASSES = [
  'ip-reputation',
  'ip-blocklist',
  'deferred-for-good',
  'domain-rate',
  'domain-quota-day',
  'ip-rate',
  'connection-frequency',
  'session-limit',
  'network',
  'greylist',
  'busy',
  'content',
  'recipient',
] as const
export type BackoffClass = (typeof RULE_BACKOFF_CLASSES)[number]

/** Where the permanence of a verdict can come from, in order of precedence (classify/permanence). */
export type PermanenceSource = 'rule' | 'reason' | 'reply-code' | 'reply-status' | 'report-status' | 'reply-words' | 'default'

export type VerdictEvidence = {
  /** The phrases of the rule that matched, or the code if the rule has none. */
  readonly matched: readonly string[]
  /** The text that the rule read, at most 2,048 characters. */
  readonly text: string
  readonly code: number | null
  readonly status: string | null
  readonly permanenceFrom: PermanenceSource
  readonly provider: string | null
  readonly providerFrom: ProviderSource | null
}

export type Verdict = {
  readonly reason: Reason
  readonly fault: FaultParty
  readonly permanence: Permanence
  /** By the policy `by-permanence`. The ledger applies `by-channel`. */
  readonly subStatus: number
  /** The only basis is the reporter's own Status field. Never feeds a list. */
  readonly weak: boolean
  /** The reply asks for a retry: a 4xx, or a 5xx that a rule calls a deferral. */
  readonly deferral: boolean
  readonly rule: string
  readonly table: string
  /** Null: the reply causes no backoff. */
  readonly backoffClass: BackoffClass | null
  readonly evidence: VerdictEvidence
}
