/**
 * rule-table - all rule files compiled into one table for `classify`
 *
 * Order of rules: the operator's provider files, the operator's `common`, the shipped provider files, the shipped `common`; within a file,
 * the order of the file. A reply is matched against the rules of one provider at most, so the order of providers has no effect. The
 * `standard` files are looked up by code if no other rule matched.
 *
 * Pure; a table is immutable. See also: classify/rule-grammar (files), classify/rule-evidence (the check that every table must pass).
 */
import { createHash } from 'node:crypto'
import { Fault } from '../errors.ts'
import type { RuleLayer, ParsedRule, ParsedRuleFile } from './rule-grammar.ts'
import { createPhraseIndex, type PhraseIndex } from './phrase-index.ts'
import { collectPhraseSets, expandPhrases } from './phrase-sets.ts'
import { parsePhrase, type Phrase } from './phrase.ts'
import { createSiteIndex, type SiteIndex } from './provider.ts'
import { compileStatusPattern, type StatusMatcher } from './status-pattern.ts'

/** A compiled rule. Phrases are numbers in the index of the table. */
export type Rule = ParsedRule & {
  readonly order: number
  readonly file: string
  readonly layer: RuleLayer
  /** The provider, `common` or `standard`. */
  readonly section: string
  readonly codes: ReadonlySet<number | string> | null
  readonly statuses: readonly StatusMatcher[] | null
  readonly saysIds: readonly number[]
  readonly unlessIds: ReadonlySet<number>
  readonly aroundIds: readonly number[]
}

export type RuleTable = {
  /** A digest of the content: equal for equal rules, on any machine. */
  readonly version: string
  readonly files: readonly ParsedRuleFile[]
  readonly rules: readonly Rule[]
  readonly phrases: readonly Phrase[]
  readonly phraseIndex: PhraseIndex
  /** For each phrase, the rules that list it in `says`, by section. */
  readonly rulesByPhrase: readonly ReadonlyMap<string, readonly Rule[]>[]
  /** By section, the rules without `says`. */
  readonly codeOnlyRules: ReadonlyMap<string, readonly Rule[]>
  readonly standardRules: readonly Rule[]
  /** By provider, the statuses that it uses in its own way. */
  readonly ownedStatuses: ReadonlyMap<string, readonly StatusMatcher[]>
  /** By phrase number, the provider whose token it is. */
  readonly providerByToken: ReadonlyMap<number, string>
  readonly siteIndex: SiteIndex
}

/** The position of a file in the order of files. */
function filePriorityOf(file: ParsedRuleFile): number {
  const layer = file.layer === 'operator' ? 0 : 10
  return layer + (file.provider === 'standard' ? 2 : file.provider === 'common' ? 1 : 0)
}

const versionOf = (files: readonly ParsedRuleFile[]): string =>
  createHash('sha256')
    .update(JSON.stringify(files.map(({ file: _file, ...content }) => content)))
    .digest('hex')
    .slice(0, 12)

/** Verdicts refer to rules by id, so an id may occur once only. */
function assertUniqueIds(files: readonly ParsedRuleFile[]): void {
  const seen = new Map<string, string>()
  for (const file of files) {
    for (const { id } of file.rules) {
      const other = seen.get(id)
      if (other !== undefined) {
        throw new Fault('rule_invalid', `${file.file}: rule "${id}" is already in ${other}`, { detail: { file: file.file, id } })
      }
      seen.set(id, file.file)
    }
  }
}

/** Numbers each distinct phrase once. */
function createPhraseRegistry(): { readonly phrases: Phrase[]; readonly idOf: (source: string) => number } {
  const phrases: Phrase[] = []
  const ids = new Map<string, number>()
  const idOf = (source: string): number => {
    const existingId = ids.get(source)
    if (existingId !== undefined) return existingId
    ids.set(source, phrases.push(parsePhrase(source)) - 1)
    return phrases.length - 1
  }
  return { phrases, idOf }
}

/** Runs `make`, and adds file and rule to the message of a Fault that it throws. */
function withRuleContext<T>(file: ParsedRuleFile, id: string, make: () => T): T {
  try {
    return make()
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause
    throw new Fault('rule_invalid', `${file.file}: rule "${id}": ${cause.message}`, { cause, detail: { file: file.file, id } })
  }
}

function groupBy<T>(items: readonly T[], keysOf: (item: T) => readonly string[]): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    for (const key of keysOf(item)) groups.set(key, [...(groups.get(key) ?? []), item])
  }
  return groups
}

function compileRules(files: readonly ParsedRuleFile[], idOf: (source: string) => number): Rule[] {
  const sets = collectPhraseSets(files)
  const idsOf = (phrases: readonly string[] | undefined): readonly number[] => expandPhrases(sets, phrases).map(idOf)
  return files
    .flatMap((file) => file.rules.map((rule) => ({ file, rule })))
    .map(({ file, rule }, order) =>
      withRuleContext(file, rule.id, () => {
        if (file.provider === 'standard' && (rule.says ?? rule.unless ?? rule.around) !== undefined) {
          throw new Fault('rule_invalid', 'a standard rule matches by code and status only; put phrases into common')
        }
        return {
          ...rule,
          order,
          file: file.file,
          layer: file.layer,
          section: file.provider,
          codes: rule.code === undefined ? null : new Set(rule.code),
          statuses: rule.status?.map(compileStatusPattern) ?? null,
          saysIds: idsOf(rule.says),
          unlessIds: new Set(idsOf(rule.unless)),
          aroundIds: idsOf(rule.around),
        }
      }),
    )
}

/**
 * Builds the table without checking evidence (classify/rule-evidence does both). Files may come in any order and may be a subset. Throws
 * rule_invalid for a duplicate id or a phrase that cannot be searched.
 */
export function buildRuleTable(ruleFiles: readonly ParsedRuleFile[]): RuleTable {
  assertUniqueIds(ruleFiles)
  const files = ruleFiles.toSorted(
    (a, b) => filePriorityOf(a) - filePriorityOf(b) || (a.provider < b.provider ? -1 : a.provider > b.provider ? 1 : 0),
  )
  const { phrases, idOf } = createPhraseRegistry()
  const rules = compileRules(files, idOf)
  const providerByToken = new Map(
    files.flatMap((file) => file.tokens.map((token) => [withRuleContext(file, 'tokens', () => idOf(token)), file.provider] as const)),
  )
  const rulesSaying: Rule[][] = phrases.map(() => [])
  for (const rule of rules) for (const id of rule.saysIds) rulesSaying[id]?.push(rule)
  const isNotStandard = (rule: Rule): boolean => rule.section !== 'standard'
  return {
    version: versionOf(files),
    files,
    rules,
    phrases,
    phraseIndex: createPhraseIndex(phrases),
    rulesByPhrase: rulesSaying.map((saying) => Map.groupBy(saying, ({ section }) => section)),
    codeOnlyRules: groupBy(
      rules.filter((rule) => isNotStandard(rule) && rule.says === undefined),
      (rule) => [rule.section],
    ),
    standardRules: rules.filter((rule) => !isNotStandard(rule)),
    ownedStatuses: new Map(files.map((file) => [file.provider, file.owns.map(compileStatusPattern)])),
    providerByToken,
    siteIndex: createSiteIndex(files),
  }
}
