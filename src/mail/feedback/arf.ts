/**
 * arf - reads the fields of complaints: feedback reports (ARF) and the plain form of JMRP
 *
 * A feedback report (RFC 5965, with the types of RFC 5965, 6430, 6591 and 9477) and the plain form of Microsoft's JMRP (the message
 * itself with X-HmXmrOriginalRecipient on top) both become a ComplaintReport. A report without a type is an abuse report, the main
 * purpose of feedback loops.
 *
 * Pure, total. See also: mail/feedback/complaint (recognises them), mail/feedback/xarf, mail/report.
 */
import { extractAddresses, parseBareAddress } from '../mime/address.ts'
import { parseDate } from '../mime/date.ts'
import { getHeaders, toHeaderRecord, parseFields } from '../mime/header.ts'
import type { Headers } from '../mime/header.ts'
import type { ComplaintReport } from '../report.ts'

const MAX_RECIPIENTS = 1_000

/** Reads the fields of a feedback report. A missing field is null; a missing type is `abuse`. Total. */
export function parseFeedbackReport(text: string): ComplaintReport {
  const headers = parseFields(text.replace(/\n[ \t]*\n+/g, '\n'))
  const fields = toHeaderRecord(headers)
  const domains = getHeaders(headers, 'reported-domain')
  return {
    format: 'arf',
    feedbackType: parseFeedbackType(fields['feedback-type']),
    userAgent: fields['user-agent'] ?? null,
    version: fields['version'] ?? null,
    originalMailFrom: parseBareAddress(fields['original-mail-from'] ?? ''),
    originalRcptTo: parseOriginalRecipients(headers),
    arrivalAt: parseOptionalDate(fields['arrival-date'] ?? fields['received-date']),
    sourceIp: findIpAddress(fields['source-ip']),
    incidents: parseIncidents(fields['incidents']),
    reportedDomains: domains.map((domain) => domain.trim().toLowerCase()).filter((domain) => domain !== ''),
    fields,
  }
}

/** A type is one word; a comment may follow. */
function parseFeedbackType(value: string | undefined): string {
  const word = /[a-z][a-z0-9_-]{0,40}/.exec((value ?? '').toLowerCase())?.[0]
  return word === undefined ? 'abuse' : word.replaceAll('_', '-')
}

function parseOriginalRecipients(headers: Headers): readonly string[] {
  const found = getHeaders(headers, 'original-rcpt-to').flatMap((value) =>
    extractAddresses(value, MAX_RECIPIENTS).map((one) => one.address),
  )
  return [...new Set(found)].slice(0, MAX_RECIPIENTS)
}

function parseOptionalDate(value: string | undefined): number | null {
  return value === undefined ? null : parseDate(value)
}

function findIpAddress(value: string | undefined): string | null {
  const found = /[0-9a-f]{0,4}(?:[.:][0-9a-f]{0,4}){2,15}/i.exec((value ?? '').slice(0, 200))?.[0]
  return found === undefined ? null : found.toLowerCase()
}

/** RFC 5965 §3.2: absent means one. */
function parseIncidents(value: string | undefined): number {
  const number = Number.parseInt(value ?? '', 10)
  return Number.isSafeInteger(number) && number > 0 ? number : 1
}

const EMPTY_COMPLAINT: ComplaintReport = {
  format: 'arf',
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

/** The complaint of a feedback report without fields. */
export function createEmptyComplaint(): ComplaintReport {
  return EMPTY_COMPLAINT
}

/** Reads the plain form of JMRP. `headers` are the ones that may contain X-HmXmrOriginalRecipient; null if it is absent. Total. */
export function parseJmrp(headers: Readonly<Record<string, string>>, subject: string | null): ComplaintReport | null {
  const recipient = headers['x-hmxmroriginalrecipient'] ?? headers['x-hmxmroriginalrecipients']
  const subjectMatch = /^\s*complaint about message from (\S{3,45})/i.exec(subject ?? '')
  if (recipient === undefined && subjectMatch === null) return null
  const address = parseBareAddress(recipient ?? '')
  return {
    ...EMPTY_COMPLAINT,
    format: 'jmrp',
    originalRcptTo: address === null ? [] : [address],
    originalMailFrom: parseBareAddress(headers['x-sid-pra'] ?? ''),
    sourceIp: findIpAddress(subjectMatch?.[1]),
    fields: pickFields(headers, ['x-hmxmroriginalrecipient', 'x-reporter-ip', 'x-sid-pra']),
  }
}

function pickFields(from: Readonly<Record<string, string>>, names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]])))
}
