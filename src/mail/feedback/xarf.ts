/**
 * xarf - XARF reports about mail as complaints
 *
 * Versions 3 (ReportType, Source…) and 4 (category, type) in JSON. Only reports about mail are complaints; those about
 * botnets, copyright or open ports concern nobody's list. Pure, total. https://xarf.org See also: mail/feedback/arf.
 */
import { bareAddress } from '../mime/address.ts'
import { emptyFeedback } from './arf.ts'
import { parseDate } from '../mime/date.ts'
import { asObject, asString, parseObject } from '../mime/json-reader.ts'
import type { JsonObject } from '../mime/json-reader.ts'
import type { Complaint } from '../report.ts'

/** What XARF calls it → what ARF calls it. */
const TYPES: Readonly<Record<string, string>> = {
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

/** Reads XARF out of a text; null when it holds none, or one that is not about mail. */
export function readXarf(text: string): Complaint | null {
  const top = parseObject(text)
  if (top === null) return null
  const report = asObject(top['Report']) ?? top
  const type = typeOf(top, report)
  return type === null ? null : toComplaint(report, type)
}

function typeOf(top: JsonObject, report: JsonObject): string | null {
  const isNew = asString(top['xarf_version']) !== null && asString(top['category'])?.toLowerCase() === 'messaging'
  const isOld = asObject(top['ReporterInfo']) !== null || asString(report['ReportType']) !== null
  if (!isNew && !isOld) return null
  const name = (asString(report['ReportType']) ?? asString(report['type']) ?? '').toLowerCase()
  const isMail =
    isNew ||
    asString(report['SmtpMailFromAddress']) !== null ||
    asString(report['SmtpRcptToAddress']) !== null ||
    name === 'spam' ||
    name === 'fbl'
  return isMail ? (TYPES[name] ?? (name === '' ? null : 'other')) : null
}

function toComplaint(report: JsonObject, feedbackType: string): Complaint {
  const recipient = bareAddress(asString(report['SmtpRcptToAddress']) ?? asString(report['smtp_to']) ?? '')
  const at = asString(report['Date']) ?? asString(report['timestamp'])
  return {
    ...emptyFeedback(),
    dress: 'xarf',
    feedbackType,
    originalMailFrom: bareAddress(asString(report['SmtpMailFromAddress']) ?? asString(report['smtp_from']) ?? ''),
    originalRcptTo: recipient === null ? [] : [recipient],
    arrivalAt: at === null ? null : parseDate(at),
    sourceIp: asString(report['SourceIp']) ?? asString(report['source_identifier']),
    fields: flat(report),
  }
}

function flat(report: JsonObject): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {}
  for (const [name, value] of Object.entries(report).slice(0, 100)) {
    const text = asString(value)
    if (text !== null) fields[name.toLowerCase()] = text.slice(0, 2_048)
  }
  return fields
}
