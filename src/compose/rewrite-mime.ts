/**
 * rewrite-mime - converts a mail that the sender built into the copy for one recipient
 *
 * The sender's MIME stays byte for byte unless a change is needed. Changes: our fields replace the sender's fields of the same name; Bcc
 * and the vendor extension are removed; missing Date and MIME-Version are added; variables are substituted in fields and text parts; parts
 * that a relay might change (8-bit octets, lines over 998) get another transfer encoding, so that the signature stays valid. Signed parts,
 * encrypted parts and nested messages stay as they are.
 *
 * Pure, total, linear. RFC 5322, RFC 2045. See also: compose/header-set, compose/substitute, mail/mime/mime.
 */
import libmime from 'libmime'
import { decodeText } from '../mail/mime/charset.ts'
import { decodePartBytes } from '../mail/mime/content.ts'
import { decodeEncodedWords } from '../mail/mime/encoded-word.ts'
import { parseMime, type MimeMessage } from '../mail/mime/mime.ts'
import type { MimePart } from '../mail/mime/part.ts'
import { isMessageType } from '../mail/mime/part.ts'
import {
  refoldHeaderField,
  foldHeaderField,
  MAX_SUBSTITUTED_HEADER_LENGTH,
  MAX_LINE_LENGTH,
  splitHeaderFields,
  fieldValueOf,
  fieldNameOf,
  type HeaderFieldLine,
} from './header-line.ts'
import { encodeBase64Lines, encodeQuotedPrintable } from './transfer-encoding.ts'
import { isOriginatorField, substituteDisplayName } from './originator.ts'
import { toHeaderText } from './substitute.ts'

type RewriteOptions = {
  /** Fields that we set. */
  readonly fields: Readonly<Record<string, string>>
  /** The sender's fields that are removed, in lower case, besides those that are always removed. */
  readonly droppedFields: readonly string[]
  /** Fields that are added if the sender has none of that name. */
  readonly defaultFields: Readonly<Record<string, string>>
  /** Substitutes variables; null: there are none. Returns null if the text becomes too large. */
  readonly substitute: ((text: string) => string | null) | null
}

/** Must not leave us, or are no longer true. */
const ALWAYS_DROPPED: ReadonlySet<string> = new Set([
  'bcc',
  'resent-bcc',
  'return-path',
  'x-smtpapi',
  'x-bounced-send-at',
  'x-bounced-priority',
])
/** Fields about the structure of the mail, in which variables are not substituted. */
const STRUCTURAL_FIELD = /^(?:content-|mime-version$|received$|dkim-signature$|message-id$|date$)/

/** The mail for one recipient; null if it would become too large. */
export function rewriteMail(raw: Uint8Array, { fields, droppedFields, defaultFields, substitute }: RewriteOptions): Buffer | null {
  const mime = parseMime(raw)
  const { latin1, root } = mime
  const edits = collectEdits(mime, root, substitute)
  if (edits === null) return null
  const rootEdit = edits.find(({ part }) => part === root)
  const head = rootEdit?.head ?? splitHeaderFields(latin1.slice(0, root.bodyStart))
  const replacedNames = new Set([
    ...Object.keys(fields).map((name) => name.toLowerCase()),
    ...ALWAYS_DROPPED,
    ...droppedFields,
    ...(substitute === null ? [] : ['dkim-signature']),
  ])
  const kept = head.filter(({ name }) => !replacedNames.has(name))
  const names = new Set(kept.map(({ name }) => name))
  const missing = Object.entries(defaultFields).filter(([name]) => !names.has(name.toLowerCase()))
  const lines: string[] = []
  for (const [name, value] of [...Object.entries(fields), ...missing]) lines.push(foldHeaderField(name, value))
  for (const field of kept) {
    const line = rewriteField(field, substitute)
    if (line === null) return null
    lines.push(line)
  }
  const body = rootEdit?.body ?? applyEdits(mime, edits)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1')
}

function rewriteField(field: HeaderFieldLine, substitute: RewriteOptions['substitute']): string | null {
  if (isOriginatorField(field.name)) return rewriteOriginator(field, substitute)
  return substitute === null || STRUCTURAL_FIELD.test(field.name) ? toAsciiField(field) : substituteInField(field, substitute)
}

/** Only the display name changes: recipients must see the address that submission checked. */
function rewriteOriginator(field: HeaderFieldLine, substitute: RewriteOptions['substitute']): string | null {
  if (substitute === null && !/[\x80-\xff]/.test(field.text)) return refoldHeaderField(field)
  const value = substituteDisplayName(field, substitute ?? ((text) => text))
  return value === null ? toAsciiField(field) : foldHeaderField(fieldNameOf(field), value)
}

/** A field in ASCII and in short lines, as every relay accepts it. Octets beyond ASCII are read as UTF-8 (RFC 6532). */
function toAsciiField(field: HeaderFieldLine): string {
  if (!/[\x80-\xff]/.test(field.text)) return refoldHeaderField(field)
  const pieces = Buffer.from(fieldValueOf(field), 'latin1')
    .toString('utf8')
    .split(/(<[^<>]*>)/)
  // An encoded word must not be quoted (RFC 2047 §5). An address stays as it is.
  const value = pieces.map((piece, index) =>
    index % 2 === 1 ? piece : libmime.encodeWords(piece.replaceAll(/"([^"\\]*)"/g, '$1'), 'Q', 52),
  )
  return foldHeaderField(fieldNameOf(field), Buffer.from(value.join('')).toString('latin1'))
}

function substituteInField(field: HeaderFieldLine, substitute: (text: string) => string | null): string | null {
  const before = decodeEncodedWords(Buffer.from(fieldValueOf(field), 'latin1').toString('utf8'))
  const after = substitute(before)
  if (after === before) return toAsciiField(field)
  if (after === null || after.length > MAX_SUBSTITUTED_HEADER_LENGTH) return null
  return foldHeaderField(fieldNameOf(field), libmime.encodeWords(toHeaderText(after), 'Q', 52))
}

/** A changed part. `body` has its final transfer encoding, and `head` declares it. */
type PartEdit = { readonly part: MimePart; readonly head: readonly HeaderFieldLine[]; readonly body: string }

function collectEdits(mime: MimeMessage, part: MimePart, substitute: ((text: string) => string | null) | null): readonly PartEdit[] | null {
  if (isMessageType(part.type) || part.type === 'multipart/signed' || part.type === 'multipart/encrypted') return []
  if (part.type.startsWith('multipart/')) {
    const found: PartEdit[] = []
    for (const child of part.children) {
      const edits = collectEdits(mime, child, substitute)
      if (edits === null) return null
      found.push(...edits)
    }
    return found
  }
  const edit = editPart(mime, part, substitute)
  return edit === null ? null : edit === 'unchanged' ? [] : [edit]
}

function editPart(mime: MimeMessage, part: MimePart, substitute: ((text: string) => string | null) | null): PartEdit | 'unchanged' | null {
  const isText = part.type.startsWith('text/') && part.disposition !== 'attachment'
  if (substitute !== null && isText) {
    const before = decodeText(decodePartBytes(mime, part), part.params['charset'] ?? null)
    const after = substitute(before)
    if (after === null) return null
    if (after !== before) return reencodePart(mime, part, { bytes: Buffer.from(after), isText, charset: 'utf-8' })
  }
  return isTransportSafe(mime.latin1, part)
    ? 'unchanged'
    : reencodePart(mime, part, { bytes: decodePartBytes(mime, part), isText, charset: null })
}

/** Whether every relay passes a part unchanged. */
function isTransportSafe(latin1: string, { bodyStart, bodyEnd }: MimePart): boolean {
  const body = latin1.slice(bodyStart, bodyEnd)
  if (/[\x80-\xff]/.test(body)) return false
  for (let at = 0; body.length - at > MAX_LINE_LENGTH;) {
    const end = body.indexOf('\n', at)
    if (end < 0 || end - at > MAX_LINE_LENGTH + 1) return false
    at = end + 1
  }
  return true
}

type PartContent = { readonly bytes: Uint8Array; readonly isText: boolean; readonly charset: string | null }

function reencodePart({ latin1 }: MimeMessage, part: MimePart, { bytes, isText, charset }: PartContent): PartEdit {
  const head = splitHeaderFields(latin1.slice(part.headerStart, part.bodyStart)).filter(
    ({ name }) => name !== 'content-transfer-encoding' && (charset === null || name !== 'content-type'),
  )
  const type = charset === null ? [] : [foldHeaderField('Content-Type', contentTypeWithCharset(part, charset))]
  const encoding = foldHeaderField('Content-Transfer-Encoding', isText ? 'quoted-printable' : 'base64')
  const body = isText ? encodeQuotedPrintable(bytes) : encodeBase64Lines(bytes)
  return { part, head: [...head, ...[...type, encoding].flatMap(splitHeaderFields)], body }
}

function contentTypeWithCharset({ type, params }: MimePart, charset: string): string {
  const others = Object.entries(params).filter(([name, value]) => name !== 'charset' && /^[ -~]*$/.test(name + value))
  return [type, `charset=${charset}`, ...others.map(([name, value]) => `${name}="${value.replaceAll(/["\\]/g, '\\$&')}"`)].join('; ')
}

/** The body of the whole mail with its changed parts. */
function applyEdits({ latin1, root }: MimeMessage, edits: readonly PartEdit[]): string {
  const pieces: string[] = []
  let at = root.bodyStart
  for (const { part, head, body } of edits) {
    pieces.push(latin1.slice(at, part.headerStart), ...head.map((field) => `${refoldHeaderField(field)}\r\n`), '\r\n', body)
    at = part.bodyEnd
  }
  pieces.push(latin1.slice(at))
  return pieces.join('')
}
