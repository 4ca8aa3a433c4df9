/**
 * tls-report - reads the JSON of a TLS report (TLSRPT): how many sessions to a domain used TLS, how many failed, and why
 *
 * The report of one sender of mail about the sessions to one policy domain, usually of one day. Result types are not a closed list (RFC 8460 §6.6), so
 * unknown ones stay as they are. A count that is negative, fractional or beyond any sender's is null and adds nothing to the sums. What exceeds a limit is left out of
 * the lists, but it is in the sums.
 *
 * Pure, total, bounded. RFC 8460 §4. See also: mail/feedback/tls-report-mail (finds it in a mail), ledger/decide/tls-report (what is recorded).
 */
import { asArray, asObject, asString, parseJsonObject, type JsonObject } from '../mime/json-reader.ts'

/** Sessions that failed for one reason, as the sender counted them. */
export type TlsFailure = {
  /** Lower case: certificate-expired, starttls-not-supported, sts-policy-fetch-error, … (RFC 8460 §4.3), or an unregistered type. */
  readonly resultType: string
  readonly sendingMtaIp: string | null
  readonly receivingIp: string | null
  readonly receivingMxHostname: string | null
  readonly sessions: number | null
  readonly reasonCode: string | null
}

/** What one policy led to. */
export type TlsPolicyResult = {
  /** Lower case: tlsa, sts, no-policy-found, or an unknown type. */
  readonly type: string
  readonly domain: string | null
  /** The lines of the MTA-STS policy, or the TLSA records. */
  readonly lines: readonly string[]
  readonly mxHosts: readonly string[]
  readonly successful: number | null
  readonly failed: number | null
  readonly failures: readonly TlsFailure[]
}

export type TlsReport = {
  readonly reportId: string
  readonly organizationName: string | null
  readonly contactInfo: string | null
  /** The period, in epoch milliseconds. */
  readonly startsAt: number | null
  readonly endsAt: number | null
  /** The sums of all policies (of the first thousand), those included that are left out of `policies`. */
  readonly successful: number
  readonly failed: number
  /** The policies with the most failed sessions first. */
  readonly policies: readonly TlsPolicyResult[]
  /** How many policies and failure details are left out, because the report has more than are kept. */
  readonly omitted: number
}

/** A domain has a policy for each of its MX hosts at most. */
const MAX_POLICIES = 16
/** Failure details of a report; those with the most sessions are kept. */
const MAX_FAILURES = 40
const MAX_POLICY_LINES = 10
/** Of a name, a line of a policy, or a reason. */
const MAX_TEXT = 253
/** No sender has more sessions in a period. A thousand such counts still make an exact sum. */
const MAX_SESSIONS = 1_000_000_000_000

/** Reads a TLS report; null if the text is no JSON object, or has no `report-id` or no `policies`. Total. */
export function parseTlsReport(text: string): TlsReport | null {
  const json = parseJsonObject(text)
  const reportId = textOf(json?.['report-id'])
  if (json === null || reportId === null || !Array.isArray(json['policies'])) return null
  const entries = asArray(json['policies']).map(toEntry)
  const kept = entries.toSorted((a, b) => (b.failed ?? 0) - (a.failed ?? 0)).slice(0, MAX_POLICIES)
  const details = kept.flatMap((entry) => entry.details.map(toDetail)).toSorted((a, b) => (b.sessions ?? 0) - (a.sessions ?? 0))
  const keptDetails = new Map(details.slice(0, MAX_FAILURES).map((detail) => [detail.value, detail]))
  const period = asObject(json['date-range'])
  return {
    reportId,
    organizationName: textOf(json['organization-name']),
    contactInfo: textOf(json['contact-info']),
    startsAt: timeOf(period?.['start-datetime']),
    endsAt: timeOf(period?.['end-datetime']),
    successful: sumOf(entries.map(({ successful }) => successful)),
    failed: sumOf(entries.map(({ failed }) => failed)),
    policies: kept.map((entry) => readPolicy(entry, keptDetails)),
    omitted: sumOf(entries.map(({ details: { length } }) => 1 + length)) - kept.length - keptDetails.size,
  }
}

const sumOf = (counts: readonly (number | null)[]): number => counts.reduce<number>((sum, count) => sum + (count ?? 0), 0)

/** One element of `policies`, of which only the counts are read. */
type PolicyEntry = {
  readonly policy: JsonObject
  readonly successful: number | null
  readonly failed: number | null
  readonly details: readonly unknown[]
}

function toEntry(value: unknown): PolicyEntry {
  const entry = asObject(value) ?? {}
  const summary = asObject(entry['summary'])
  return {
    policy: asObject(entry['policy']) ?? {},
    successful: countOf(summary?.['total-successful-session-count']),
    failed: countOf(summary?.['total-failure-session-count']),
    details: asArray(entry['failure-details']).filter((detail) => asObject(detail) !== null),
  }
}

/** One element of `failure-details`, of which only the count is read. */
type DetailEntry = { readonly value: unknown; readonly detail: JsonObject; readonly sessions: number | null }

function toDetail(value: unknown): DetailEntry {
  const detail = asObject(value) ?? {}
  return { value, detail, sessions: countOf(detail['failed-session-count']) }
}

function readPolicy({ policy, successful, failed, details }: PolicyEntry, kept: ReadonlyMap<unknown, DetailEntry>): TlsPolicyResult {
  return {
    type: wordOf(policy['policy-type']),
    domain: nameOf(policy['policy-domain']),
    lines: listOf(policy['policy-string']),
    mxHosts: listOf(policy['mx-host']),
    successful,
    failed,
    failures: details.flatMap((value) => {
      const entry = kept.get(value)
      return entry === undefined ? [] : [readFailure(entry)]
    }),
  }
}

function readFailure({ detail, sessions }: DetailEntry): TlsFailure {
  return {
    resultType: wordOf(detail['result-type']),
    sendingMtaIp: textOf(detail['sending-mta-ip']),
    receivingIp: textOf(detail['receiving-ip']),
    receivingMxHostname: nameOf(detail['receiving-mx-hostname']),
    sessions,
    reasonCode: textOf(detail['failure-reason-code']),
  }
}

/** One line of text without control characters; null if there is none. */
function textOf(value: unknown): string | null {
  const text = (asString(value) ?? '')
    .slice(0, MAX_TEXT)
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
  return text === '' ? null : text
}

const nameOf = (value: unknown): string | null => textOf(value)?.toLowerCase().replace(/\.$/, '') ?? null

/** A word of a list that senders extend. */
const wordOf = (value: unknown): string => nameOf(value)?.slice(0, 64) ?? 'unknown'

/** A list of texts. Some senders write a single text instead of a list of one. */
const listOf = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? asArray(value).slice(0, MAX_POLICY_LINES) : [value]).flatMap((each) => textOf(each) ?? [])

function countOf(value: unknown): number | null {
  const count = typeof value === 'string' && /^\d{1,13}$/.test(value) ? Number(value) : value
  return typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= MAX_SESSIONS ? count : null
}

/** RFC 3339. Without a zone it is UTC. */
function timeOf(value: unknown): number | null {
  const [, time, zone = 'Z'] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?)(Z|[+-]\d\d:\d\d)?$/i.exec(asString(value) ?? '') ?? []
  const at = time === undefined ? Number.NaN : Date.parse(`${time}${zone}`.toUpperCase())
  return Number.isNaN(at) ? null : at
}
