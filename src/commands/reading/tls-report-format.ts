/**
 * tls-report-format - a TLS report as lines for people
 *
 * See also: mail/feedback/tls-report, commands/reading/tls-reports, commands/reading/explain-format.
 */
import type { TlsFailure, TlsPolicyResult, TlsReport } from '../../mail/feedback/tls-report.ts'
import { toSingleLine } from '../output.ts'

/** The sessions of a report, then its policies, each with its failures. */
export function tlsReportLines({ organizationName, contactInfo, startsAt, endsAt, omitted, ...report }: TlsReport): readonly string[] {
  return [
    `from ${nameOf(organizationName)}${contactInfo === null ? '' : `, ${toSingleLine(contactInfo)}`}`,
    `period ${dayOf(startsAt)} to ${dayOf(endsAt)}: ${sessionsOf(report)}`,
    ...report.policies.flatMap(policyLines),
    ...(omitted === 0 ? [] : [`${omitted} more policies and failures are not kept`]),
  ]
}

/** The counts of sessions. */
const sessionsOf = ({ successful, failed }: Pick<TlsPolicyResult, 'successful' | 'failed'>): string =>
  `${successful ?? '?'} sessions with TLS, ${failed ?? '?'} failed`

/** A moment to the minute, in UTC; `?` if it is unknown. */
const dayOf = (at: number | null): string => (at === null ? '?' : `${new Date(at).toISOString().slice(0, 16)}Z`)

const nameOf = (name: string | null): string => toSingleLine(name ?? '?')

function policyLines(policy: TlsPolicyResult): readonly string[] {
  return [`policy ${toSingleLine(policy.type)} of ${nameOf(policy.domain)}: ${sessionsOf(policy)}`, ...policy.failures.map(failureLine)]
}

function failureLine({ resultType, sessions, receivingMxHostname, receivingIp, sendingMtaIp, reasonCode }: TlsFailure): string {
  const mx = receivingMxHostname ?? receivingIp
  const hosts = `${mx === null ? '' : ` at ${mx}`}${sendingMtaIp === null ? '' : ` from ${sendingMtaIp}`}`
  return `  ${toSingleLine(`${sessions ?? '?'} × ${resultType}${hosts}${reasonCode === null ? '' : ` (${reasonCode})`}`)}`
}
