/**
 * tls-report - what is recorded of a TLS report: one fact of the installation, no status and no list
 *
 * A TLS report is about sessions to a domain of ours, so it says whether reports about our mail can reach us over TLS, and nothing about mail that we sent. It
 * belongs to no account. The same report in two mails is one fact; a signature makes another, so that nobody can take the place of a report that he
 * foresees. A report that cannot be read goes to the inbox.
 *
 * Pure. RFC 8460. See also: mail/feedback/tls-report, ledger/decide/report, store/facts/tls-reports (lists them).
 */
import type { Report } from '../../mail/report.ts'
import type { TlsReport } from '../../mail/feedback/tls-report.ts'
import { digestOf } from '../facts/dedup-key.ts'
import type { FactOf } from '../facts/fact.ts'
import { createFact, type FactMoment } from '../facts/new-fact.ts'

/** What is known about a TLS report besides its words. */
export type TlsReportOrigin = {
  /** The domain of the good signature over the mail; null: anybody could have written it. */
  readonly signedBy: string | null
  /** Whether it is about a domain of this installation. */
  readonly isOwnDomain: boolean
}

/** The prefix of the subjects. They sort by the beginning of the period. */
export const TLS_REPORT_SUBJECT = 'tls-report:'

type ReadTlsReport = { readonly submitter: string | null; readonly domain: string | null; readonly content: TlsReport }

/** The TLS report in a mail; null if there is none, or if it cannot be read. */
export function readableTlsReport({ tlsReport }: Pick<Report, 'tlsReport'>): ReadTlsReport | null {
  return tlsReport === null || tlsReport.content === null ? null : { ...tlsReport, content: tlsReport.content }
}

/**
 * The subject of the fact about a report that arrived at a moment. Two mails with the same report give the same. A period that has not begun sorts by the day of arrival,
 * so that nobody puts his report above all others for good.
 */
export function subjectOfTlsReport({ submitter, content: { reportId, startsAt } }: ReadTlsReport, at: number): string {
  return `${TLS_REPORT_SUBJECT}${new Date(Math.min(startsAt ?? at, at)).toISOString().slice(0, 10)}:${digestOf([submitter, reportId])}`
}

/** Whether a report is about one of these domains (lower case): it says so, or one of its policies is theirs. Total. */
export function isAboutDomains({ domain, content }: ReadTlsReport, domains: readonly string[]): boolean {
  return [domain, ...content.policies.map((policy) => policy.domain)].some((name) => name !== null && domains.includes(name))
}

/** The fact about a TLS report. */
export function createTlsReportFact(
  { submitter, domain, content }: ReadTlsReport,
  { digest, moment, origin }: { readonly digest: string; readonly moment: FactMoment; readonly origin: TlsReportOrigin },
): FactOf<'tls-report'> {
  const about = { account: 0, deliveryId: null, addressHash: null, subject: subjectOfTlsReport({ submitter, domain, content }, moment.at) }
  return createFact('tls-report', about, moment, { ...origin, submitter, domain, ...content, digest })
}
