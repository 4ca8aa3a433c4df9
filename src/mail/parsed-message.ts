/**
 * parsed-message - a message split into the parts that every reader of mail/report-parser needs
 *
 * Pure, total. See also: mail/message-parts, mail/report-parser.
 */
import { toHeaderRecord } from './mime/header.ts'
import { parseMime } from './mime/mime.ts'
import { collectMessageParts } from './message-parts.ts'
import type { MessageParts } from './message-parts.ts'
import type { Report, OriginalMessage } from './report.ts'
import { parseFieldAddress, parseFieldAddresses, readOriginalMessage } from './dsn/original-message.ts'

/** The result of one reader. Fields that it omits keep the defaults of mail/report-parser. */
export type ReportFinding = Partial<Report> & Pick<Report, 'kind' | 'format'>

export type ParsedMessage = {
  readonly parts: MessageParts
  readonly headers: Readonly<Record<string, string>>
  readonly subject: string
  readonly from: string | null
  readonly to: readonly string[]
  /** report-type of a multipart/report, lower case; empty otherwise. */
  readonly reportType: string
  /** The report's own text, without the returned message. */
  readonly bodyText: string
  readonly originalMessage: OriginalMessage | null
  /** Reads an enclosed message; null if it is nested too deeply. */
  readonly readEnclosed: (raw: Uint8Array) => Report | null
}

/** Parses a message. Total. */
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
