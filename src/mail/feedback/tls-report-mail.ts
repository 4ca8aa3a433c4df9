/**
 * tls-report-mail - recognises a mail with a TLS report, and reads the report in it
 *
 * Explicit is `multipart/report; report-type="tlsrpt"`, or a part `application/tlsrpt+gzip` or `application/tlsrpt+json`. A part with the file name of RFC 8460 §5.1
 * in a mail with its header fields is one too, because some senders use a general type. Only the first such part is read. It is decoded and unpacked up to the
 * limit of any JSON: a larger report is not read.
 *
 * Pure, total, bounded. RFC 8460 §3 and §5.3. See also: mail/feedback/tls-report (the JSON), mail/report-parser, mail/feedback/dmarc-report.
 */
import { gunzipSync } from 'node:zlib'
import { decodePartBytes } from '../mime/content.ts'
import { MAX_JSON } from '../mime/json-reader.ts'
import type { MimePart } from '../mime/part.ts'
import type { ParsedMessage, ReportFinding } from '../parsed-message.ts'
import type { TlsReportMail } from '../report.ts'
import { parseTlsReport } from './tls-report.ts'

const TLSRPT_TYPE = /^application\/tlsrpt\+(?:gzip|json)$/
/** submitter "!" policy domain "!" begin "!" end, optionally "!" id. */
const REPORT_FILENAME = /^([^!\s]{1,253})!([^!\s]{1,253})!\d{8,12}!\d{8,12}(?:![^!\s]{0,100})?\.json(?:\.gz)?$/i
const DOMAIN = /^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9])?$/

/** Reads a TLS report; null if the mail is none. `tlsReport.content` is null if the report cannot be read. Total. */
export function readTlsReportMail({ reportType, headers, parts, from }: ParsedMessage): ReportFinding | null {
  const part = findReportPart(parts.mime.parts, parts.attachments)
  const isNamed = headers['tls-report-domain'] !== undefined || /^report domain:/i.test((headers['subject'] ?? '').trim())
  const isExplicit = reportType === 'tlsrpt' || (reportType === '' && part !== null && (TLSRPT_TYPE.test(part.type) || isNamed))
  if (!isExplicit) return null
  const [, submitterOfName, domainOfName] = REPORT_FILENAME.exec(part?.filename?.trim() ?? '') ?? []
  const content = part === null ? null : parseTlsReport(unpack(decodePartBytes(parts.mime, part, MAX_JSON)))
  const tlsReport: TlsReportMail = {
    submitter: domainOf(headers['tls-report-submitter']) ?? domainOf(submitterOfName) ?? domainOf(from?.slice(from.lastIndexOf('@') + 1)),
    domain: domainOf(headers['tls-report-domain']) ?? domainOf(domainOfName) ?? domainOf(content?.policies[0]?.domain),
    content,
  }
  return { kind: 'tls-report', format: 'tlsrpt', tlsReport }
}

/** The part with the report, which may have no wrapper at all. Parts of an enclosed message do not count. */
function findReportPart(all: readonly MimePart[], attachments: readonly MimePart[]): MimePart | null {
  const own = all.length === 1 ? all : attachments
  return own.find(({ type }) => TLSRPT_TYPE.test(type)) ?? own.find(({ filename }) => REPORT_FILENAME.test((filename ?? '').trim())) ?? null
}

/** The text of a report, compressed or not, whatever its type says; empty if it cannot be unpacked or is too large. */
function unpack(bytes: Uint8Array): string {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return Buffer.from(bytes).toString()
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_JSON }).toString()
  } catch {
    return ''
  }
}

function domainOf(text: string | null | undefined): string | null {
  const domain = (text ?? '').trim().toLowerCase().replace(/\.$/, '')
  return DOMAIN.test(domain) ? domain : null
}
