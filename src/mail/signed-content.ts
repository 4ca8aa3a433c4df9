/**
 * signed-content - the part of a mail that one valid DKIM signature covers
 *
 * A signature covers the body and the instances of the fields that its h= names, counted from the bottom. Anybody who repeats the mail can add
 * other fields above them. This file removes those, so that a reader sees what the signer wrote and nothing else.
 *
 * Real feedback loops do not sign the MIME fields. An unsigned Content-Type is used only where the body agrees with it, and then only its
 * boundary: a multipart whose first delimiter line and last line are that boundary. Any other transfer encoding than the identity would let
 * the unsigned field rewrite the body.
 *
 * Pure, total, linear. RFC 6376 §5.4.2, §8.15. See also: correlate/report-signature (which signature is good), mail-auth/verify-signatures.
 */
import { parseParameters } from './mime/parameter.ts'

type HeaderField = { readonly name: string; readonly text: string }

/** Fields of which a second instance makes two readers see two mails. */
const SINGLE_FIELDS = ['from', 'content-type', 'mime-version', 'content-transfer-encoding'] as const

/** Longer headers are not read. The signature library has the same limit. */
const MAX_HEADER_BYTES = 65_536

/**
 * The signed fields and the body of a mail. `signedFields`: the names of the instances that the signature covers, one for each. Null: nothing
 * of the mail is signed in a way that every reader sees alike.
 *
 *     extractSignedContent('References: <x>\r\nFrom: a@b.example\r\n\r\nhi\r\n', ['from']) → 'From: a@b.example\r\n\r\nhi\r\n'
 */
export function extractSignedContent(raw: Uint8Array, signedFields: readonly string[]): Uint8Array | null {
  const bodyStart = findBody(raw)
  if (bodyStart === null) return null
  const fields = splitHeader(Buffer.from(raw.buffer, raw.byteOffset, bodyStart).toString('latin1'))
  if (fields === null || hasDuplicate(fields)) return null
  const signed = selectSigned(fields, signedFields)
  if (!signed.some(({ name }) => name === 'from')) return null
  const body = raw.subarray(bodyStart)
  const mimeFields = mimeFieldsOf(fields, signed, body)
  if (mimeFields === null) return null
  const header = [...signed.filter(({ name }) => name !== 'content-type'), ...mimeFields].map(({ text }) => `${text}\r\n`).join('')
  return Buffer.concat([Buffer.from(`${header}\r\n`, 'latin1'), body])
}

/** The offset after the first empty line; null if there is none within the limit. */
function findBody(raw: Uint8Array): number | null {
  const head = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.byteLength, MAX_HEADER_BYTES)).toString('latin1')
  const found = /\n\r?\n/.exec(head)
  return found === null ? null : found.index + found[0].length
}

/** Null: a line that is neither a field nor a fold, or a control character: readers differ about such a header. */
function splitHeader(head: string): readonly HeaderField[] | null {
  const [first = '', ...rest] = head.trimEnd().split(/\r?\n/)
  // A mail from a file may begin with the line of an mbox, which no reader takes for a field.
  const lines = /^From [^\s:]+ +\w/.test(first) ? rest : [first, ...rest]
  const fields: { name: string; text: string }[] = []
  for (const line of lines) {
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(line)) return null
    const last = fields.at(-1)
    const name = /^([!-9;-~]+):/.exec(line)?.[1]
    if (name !== undefined) fields.push({ name: name.toLowerCase(), text: line })
    else if (last !== undefined && /^[ \t]+[^ \t]/.test(line)) last.text += `\r\n${line}`
    else return null
  }
  return fields
}

const hasDuplicate = (fields: readonly HeaderField[]): boolean =>
  SINGLE_FIELDS.some((single) => fields.filter(({ name }) => name === single).length > 1)

/** The covered instances, in their order: of each name the lowest ones. */
function selectSigned(fields: readonly HeaderField[], signedFields: readonly string[]): readonly HeaderField[] {
  const remaining = new Map<string, number>()
  for (const name of signedFields) remaining.set(name.toLowerCase(), (remaining.get(name.toLowerCase()) ?? 0) + 1)
  const signed: HeaderField[] = []
  for (const field of fields.toReversed()) {
    const count = remaining.get(field.name) ?? 0
    if (count > 0) signed.unshift(field)
    remaining.set(field.name, count - 1)
  }
  return signed
}

/** The Content-Type to read the body with: the signed one, or a boundary that the body confirms. Null: neither. */
function mimeFieldsOf(fields: readonly HeaderField[], signed: readonly HeaderField[], body: Uint8Array): readonly HeaderField[] | null {
  const isSigned = (wanted: string): boolean => signed.some(({ name }) => name === wanted)
  const encoding = fields.find(({ name }) => name === 'content-transfer-encoding')
  if (encoding !== undefined && !isSigned('content-transfer-encoding') && !isIdentity(encoding)) return null
  const type = fields.find(({ name }) => name === 'content-type')
  if (type === undefined) return null
  return isSigned('content-type') ? [type] : confirmBoundary(type, body)
}

const valueOf = ({ text }: HeaderField): string => text.slice(text.indexOf(':') + 1).replaceAll('\r\n', '')

const isIdentity = (field: HeaderField): boolean => ['7bit', '8bit', 'binary'].includes(valueOf(field).trim().toLowerCase())

/** RFC 2046 §5.1.1: at most 70 characters, and never a quotation mark. */
const BOUNDARY = /^[0-9A-Za-z'()+_,./:=? -]{1,70}$/

function confirmBoundary(type: HeaderField, body: Uint8Array): readonly HeaderField[] | null {
  const { value, params } = parseParameters(valueOf(type))
  const boundary = params['boundary'] ?? ''
  if ((value !== 'multipart/report' && value !== 'multipart/mixed') || !BOUNDARY.test(boundary) || boundary.endsWith(' ')) return null
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
  const first = /^--.*/m.exec(text)?.[0].trimEnd()
  const last = text.trimEnd().slice(text.trimEnd().lastIndexOf('\n') + 1)
  if (first !== `--${boundary}` || last !== `--${boundary}--`) return null
  // The other parameters are unsigned too, so none of them is kept.
  return [{ name: 'content-type', text: `Content-Type: ${value}; boundary="${boundary}"` }]
}
