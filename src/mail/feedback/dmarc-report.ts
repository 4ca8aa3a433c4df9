/**
 * dmarc-report - recognises DMARC aggregate reports
 *
 * A compressed XML attachment with the name or the subject of RFC 7489 §7.2.1.1. The report is recognised but not read.
 *
 * Pure, total. See also: mail/report-parser, mail/feedback/tls-report-mail, mail/feedback/arf (RFC 6591 failure reports are feedback reports).
 */
import type { MimePart } from '../mime/part.ts'

const SUBJECT = /\breport domain:\s*\S|\bdmarc (?:aggregate )?report\b|^\s*(?:fwd?:\s*)?\[?dmarc\b/i
/** receiver "!" domain "!" begin "!" end, optionally "!" id. */
const REPORT_FILENAME = /^[^!\s]{1,253}![^!\s]{1,253}!\d{8,12}!\d{8,12}(?:![^!\s]{0,100})?\.(?:xml|zip|gz|xml\.gz|xml\.zip)$/i
const ARCHIVE_TYPE = /^(?:application\/(?:x-)?(?:gzip|zip|zip-compressed|octet-stream|gzip-compressed)|text\/xml|application\/xml)$/i

/** Whether a message contains an aggregate report. TLS reports (RFC 8460) use similar names but are not about messages. Total. */
export function isDmarcAggregateReport(subject: string, attachments: readonly MimePart[]): boolean {
  if (attachments.some((attachment) => /tlsrpt|json\.gz$/i.test(`${attachment.type} ${attachment.filename ?? ''}`))) return false
  if (attachments.some((attachment) => REPORT_FILENAME.test((attachment.filename ?? '').trim()))) return true
  return SUBJECT.test(subject.slice(0, 300)) && attachments.some((attachment) => ARCHIVE_TYPE.test(attachment.type))
}
