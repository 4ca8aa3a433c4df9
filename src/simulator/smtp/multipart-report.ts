/**
 * multipart-report - builds a multipart/report from its parts, as mail servers do
 *
 * Text that is not ASCII is encoded in base64, in headers by RFC 2047. Lines end in CRLF.
 *
 * Pure. RFC 6522, RFC 2047. See also: simulator/smtp/ndr-builder, simulator/smtp/arf-builder.
 */
import { isAscii } from 'node:buffer'

type ReportPart = { readonly type: string; readonly text: string }

type MultipartReport = {
  readonly headers: Readonly<Record<string, string>>
  readonly reportType: 'delivery-status' | 'feedback-report'
  readonly boundary: string
  readonly parts: readonly ReportPart[]
}

/** The report as raw mail. */
export function buildMultipartReport({ headers, reportType, boundary, parts }: MultipartReport): Buffer {
  const type = `multipart/report; report-type=${reportType};\n\tboundary="${boundary}"`
  const all = { ...headers, 'MIME-Version': '1.0', 'Content-Type': type }
  const head = Object.entries(all).map(([name, value]) => `${name}: ${encodeHeaderValue(value)}`)
  const body = parts.map((part) => `--${boundary}\n${formatPart(part)}\n`)
  return Buffer.from(`${[...head, '', ...body, `--${boundary}--`, ''].join('\n')}`.replaceAll(/\r?\n/g, '\r\n'))
}

const isAsciiText = (text: string): boolean => isAscii(Buffer.from(text))

function formatPart({ type, text }: ReportPart): string {
  if (isAsciiText(text)) return `Content-Type: ${type}\n\n${text}\n`
  const encoded = Buffer.from(text.replaceAll(/\r?\n/g, '\r\n'))
    .toString('base64')
    .match(/.{1,76}/g)
  return `Content-Type: ${type}; charset=utf-8\nContent-Transfer-Encoding: base64\n\n${(encoded ?? []).join('\n')}\n`
}

/** Encodes in words of at most 45 bytes: an encoded word has at most 75 characters (RFC 2047 §2). */
function encodeHeaderValue(value: string): string {
  if (isAsciiText(value)) return value
  const pieces: string[] = []
  let piece = ''
  for (const char of value) {
    if (Buffer.byteLength(piece + char) > 45) {
      pieces.push(piece)
      piece = ''
    }
    piece += char
  }
  return [...pieces, piece].map((each) => `=?utf-8?B?${Buffer.from(each).toString('base64')}?=`).join('\n ')
}
