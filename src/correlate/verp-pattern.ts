/**
 * verp-pattern - the shape of the Return-Path of a foreign MTA, and what an address of that shape contains
 *
 * A pattern is a local part with placeholders: `{user}` and `{domain}` of the recipient, once each, and any number of `{id}`. The text between
 * `{user}` and `{domain}` holds a character that no domain has, so that the domain has one possible border. An `{id}` is a run of letters, digits
 * and underscores, and text without them borders it. Each placeholder therefore has one possible extent, and matching never goes back.
 *
 * | pattern                                | written by                     |
 * |----------------------------------------|--------------------------------|
 * | `bounces+{user}={domain}`              | Postfix, Mailman, Sendmail     |
 * | `list-return-{id}-{user}={domain}`     | ezmlm, qmail                   |
 * | `bounces+{id}-{id}-{user}={domain}`    | SendGrid                       |
 * | `bounce+{id}.{id}-{user}={domain}`     | Mailgun                        |
 * | `bounce+{user}==a=={domain}=={id}`     | Sympa                          |
 * | `news-{user}={domain}-{id}`            | PowerMTA and scripts           |
 *
 * Pure, total, linear. See also: correlate/verp.
 */

/** Text that is written as it is, or null for an id. */
type Piece = string | null

export type VerpPattern = {
  readonly before: readonly Piece[]
  readonly after: readonly Piece[]
  readonly separator: string
  readonly isUserFirst: boolean
}

/** Longer than any local part that is in use. */
const MAX_PATTERN_LENGTH = 200
const MAX_PIECES = 24
const PLACEHOLDER = /(\{(?:user|domain|id)\})/
const ID_CHARACTER = /^[a-z0-9_]$/
const OUTSIDE_DOMAIN = /[^a-z0-9.-]/
const UNWRITABLE = /[{}<>@\s\p{Cc}]/u
const DOMAIN = /^(?:[a-z0-9_-]{1,63}\.){1,8}(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})$/

/**
 * A pattern from its text, without a domain. Null: it has not exactly one `{user}` and one `{domain}`, or more than one reading.
 *
 *     parseVerpPattern('bounces-{user}={domain}-{id}') → { before: ['bounces-'], separator: '=', after: ['-', null], isUserFirst: true }
 */
export function parseVerpPattern(text: string): VerpPattern | null {
  const pieces = text.toLowerCase().split(PLACEHOLDER).filter(Boolean)
  const places = ['{user}', '{domain}'].map((name) => pieces.flatMap((piece, index) => (piece === name ? [index] : [])))
  const [user, ...users] = places[0] ?? []
  const [domain, ...domains] = places[1] ?? []
  if (text.length > MAX_PATTERN_LENGTH || pieces.length > MAX_PIECES || user === undefined || domain === undefined) return null
  if (users.length > 0 || domains.length > 0 || Math.abs(user - domain) !== 2) return null
  const [first, last] = [Math.min(user, domain), Math.max(user, domain)]
  const separator = pieces[first + 1] ?? ''
  const before = pieces.slice(0, first).map(toPiece)
  const after = pieces.slice(last + 1).map(toPiece)
  const isReadable =
    OUTSIDE_DOMAIN.test(separator) && [separator, ...before, ...after].every((piece) => piece === null || !UNWRITABLE.test(piece))
  const isClear = isReadable && hasClearIds([...before, 'a'], 0) && hasClearIds(['a', ...after].toReversed(), -1)
  return isClear ? { before, after, separator, isUserFirst: user < domain } : null
}

const toPiece = (piece: string): Piece => (piece === '{id}' ? null : piece)

/** Whether the text beside each id, on the side where reading goes on, touches it with a character that no id has. */
const hasClearIds = (pieces: readonly Piece[], touchesAt: 0 | -1): boolean =>
  pieces.every((piece, index) => {
    const next = pieces[index + 1]
    return piece !== null || (typeof next === 'string' && !ID_CHARACTER.test(next.at(touchesAt) ?? ''))
  })

/** The recipient that a local part of this pattern contains, in lower case. Null: the local part has another shape. */
export function readVerpRecipient({ before, after, separator, isUserFirst }: VerpPattern, local: string): string | null {
  const text = local.toLowerCase()
  const start = skipForwards(text, before)
  const end = skipBackwards(text, after)
  if (start === null || end === null || start >= end) return null
  const middle = text.slice(start, end)
  const at = isUserFirst ? middle.lastIndexOf(separator) : middle.indexOf(separator)
  if (at < 0) return null
  const [left, right] = [middle.slice(0, at), middle.slice(at + separator.length)]
  const [user, domain] = isUserFirst ? [left, right] : [right, left]
  return user !== '' && DOMAIN.test(domain) ? `${user}@${domain}` : null
}

/** Where these pieces end, from the start of the text; null: the text does not begin with them. */
function skipForwards(text: string, pieces: readonly Piece[]): number | null {
  let at = 0
  for (const piece of pieces) {
    const from = at
    if (piece === null) while (ID_CHARACTER.test(text.charAt(at))) at += 1
    else at = text.startsWith(piece, at) ? at + piece.length : at
    if (at === from) return null
  }
  return at
}

/** Where these pieces begin, from the end of the text; null: the text does not end with them. */
function skipBackwards(text: string, pieces: readonly Piece[]): number | null {
  let at = text.length
  for (const piece of pieces.toReversed()) {
    const from = at
    if (piece === null) while (ID_CHARACTER.test(text.charAt(at - 1))) at -= 1
    else at = text.endsWith(piece, at) ? at - piece.length : at
    if (at === from) return null
  }
  return at
}
