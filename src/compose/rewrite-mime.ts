/**
 * rewrite-mime - a mail that a sender made himself, as one recipient gets it
 *
 * His MIME stands byte for byte where nothing asks for a change. What changes: our fields in the place of his of the same name, blind copies and
 * the vendor's extension gone, a Date and MIME-Version where there is none, variables put into fields and text parts, and parts that some relay
 * would break (8-bit octets, lines beyond 998) in another transfer encoding, so that the signature holds all the way. Signed and encrypted
 * parts and mails within the mail are left alone.
 *
 * Pure, total, linear. RFC 5322, RFC 2045. See also: compose/header-set, compose/substitute, mail/mime/mime.
 */
import libmime from 'libmime'
import { decodeText } from '../mail/mime/charset.ts'
import { bytesOf } from '../mail/mime/content.ts'
import { decodeWords } from '../mail/mime/header.ts'
import { parseMime, type Mime, type Part } from '../mail/mime/mime.ts'
import { isMailType } from '../mail/mime/part.ts'
import { boundField, foldField, MAX_FILLED, MAX_LINE, splitFields, valueOf, writtenName, type FieldLine } from './header-line.ts'
import { encodeBase64Lines, encodeQuoted } from './transfer-encoding.ts'
import { oneLine } from './substitute.ts'

export type Rewriting = {
  /** Fields that we set. */
  readonly fields: Readonly<Record<string, string>>
  /** The sender's fields that are left out, in lower case, beside those that never leave us. */
  readonly dropped: readonly string[]
  /** Fields that stand only where the sender has none of that name. */
  readonly defaults: Readonly<Record<string, string>>
  /** Puts variables in; null: there are none. Its own null: too large. */
  readonly put: ((text: string) => string | null) | null
}

/** Never leave us, or are no longer true. */
const DROPPED: ReadonlySet<string> = new Set(['bcc', 'resent-bcc', 'return-path', 'x-smtpapi'])
/** How the mail is built: no variable belongs there. */
const STRUCTURE = /^(?:content-|mime-version$|received$|dkim-signature$|message-id$|date$)/

/** The mail of one recipient; null where it would grow beyond all bounds. */
export function rewriteMail(raw: Uint8Array, { fields, dropped, defaults, put }: Rewriting): Buffer | null {
  const mime = parseMime(raw)
  const { latin1, root } = mime
  const edits = editsOf(mime, root, put)
  if (edits === null) return null
  const rootEdit = edits.find(({ part }) => part === root)
  const head = rootEdit?.head ?? splitFields(latin1.slice(0, root.bodyStart))
  const own = new Set([
    ...Object.keys(fields).map((name) => name.toLowerCase()),
    ...DROPPED,
    ...dropped,
    ...(put === null ? [] : ['dkim-signature']),
  ])
  const kept = head.filter(({ name }) => !own.has(name))
  const names = new Set(kept.map(({ name }) => name))
  const missing = Object.entries(defaults).filter(([name]) => !names.has(name.toLowerCase()))
  const lines: string[] = []
  for (const [name, value] of [...Object.entries(fields), ...missing]) lines.push(foldField(name, value))
  for (const field of kept) {
    const line = put === null || STRUCTURE.test(field.name) ? plainField(field) : putIntoField(field, put)
    if (line === null) return null
    lines.push(line)
  }
  const body = rootEdit?.body ?? withEdits(mime, edits)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1')
}

/** A field as every relay takes it: in ASCII, and in lines that are not too long. Octets beyond ASCII are UTF-8 (RFC 6532) or are taken for it. */
function plainField(field: FieldLine): string {
  if (!/[\x80-\xff]/.test(field.text)) return boundField(field)
  const pieces = Buffer.from(valueOf(field), 'latin1')
    .toString('utf8')
    .split(/(<[^<>]*>)/)
  // A name between quotes is none once it is an encoded word (RFC 2047 §5); an address stays as it is.
  const value = pieces.map((piece, index) =>
    index % 2 === 1 ? piece : libmime.encodeWords(piece.replaceAll(/"([^"\\]*)"/g, '$1'), 'Q', 52),
  )
  return foldField(writtenName(field), Buffer.from(value.join('')).toString('latin1'))
}

function putIntoField(field: FieldLine, put: (text: string) => string | null): string | null {
  const before = decodeWords(Buffer.from(valueOf(field), 'latin1').toString('utf8'))
  const after = put(before)
  if (after === before) return plainField(field)
  if (after === null || after.length > MAX_FILLED) return null
  return foldField(writtenName(field), libmime.encodeWords(oneLine(after), 'Q', 52))
}

/** A part in new words; `body` has its final transfer encoding, and `head` says so. */
type Edit = { readonly part: Part; readonly head: readonly FieldLine[]; readonly body: string }

function editsOf(mime: Mime, part: Part, put: ((text: string) => string | null) | null): readonly Edit[] | null {
  if (isMailType(part.type) || part.type === 'multipart/signed' || part.type === 'multipart/encrypted') return []
  if (part.type.startsWith('multipart/')) {
    const found: Edit[] = []
    for (const child of part.children) {
      const edits = editsOf(mime, child, put)
      if (edits === null) return null
      found.push(...edits)
    }
    return found
  }
  const edit = editOf(mime, part, put)
  return edit === null ? null : edit === 'none' ? [] : [edit]
}

function editOf(mime: Mime, part: Part, put: ((text: string) => string | null) | null): Edit | 'none' | null {
  const isText = part.type.startsWith('text/') && part.disposition !== 'attachment'
  if (put !== null && isText) {
    const before = decodeText(bytesOf(mime, part), part.params['charset'] ?? null)
    const after = put(before)
    if (after === null) return null
    if (after !== before) return recoded(mime, part, { bytes: Buffer.from(after), isText, charset: 'utf-8' })
  }
  return isSafe(mime.latin1, part) ? 'none' : recoded(mime, part, { bytes: bytesOf(mime, part), isText, charset: null })
}

/** Whether every relay lets a part through as it is. */
function isSafe(latin1: string, { bodyStart, bodyEnd }: Part): boolean {
  const body = latin1.slice(bodyStart, bodyEnd)
  if (/[\x80-\xff]/.test(body)) return false
  for (let at = 0; body.length - at > MAX_LINE;) {
    const end = body.indexOf('\n', at)
    if (end < 0 || end - at > MAX_LINE + 1) return false
    at = end + 1
  }
  return true
}

type Recoding = { readonly bytes: Uint8Array; readonly isText: boolean; readonly charset: string | null }

function recoded({ latin1 }: Mime, part: Part, { bytes, isText, charset }: Recoding): Edit {
  const head = splitFields(latin1.slice(part.headerStart, part.bodyStart)).filter(
    ({ name }) => name !== 'content-transfer-encoding' && (charset === null || name !== 'content-type'),
  )
  const type = charset === null ? [] : [foldField('Content-Type', typeWith(part, charset))]
  const encoding = foldField('Content-Transfer-Encoding', isText ? 'quoted-printable' : 'base64')
  const body = isText ? encodeQuoted(bytes) : encodeBase64Lines(bytes)
  return { part, head: [...head, ...[...type, encoding].flatMap(splitFields)], body }
}

function typeWith({ type, params }: Part, charset: string): string {
  const others = Object.entries(params).filter(([name, value]) => name !== 'charset' && /^[ -~]*$/.test(name + value))
  return [type, `charset=${charset}`, ...others.map(([name, value]) => `${name}="${value.replaceAll(/["\\]/g, '\\$&')}"`)].join('; ')
}

/** The body of the whole mail with its edited parts. */
function withEdits({ latin1, root }: Mime, edits: readonly Edit[]): string {
  const pieces: string[] = []
  let at = root.bodyStart
  for (const { part, head, body } of edits) {
    pieces.push(latin1.slice(at, part.headerStart), ...head.map((field) => `${boundField(field)}\r\n`), '\r\n', body)
    at = part.bodyEnd
  }
  pieces.push(latin1.slice(at))
  return pieces.join('')
}
