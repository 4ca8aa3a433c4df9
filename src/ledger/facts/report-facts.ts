/**
 * report-facts - payloads of what reports say besides failures: delays, deliveries, complaints, not-spam, filed mail, TLS reports
 *
 * Payloads of ledger/facts/fact-kinds. Pure.
 */
import type { TlsReport } from '../../mail/feedback/tls-report.ts'
import type { FieldClasses } from './fact-fields.ts'
import type { MatchProvenance, StatusEffect, VerdictSummary } from './decision.ts'

export type DelayedData = {
  readonly reported: string | null
  readonly text: string
  readonly remoteMta: string | null
  readonly lastAttemptAt: number | null
  readonly willRetryUntil: number | null
  readonly verdict: VerdictSummary | null
  readonly tie: MatchProvenance
  readonly digest: string
}

export const DELAYED_FIELDS = {
  reported: 'address',
  text: 'text',
  remoteMta: 'text',
  verdict: 'text',
  tie: 'text',
  digest: 'text',
} as const satisfies FieldClasses<DelayedData>

export type DeliveredData = {
  readonly action: 'delivered' | 'relayed' | 'expanded'
  readonly reported: string | null
  readonly effect: StatusEffect
  readonly tie: MatchProvenance
  readonly digest: string
}

export const DELIVERED_FIELDS = { reported: 'address', tie: 'text', digest: 'text' } as const satisfies FieldClasses<DeliveredData>

export type ComplaintData = {
  readonly feedbackType: string
  readonly reporter: string
  /** Rises when a not-spam report closes the complaint, so that a later complaint counts again. */
  readonly episode: number
  /** False: the complaint is recorded with an alarm, and no list takes it. */
  readonly listed: boolean
  /** The software that generated the report, not the recipient's. */
  readonly userAgent: string | null
  /** The host that sent our mail to the reporter (RFC 5965 §3.2). */
  readonly sourceIp: string | null
  readonly arrivalAt: number | null
  readonly tie: MatchProvenance
  readonly digest: string
  readonly settingsVersion: number
}

export const COMPLAINT_FIELDS = {
  feedbackType: 'text',
  reporter: 'text',
  userAgent: 'text',
  sourceIp: 'text',
  tie: 'text',
  digest: 'text',
} as const satisfies FieldClasses<ComplaintData>

export type NotSpamData = {
  readonly reporter: string
  readonly episode: number
  readonly lifts: boolean
  readonly tie: MatchProvenance
  readonly digest: string
}

export const NOT_SPAM_FIELDS = { reporter: 'text', tie: 'text', digest: 'text' } as const satisfies FieldClasses<NotSpamData>

export type FiledData = {
  readonly what: 'auth-failure' | 'mdn' | 'auto-reply' | 'other'
  readonly from: string | null
  readonly subject: string | null
  readonly text: string
  readonly tie: MatchProvenance | null
  readonly digest: string
}

export const FILED_FIELDS = {
  from: 'text',
  subject: 'text',
  text: 'text',
  tie: 'text',
  digest: 'text',
} as const satisfies FieldClasses<FiledData>

/** A TLS report, and what proves it. */
export type TlsReportData = TlsReport & {
  readonly signedBy: string | null
  readonly isOwnDomain: boolean
  readonly submitter: string | null
  readonly domain: string | null
  readonly digest: string
}

/** `contactInfo` is usually an address: of the reporting organization, not of a recipient. */
export const TLS_REPORT_FIELDS = {
  reportId: 'text',
  organizationName: 'text',
  contactInfo: 'text',
  policies: 'text',
  signedBy: 'text',
  submitter: 'text',
  domain: 'text',
  digest: 'text',
} as const satisfies FieldClasses<TlsReportData>
