/**
 * parsed-message - a mail sorted into its pieces, with what every reader of mail/report asks of it
 *
 * Pure, total. See also: mail/message-parts, mail/report.
 */
import { toHeaderRecord } from './mime/header.ts'
import { parseMime } from './mime/mime.ts'
import { collectMessageParts } from './message-parts.ts'
import type { MessageParts } from './message-parts.ts'
import type { Report, OriginalMessage } from './report.ts'
import { parseFieldAddress, parseFieldAddresses, readOriginalMessage } from './dsn/original-message.ts'

/** What one reader finds; what it leaves out is as in any mail. */
export type ReportFinding = Partial<Report> & Pick<Report, 'kind' | 'format'>

export type ParsedMessage = {
  readonly parts: MessageParts
  readonly headers: Readonly<Record<string, string>>
  readonly subject: string
  readonly from: string | null
  readonly to: readonly string[]
  /** Of a multipart/report, lower case; else empty. */
  readonly reportType: string
  /** The report's own text, without the returned mail. */
  readonly bodyText: string
  readonly originalMessage: OriginalMessage | null
  /** Reads a mail inside of this one; null when it lies too deep. */
  readonly readEnclosed: (raw: Uint8Array) => Report | null
}

/** Opens a mail. Total. */
export function parseMessage(raw: Uint8Array, readEnclosed: ParsedMessage['readEnclosed']): ParsedMessage {
  const parts = collectMessageParts(parseMime(raw, { isShallow: true }))
  const { root } = parts.mime
  const headers = toHeaderRecord(root.headers)
  return {
    parts,
    headers,
    subject: headers['subject'] ?? '',
    from: parseFieldAddress(headers['from']),
    to: parseFieldAddresses(headers['to']),
    reportType: root.type === 'multipart/report' ? (root.params['report-type'] ?? '').toLowerCase() : '',
    bodyText: parts.lines
      .map((line) => line.text)
      .join('\n')
      .trim(),
    originalMessage: readOriginalMessage(parts.originalHeaders),
    readEnclosed,
  }
}
