/**
 * dkim-canonical - what a DKIM signature says and what it is made over
 *
 * Relaxed both ways, over the whole body. Beside what names the mail, the fields by which it is known again are signed: List-Unsubscribe and its
 * Post (RFC 8058 §4), CFBL (RFC 9477 §3.1), Feedback-ID. Fields of which a mail has one are signed once more than they stand there, so that a second
 * From put in front breaks the signature. Why not a library's: neither signs absent fields, and one of the two knows no Ed25519.
 *
 * Pure, total. RFC 6376, RFC 8463. See also: mail-auth/dkim-sign (the key), service/deliver/signing-keys.
 */
import { createHash } from 'node:crypto'
import { splitHeaderFields, type HeaderFieldLine } from './header-line.ts'

export type DkimAlgorithm = 'rsa' | 'ed25519'

/** Whose signature, and when: seconds since 1970. */
export type DkimSignatureOptions = {
  readonly domain: string
  readonly selector: string
  readonly algorithm: DkimAlgorithm
  readonly atSeconds: number
}

/** `field` ends in `b=`, behind which the signature goes; `data` is what is signed. */
export type UnsignedDkimSignature = { readonly field: string; readonly signedData: Buffer }

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

/** Signed once more than they stand there. */
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

/** A mail as signatures see it: its fields, and the hash of its body. */
export type HashedMail = { readonly head: string; readonly bodyHash: string }

/** Of a mail with CR LF line ends. Its body is hashed once, whoever signs it and how often. */
export function hashMail(raw: Buffer): HashedMail {
  const end = raw.indexOf('\r\n\r\n')
  const head = raw.toString('latin1', 0, end < 0 ? raw.length : end)
  return { head, bodyHash: hashCanonicalBody(end < 0 ? Buffer.alloc(0) : raw.subarray(end + 4)) }
}

export const hashCanonicalBody = (body: Buffer): string =>
  createHash('sha256')
    .update(canonicaliseBodyRelaxed(body.toString('latin1')), 'latin1')
    .digest('base64')

/** One signature; null where the mail has no From. */
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

/** The signature behind its draft, as a field with its line end. */
export function formatDkimSignature({ field }: UnsignedDkimSignature, signature: Buffer): string {
  const lines = signature.toString('base64').match(/.{1,72}/g) ?? []
  return `${field}${lines.join('\r\n ')}\r\n`
}

/** Several fields of one name are signed from the last one up (RFC 6376 §5.4.2). */
function selectSignedFields(fields: readonly HeaderFieldLine[]): {
  readonly names: readonly string[]
  readonly chosen: readonly HeaderFieldLine[]
} {
  const names: string[] = []
  const chosen: HeaderFieldLine[] = []
  for (const name of SIGNED_HEADERS) {
    const same = fields.filter((field) => field.name === name).toReversed()
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

/** RFC 6376 §3.4.2. */
function canonicaliseHeaderRelaxed({ name, text }: HeaderFieldLine): string {
  const value = text
    .slice(text.indexOf(':') + 1)
    .replaceAll('\r\n', '')
    .replaceAll(/[ \t]+/g, ' ')
    .trim()
  return `${name}:${value}`
}

/** RFC 6376 §3.4.4. */
export function canonicaliseBodyRelaxed(body: string): string {
  const lines = body.split('\r\n').map((line) => line.replaceAll(/[ \t]+/g, ' ').replace(/ $/, ''))
  while (lines.at(-1) === '') lines.pop()
  return lines.length === 0 ? '' : `${lines.join('\r\n')}\r\n`
}
