/**
 * substitute - a text with a recipient's variables and the request's sections put in
 *
 * One walk from left to right; what was put in is not walked again. A variable's value may name sections, and a section may name variables;
 * nothing goes deeper, so that no text can grow out of itself. Values go in as they are, as the vendor does it: whoever puts a person's words into
 * HTML escapes them first. In a header a line end becomes a space, so that a value can never begin a header of its own.
 *
 * The names are those of the request, so its texts are searched for them once, and each recipient's copy is only joined. Values and sections are put
 * together where a text names them, and nowhere else.
 *
 * Pure, total, bounded, linear. See also: compose/name-index, compose/x-smtpapi (where they come from).
 */
import { findPlaces, indexNames, type NameIndex, type Places } from './name-index.ts'

export type Variables = Readonly<Record<string, string>>

export type Substitution = {
  /** By name with whatever stands around it, like `%name%`. */
  readonly variables: Variables
  readonly sections: Variables
}

/** Puts everything in; null: the text would grow beyond the bound. */
export type Put = (text: string) => string | null

/** What all recipients of a request share. */
export type Filling = {
  /** For one recipient; he has a value for each of the names. */
  readonly fill: (variables: Variables) => Put
  /** How long his text for a name becomes; Infinity: beyond all bounds. Nothing is put together for it. */
  readonly measure: (variables: Variables) => (name: string) => number
  /** Whether any name stands in a text. */
  readonly touches: (text: string) => boolean
}

/** A text that grows beyond this is none that anybody meant; in characters. */
export const MAX_SUBSTITUTED = 20_971_520

// oxlint-disable-next-line no-control-regex
const LINE_ENDS = /[\u0000\r\n]+/g

/** A function that puts everything in; null where the text would grow beyond `most`. */
export function createSubstitute({ variables, sections }: Substitution, most = MAX_SUBSTITUTED): Put {
  return createFilling({ names: Object.keys(variables), sections }, most).fill(variables)
}

/** Make it once a request: it remembers where the names stand in the texts that it is given. */
export function createFilling(
  { names, sections }: { readonly names: readonly string[]; readonly sections: Variables },
  most = MAX_SUBSTITUTED,
): Filling {
  const own = indexNames(names)
  const owned = new Set(names)
  const texts = new Map(Object.entries(sections).filter(([name]) => !owned.has(name)))
  const shared = indexNames(texts.keys())
  const all = indexNames([...names, ...texts.keys()])
  const inSections = createFinder(own, most)
  const inTexts = createFinder(all, most)
  const sizes = remember((name) => sizesIn(own, texts.get(name) ?? '', inSections(texts.get(name) ?? '')))
  return {
    fill: (variables) => {
      const values = new Map(Object.entries(variables))
      const sectionOf = remember((name) => {
        const text = texts.get(name) ?? ''
        return join(own, { text, places: inSections(text), most }, (each) => values.get(each) ?? '')
      })
      const valueOf = remember((name) => {
        const text = values.get(name) ?? ''
        return join(shared, { text, places: find(shared, text, most), most }, sectionOf)
      })
      return (text) => join(all, { text, places: inTexts(text), most }, (name) => (owned.has(name) ? valueOf(name) : sectionOf(name)))
    },
    measure: (variables) => {
      const sectionSize = remember((name) =>
        bounded(
          sumOf(sizes(name), (each) => variables[each]?.length ?? 0),
          most,
        ),
      )
      return (name) => {
        if (!owned.has(name)) return sectionSize(name)
        const text = variables[name] ?? ''
        return bounded(sumOf(sizesIn(shared, text, find(shared, text, most)), sectionSize), most)
      }
    },
    touches: (text) => inTexts(text)?.starts.length !== 0,
  }
}

/** The same for what becomes one header line. */
export const oneLine = (text: string): string => text.replaceAll(LINE_ENDS, ' ')

/** What a text is made of: its own characters, and how often each name stands in it. */
export type Sizes = { readonly literal: number; readonly counts: ReadonlyMap<string, number> }

export function sizesIn({ names }: NameIndex, text: string, places: Places | null): Sizes {
  if (places === null) return { literal: Infinity, counts: new Map() }
  const counts = new Map<string, number>()
  let literal = text.length
  for (const number of places.names) {
    const name = names[number] ?? ''
    counts.set(name, (counts.get(name) ?? 0) + 1)
    literal -= name.length
  }
  return { literal, counts }
}

/** How long it becomes with texts of these lengths for its names. */
export function sumOf({ literal, counts }: Sizes, sizeOf: (name: string) => number): number {
  let sum = literal
  for (const [name, count] of counts) sum += count * sizeOf(name)
  return sum
}

const bounded = (size: number, most: number): number => (size > most ? Infinity : size)

const find = (index: NameIndex, text: string, most: number): Places | null => (text.length > most ? null : findPlaces(index, text))

const createFinder = (index: NameIndex, most: number): ((text: string) => Places | null) => remember((text) => find(index, text, most))

function remember<T>(make: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>()
  return (key) => {
    const held = known.get(key)
    if (held !== undefined) return held
    const made = make(key)
    known.set(key, made)
    return made
  }
}

type Found = { readonly text: string; readonly places: Places | null; readonly most: number }

/** A name whose own text has grown too long spoils the whole. */
function join({ names }: NameIndex, { text, places, most }: Found, textOf: (name: string) => string | null): string | null {
  if (places === null) return null
  if (places.starts.length === 0) return text
  const pieces: string[] = []
  let size = 0
  let at = 0
  for (const [index, start] of places.starts.entries()) {
    const name = names[places.names[index] ?? 0] ?? ''
    const value = textOf(name)
    if (value === null) return null
    pieces.push(text.slice(at, start), value)
    size += start - at + value.length
    if (size > most) return null
    at = start + name.length
  }
  return size + text.length - at > most ? null : `${pieces.join('')}${text.slice(at)}`
}
