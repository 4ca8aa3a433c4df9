/**
 * mail-content - a forwarded mail as the webhook of its account carries it, and its reading by our own scanner, which knows header fields only
 *
 * Pure. See also: mail-auth/mime-reader (the whole mail), mail/mime/mime (the scanner), service/forward/forward-body.
 */
import { extractAddresses } from '../mail/mime/address.ts'
import { decodeEncodedWords } from '../mail/mime/encoded-word.ts'
import { getHeaders, getHeaderEntries, getRawHeader } from '../mail/mime/header.ts'
import { parseMime } from '../mail/mime/mime.ts'

export type MailContent = {
  readonly from: string
  readonly fromName: string
  readonly to: string
  readonly toName: string
  readonly subject: string
  readonly html: string
  readonly text: string
  /** Fields as they were written; a name that occurs more than once has a list. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  /** The Message-IDs that it replies to, separated by spaces. */
  readonly reference: string
}

const MAX_HEADER_FIELDS = 500
const MAX_REFERENCE_CHARACTERS = 8_192

/** Reads the header fields of a mail; the bodies are empty. Total. */
export function readHeaderOnly(raw: Uint8Array): MailContent {
  const { headers } = parseMime(raw, { isShallow: true }).root
  const readAddress = (name: string): { readonly address: string; readonly name: string } => {
    const value = getRawHeader(headers, name) ?? ''
    const found = extractAddresses(value)[0]
    const displayName = found === undefined ? '' : decodeEncodedWords(value.slice(0, found.index)).replaceAll(/["<]/g, '').trim()
    return { address: found?.address ?? '', name: displayName }
  }
  const from = readAddress('from')
  const to = readAddress('to')
  const reference = [...getHeaders(headers, 'references'), ...getHeaders(headers, 'in-reply-to')].join(' ').replaceAll(/\s+/g, ' ').trim()
  const subject = decodeEncodedWords(getRawHeader(headers, 'subject') ?? '')
  const addressFields = { from: from.address, fromName: from.name, to: to.address, toName: to.name }
  return {
    ...addressFields,
    subject,
    html: '',
    text: '',
    headers: groupHeaders(getHeaderEntries(headers, MAX_HEADER_FIELDS)),
    reference: reference.slice(0, MAX_REFERENCE_CHARACTERS),
  }
}

/** Many times what the mails of people have. */
const MAX_HEADER_CHARACTERS = 262_144

/** Turns header fields into a record; a name that occurs more than once has a list. Fields beyond the bound on all of them are left out. */
export function groupHeaders(entries: Iterable<readonly [name: string, value: string]>): MailContent['headers'] {
  const fields = new Map<string, string[]>()
  let remainingCharacters = MAX_HEADER_CHARACTERS
  for (const [name, value] of entries) {
    remainingCharacters -= name.length + value.length
    if (remainingCharacters < 0) break
    fields.set(name, [...(fields.get(name) ?? []), value])
  }
  return Object.fromEntries([...fields].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]))
}
