/**
 * header-composer - composes the header fields of the copies of one mail, each field by itself, with nodemailer's encoding
 *
 * The copies of a mail differ in few fields: the recipient, the Message-ID, the tokens. A field whose value is that of the copy before is not encoded again. The fields and their order are those of
 * mail-auth/composer, which also composes the rare header in which the sender's own fields include From, Subject or the like.
 *
 * RFC 5322, RFC 2047. See also: mail-auth/composer, service/deliver/render.
 */
import type MimeNode from 'nodemailer/lib/mime-node'
import { splitHeaderFields } from '../compose/header-line.ts'
import { composeHeaderFields, isContentField } from './composer.ts'
import type { MessageFields } from './mime-tree.ts'

/** Composes the header fields that are not MIME fields, each with its line end. */
export type ComposeHeader = (message: MessageFields) => Promise<string>

type HeaderField = { readonly name: string; readonly value: Parameters<MimeNode['encodeHeaderValue']>[1] }

/** A field as it was encoded last. `writtenName` is its name in the mail. `key` is equal for equal values. */
type EncodedField = { readonly writtenName: string; readonly key: string; readonly text: string }

type FieldEncoder = { readonly nameOf: (name: string) => string; readonly encode: (writtenName: string, field: HeaderField) => string }

/** The fields that do not come from `headers`: one of these names there replaces a field or is replaced. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['from', 'to', 'cc', 'bcc', 'reply-to', 'subject', 'message-id', 'date', 'mime-version'])

const FIELD_NAME = /^[!-9;-~]+$/

/** Creates a composer for the copies of one mail. It keeps the last value of each field. */
export function createHeaderComposer(): ComposeHeader {
  const encoded = new Map<string, EncodedField>()
  let loading: Promise<FieldEncoder> | null = null
  return async (message) => {
    if (!hasPlainFields(message)) return composeHeaderFields(message)
    const encoder = await (loading ??= createFieldEncoder())
    return fieldsOf(message)
      .map((field) => encodeField(encoder, encoded, field))
      .join('')
  }
}

const hasPlainFields = ({ headers, messageId }: MessageFields): boolean =>
  messageId !== '' && Object.keys(headers).every((name) => FIELD_NAME.test(name) && !OWN_FIELDS.has(name.toLowerCase()))

function fieldsOf({ from, to, cc, replyTo, subject, headers, messageId, date }: MessageFields): readonly HeaderField[] {
  return [
    ...Object.entries(headers).map(([name, value]) => ({ name, value })),
    { name: 'From', value: from },
    { name: 'To', value: [...to] },
    { name: 'Cc', value: [...cc] },
    { name: 'Reply-To', value: [...replyTo] },
    { name: 'Subject', value: subject },
    { name: 'Message-ID', value: messageId },
    { name: 'Date', value: new Date(date) },
    { name: 'MIME-Version', value: '1.0' },
  ]
}

function encodeField(encoder: FieldEncoder, encoded: Map<string, EncodedField>, field: HeaderField): string {
  const { name, value } = field
  const key = typeof value === 'string' ? value : JSON.stringify(value)
  const known = encoded.get(name)
  if (known?.key === key) return known.text
  const writtenName = known?.writtenName ?? encoder.nameOf(name)
  const text = encoder.encode(writtenName, field)
  encoded.set(name, { writtenName, key, text })
  return text
}

/** RFC 5322 §2.1.1; nodemailer folds its own lines at this length. */
const FOLDED_LINE_LENGTH = 76

async function createFieldEncoder(): Promise<FieldEncoder> {
  const [{ default: Node }, { foldLines }] = await Promise.all([import('nodemailer/lib/mime-node'), import('nodemailer/lib/mime-funcs')])
  const root = new Node()
  return {
    // Only a header that is built has the name as nodemailer writes it; the value is one that no kind of field drops.
    nameOf: (name) => root.createChild().setHeader(name, 'x@example.com').buildHeaders().split(':', 1)[0] ?? '',
    encode: (writtenName, { name, value }) => {
      const written = root.encodeHeaderValue(name, value)
      return written.trim() === '' ? '' : octetsOf(foldLines(`${writtenName}: ${written}`, FOLDED_LINE_LENGTH))
    },
  }
}

/** The field with its line end, as a text that has a character for each octet. Nothing is left of a field that is none, or belongs to the content. */
function octetsOf(line: string): string {
  const fields = splitHeaderFields(Buffer.from(line).toString('latin1')).filter((field) => !isContentField(field))
  return fields.map(({ text }) => `${text}\r\n`).join('')
}
