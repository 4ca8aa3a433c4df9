/**
 * originator - reads the fields that name the originator of a mail (From, Sender, Resent-From, Resent-Sender) so that every reader sees the same
 *
 * Programs disagree about comments, groups, quoted local parts, encoded words inside of addresses and control characters. A field that two of
 * them could read differently is refused, so the domain that submission checks is the domain that recipients see. The addresses in a display
 * name count as well, because some readers decode a field before they parse it.
 *
 * Accepted: one address, `local@domain` or `name <local@domain>`, with a dot-atom as local part, and with a comment behind it.
 *
 * Pure, total, linear. RFC 5322 §3.4, §3.6.2, §3.6.6, RFC 2047 §5. See also: service/submit/submit (checks the domains), compose/rewrite-mime.
 */
import libmime from 'libmime'
import { parseAddress } from '../mail/mime/address.ts'
import { decodeEncodedWords } from '../mail/mime/encoded-word.ts'
import { fieldValueOf, type HeaderFieldLine } from './header-line.ts'

/** `address` has its domain as A-labels. `domains`: those of all addresses that a reader can see in the field. */
export type Originator = { readonly displayName: string; readonly address: string; readonly domains: readonly string[] }

/** What a header says about its originators: the address in From, and the domains of all fields. */
type Originators = { readonly from: string; readonly domains: readonly string[] }

/** Reply-To is not one of them: answers may go anywhere. */
const ORIGINATOR_FIELDS: ReadonlySet<string> = new Set(['from', 'sender', 'resent-from', 'resent-sender'])

/** More than any real field, even with a name in encoded words. */
const MAX_FIELD_CHARACTERS = 2_000

const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
/** `user@domain` as readers agree on it: RFC 5322's dot-atom, and a domain that may have letters of any script. */
const STRICT_ADDRESS = new RegExp(String.raw`^${ATOM}(?:\.${ATOM})*@[\p{L}\p{N}\p{M}_-]+(?:\.[\p{L}\p{N}\p{M}_-]+)*$`, 'u')
/** Words, quoted strings and flat comments; then the address in angle brackets; then perhaps a comment. */
const NAMED_MAILBOX = /^((?:[^()<>:;,\\"]|"(?:[^"\\]|\\.)*"|\([^()<>\\"]*\))*)<([^<>\s]+)>\s*(\([^()<>\\"]*\))?\s*$/u
const BARE_MAILBOX = /^\s*([^\s()<>[\]:;,\\"]+)\s*(\([^()<>\\"]*\))?\s*$/u

/** Charsets in which the octets of ASCII mean ASCII. UTF-7 and UTF-16 can hide an address from a reader that does not know them. */
const ENCODED_WORD =
  /=\?(?:utf-?8|us-ascii|iso-8859-\d{1,2}|windows-125\d|gb2312|gbk|gb18030|big5|euc-(?:jp|kr|cn|tw)|iso-2022-jp|shift_jis|ks_c_5601-1987|koi8-[ru])\?(?:q\?[^\s?]*|b\?[A-Za-z0-9+/=]*)\?=/gi
/** Decoded text in which each quotation mark has its partner: a lone one makes a reader that decodes first take the address for quoted text. */
const BALANCED_QUOTES = /^(?:[^"\\]|"(?:[^"\\]|\\.)*")*$/su
/** `@name` is a name, not an address. Some readers take the compatibility forms of the sign for the sign. */
const HANDLE = /^@[^@\uff20\ufe6b]*$/u
const CONTROL_CHARACTERS = /[\u0000-\u0008\u000a-\u001f\u007f\u2028\u2029]/

/** Whether a field, by its name in lower case, names an originator. */
export const isOriginatorField = (name: string): boolean => ORIGINATOR_FIELDS.has(name)

/**
 * Reads the value of one field, as text. Null if readers could disagree about its address. Total.
 *
 *     readOriginator('"Ann" <ann@Example.com>') → { displayName: 'Ann', address: 'ann@example.com', domains: ['example.com'] }
 *     readOriginator('ann@example.com (Ann)')   → { displayName: '', address: 'ann@example.com', domains: ['example.com'] }
 *     readOriginator('a@example.org(<b@example.com>)') → null
 */
export function readOriginator(value: string): Originator | null {
  if (value.length > MAX_FIELD_CHARACTERS || CONTROL_CHARACTERS.test(value)) return null
  const named = NAMED_MAILBOX.exec(value)
  const found = named === null ? BARE_MAILBOX.exec(value) : null
  const [name = '', mailbox = '', comment = ''] = named === null ? ['', found?.[1], found?.[2]] : named.slice(1)
  const address = readStrictAddress(mailbox)
  const shown = readShownDomains(`${name} ${comment}`)
  if (address === null || shown === null) return null
  return { displayName: displayNameOf(name), address: address.address, domains: [...new Set([address.domain, ...shown])] }
}

/** The domains of the addresses in a display name, read as it is and decoded. Null if a reader could take other text for an address. Total. */
export function readShownDomains(name: string): readonly string[] | null {
  if (!name.includes('@') && !name.includes('=?')) return CONTROL_CHARACTERS.test(name) ? null : []
  if (name.replaceAll(ENCODED_WORD, '').includes('=?')) return null
  const decoded = decodeEncodedWords(name)
  if (decoded.includes('=?') || CONTROL_CHARACTERS.test(decoded) || !BALANCED_QUOTES.test(decoded)) return null
  const domains: string[] = []
  for (const word of wordsOf(`${name.replaceAll(ENCODED_WORD, ' ')} ${decoded}`)) {
    if (!word.includes('@') || HANDLE.test(word)) continue
    const address = readStrictAddress(word)
    if (address === null) return null
    domains.push(address.domain)
  }
  return domains
}

/**
 * The words of a text as different readers separate them. An apostrophe is a quotation mark to some and a part of the address to others, and some
 * join a quoted string to the text beside it.
 */
function wordsOf(text: string): readonly string[] {
  const split = (each: string): readonly string[] => each.split(/[\s"()<>[\],;:\\]+/)
  const words = [...split(text), ...split(text.replaceAll(/["\\]/g, ''))]
  return words.flatMap((word) => [word.replaceAll(/^'+|'+$/g, ''), ...word.split("'")])
}

function readStrictAddress(text: string): { readonly address: string; readonly domain: string } | null {
  if (!STRICT_ADDRESS.test(text) || text.includes('=?')) return null
  const parsed = parseAddress(text)
  return parsed === null ? null : { address: `${parsed.local}@${parsed.domain}`, domain: parsed.domain }
}

/** The phrase as text: without quotes, escapes and comments, decoded. */
function displayNameOf(phrase: string): string {
  const text = phrase.replaceAll(/"((?:[^"\\]|\\.)*)"/gu, (_all, quoted: string) => quoted.replaceAll(/\\(.)/gu, '$1'))
  return decodeEncodedWords(text).replaceAll(/\s+/g, ' ').trim()
}

/**
 * Reads the originators of a header. `noSender`: there is not exactly one From with one address (RFC 5322 §3.6). `ambiguous`: two readers could
 * see different addresses in one of the fields. Total.
 */
export function readOriginators(fields: readonly HeaderFieldLine[]): Originators | 'noSender' | 'ambiguous' {
  const found = fields.filter(({ name }) => isOriginatorField(name))
  if (found.filter(({ name }) => name === 'from').length !== 1) return 'noSender'
  if (found.filter(({ name }) => name === 'sender').length > 1) return 'ambiguous'
  const domains = new Set<string>()
  let from = ''
  for (const field of found) {
    const originator = readOriginatorField(field)
    if (originator === null) return 'ambiguous'
    if (field.name === 'from') from = originator.address
    for (const domain of originator.domains) domains.add(domain)
  }
  return { from, domains: [...domains] }
}

/** The octets of a field beyond ASCII must be UTF-8 (RFC 6532). */
function readOriginatorField(field: HeaderFieldLine): Originator | null {
  if (field.text.length > MAX_FIELD_CHARACTERS) return null
  try {
    return readOriginator(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(fieldValueOf(field), 'latin1')))
  } catch {
    return null
  }
}

/**
 * The value of an originator field with its display name substituted, in ASCII; null: the field is not one that {@link readOriginator} accepts, or
 * the name became too long. The address is never substituted. A name that became an address is left out.
 */
export function substituteDisplayName(field: HeaderFieldLine, substitute: (text: string) => string | null): string | null {
  const originator = readOriginatorField(field)
  const name = originator === null ? null : substitute(originator.displayName)
  if (originator === null || name === null || name.length > MAX_FIELD_CHARACTERS) return null
  const shown = name === originator.displayName ? name : withoutAddress(name)
  return shown === '' ? originator.address : `${formatDisplayName(shown)} <${originator.address}>`
}

/** A substituted display name; '' if it could be taken for an address, which nobody has checked. */
export const withoutAddress = (name: string): string => (/@|=\?/.test(name) || CONTROL_CHARACTERS.test(name) ? '' : name)

function formatDisplayName(name: string): string {
  return /^[\u0020-\u007e]*$/.test(name) ? `"${name.replaceAll(/["\\]/g, String.raw`\$&`)}"` : libmime.encodeWord(name, 'Q', 52)
}
