/**
 * phrase - what rules look for, and the one normal form that phrases and texts share
 *
 * A phrase is lower-case words with white space folded. `*` is a gap of at most 80 characters, possibly none. A phrase begins and ends
 * at the edge of a word where its first or last character is a letter or a digit, so that `user unknown` does not stand in
 * `superuser unknownx`; so does every piece beside a gap, if a space stands between the piece and its `*`. A `*` that touches
 * the word lifts that edge: `blocklist*` finds "blocklisted", `*quota` finds "überquota". Chinese, Japanese, Korean and Thai
 * write no spaces, so their characters have no edges.
 *
 * Pure and total, but for parsePhrase, which refuses what cannot be searched. See also: classify/phrase-index (who finds them).
 */
import { Fault } from '../errors.ts'

/** A piece of a phrase between two gaps. `edgeBefore`, `edgeAfter`: a word must begin or end there. */
export type Segment = { readonly text: string; readonly requiresBoundaryBefore: boolean; readonly requiresBoundaryAfter: boolean }

/** `source` is the phrase as its author wrote it: it is what evidence shows. */
export type Phrase = { readonly source: string; readonly segments: readonly Segment[] }

/** Longer texts are cut: rules run on text that a stranger wrote, and a reply's meaning stands in its first lines. */
export const MAX_RULE_TEXT_LENGTH = 2_048

/** How far apart two pieces of a phrase may stand: an address, a host and an IP fit, the next sentence mostly does not. */
export const MAX_GAP_LENGTH = 80

/** One character alone would be found everywhere. */
const MIN_SEGMENT_LENGTH = 2

/** Anything but single-spaced printable ASCII takes the long way. */
const NEEDS_FULL_NORMALISATION = /[^\x20-\x7e]| {2}|`/
/** Accents (mail systems lose them on the way), soft hyphens, zero-width marks. */
const IGNORED_MARKS = /(?=\p{M})[\u0300-\u036f]|[\u00ad\u200b-\u200f\u2060\ufeff]/gu
const SINGLE_QUOTES = /[\u2018\u2019\u201a\u201b\u2032\u00b4`]/g
const DOUBLE_QUOTES = /[\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb]/g
const DASHES = /[\u2010-\u2015\u2212]/g
const WHITE_SPACE = /[\s\p{Cc}]+/gu
const UNSPACED_SCRIPTS = '\\u0e00-\\u0e7f\\u3000-\\u30ff\\u31f0-\\u31ff\\u3400-\\u9fff\\uac00-\\ud7af\\uf900-\\ufaff'
/** A folded line leaves a space between two characters that never had one. */
const SPACE_IN_UNSPACED_SCRIPT = new RegExp(`(?<=[${UNSPACED_SCRIPTS}]) (?=[${UNSPACED_SCRIPTS}])`, 'g')
const WORD_CHARACTER = /[\p{L}\p{N}]/u
const NO_WORD_BOUNDARY = new RegExp(`[${UNSPACED_SCRIPTS}\\ud800-\\udfff]`)

/**
 * The form in which texts are searched: cut at 2,048 characters, compatibility forms made plain, lower case, no accents, white space folded, quotes and dashes made
 * plain, soft hyphens and zero-width characters dropped, no spaces between characters of scripts that have none. Total.
 *
 *     normalise('Mailbox  «Full» –\r\n 552')   → 'mailbox "full" - 552'
 */
export function normaliseText(text: string): string {
  const truncated = text.length > MAX_RULE_TEXT_LENGTH ? text.slice(0, MAX_RULE_TEXT_LENGTH) : text
  if (!NEEDS_FULL_NORMALISATION.test(truncated)) return truncated.toLowerCase().trim()
  const normalised = truncated
    .replace(SINGLE_QUOTES, "'") // before NFKD, which makes a space and an accent of "´"
    .replace(DOUBLE_QUOTES, '"')
    .normalize('NFKD')
    .toLowerCase()
    .replace(IGNORED_MARKS, '')
    .normalize('NFC')
    .replace(DASHES, '-')
    .replace(WHITE_SPACE, ' ')
    .replace(SPACE_IN_UNSPACED_SCRIPT, '')
    .trim()
  return normalised.length > MAX_RULE_TEXT_LENGTH ? normalised.slice(0, MAX_RULE_TEXT_LENGTH).trim() : normalised
}

/** Whether a character belongs to a word that has edges: a letter or digit of a script with spaces. */
export function isWordCharCode(code: number): boolean {
  if (code < 128) return (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || (code >= 65 && code <= 90)
  const character = String.fromCharCode(code)
  return WORD_CHARACTER.test(character) && !NO_WORD_BOUNDARY.test(character)
}

/**
 * Reads a phrase as a rule file writes it. Throws rule_invalid for one that is empty, has nothing but gaps, or has a piece of one character.
 *
 *     parsePhrase('listed at * spamhaus')   → two segments, each with both edges
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
    throw new Fault('rule_invalid', `the phrase ${JSON.stringify(source)} has a piece of one character: ${JSON.stringify(short.text)}`)
  }
  return { source, segments }
}
