/**
 * parsed-message - a mail sorted into its pieces, with what every reader of mail/report asks of it
 *
 * Pure, total. See also: mail/message-parts, mail/report.
 */
import { headerRecord } from './mime/header.ts'
import { parseMime } from './mime/mime.ts'
import { sortPieces } from './message-parts.ts'
import type { Pieces } from './message-parts.ts'
import type { Report, ReturnedMail } from './report.ts'
import { addressOf, addressesOf, readReturned } from './dsn/original-message.ts'

/** What one reader finds; what it leaves out is as in any mail. */
export type Finding = Partial<Report> & Pick<Report, 'kind' | 'format'>

export type Opened = {
  readonly pieces: Pieces
  readonly headers: Readonly<Record<string, string>>
  readonly subject: string
  readonly from: string | null
  readonly to: readonly string[]
  /** Of a multipart/report, lower case; else empty. */
  readonly reportType: string
  /** The report's own text, without the returned mail. */
  readonly words: string
  readonly returned: ReturnedMail | null
  /** Reads a mail inside of this one; null when it lies too deep. */
  readonly readInside: (raw: Uint8Array) => Report | null
}

/** Opens a mail. Total. */
export function openMail(raw: Uint8Array, readInside: Opened['readInside']): Opened {
  const pieces = sortPieces(parseMime(raw, { isShallow: true }))
  const { root } = pieces.mime
  const headers = headerRecord(root.headers)
  return {
    pieces,
    headers,
    subject: headers['subject'] ?? '',
    from: addressOf(headers['from']),
    to: addressesOf(headers['to']),
    reportType: root.type === 'multipart/report' ? (root.params['report-type'] ?? '').toLowerCase() : '',
    words: pieces.lines
      .map((line) => line.text)
      .join('\n')
      .trim(),
    returned: readReturned(pieces.returned),
    readInside,
  }
}
