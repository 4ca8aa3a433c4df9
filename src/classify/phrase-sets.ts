/**
 * phrase-sets - named lists of phrases that rules share
 *
 * A rule file defines sets under `[phrases]`; a rule of any file refers to one by `@name` in `says`, `unless` or `around`. Sets of equal
 * name in several files are joined, so that an operator can extend a shipped set.
 *
 * Pure. See also: classify/rule-grammar (syntax), classify/rule-table (expands the references), classify/rule-evidence (checks the names).
 */
import type { ParsedRule, ParsedRuleFile } from './rule-grammar.ts'

type PhraseSets = ReadonlyMap<string, readonly string[]>

const isReference = (phrase: string): boolean => phrase.startsWith('@')

/** Collects the sets of all files. Total. */
export function collectPhraseSets(files: readonly ParsedRuleFile[]): PhraseSets {
  const sets = new Map<string, readonly string[]>()
  for (const file of files) {
    for (const [name, phrases] of Object.entries(file.phrases)) sets.set(name, [...(sets.get(name) ?? []), ...phrases])
  }
  return sets
}

/** Replaces each reference by the phrases of its set. Total: a reference to a set that no file defines gives no phrase. */
export function expandPhrases(sets: PhraseSets, phrases: readonly string[] = []): readonly string[] {
  return phrases.flatMap((phrase) => (isReference(phrase) ? (sets.get(phrase.slice(1)) ?? []) : [phrase]))
}

/** The references of a rule that name no set, such as a misspelt name. Total. */
export function findUnknownSets(sets: PhraseSets, { says = [], unless = [], around = [] }: ParsedRule): readonly string[] {
  return [...says, ...unless, ...around].filter((phrase) => isReference(phrase) && !sets.has(phrase.slice(1)))
}
