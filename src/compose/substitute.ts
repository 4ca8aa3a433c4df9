/**
 * substitute - substitutes a recipient's variables and the submission's sections in a text
 *
 * The text is scanned once from left to right; substituted text is not scanned again. The value of a variable may name sections, and a
 * section may name variables; there is no deeper nesting, so that no text can grow without limit. Values are inserted unchanged, as the
 * vendor does: senders who insert personal data into HTML must escape it first. In a header, a line end becomes a space, so that a value
 * cannot start a header of its own.
 *
 * The names are those of the submission, so its texts are searched once, and each recipient's copy is only joined. Values and sections are
 * expanded only if a text names them.
 *
 * Pure, total, bounded, linear. See also: compose/name-index, compose/x-smtpapi (the source of variables).
 */
import { findOccurrences, createNameIndex, type NameIndex, type NameOccurrences } from './name-index.ts'

/** Texts by name. */
export type Variables = Readonly<Record<string, string>>

/** Substitutes all names; null: the text would exceed the limit. */
export type SubstituteText = (text: string) => string | null

/** What all recipients of a submission share. */
export type SubstitutionTemplate = {
  /** For one recipient, who has a value for each of the names. */
  readonly bind: (variables: Variables) => SubstituteText
  /** The length of a recipient's text for a name; Infinity: over the limit. Builds no text. */
  readonly measure: (variables: Variables) => (name: string) => number
  /** Whether a text contains any name. */
  readonly containsName: (text: string) => boolean
}

/** The longest text after substitution, in characters. No genuine text is longer. */
export const MAX_SUBSTITUTED_LENGTH = 20_971_520

const LINE_ENDS = /[\u0000\r\n]+/g

/** The names of a submission, its sections, and where the names occur in them. */
type TemplateParts = {
  readonly maxLength: number
  readonly variableNames: ReadonlySet<string>
  readonly sectionTexts: ReadonlyMap<string, string>
  readonly variableIndex: NameIndex
  readonly sectionIndex: NameIndex
  readonly nameIndex: NameIndex
  /** Finds variables in a section. */
  readonly findInSection: (text: string) => NameOccurrences | null
  /** Finds variables and sections in a text of the submission. */
  readonly findInText: (text: string) => NameOccurrences | null
}

/**
 * Creates the template of a submission. It caches where names occur in the texts that it is given, so create it once. A variable takes
 * precedence over a section of the same name. Names are literal, with any characters around them, such as `%name%`.
 */
export function createSubstitutionTemplate(
  { names, sections }: { readonly names: readonly string[]; readonly sections: Variables },
  maxLength = MAX_SUBSTITUTED_LENGTH,
): SubstitutionTemplate {
  const variableNames = new Set(names)
  const sectionTexts = new Map(Object.entries(sections).filter(([name]) => !variableNames.has(name)))
  const variableIndex = createNameIndex(names)
  const nameIndex = createNameIndex([...names, ...sectionTexts.keys()])
  const parts: TemplateParts = {
    maxLength,
    variableNames,
    sectionTexts,
    variableIndex,
    sectionIndex: createNameIndex(sectionTexts.keys()),
    nameIndex,
    findInSection: createCachedFinder(variableIndex, maxLength),
    findInText: createCachedFinder(nameIndex, maxLength),
  }
  return {
    bind: createBinder(parts),
    measure: createMeasurer(parts),
    containsName: (text) => parts.findInText(text)?.starts.length !== 0,
  }
}

function createBinder(parts: TemplateParts): SubstitutionTemplate['bind'] {
  const { maxLength, variableNames, sectionTexts, variableIndex, sectionIndex, nameIndex, findInSection, findInText } = parts
  return (variables) => {
    const values = new Map(Object.entries(variables))
    const sectionOf = memoise((name) => {
      const text = sectionTexts.get(name) ?? ''
      return joinSubstituted(variableIndex, { text, occurrences: findInSection(text), maxLength }, (each) => values.get(each) ?? '')
    })
    const valueOf = memoise((name) => {
      const text = values.get(name) ?? ''
      return joinSubstituted(sectionIndex, { text, occurrences: findWithin(sectionIndex, text, maxLength), maxLength }, sectionOf)
    })
    const textOf = (name: string): string | null => (variableNames.has(name) ? valueOf(name) : sectionOf(name))
    return (text) => joinSubstituted(nameIndex, { text, occurrences: findInText(text), maxLength }, textOf)
  }
}

function createMeasurer(parts: TemplateParts): SubstitutionTemplate['measure'] {
  const { maxLength, variableNames, sectionTexts, variableIndex, sectionIndex, findInSection } = parts
  const sectionSizes = memoise((name) => {
    const text = sectionTexts.get(name) ?? ''
    return measureText(variableIndex, text, findInSection(text))
  })
  return (variables) => {
    const sectionLength = memoise((name) =>
      capLength(
        substitutedLengthOf(sectionSizes(name), (each) => variables[each]?.length ?? 0),
        maxLength,
      ),
    )
    return (name) => {
      if (!variableNames.has(name)) return sectionLength(name)
      const text = variables[name] ?? ''
      const size = measureText(sectionIndex, text, findWithin(sectionIndex, text, maxLength))
      return capLength(substitutedLengthOf(size, sectionLength), maxLength)
    }
  }
}

/** Converts a substituted text to the text of one header line. */
export const toHeaderText = (text: string): string => text.replaceAll(LINE_ENDS, ' ')

/** The characters of a text that are not names, and how often each name occurs. */
type TextSize = { readonly literalLength: number; readonly nameCounts: ReadonlyMap<string, number> }

/** Measures a text. Its length is infinite if it has too many occurrences. */
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

/** The length of a text after substitution, given the length of the text for each name. */
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

/** The result is null if the text for one of the names is null or the whole exceeds the limit. */
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
