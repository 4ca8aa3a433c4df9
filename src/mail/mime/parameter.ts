/**
 * parameter - reads a value with parameters: `text/plain; charset="utf-8"; name*0*=utf-8''a%20b`
 *
 * Accepts quoted strings without an end, comments, missing semicolons, RFC 2231 continuations and charsets, and the encoded words that
 * many programs write instead.
 *
 * Pure, total, linear. RFC 2045 §5.1, RFC 2231. See also: mail/mime/part, mail/mime/encoded-word.
 */
import { decodeText } from './charset.ts'
import { decodeEncodedWords } from './encoded-word.ts'

/** `value` is lower case and trimmed; parameter names are lower case; the first of a name wins. */
type ParameterizedValue = { readonly value: string; readonly params: Readonly<Record<string, string>> }

/** Content-Type never needs more. */
const MAX_PARAMS = 50

/** Reads a value and its parameters. Total. */
export function parseParameters(text: string): ParameterizedValue {
  const semicolon = findValueEnd(text)
  const value = stripComments(semicolon < 0 ? text : text.slice(0, semicolon))
    .trim()
    .toLowerCase()
  const params: Record<string, string> = Object.create(null)
  if (semicolon < 0) return { value, params }
  if (readPlainParameters(text, semicolon, params)) return { value, params }
  const segments = new Map<string, string>()
  let at = semicolon + 1
  for (let i = 0; i < MAX_PARAMS && at < text.length; i++) {
    const found = readParameter(text, at)
    at = found.next
    if (found.name !== '' && !segments.has(found.name)) segments.set(found.name, found.value)
  }
  for (const name of segments.keys()) {
    const base = name.replace(/\*.*$/, '')
    if (base !== '' && !(base in params)) params[base] = joinContinuations(segments, base)
  }
  return { value, params }
}

/** Fast path: a parameter without encoding, comments or a missing end. */
const PLAIN_PARAMETER = /;[ \t]*([A-Za-z][A-Za-z-]{0,30})=(?:"([^"\\]{0,250})"|([A-Za-z0-9_.+:/-]{1,250}))[ \t]*(?=;|$)/y

/** Reads the parameters after `semicolon` into `params` if all are plain. Otherwise returns false and leaves `params` empty. */
function readPlainParameters(text: string, semicolon: number, params: Record<string, string>): boolean {
  if (text.includes('*', semicolon) || text.includes('=?', semicolon)) return false
  const found: [string, string][] = []
  let at = semicolon
  while (at < text.length) {
    PLAIN_PARAMETER.lastIndex = at
    const one = PLAIN_PARAMETER.exec(text)
    if (one === null || found.length >= MAX_PARAMS) return false
    found.push([(one[1] ?? '').toLowerCase(), one[2] ?? one[3] ?? ''])
    at = PLAIN_PARAMETER.lastIndex
  }
  for (const [name, value] of found) if (!(name in params)) params[name] = value
  return true
}

/** Offset of the first semicolon outside comments; -1 without one. */
function findValueEnd(text: string): number {
  const first = text.indexOf(';')
  const comment = text.indexOf('(')
  if (comment < 0 || comment > first) return first
  let depth = 0
  for (let i = comment; i < text.length; i++) {
    const char = text.charAt(i)
    if (char === '(') depth++
    else if (char === ')' && depth > 0) depth--
    else if (char === ';' && depth === 0) return i
  }
  // A comment without an end does not count as one.
  return first
}

function readParameter(text: string, from: number): { name: string; value: string; next: number } {
  let at = from
  while (at < text.length && ' \t;\r\n'.includes(text.charAt(at))) at++
  let equals = at
  while (equals < text.length && text.charAt(equals) !== '=' && text.charAt(equals) !== ';') equals++
  const name = stripComments(text.slice(at, equals)).trim().toLowerCase()
  if (text.charAt(equals) !== '=') return { name: '', value: '', next: equals + 1 }
  at = equals + 1
  while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at++
  if (text.charAt(at) === '"') return { name, ...readQuoted(text, at + 1) }
  let end = text.indexOf(';', at)
  if (end < 0) end = text.length
  return { name, value: unquoteToken(text.slice(at, end)), next: end + 1 }
}

/** A token ends at a comment. Spaces inside an unquoted file name are kept. */
function unquoteToken(raw: string): string {
  const token = raw.trim()
  const comment = token.search(/[ \t]\(/)
  return (comment < 0 ? token : token.slice(0, comment)).trim().replace(/^'(.*)'$/, '$1')
}

function readQuoted(text: string, from: number): { value: string; next: number } {
  let value = ''
  let at = from
  while (at < text.length) {
    const char = text.charAt(at)
    if (char === '"') break
    if (char === '\\' && at + 1 < text.length) at++
    value += text.charAt(at)
    at++
  }
  const next = text.indexOf(';', at)
  return { value, next: next < 0 ? text.length : next + 1 }
}

/** RFC 2231 §3, §4: `name*`, or `name*0`, `name*0*` in numeric order; else the plain value with decoded encoded words. */
function joinContinuations(segments: ReadonlyMap<string, string>, base: string): string {
  const single = segments.get(`${base}*`)
  if (single !== undefined) return decodeExtended(single)
  if (!segments.has(`${base}*0`) && !segments.has(`${base}*0*`)) {
    const plain = segments.get(base) ?? ''
    return plain.includes('=?') ? decodeEncodedWords(plain) : plain
  }
  let joined = ''
  let isExtended = false
  for (let i = 0; i < MAX_PARAMS; i++) {
    const coded = segments.get(`${base}*${i}*`)
    const segment = coded ?? segments.get(`${base}*${i}`)
    if (segment === undefined) break
    if (coded !== undefined) isExtended = true
    joined += coded === undefined ? segment.replace(/%/g, '%25') : segment
  }
  return isExtended ? decodeExtended(joined) : decodeEncodedWords(joined.replace(/%25/g, '%'))
}

function decodeExtended(raw: string): string {
  const first = raw.indexOf("'")
  const second = first < 0 ? -1 : raw.indexOf("'", first + 1)
  const charset = second < 0 ? null : raw.slice(0, first)
  const latin1 = raw.slice(second + 1).replace(/%([0-9a-fA-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return decodeText(Buffer.from(latin1, 'latin1'), charset)
}

/** RFC 5322 §3.2.2; comments may be nested or lack an end. */
function stripComments(text: string): string {
  if (!text.includes('(')) return text
  let depth = 0
  let out = ''
  for (const char of text) {
    if (char === '(') depth++
    else if (char === ')' && depth > 0) depth--
    else if (depth === 0) out += char
  }
  return out
}
