/**
 * substitute - a text with a recipient's variables and the request's sections put in
 *
 * One walk from left to right; what was put in is not walked again. A variable's value may name sections, and a section may name variables;
 * nothing goes deeper, so that no text can grow out of itself. Values go in as they are, as the vendor does it: whoever puts a person's words into
 * HTML escapes them first. In a header a line end becomes a space, so that a value can never begin a header of its own.
 *
 * Pure, total, bounded. See also: compose/xsmtpapi (where they come from).
 */

export type Variables = Readonly<Record<string, string>>

export type Substitution = {
  /** By name with whatever stands around it, like `%name%`. */
  readonly variables: Variables
  readonly sections: Variables
}

/** A text that grows beyond this is none that anybody meant; in characters. */
export const MAX_SUBSTITUTED = 20_971_520

const SPECIAL = /[$()*+.?[\\\]^{|}]/g
// oxlint-disable-next-line no-control-regex
const LINE_ENDS = /[\u0000\r\n]+/g

/** A function that puts everything in; null where the text would grow beyond `most`. Make it once a recipient. */
export function createSubstitute({ variables, sections }: Substitution, most = MAX_SUBSTITUTED): (text: string) => string | null {
  const own = new Map(Object.entries(variables).filter(([name]) => name !== ''))
  const shared = new Map(Object.entries(sections).filter(([name]) => name !== '' && !own.has(name)))
  if (own.size === 0 && shared.size === 0) return (text) => (text.length > most ? null : text)
  const filled = mapValues(shared, (text) => putIn(text, own, most))
  const values = mapValues(own, (text) => putIn(text, filled, most))
  const all = new Map([...values, ...filled])
  return (text) => putIn(text, all, most)
}

/** The same for what becomes one header line. */
export const oneLine = (text: string): string => text.replaceAll(LINE_ENDS, ' ')

type Texts = ReadonlyMap<string, string | null>

function mapValues(texts: ReadonlyMap<string, string>, change: (text: string) => string | null): Texts {
  return new Map([...texts].map(([name, text]) => [name, change(text)]))
}

/** A name whose own text has grown too long spoils the whole. */
function putIn(text: string, by: Texts, most: number): string | null {
  if (text.length > most) return null
  const present = [...by.keys()].filter((name) => text.includes(name)).toSorted((a, b) => b.length - a.length)
  if (present.length === 0) return text
  const pieces: string[] = []
  let size = 0
  let at = 0
  const add = (piece: string): boolean => {
    pieces.push(piece)
    size += piece.length
    return size <= most
  }
  // Each name is literal, and the longest stands first: an alternation without repeats.
  for (const { 0: name, index } of text.matchAll(new RegExp(present.map((each) => each.replaceAll(SPECIAL, '\\$&')).join('|'), 'g'))) {
    const value = by.get(name) ?? null
    if (value === null || !add(text.slice(at, index)) || !add(value)) return null
    at = index + name.length
  }
  return add(text.slice(at)) ? pieces.join('') : null
}
