/**
 * signature-limits - what a signature library may see of a mail: caps on its header, and the signatures that the header claims
 *
 * mailauth unfolds a header in quadratic time, so a mail over a cap never reaches it. Our own scanner still reads such a mail; its signatures
 * are recorded as `policy` (RFC 8601 §2.7.1: not acceptable to this verifier) and prove nothing. The scan may count more signatures than the
 * library would see, never fewer.
 *
 * Pure, total, linear. RFC 6376 §3.5, RFC 8617 §4. See also: mail-auth/verify-signatures, settings (verification).
 */

/** `header`: bytes and lines before the blank line. `signatures`: DKIM-Signature fields, and also ARC sets. */
export type SignatureLimits = {
  readonly headerBytes: number
  readonly headerLines: number
  readonly signatures: number
  readonly signatureBytes: number
}

/**
 * Gmail and Outlook accept more, but the header of a feedback report has 5 to 20 KB, and a mail that crossed a dozen hops with ARC has 30. A
 * signature with 4,096 bits and forty names has 2 KB.
 */
export const SIGNATURE_LIMITS: SignatureLimits = { headerBytes: 65_536, headerLines: 1_000, signatures: 10, signatureBytes: 4_096 }

/**
 * The body is hashed once for each canonicalization, hash algorithm and length (`l=`) that signatures name. Two canonicalizations and two algorithms
 * exist, and a signature with `l=` proves nothing, so a genuine mail has no more; with ten, a mail of 5 MB takes seconds of CPU.
 */
const MAX_BODY_HASHES = 4

/** The domain (`d=`) and the selector (`s=`) that a DKIM-Signature names. Nothing about them is verified. */
export type ClaimedSignature = { readonly domain: string; readonly selector: string }

type SignatureScan = {
  /** The cap that the mail exceeds; null if a library may see it. */
  readonly exceeded: keyof SignatureLimits | null
  /** DKIM-Signature fields with a domain, at most `limits.signatures`. */
  readonly claimed: readonly ClaimedSignature[]
  /** Whether there is anything to verify: a DKIM-Signature or an ARC-Seal. */
  readonly isSigned: boolean
}

const DKIM_FIELD = 'dkim-signature'
const ARC_FIELD = 'arc-seal'

/** Reads the header as far as the caps allow. Total. */
export function scanSignatures(raw: Uint8Array, limits: SignatureLimits): SignatureScan {
  const head = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.byteLength, limits.headerBytes + 1)).toString('latin1')
  const { lines, isComplete } = headerLines(head, limits)
  const fields = groupFields(lines)
  const dkim = fields.filter(({ name }) => name === DKIM_FIELD)
  const seals = fields.filter(({ name }) => name === ARC_FIELD)
  return {
    exceeded: exceededLimit(),
    claimed: dkim.slice(0, limits.signatures).flatMap(({ text }) => claimOf(text.slice(0, limits.signatureBytes))),
    isSigned: dkim.length + seals.length > 0,
  }

  function exceededLimit(): keyof SignatureLimits | null {
    if (lines.length > limits.headerLines) return 'headerLines'
    if (!isComplete && raw.byteLength > limits.headerBytes) return 'headerBytes'
    if (dkim.length > limits.signatures || seals.length > limits.signatures) return 'signatures'
    if (new Set(dkim.map(({ text }) => bodyHashOf(text.slice(0, limits.signatureBytes)))).size > MAX_BODY_HASHES) return 'signatures'
    return [...dkim, ...seals].some(({ text }) => text.length > limits.signatureBytes) ? 'signatureBytes' : null
  }
}

/** The lines before the first empty one, at most one more than the cap. `isComplete`: the empty line was found. */
function headerLines(
  head: string,
  { headerLines: cap }: SignatureLimits,
): { readonly lines: readonly string[]; readonly isComplete: boolean } {
  const lines: string[] = []
  for (let at = 0; at < head.length && lines.length <= cap;) {
    const newline = head.indexOf('\n', at)
    const end = newline < 0 ? head.length : newline
    const line = head.slice(at, end > at && head[end - 1] === '\r' ? end - 1 : end)
    if (line === '' && newline >= 0) return { lines, isComplete: true }
    lines.push(line)
    at = end + 1
  }
  return { lines, isComplete: false }
}

/** A line without white space in front of it begins a field, and so does the first line. Other fields than signatures have an empty name. */
function groupFields(lines: readonly string[]): readonly { readonly name: string; readonly text: string }[] {
  const starts = lines.flatMap((line, n) => (n === 0 || !/^[ \t]/.test(line) ? [n] : []))
  return starts.flatMap((start, n) => {
    const first = (lines[start] ?? '').trimStart().slice(0, DKIM_FIELD.length).toLowerCase()
    const name = [DKIM_FIELD, ARC_FIELD].find((each) => first.startsWith(each))
    return name === undefined ? [] : [{ name, text: lines.slice(start, starts[n + 1]).join('\r\n') }]
  })
}

function claimOf(text: string): readonly ClaimedSignature[] {
  const [domain = '', selector = ''] = tagValues(text, ['d', 's'])
  return domain === '' ? [] : [{ domain, selector }]
}

/** Signatures with the same value share a body hash. */
function bodyHashOf(text: string): string {
  const [algorithm = '', canonicalization = '', length = ''] = tagValues(text, ['a', 'c', 'l'])
  return [algorithm.split('-').at(-1), canonicalization.split('/')[1] ?? 'simple', length].join(' ')
}

/** The values of these tags in lower case, '' for an absent one. White space is no part of any of them (RFC 6376 §3.5). */
function tagValues(text: string, names: readonly string[]): readonly string[] {
  const tags = text.slice(text.indexOf(':') + 1).replaceAll(/[ \t\r\n]+/g, '')
  return names.map((name) => new RegExp(`(?:^|;)${name}=([^;]{1,255})`, 'i').exec(tags)?.[1]?.toLowerCase() ?? '')
}
