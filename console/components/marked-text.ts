/**
 * marked-text - a reply with the words that a rule matched marked in it
 *
 * A phrase of a rule may have gaps, written `*`. Its parts are looked for in their order; upper and lower case and spaces make no difference.
 *
 * See also: components/foreign-text.
 */
import { withVisibleControls } from './foreign-text.ts'
import { html, type View } from './html.ts'

type Range = { readonly from: number; readonly to: number }

/** The longest gap inside a phrase. */
const MAX_GAP = 400
/** Longer texts are shown without marks: nobody reads them for a phrase. */
const MAX_TEXT = 50_000

/** Where the parts of the phrases stand, in order, without overlaps. Pure, total. */
export function findMarks(text: string, phrases: readonly string[]): readonly Range[] {
  if (text.length > MAX_TEXT) return []
  const folded = text.toLowerCase().replaceAll(/\s/g, ' ')
  // Lower case of a few letters is longer; offsets would be wrong.
  if (folded.length !== text.length) return []
  const ranges = phrases.flatMap((phrase) => findPhrase(folded, phrase)).toSorted((a, b) => a.from - b.from)
  const merged: Range[] = []
  for (const range of ranges) {
    const last = merged.at(-1)
    if (last !== undefined && range.from <= last.to) merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, range.to) }
    else merged.push(range)
  }
  return merged
}

/** The first place of a phrase, as one range for each of its parts. */
function findPhrase(folded: string, phrase: string): readonly Range[] {
  const parts = phrase
    .toLowerCase()
    .split('*')
    .map((part) => part.trim().replaceAll(/\s+/g, ' '))
    .filter((part) => part !== '')
  const [first = ''] = parts
  if (first === '') return []
  for (let start = folded.indexOf(first); start >= 0; start = folded.indexOf(first, start + 1)) {
    const found = followParts(folded, parts, start)
    if (found !== null) return found
  }
  return []
}

function followParts(folded: string, parts: readonly string[], start: number): readonly Range[] | null {
  const ranges: Range[] = []
  let from = start
  for (const part of parts) {
    const at = folded.indexOf(part, from)
    if (at < 0 || at - from > MAX_GAP) return null
    ranges.push({ from: at, to: at + part.length })
    from = at + part.length
  }
  return ranges
}

export function MarkedText({ text, phrases }: { readonly text: string; readonly phrases: readonly string[] }): View {
  const marks = findMarks(text, phrases)
  const pieces = marks.flatMap(({ from, to }, at) => [
    withVisibleControls(text.slice(marks[at - 1]?.to ?? 0, from)),
    html`<mark>${withVisibleControls(text.slice(from, to))}</mark>`,
  ])
  return html`<bdi>${pieces}${withVisibleControls(text.slice(marks.at(-1)?.to ?? 0))}</bdi>`
}
