/**
 * arf - complaints: feedback reports and their relatives
 *
 * Four dresses become one Complaint: a feedback report (RFC 5965, with the types of RFC 5965, 6430, 6591 and 9477), the plain form
 * of Microsoft's JMRP (the mail itself with X-HmXmrOriginalRecipient on top), XARF's JSON, and the same fields without
 * any MIME structure. A report that forgot its type is an abuse report: that is what feedback loops are for.
 *
 * Pure, total. See also: mail/message-parts, mail/report.
 */
import { addressesIn, bareAddress } from '../mime/address.ts'
import { parseDate } from '../mime/date.ts'
import { headerAll, headerRecord, parseFields } from '../mime/header.ts'
import type { Headers } from '../mime/header.ts'
import type { Complaint } from '../report.ts'

const MAX_RECIPIENTS = 1_000

/** Reads the fields of a feedback report. Total: fields that are missing are null, a missing type is `abuse`. */
export function readFeedback(text: string): Complaint {
  const headers = parseFields(text.replace(/\n[ \t]*\n+/g, '\n'))
  const fields = headerRecord(headers)
  const domains = headerAll(headers, 'reported-domain')
  return {
    dress: 'arf',
    feedbackType: feedbackTypeOf(fields['feedback-type']),
    userAgent: fields['user-agent'] ?? null,
    version: fields['version'] ?? null,
    originalMailFrom: bareAddress(fields['original-mail-from'] ?? ''),
    originalRcptTo: recipientsOf(headers),
    arrivalAt: dateOf(fields['arrival-date'] ?? fields['received-date']),
    sourceIp: ipOf(fields['source-ip']),
    incidents: countOf(fields['incidents']),
    reportedDomains: domains.map((domain) => domain.trim().toLowerCase()).filter((domain) => domain !== ''),
    fields,
  }
}

/** A type is one word; what stands behind it is a comment of the reporter's. */
function feedbackTypeOf(value: string | undefined): string {
  const word = /[a-z][a-z0-9_-]{0,40}/.exec((value ?? '').toLowerCase())?.[0]
  return word === undefined ? 'abuse' : word.replaceAll('_', '-')
}

function recipientsOf(headers: Headers): readonly string[] {
  const found = headerAll(headers, 'original-rcpt-to').flatMap((value) => addressesIn(value, MAX_RECIPIENTS).map((one) => one.address))
  return [...new Set(found)].slice(0, MAX_RECIPIENTS)
}

function dateOf(value: string | undefined): number | null {
  return value === undefined ? null : parseDate(value)
}

function ipOf(value: string | undefined): string | null {
  const found = /[0-9a-f]{0,4}(?:[.:][0-9a-f]{0,4}){2,15}/i.exec((value ?? '').slice(0, 200))?.[0]
  return found === undefined ? null : found.toLowerCase()
}

/** RFC 5965 §3.2: absent means one. */
function countOf(value: string | undefined): number {
  const number = Number.parseInt(value ?? '', 10)
  return Number.isSafeInteger(number) && number > 0 ? number : 1
}

const EMPTY: Complaint = {
  dress: 'arf',
  feedbackType: 'abuse',
  userAgent: null,
  version: null,
  originalMailFrom: null,
  originalRcptTo: [],
  arrivalAt: null,
  sourceIp: null,
  incidents: 1,
  reportedDomains: [],
  fields: {},
}

/** A mail that says it is a feedback report and bears none. */
export function emptyFeedback(): Complaint {
  return EMPTY
}

/** JMRP's plain form: `headers` are those that bear X-HmXmrOriginalRecipient; null where the field is absent. Total. */
export function readJmrp(headers: Readonly<Record<string, string>>, subject: string | null): Complaint | null {
  const recipient = headers['x-hmxmroriginalrecipient'] ?? headers['x-hmxmroriginalrecipients']
  const bySubject = /^\s*complaint about message from (\S{3,45})/i.exec(subject ?? '')
  if (recipient === undefined && bySubject === null) return null
  const address = bareAddress(recipient ?? '')
  return {
    ...EMPTY,
    dress: 'jmrp',
    originalRcptTo: address === null ? [] : [address],
    originalMailFrom: bareAddress(headers['x-sid-pra'] ?? ''),
    sourceIp: ipOf(bySubject?.[1]),
    fields: pick(headers, ['x-hmxmroriginalrecipient', 'x-reporter-ip', 'x-sid-pra']),
  }
}

function pick(from: Readonly<Record<string, string>>, names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]])))
}
