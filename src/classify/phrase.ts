/**
 * phrase - phrases of rules, and the normal form that phrases and texts share
 *
 * A phrase is lower-case words with white space folded. `*` is a gap of 0 to 80 characters. If the first or last character of a phrase is a
 * letter or a digit, it matches only at a word boundary, so that `user unknown` does not match `superuser unknownx`. A word before `@` is a
 * mailbox and not a word of the reply: `spam` does not match `<spam@example.com>`. Both hold for each segment beside a gap, if a space
 * stands between the segment and its `*`. A `*` that touches the word removes the boundary: `blocklist*` matches "blocklisted", `*quota`
 * matches "überquota". Chinese, Japanese, Korean and Thai are written without spaces, so their characters have no word boundaries.
 *
 * Pure and total, except for parsePhrase, which refuses phrases that cannot be searched. See also: classify/phrase-index (the search).
 */
import { Fault } from '../errors.ts'

/** A part of a phrase between two gaps. The flags say whether it must begin and end at a word boundary. */
export type Segment = { readonly text: string; readonly requiresBoundaryBefore: boolean; readonly requiresBoundaryAfter: boolean }

/** `source` is the phrase as its author wrote it. Evidence shows it. */
export type Phrase = { readonly source: string; readonly segments: readonly Segment[] }

/** Longer texts are truncated: rules run on untrusted text, and the meaning of a reply is in its first lines. */
export const MAX_RULE_TEXT_LENGTH = 2_048

/**
 * The longest gap between two segments of a phrase: fits an address, a host name and an IP address, but rarely reaches the next sentence.
 */
export const MAX_GAP_LENGTH = 80

/** A single character would match everywhere. */
const MIN_SEGMENT_LENGTH = 2

/** Matches anything but single-spaced printable ASCII, which needs no full normalisation. */
const NEEDS_FULL_NORMALISATION = /[^\x20-\x7e]| {2}|`/
/** Accents (mail systems often lose them), soft hyphens, zero-width characters. */
const IGNORED_MARKS = /(?=\p{M})[\u0300-\u036f]|[\u00ad\u200b-\u200f\u2060\ufeff]/gu
const TURKISH_DOTLESS_I = /ı/g
const SINGLE_QUOTES = /[\u2018\u2019\u201a\u201b\u2032\u00b4`]/g
const DOUBLE_QUOTES = /[\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb]/g
const DASHES = /[\u2010-\u2015\u2212]/g
const WHITE_SPACE = /[\s\p{Cc}]+/gu
const UNSPACED_SCRIPTS = '\\u0e00-\\u0e7f\\u3000-\\u30ff\\u31f0-\\u31ff\\u3400-\\u9fff\\uac00-\\ud7af\\uf900-\\ufaff'
/** Line folding inserts a space between two characters that had none. */
const SPACE_IN_UNSPACED_SCRIPT = new RegExp(`(?<=[${UNSPACED_SCRIPTS}]) (?=[${UNSPACED_SCRIPTS}])`, 'g')
const AT_SIGN = 64
const WORD_CHARACTER = /[\p{L}\p{N}]/u
const NO_WORD_BOUNDARY = new RegExp(`[${UNSPACED_SCRIPTS}\\ud800-\\udfff]`)

/**
 * The normal form in which texts are searched: truncated at 2,048 characters, compatibility forms decomposed, lower case, no accents,
 * white space folded, plain quotes and dashes, no soft hyphens or zero-width characters, no spaces inside scripts without spaces. Total.
 *
 *     normaliseText('Mailbox  «Full» –\r\n 552')   → 'mailbox "full" - 552'
 */
export function normaliseText(text: string): string {
  const truncated = text.length > MAX_RULE_TEXT_LENGTH ? text.slice(0, MAX_RULE_TEXT_LENGTH) : text
  if (!NEEDS_FULL_NORMALISATION.test(truncated)) return truncated.toLowerCase().trim()
  const normalised = truncated
    .replace(SINGLE_QUOTES, "'") // before NFKD, which turns "´" into a space and an accent
    .replace(DOUBLE_QUOTES, '"')
    .normalize('NFKD')
    .toLowerCase()
    .replace(IGNORED_MARKS, '')
    .replace(TURKISH_DOTLESS_I, 'i') // the lower case of the Turkish capital I is not that of others
    .normalize('NFC')
    .replace(DASHES, '-')
    .replace(WHITE_SPACE, ' ')
    .replace(SPACE_IN_UNSPACED_SCRIPT, '')
    .trim()
  return normalised.length > MAX_RULE_TEXT_LENGTH ? normalised.slice(0, MAX_RULE_TEXT_LENGTH).trim() : normalised
}

/** Whether a character belongs to a word that has boundaries: a letter or digit of a script with spaces. */
export function isWordCharCode(code: number): boolean {
  if (code < 128) return (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || (code >= 65 && code <= 90)
  const character = String.fromCharCode(code)
  return WORD_CHARACTER.test(character) && !NO_WORD_BOUNDARY.test(character)
}

/** Whether a character after a phrase continues its last word, so that the phrase does not end there. */
export const continuesWord = (code: number): boolean => code === AT_SIGN || isWordCharCode(code)

/**
 * Parses a phrase of a rule file. Throws rule_invalid for a phrase that is empty, consists of gaps only, or has a segment of one character.
 *
 *     parsePhrase('listed at * spamhaus')   → two segments, each with both boundaries
 */
export function parsePhrase(source: string): Phrase {
  const normal = normaliseText(source)
  const pieces = normal.split('*')
  const segments = pieces.flatMap((piece, at): Segment[] => {
    const text = piece.trim()
    if (text === '') return []
    const touchesBefore = at > 0 && !piece.startsWith(' ')
    const touchesAfter = at < pieces.length - 1 && !piece.endsWith(' ')
    return [
      {
        text,
        requiresBoundaryBefore: !touchesBefore && isWordCharCode(text.charCodeAt(0)),
        requiresBoundaryAfter: !touchesAfter && isWordCharCode(text.charCodeAt(text.length - 1)),
      },
    ]
  })
  if (segments.length === 0) throw new Fault('rule_invalid', `the phrase ${JSON.stringify(source)} is empty`)
  const short = segments.find((segment) => segment.text.length < MIN_SEGMENT_LENGTH)
  if (short !== undefined) {
    throw new Fault('rule_invalid', `the phrase ${JSON.stringify(source)} has a segment of one character: ${JSON.stringify(short.text)}`)
  }
  return { source, segments }
}
