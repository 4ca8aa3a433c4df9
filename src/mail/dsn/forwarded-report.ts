/**
 * forwarded-report - a delivery report that a person or a help desk forwards as an attachment
 *
 * The attachment is a message/rfc822 part or an .eml file. The report is read for the inbox: it proves nothing, because whoever forwards it
 * could have written it. Mailing lists are left alone, because their readers discuss bounces.
 *
 * Pure, total. See also: mail/report-parser (order of readers), correlate/match.
 */
import { decodePartBytes } from '../mime/content.ts'
import type { MimePart } from '../mime/part.ts'
import type { ParsedMessage, ReportFinding } from '../parsed-message.ts'

/** A person forwards few messages at a time. */
const MAX_ATTACHED_MESSAGES = 4
const MAX_MESSAGE_BYTES = 1_048_576
const LIST_FIELDS = ['list-id', 'list-unsubscribe', 'list-post'] as const

/** Reads the first attached delivery report that names a recipient; null without one. Total. */
export function readForwardedReport(message: ParsedMessage): ReportFinding | null {
  if (LIST_FIELDS.some((name) => message.headers[name] !== undefined)) return null
  const attached = message.parts.mime.parts.filter(isAttachedMessage).slice(0, MAX_ATTACHED_MESSAGES)
  for (const part of attached) {
    const enclosed = message.readEnclosed(bytesOf(message, part))
    if (enclosed === null || (enclosed.kind !== 'bounce' && enclosed.kind !== 'delay')) continue
    if (enclosed.recipients.every((entry) => entry.recipient === null)) continue
    const { kind, format, recipients, originalMessage, envelopeId, queueId, reportingMta } = enclosed
    return { kind, format, recipients, originalMessage, envelopeId, queueId, reportingMta, isForwarded: true }
  }
  return null
}

function isAttachedMessage(part: MimePart): boolean {
  return part.type === 'message/rfc822' || part.type === 'message/global' || /\.eml$/i.test(part.filename ?? '')
}

function bytesOf({ parts: { mime } }: ParsedMessage, part: MimePart): Uint8Array {
  const child = part.children[0]
  return child === undefined ? decodePartBytes(mime, part, MAX_MESSAGE_BYTES) : mime.raw.subarray(child.headerStart, child.bodyEnd)
}
