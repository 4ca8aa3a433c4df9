/**
 * xarf - reads XARF reports about mail as complaints
 *
 * Versions 3 (ReportType, Source …) and 4 (category, type) in JSON. Reports about other subjects, such as botnets, copyright or open
 * ports, are ignored.
 *
 * Pure, total. https://xarf.org See also: mail/feedback/arf.
 */
import { parseBareAddress } from '../mime/address.ts'
import { createEmptyComplaint } from './arf.ts'
import { parseDate } from '../mime/date.ts'
import { asObject, asString, parseJsonObject } from '../mime/json-reader.ts'
import type { JsonObject } from '../mime/json-reader.ts'
import type { ComplaintReport } from '../report.ts'

/** XARF type → ARF feedback type. */
const ARF_TYPES: Readonly<Record<string, string>> = {
  spam: 'abuse',
  abuse: 'abuse',
  fbl: 'abuse',
  'bulk-messaging': 'abuse',
  'unsolicited-mail': 'abuse',
  phishing: 'fraud',
  fraud: 'fraud',
  malware: 'virus',
  virus: 'virus',
}

/** Reads XARF from a text; null if there is none, or if it is not about mail. Total. */
export function parseXarf(text: string): ComplaintReport | null {
  const payload = parseJsonObject(text)
  if (payload === null) return null
  const report = asObject(payload['Report']) ?? payload
  const type = parseFeedbackType(payload, report)
  return type === null ? null : toComplaint(report, type)
}

function parseFeedbackType(payload: JsonObject, report: JsonObject): string | null {
  const isVersion4 = asString(payload['xarf_version']) !== null && asString(payload['category'])?.toLowerCase() === 'messaging'
  const isVersion3 = asObject(payload['ReporterInfo']) !== null || asString(report['ReportType']) !== null
  if (!isVersion4 && !isVersion3) return null
  const name = (asString(report['ReportType']) ?? asString(report['type']) ?? '').toLowerCase()
  const isAboutMail =
    isVersion4 ||
    asString(report['SmtpMailFromAddress']) !== null ||
    asString(report['SmtpRcptToAddress']) !== null ||
    name === 'spam' ||
    name === 'fbl'
  return isAboutMail ? (ARF_TYPES[name] ?? (name === '' ? null : 'other')) : null
}

function toComplaint(report: JsonObject, feedbackType: string): ComplaintReport {
  const recipient = parseBareAddress(asString(report['SmtpRcptToAddress']) ?? asString(report['smtp_to']) ?? '')
  const at = asString(report['Date']) ?? asString(report['timestamp'])
  return {
    ...createEmptyComplaint(),
    format: 'xarf',
    feedbackType,
    originalMailFrom: parseBareAddress(asString(report['SmtpMailFromAddress']) ?? asString(report['smtp_from']) ?? ''),
    originalRcptTo: recipient === null ? [] : [recipient],
    arrivalAt: at === null ? null : parseDate(at),
    sourceIp: asString(report['SourceIp']) ?? asString(report['source_identifier']),
    fields: flattenFields(report),
  }
}

function flattenFields(report: JsonObject): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {}
  for (const [name, value] of Object.entries(report).slice(0, 100)) {
    const text = asString(value)
    if (text !== null) fields[name.toLowerCase()] = text.slice(0, 2_048)
  }
  return fields
}
