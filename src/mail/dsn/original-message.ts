/**
 * original-message - the returned message as values
 *
 * Pure, total. See also: mail/message-parts (finds it), mail/report (its type).
 */
import { extractAddresses, parseBareAddress } from '../mime/address.ts'
import { parseDate } from '../mime/date.ts'
import { toHeaderRecord } from '../mime/header.ts'
import type { Headers } from '../mime/header.ts'
import type { OriginalMessage } from '../report.ts'

/** Fields that every message header has. A text without any of them is not a returned message. */
const MESSAGE_FIELDS = ['from', 'to', 'subject', 'message-id', 'date', 'received', 'return-path', 'mime-version'] as const

/** Reads the returned headers; null if they contain no field of a message. */
export function readOriginalMessage(headers: Headers | null): OriginalMessage | null {
  if (headers === null || headers.fields.length === 0) return null
  const record = toHeaderRecord(headers)
  if (!MESSAGE_FIELDS.some((name) => name in record)) return null
  const date = record['date']
  return {
    headers: record,
    messageId: parseMessageId(record['message-id']),
    returnPath: parseFieldAddress(record['return-path']),
    from: parseFieldAddress(record['from']),
    to: parseFieldAddresses(record['to']),
    subject: record['subject'] ?? null,
    sentAt: date === undefined ? null : parseDate(date),
  }
}

/** `<id@host>` without its brackets; null if there is none. */
export function parseMessageId(value: string | undefined): string | null {
  if (value === undefined) return null
  const inner = /<([^<>\s]{1,998})>/.exec(value)?.[1] ?? value.trim()
  return inner === '' ? null : inner
}

/** Fast path: most fields contain one plain address. */
const BRACKETED_ADDRESS =
  /^(?:[A-Za-z0-9 .,'()-]{0,100}|"[^"<>@\\]{0,100}" ?)<([A-Za-z0-9_+=.-]{1,64}@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,24})>(?: \([^()@]{0,100}\))?$/
const PLAIN_ADDRESS = /^([A-Za-z0-9_+=.-]{1,64}@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,24})(?: \([^()@]{0,100}\))?$/

function parsePlainAddress(value: string): string | null {
  if (value.length > 400) return null
  const address = ((value.includes('<') ? BRACKETED_ADDRESS.exec(value) : null) ?? PLAIN_ADDRESS.exec(value))?.[1]
  if (address === undefined || address.includes('..')) return null
  const at = address.indexOf('@')
  return address.slice(0, at) + address.slice(at).toLowerCase()
}

/** The address in a field; one in angle brackets comes before one in a display name. Null if there is none. */
export function parseFieldAddress(value: string | undefined): string | null {
  if (value === undefined || value === '' || value === '<>') return null
  const plain = parsePlainAddress(value)
  if (plain !== null) return plain
  const found = extractAddresses(value, 10)
  const bracketed = found.find((one) => one.inBrackets)
  if (bracketed !== undefined) return bracketed.address
  return found[0]?.address ?? parseBareAddress(value)
}

/** Bound for the addresses of one field. */
const MAX_FIELD_ADDRESSES = 100

export function parseFieldAddresses(value: string | undefined): readonly string[] {
  if (value === undefined) return []
  const plain = parsePlainAddress(value)
  if (plain !== null) return [plain]
  return [...new Set(extractAddresses(value, MAX_FIELD_ADDRESSES).map((one) => one.address))]
}
