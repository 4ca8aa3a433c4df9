/**
 * dmarc-report - DMARC aggregate reports
 *
 * A compressed XML attachment under a name that RFC 7489 §7.2.1.1 gives it, or its subject. Only told apart, not read.
 * Pure, total. See also: mail/report, mail/feedback/arf (RFC 6591 failure reports are feedback reports).
 */
import type { Part } from '../mime/mime.ts'

const SUBJECT = /\breport domain:\s*\S|\bdmarc (?:aggregate )?report\b|^\s*(?:fwd?:\s*)?\[?dmarc\b/i
/** receiver "!" domain "!" begin "!" end, maybe "!" id. */
const FILE = /^[^!\s]{1,253}![^!\s]{1,253}!\d{8,12}!\d{8,12}(?:![^!\s]{0,100})?\.(?:xml|zip|gz|xml\.gz|xml\.zip)$/i
const PACKED = /^(?:application\/(?:x-)?(?:gzip|zip|zip-compressed|octet-stream|gzip-compressed)|text\/xml|application\/xml)$/i

/** Whether a mail brings an aggregate report. TLS reports (RFC 8460) borrow its names and tell of no mail. */
export function isAggregateReport(subject: string, files: readonly Part[]): boolean {
  if (files.some((file) => /tlsrpt|json\.gz$/i.test(`${file.type} ${file.filename ?? ''}`))) return false
  if (files.some((file) => FILE.test((file.filename ?? '').trim()))) return true
  return SUBJECT.test(subject.slice(0, 300)) && files.some((file) => PACKED.test(file.type))
}
