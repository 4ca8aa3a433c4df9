/**
 * address - reads one mailbox from the forms that reports use, and finds every mailbox in a text
 *
 * Reports name a recipient as `<a@b>`, `"A" <a@b>`, `smtp:a@b`, with a source route, with RFC 6533 escapes. In text, any words may stand
 * next to an address, in Chinese without a space. Domains become lower-case A-labels (mail/mime/idna); local parts are kept, except
 * unnecessary quotes. X.400 addresses and the IMCEA forms of Exchange are not mailboxes: null.
 *
 * Pure, total, linear. RFC 5321 §4.1.2, RFC 5322 §3.4, RFC 3461 §4, RFC 6533 §3. See also: mail/dsn/dsn.
 */
import { decodeText } from './charset.ts'
import { toALabels } from './idna.ts'

type EmailAddress = { readonly local: string; readonly domain: string }
/** `index`: offset of the address in the text; `end`: offset after it; `inBrackets`: it is in angle brackets. */
type FoundAddress = { readonly address: string; readonly index: number; readonly end: number; readonly inBrackets: boolean }

/** RFC 5321 allows 64; VERP and SRS exceed it. */
const MAX_LOCAL_PART = 250
const MAX_DOMAIN = 255
const MAX_INPUT = 2_000

/** Fast path for the usual form of an address. */
const COMMON_ADDRESS =
  /^[A-Za-z0-9_][A-Za-z0-9_+=-]{0,63}(?:\.[A-Za-z0-9_+=-]{1,64}){0,8}@[A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9][A-Za-z0-9-]{0,62}){1,8}$/
/** RFC 5322 §3.2.3, besides letters and digits. */
const LOCAL_PUNCTUATION = "!#$%&'*+-/=?^_`{|}~."
/** Spaces, quotes and brackets of other scripts. */
const WIDE_PUNCTUATION = /[\u2000-\u206f\u3000-\u303f\uff08\uff09\uff0c\uff1a\uff1b\uff1c\u00a0]/
const DOMAIN_CHAR = /[\p{L}\p{N}\p{M}]/u
/** Scripts that are written without spaces. An ASCII address ends where one begins. */
const UNSPACED_SCRIPT = /[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]/

/** Reads one address; null if there is none, or if it belongs to another mail system. Total. */
export function parseAddress(text: string): EmailAddress | null {
  return parseCommonAddress(text) ?? parseAnyAddress(text)
}

function parseCommonAddress(text: string): EmailAddress | null {
  if (text.length > MAX_DOMAIN || !COMMON_ADDRESS.test(text) || /^imcea/i.test(text)) return null
  const at = text.indexOf('@')
  return { local: text.slice(0, at), domain: text.slice(at + 1).toLowerCase() }
}

function parseAnyAddress(text: string): EmailAddress | null {
  const capped = text.length > MAX_INPUT ? text.slice(0, MAX_INPUT) : text
  const typed = splitTypedValue(capped)
  const bare = stripSourceRoute(decodeUtf8Escapes(stripDisplayName(typed.type === '' ? capped : typed.value)))
  if (/^imcea/i.test(bare) || bare.startsWith('/')) return null
  const at = bare.lastIndexOf('@')
  if (at <= 0) return null
  const local = normalizeLocalPart(bare.slice(0, at))
  const domain = normalizeDomain(bare.slice(at + 1))
  return local === null || domain === null ? null : { local, domain }
}

/**
 * Reads one address as `local@domain`. If other words surround a single address, returns that one. Total.
 *
 *     parseBareAddress('"A" <a@Example.COM>') → 'a@example.com'
 */
export function parseBareAddress(text: string): string | null {
  const parsed = parseAddress(text)
  if (parsed !== null) return `${parsed.local}@${parsed.domain}`
  if (!text.includes('@') || /imcea/i.test(text.slice(0, MAX_INPUT))) return null
  const found = extractAddresses(text.slice(0, MAX_INPUT), 2)
  return found.length === 1 ? (found[0]?.address ?? null) : null
}

/** The text in the last angle brackets outside quotes; else the text without comments, surrounding quotes and scheme. */
function stripDisplayName(text: string): string {
  let isQuoted = false
  let open = -1
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i)
    if (char === '\\' && isQuoted) i++
    else if (char === '"') isQuoted = !isQuoted
    else if (char === '<' && !isQuoted) open = i
  }
  if (open < 0)
    return (text.includes('"') ? text : text.replace(/\([^()]*\)/g, ' '))
      .trim()
      .replace(/^(['`])(.*)['`]$/, '$2')
      .replace(/^(?:smtp|mailto|rfc822|internet):/i, '')
      .trim()
  const close = text.indexOf('>', open)
  return text
    .slice(open + 1, close < 0 ? text.length : close)
    .trim()
    .replace(/^(?:smtp|mailto|rfc822|internet):/i, '')
}

/** RFC 5321 §4.1.2, obsolete: `@a,@b:user@c`. */
function stripSourceRoute(text: string): string {
  if (!text.startsWith('@')) return text
  const colon = text.indexOf(':')
  return colon < 0 ? text : text.slice(colon + 1).trim()
}

/** RFC 6533 §3: `\x{5F20}`. */
function decodeUtf8Escapes(text: string): string {
  if (!text.includes('\\x{')) return text
  return text.replace(/\\x\{([0-9A-Fa-f]{1,6})\}/g, (all, hex: string) => {
    const point = Number.parseInt(hex, 16)
    return point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ? all : String.fromCodePoint(point)
  })
}

/** Removes unnecessary quotes. Null for an invalid local part, such as unquoted white space. */
function normalizeLocalPart(local: string): string | null {
  if (local.length > MAX_LOCAL_PART) return null
  if (!(local.startsWith('"') && local.endsWith('"') && local.length > 1))
    return local === '' || /[\s"<>,;:\\()[\]\p{Cc}]/u.test(local) ? null : local
  const inner = local.slice(1, -1).replace(/\\(.)/g, '$1')
  if (inner === '' || /\p{Cc}/u.test(inner)) return null
  return /^[^\s"<>,;:\\()[\]@.]+(?:\.[^\s"<>,;:\\()[\]@.]+)*$/.test(inner) ? inner : `"${inner.replace(/["\\]/g, '\\$&')}"`
}

function normalizeDomain(raw: string): string | null {
  const domain = raw.trim().replace(/\.$/, '')
  if (domain === '' || domain.length > MAX_DOMAIN) return null
  if (/^\[[0-9A-Za-z:.]{2,60}\]$/.test(domain)) return domain.toLowerCase()
  const ascii = toALabels(domain)
  return /^[a-z0-9_](?:[a-z0-9_-]|\.(?!\.))*$/.test(ascii) && !ascii.endsWith('.') ? ascii : null
}

/**
 * Finds every address in a text in order, at most `cap`. A domain without a dot counts only in angle brackets. Total; linear.
 *
 *     extractAddresses('to <a@example.com>: b@example.org.') → a (in brackets), b
 */
export function extractAddresses(text: string, cap = 100): readonly FoundAddress[] {
  const found: FoundAddress[] = []
  let floor = 0
  for (let at = text.indexOf('@'); at >= 0 && found.length < cap; at = text.indexOf('@', at + 1)) {
    const start = findLocalStart(text, at, floor)
    const end = findDomainEnd(text, at + 1)
    if (start === at || end === at + 1) continue
    const parsed = parseAddress(text.slice(start, end))
    const inBrackets = text.charAt(end) === '>' && isBracketed(text, start)
    if (parsed === null || !(inBrackets || parsed.domain.includes('.') || parsed.domain.startsWith('['))) continue
    found.push({ address: `${parsed.local}@${parsed.domain}`, index: start, end, inBrackets })
    floor = end
    at = end - 1
  }
  return found
}

function findLocalStart(text: string, at: number, floor: number): number {
  if (text.charAt(at - 1) === '"') return findQuotedStart(text, at, floor)
  const stopsAtCjk = !UNSPACED_SCRIPT.test(text.charAt(at - 1))
  const limit = Math.max(floor, at - MAX_LOCAL_PART)
  let start = at
  while (start > limit && isLocalChar(text.charCodeAt(start - 1), stopsAtCjk)) start--
  const head = text.slice(start, Math.min(at, start + 30))
  if (isAlphanumeric(head.charCodeAt(0)) && !head.includes('=')) return start
  return Math.min(at, start + (GLUED_LABEL.exec(head)?.[0].length ?? 0))
}

/** A label attached to the address (`to=a@b`), and quotes and stars around it. */
const GLUED_LABEL = /^(?:(?:to|from|rcpt|for|ctladdr|orcpt|recipient|email|addr|user|smtp|rfc-?822|internet|mail)=)?['`*|.]*/i

function isAlphanumeric(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39)
}

function isLocalChar(code: number, stopsAtCjk: boolean): boolean {
  if (isAlphanumeric(code)) return true
  const char = String.fromCharCode(code)
  if (code < 0x80) return LOCAL_PUNCTUATION.includes(char)
  return !WIDE_PUNCTUATION.test(char) && !(stopsAtCjk && UNSPACED_SCRIPT.test(char))
}

function findQuotedStart(text: string, at: number, floor: number): number {
  const open = text.lastIndexOf('"', at - 2)
  return open < floor || at - open > 70 || text.slice(open, at).includes('\n') ? at : open
}

function findDomainEnd(text: string, from: number): number {
  if (text.charAt(from) === '[') {
    const close = text.indexOf(']', from)
    return close < 0 || close - from > 60 ? from : close + 1
  }
  const startsCjk = UNSPACED_SCRIPT.test(text.charAt(from))
  let end = from
  while (end < text.length && end - from < MAX_DOMAIN && isDomainChar(text.charCodeAt(end), startsCjk)) end++
  while (end > from && '.-_'.includes(text.charAt(end - 1))) end--
  return end
}

function isDomainChar(code: number, startsCjk: boolean): boolean {
  if (isAlphanumeric(code) || code === 0x2d || code === 0x2e || code === 0x5f) return true
  if (code < 0x80) return false
  const char = String.fromCharCode(code)
  return DOMAIN_CHAR.test(char) && (startsCjk || !UNSPACED_SCRIPT.test(char))
}

function isBracketed(text: string, start: number): boolean {
  if (text.charAt(start - 1) === '<') return true
  const before = text.slice(Math.max(0, start - 100), start)
  const open = before.lastIndexOf('<')
  return open >= 0 && /^<(?:@[^>\s]*:|[a-z0-9]{1,10}:)$/i.test(before.slice(open))
}

/** RFC 2157 §3: characters that a PrintableString cannot contain, as they stand in an X.400 attribute. */
const X400_ESCAPES: Readonly<Record<string, string>> = { a: '@', p: '%', b: '!', q: '"', u: '_' }
const X400_ADDRESS = /\b(?:RFC-?822|SMTP)=([^\s;/@]{1,300}\(a\)[^\s;/@()]{1,255})/gi

/**
 * Decodes the Internet addresses in X.400 attributes. Total.
 *
 *     decodeX400Addresses('DDA:RFC-822=ann(a)example.com;') → 'DDA:RFC-822=ann@example.com;'
 */
export function decodeX400Addresses(text: string): string {
  if (!text.includes('(a)') && !text.includes('(A)')) return text
  return text.replace(X400_ADDRESS, (all) =>
    all.replace(/\(([apbqu])\)/gi, (_escape, letter: string) => X400_ESCAPES[letter.toLowerCase()] ?? ''),
  )
}

/** RFC 3461 §4: `+HH` is an octet. A plus without two digits is kept. Total. */
export function decodeXtext(text: string): string {
  if (!/\+[0-9A-Fa-f]{2}/.test(text)) return text
  const bytes = Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(/\+([0-9A-Fa-f]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return decodeText(Buffer.from(bytes, 'latin1'), null)
}

/**
 * Splits a `type; value` field of RFC 3464 or 6533. Without a type, `type` is ''. Total.
 *
 *     splitTypedValue('rfc822; a@example.com') → { type: 'rfc822', value: 'a@example.com' }
 */
export function splitTypedValue(text: string): { readonly type: string; readonly value: string } {
  const found = /^\s{0,20}([A-Za-z][A-Za-z0-9_.-]{0,40})\s{0,5};/.exec(text)
  return found === null
    ? { type: '', value: text.trim() }
    : { type: (found[1] ?? '').toLowerCase(), value: text.slice(found[0].length).trim() }
}
