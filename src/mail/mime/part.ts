/**
 * part - one part of a message: its description from the header, and its offsets in the raw bytes
 *
 * `headerStart` ≤ `bodyStart` ≤ `bodyEnd`. An invalid Content-Type means `text/plain` (RFC 2045 §5.2). A missing one means the default
 * of the parent: `message/rfc822` in a digest (RFC 2046 §5.1.5).
 *
 * Pure, total. RFC 2045, 2046, 2183, 6532. See also: mail/mime/mime, mail/mime/parameter.
 */
import { type Headers, NO_HEADERS, getRawHeader } from './header.ts'
import { parseParameters } from './parameter.ts'

export type MimePart = {
  /** Lower case; `text/plain` if missing or invalid (RFC 2045 §5.2). */
  readonly type: string
  readonly params: Readonly<Record<string, string>>
  readonly headers: Headers
  readonly headerStart: number
  readonly bodyStart: number
  readonly bodyEnd: number
  /** Content-Transfer-Encoding, lower case; `7bit` if missing. */
  readonly encoding: string
  readonly disposition: string | null
  readonly filename: string | null
  readonly depth: number
  readonly children: readonly MimePart[]
}

/** A part while it is being read. */
export type PartDraft = { -readonly [Key in keyof MimePart]: MimePart[Key] } & { children: PartDraft[] }
/** Describes a part by its header; its offsets are not set yet. Total. */
export function describePart(headers: Headers, parent: PartDraft | null): PartDraft {
  const fallback = parent?.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
  const content = contentFieldsOf(headers)
  const declaredType = getRawHeader(content, 'content-type')
  const contentType = declaredType === null ? null : parseParameters(declaredType)
  const declaredDisposition = getRawHeader(content, 'content-disposition')
  const disposition = declaredDisposition === null ? null : parseParameters(declaredDisposition)
  const type = contentType === null ? fallback : normalizeType(contentType.value)
  const params = contentType?.params ?? {}
  return {
    type,
    params,
    headers,
    headerStart: 0,
    bodyStart: 0,
    bodyEnd: 0,
    encoding: (getRawHeader(content, 'content-transfer-encoding') ?? '7bit').toLowerCase(),
    disposition: disposition === null || disposition.value === '' ? null : disposition.value,
    filename: disposition?.params['filename'] ?? params['name'] ?? null,
    depth: parent === null ? 0 : parent.depth + 1,
    children: [],
  }
}

/** The fields that describe a part: few of many, so that searching them is cheap. */
function contentFieldsOf({ fields, isBytes }: Headers): Headers {
  return { fields: fields.filter(({ name }) => name.charCodeAt(0) === LETTER_C && name.startsWith('content-')), isBytes }
}

const LETTER_C = 0x63

const COMMON_TYPES: ReadonlySet<string> = new Set([
  'text/plain',
  'text/html',
  'message/rfc822',
  'message/delivery-status',
  'multipart/report',
  'multipart/mixed',
  'multipart/alternative',
])

function normalizeType(value: string): string {
  if (COMMON_TYPES.has(value)) return value
  const type = value.replace(/\s/g, '')
  if (/^[a-z0-9!#$&^_.+-]{1,100}\/[a-z0-9!#$&^_.+-]{1,100}$/.test(type)) return type
  return 'text/plain'
}

/** Whether a part of this type contains a message. */
export function isMessageType(type: string): boolean {
  return type === 'message/rfc822' || type === 'message/global' || type === 'message/news'
}

/** A part without a header that ends at `end`. */
export function createEmptyPart(end: number): MimePart {
  return {
    type: 'text/plain',
    params: {},
    headers: NO_HEADERS,
    headerStart: 0,
    bodyStart: 0,
    bodyEnd: end,
    encoding: '7bit',
    disposition: null,
    filename: null,
    depth: 0,
    children: [],
  }
}
