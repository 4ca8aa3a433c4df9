/**
 * matched-words - where the words of a verdict stand in the text that its rule read
 *
 * Rules search a normal form of the text (classify/phrase), so that a position there is not one in the text. This maps it back: the shortest
 * part of the text whose normal form is the match.
 *
 * Pure, total. See also: classify/phrase-index (the search), http/api/rules/explain.
 */
import { Fault } from '../errors.ts'
import { continuesWord, isWordCharCode, MAX_GAP_LENGTH, MAX_RULE_TEXT_LENGTH, normaliseText, parsePhrase, type Segment } from './phrase.ts'

/** Positions in a text: [from, to). */
type TextSpan = { readonly from: number; readonly to: number }

/** The first place of a phrase in a text. Null: it is not there as such, or `source` is no phrase (a code). Total. */
export function findWords(text: string, source: string): TextSpan | null {
  const segments = segmentsOf(source)
  const read = text.slice(0, MAX_RULE_TEXT_LENGTH)
  const normal = normaliseText(read)
  const found = segments === null ? null : findSegments(normal, segments)
  return found === null ? null : spanInText(read, normal, found)
}

function segmentsOf(source: string): readonly Segment[] | null {
  try {
    return parsePhrase(source).segments
  } catch (error) {
    if (error instanceof Fault) return null
    throw error
  }
}

/** Searches the segments one after the other; each begins at most one gap after the one before. */
function findSegments(normal: string, segments: readonly Segment[]): TextSpan | null {
  const [first, ...rest] = segments
  if (first === undefined) return null
  for (let from = nextOf(normal, first, 0); from >= 0; from = nextOf(normal, first, from + 1)) {
    let to = from + first.text.length
    const isComplete = rest.every((segment) => {
      const at = nextOf(normal, segment, to)
      if (at < 0 || at - to > MAX_GAP_LENGTH) return false
      to = at + segment.text.length
      return true
    })
    if (isComplete) return { from, to }
  }
  return null
}

/** The next place of a segment at its word boundaries, or -1. */
function nextOf(normal: string, { text, requiresBoundaryBefore, requiresBoundaryAfter }: Segment, start: number): number {
  for (let at = normal.indexOf(text, start); at >= 0; at = normal.indexOf(text, at + 1)) {
    const after = at + text.length
    const isInside = requiresBoundaryBefore && at > 0 && isWordCharCode(normal.charCodeAt(at - 1))
    if (isInside || (requiresBoundaryAfter && after < normal.length && continuesWord(normal.charCodeAt(after)))) continue
    return at
  }
  return -1
}

/** The length of the normal form grows with the text, so both ends are found by bisection. */
function spanInText(text: string, normal: string, { from, to }: TextSpan): TextSpan | null {
  const lengthAt = (end: number): number => normaliseText(text.slice(0, end)).length
  const firstWith = (length: number): number => {
    let [low, high] = [0, text.length]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (lengthAt(middle) >= length) high = middle
      else low = middle + 1
    }
    return low
  }
  const span = { from: Math.max(0, firstWith(from + 1) - 1), to: firstWith(to) }
  return normaliseText(text.slice(span.from, span.to)) === normal.slice(from, to) ? span : null
}
