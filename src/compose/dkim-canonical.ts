/**
 * dkim-canonical - the DKIM-Signature field of a mail, and the data that it signs
 *
 * Canonicalisation is relaxed for header and body, over the whole body. Besides the usual fields, those that identify a returned copy are
 * signed: List-Unsubscribe and List-Unsubscribe-Post (RFC 8058 §4), CFBL (RFC 9477 §3.1), Feedback-ID. Fields that may occur once only are
 * oversigned, so that a second From that is added in front breaks the signature. A library does not do this: nodemailer and mailauth do not
 * sign absent fields, and nodemailer does not know Ed25519.
 *
 * Pure, total. RFC 6376, RFC 8463. See also: compose/canonicalisation, mail-auth/dkim-sign (signs), service/deliver/signing-keys.
 */
import { createHash } from 'node:crypto'
import { canonicaliseBodyRelaxed, canonicaliseHeaderRelaxed } from './canonicalisation.ts'
import { splitHeaderFields, type HeaderFieldLine } from './header-line.ts'

export type DkimAlgorithm = 'rsa' | 'ed25519'

/** The signer, and the time in seconds since 1970. */
type DkimSignatureOptions = {
  readonly domain: string
  readonly selector: string
  readonly algorithm: DkimAlgorithm
  readonly atSeconds: number
}

/** `field` ends in `b=`, after which the signature is appended. `signedData` is what the key signs. */
type UnsignedDkimSignature = { readonly field: string; readonly signedData: Buffer }

/** In the order of h=. */
const SIGNED_HEADERS = [
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'subject',
  'date',
  'message-id',
  'in-reply-to',
  'references',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
  'list-id',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'cfbl-address',
  'cfbl-feedback-id',
  'feedback-id',
] as const

/** Listed in h= once more than they occur. */
const OVERSIGNED_HEADERS: ReadonlySet<string> = new Set([
  'from',
  'reply-to',
  'to',
  'cc',
  'subject',
  'date',
  'message-id',
  'cfbl-address',
  'cfbl-feedback-id',
])

/** The header block of a mail, and the hash of its body. */
export type HashedMail = { readonly head: string; readonly bodyHash: string }

/** Hashes a mail with CRLF line ends. The body is hashed once for all signatures. */
export function hashMail(raw: Buffer): HashedMail {
  const end = raw.indexOf('\r\n\r\n')
  const head = raw.toString('latin1', 0, end < 0 ? raw.length : end)
  return { head, bodyHash: hashCanonicalBody(end < 0 ? Buffer.alloc(0) : raw.subarray(end + 4)) }
}

/** The body hash (bh=) in base64. */
export const hashCanonicalBody = (body: Buffer): string =>
  createHash('sha256')
    .update(canonicaliseBodyRelaxed(body.toString('latin1')), 'latin1')
    .digest('base64')

/** Builds one signature field without its value; null if the mail has no From. */
export function buildUnsignedSignature(
  { head, bodyHash }: HashedMail,
  { domain, selector, algorithm, atSeconds }: DkimSignatureOptions,
): UnsignedDkimSignature | null {
  const fields = splitHeaderFields(head)
  if (!fields.some(({ name }) => name === 'from')) return null
  const { names, chosen } = selectSignedFields(fields)
  const field = [
    `DKIM-Signature: v=1; a=${algorithm}-sha256; c=relaxed/relaxed; d=${domain};`,
    `s=${selector}; t=${atSeconds};`,
    ...foldHeaderList(names),
    `bh=${bodyHash};`,
    'b=',
  ].join('\r\n ')
  const signedData = [...chosen.map(canonicaliseHeaderRelaxed), canonicaliseHeaderRelaxed({ name: 'dkim-signature', text: field })].join(
    '\r\n',
  )
  return { field, signedData: Buffer.from(signedData, 'latin1') }
}

/** The complete field with its line end. */
export function formatDkimSignature({ field }: UnsignedDkimSignature, signature: Buffer): string {
  const lines = signature.toString('base64').match(/.{1,72}/g) ?? []
  return `${field}${lines.join('\r\n ')}\r\n`
}

/** Fields with the same name are signed from the last one up (RFC 6376 §5.4.2). */
function selectSignedFields(fields: readonly HeaderFieldLine[]): {
  readonly names: readonly string[]
  readonly chosen: readonly HeaderFieldLine[]
} {
  const names: string[] = []
  const chosen: HeaderFieldLine[] = []
  const byName = Map.groupBy(fields, ({ name }) => name)
  for (const name of SIGNED_HEADERS) {
    const same = (byName.get(name) ?? []).toReversed()
    chosen.push(...same)
    names.push(...same.map(() => name), ...(OVERSIGNED_HEADERS.has(name) ? [name] : []))
  }
  return { names, chosen }
}

function foldHeaderList(names: readonly string[]): readonly string[] {
  const lines: string[] = []
  let line = 'h='
  for (const [index, name] of names.entries()) {
    const piece = index === names.length - 1 ? `${name};` : `${name}:`
    if (line.length + piece.length > 74) {
      lines.push(line)
      line = piece
    } else line += piece
  }
  return [...lines, line]
}
