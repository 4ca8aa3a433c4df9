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
import { findOccurrences, createNameIndex, type NameIndex, type NameOccurrences } from './name-index.ts'

export type Variables = Readonly<Record<string, string>>

export type Substitution = {
  /** By name with whatever stands around it, like `%name%`. */
  readonly variables: Variables
  readonly sections: Variables
}

/** Puts everything in; null: the text would grow beyond the bound. */
export type SubstituteText = (text: string) => string | null

/** What all recipients of a request share. */
export type SubstitutionTemplate = {
  /** For one recipient; he has a value for each of the names. */
  readonly bind: (variables: Variables) => SubstituteText
  /** How long his text for a name becomes; Infinity: beyond all bounds. Nothing is put together for it. */
  readonly measure: (variables: Variables) => (name: string) => number
  /** Whether any name stands in a text. */
  readonly containsName: (text: string) => boolean
}

/** A text that grows beyond this is none that anybody meant; in characters. */
export const MAX_SUBSTITUTED_LENGTH = 20_971_520

// oxlint-disable-next-line no-control-regex
const LINE_ENDS = /[\u0000\r\n]+/g

/** A function that puts everything in; null where the text would grow beyond `most`. */
export function createSubstitute({ variables, sections }: Substitution, maxLength = MAX_SUBSTITUTED_LENGTH): SubstituteText {
  return createSubstitutionTemplate({ names: Object.keys(variables), sections }, maxLength).bind(variables)
}

/** Make it once a request: it remembers where the names stand in the texts that it is given. */
export function createSubstitutionTemplate(
  { names, sections }: { readonly names: readonly string[]; readonly sections: Variables },
  maxLength = MAX_SUBSTITUTED_LENGTH,
): SubstitutionTemplate {
  const variableIndex = createNameIndex(names)
  const variableNames = new Set(names)
  const sectionTexts = new Map(Object.entries(sections).filter(([name]) => !variableNames.has(name)))
  const sectionIndex = createNameIndex(sectionTexts.keys())
  const nameIndex = createNameIndex([...names, ...sectionTexts.keys()])
  const inSections = createCachedFinder(variableIndex, maxLength)
  const inTexts = createCachedFinder(nameIndex, maxLength)
  const sectionSizes = memoise((name) => measureText(variableIndex, sectionTexts.get(name) ?? '', inSections(sectionTexts.get(name) ?? '')))
  return {
    bind: (variables) => {
      const values = new Map(Object.entries(variables))
      const sectionOf = memoise((name) => {
        const text = sectionTexts.get(name) ?? ''
        return joinSubstituted(variableIndex, { text, occurrences: inSections(text), maxLength }, (each) => values.get(each) ?? '')
      })
      const valueOf = memoise((name) => {
        const text = values.get(name) ?? ''
        return joinSubstituted(sectionIndex, { text, occurrences: findWithin(sectionIndex, text, maxLength), maxLength }, sectionOf)
      })
      return (text) =>
        joinSubstituted(nameIndex, { text, occurrences: inTexts(text), maxLength }, (name) =>
          variableNames.has(name) ? valueOf(name) : sectionOf(name),
        )
    },
    measure: (variables) => {
      const sectionSize = memoise((name) =>
        capLength(
          substitutedLengthOf(sectionSizes(name), (each) => variables[each]?.length ?? 0),
          maxLength,
        ),
      )
      return (name) => {
        if (!variableNames.has(name)) return sectionSize(name)
        const text = variables[name] ?? ''
        return capLength(
          substitutedLengthOf(measureText(sectionIndex, text, findWithin(sectionIndex, text, maxLength)), sectionSize),
          maxLength,
        )
      }
    },
    containsName: (text) => inTexts(text)?.starts.length !== 0,
  }
}

/** The same for what becomes one header line. */
export const toHeaderText = (text: string): string => text.replaceAll(LINE_ENDS, ' ')

/** What a text is made of: its own characters, and how often each name stands in it. */
export type TextSize = { readonly literalLength: number; readonly nameCounts: ReadonlyMap<string, number> }

export function measureText({ names }: NameIndex, text: string, occurrences: NameOccurrences | null): TextSize {
  if (occurrences === null) return { literalLength: Infinity, nameCounts: new Map() }
  const nameCounts = new Map<string, number>()
  let literalLength = text.length
  for (const number of occurrences.nameNumbers) {
    const name = names[number] ?? ''
    nameCounts.set(name, (nameCounts.get(name) ?? 0) + 1)
    literalLength -= name.length
  }
  return { literalLength, nameCounts }
}

/** How long it becomes with texts of these lengths for its names. */
export function substitutedLengthOf({ literalLength, nameCounts }: TextSize, sizeOf: (name: string) => number): number {
  let sum = literalLength
  for (const [name, count] of nameCounts) sum += count * sizeOf(name)
  return sum
}

const capLength = (size: number, maxLength: number): number => (size > maxLength ? Infinity : size)

const findWithin = (index: NameIndex, text: string, maxLength: number): NameOccurrences | null =>
  text.length > maxLength ? null : findOccurrences(index, text)

const createCachedFinder = (index: NameIndex, maxLength: number): ((text: string) => NameOccurrences | null) =>
  memoise((text) => findWithin(index, text, maxLength))

function memoise<T>(make: (key: string) => T): (key: string) => T {
  const cache = new Map<string, T>()
  return (key) => {
    const cached = cache.get(key)
    if (cached !== undefined) return cached
    const created = make(key)
    cache.set(key, created)
    return created
  }
}

type IndexedText = { readonly text: string; readonly occurrences: NameOccurrences | null; readonly maxLength: number }

/** A name whose own text has grown too long spoils the whole. */
function joinSubstituted(
  { names }: NameIndex,
  { text, occurrences, maxLength }: IndexedText,
  textOf: (name: string) => string | null,
): string | null {
  if (occurrences === null) return null
  if (occurrences.starts.length === 0) return text
  const pieces: string[] = []
  let size = 0
  let at = 0
  for (const [index, start] of occurrences.starts.entries()) {
    const name = names[occurrences.nameNumbers[index] ?? 0] ?? ''
    const value = textOf(name)
    if (value === null) return null
    pieces.push(text.slice(at, start), value)
    size += start - at + value.length
    if (size > maxLength) return null
    at = start + name.length
  }
  return size + text.length - at > maxLength ? null : `${pieces.join('')}${text.slice(at)}`
}
