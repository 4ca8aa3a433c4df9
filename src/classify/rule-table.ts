/**
 * rule-table - all rule files as one table that `classify` walks
 *
 * Order of rules: the operator's provider files, the operator's common, then the shipped provider files and the shipped common; inside a file
 * as they stand. One provider's rules are asked at most, so the order between providers means nothing. The `standard` files are looked
 * up by code when nothing else held.
 *
 * Pure; a table never changes. See also: classify/rule-grammar (files), classify/rule-evidence (the check that a table passes before it is used).
 */
import { createHash } from 'node:crypto'
import { Fault } from '../errors.ts'
import type { RuleLayer, ParsedRule, ParsedRuleFile } from './rule-grammar.ts'
import { createPhraseIndex, type PhraseIndex } from './phrase-index.ts'
import { parsePhrase, type Phrase } from './phrase.ts'
import { createSiteIndex, type SiteIndex } from './provider.ts'
import { compileStatusPattern, type StatusMatcher } from './status-pattern.ts'

/** A rule ready to be asked. Phrases are numbers in the table's index. */
export type Rule = ParsedRule & {
  readonly order: number
  readonly file: string
  readonly layer: RuleLayer
  /** The provider, or `common`, or `standard`. */
  readonly section: string
  readonly codes: ReadonlySet<number | string> | null
  readonly statuses: readonly StatusMatcher[] | null
  readonly saysIds: readonly number[]
  readonly unlessIds: readonly number[]
  readonly aroundIds: readonly number[]
}

export type RuleTable = {
  /** Names the content: equal for equal rules, on any machine. */
  readonly version: string
  readonly files: readonly ParsedRuleFile[]
  readonly rules: readonly Rule[]
  readonly phrases: readonly Phrase[]
  readonly phraseIndex: PhraseIndex
  /** For each phrase the rules that say it. */
  readonly rulesByPhrase: readonly (readonly Rule[])[]
  /** Rules of a section that go by code or status alone. */
  readonly codeOnlyRules: ReadonlyMap<string, readonly Rule[]>
  readonly standardRules: readonly Rule[]
  /** Codes that a provider uses in its own way. */
  readonly ownedStatuses: ReadonlyMap<string, readonly StatusMatcher[]>
  readonly providerByToken: ReadonlyMap<number, string>
  readonly siteIndex: SiteIndex
}

/** The order in which files are asked. */
function filePriorityOf(file: ParsedRuleFile): number {
  const layer = file.layer === 'operator' ? 0 : 10
  return layer + (file.provider === 'standard' ? 2 : file.provider === 'common' ? 1 : 0)
}

const versionOf = (files: readonly ParsedRuleFile[]): string =>
  createHash('sha256')
    .update(JSON.stringify(files.map(({ file: _file, ...content }) => content)))
    .digest('hex')
    .slice(0, 12)

/** Ids are what verdicts are explained and superseded by: one rule each. */
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

/** Numbers each different phrase once. */
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

/** Runs `make` and names file and rule in what it throws. */
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
  return files
    .flatMap((file) => file.rules.map((rule) => ({ file, rule })))
    .map(({ file, rule }, order) =>
      withRuleContext(file, rule.id, () => {
        if (file.provider === 'standard' && (rule.says ?? rule.unless ?? rule.around) !== undefined) {
          throw new Fault('rule_invalid', 'standard rules go by code and status alone; words belong into common')
        }
        return {
          ...rule,
          order,
          file: file.file,
          layer: file.layer,
          section: file.provider,
          codes: rule.code === undefined ? null : new Set(rule.code),
          statuses: rule.status?.map(compileStatusPattern) ?? null,
          saysIds: rule.says?.map(idOf) ?? [],
          unlessIds: rule.unless?.map(idOf) ?? [],
          aroundIds: rule.around?.map(idOf) ?? [],
        }
      }),
    )
}

/**
 * Makes the table without asking the evidence (see classify/rule-evidence for the door that asks). Files may come in any order and
 * may be a subset. Throws rule_invalid for ids that stand twice and phrases that cannot be searched.
 */
export function buildRuleTable(ruleFiles: readonly ParsedRuleFile[]): RuleTable {
  assertUniqueIds(ruleFiles)
  const files = ruleFiles.toSorted(
    (a, b) => filePriorityOf(a) - filePriorityOf(b) || (a.provider < b.provider ? -1 : a.provider > b.provider ? 1 : 0),
  )
  const { phrases, idOf } = createPhraseRegistry()
  const rules = compileRules(files, idOf)
  const tokens = new Map(
    files.flatMap((file) => file.tokens.map((token) => [withRuleContext(file, 'tokens', () => idOf(token)), file.provider] as const)),
  )
  const rulesByPhrase: Rule[][] = phrases.map(() => [])
  for (const rule of rules) for (const id of rule.saysIds) rulesByPhrase[id]?.push(rule)
  const isNotStandard = (rule: Rule): boolean => rule.section !== 'standard'
  return {
    version: versionOf(files),
    files,
    rules,
    phrases,
    phraseIndex: createPhraseIndex(phrases),
    rulesByPhrase,
    codeOnlyRules: groupBy(
      rules.filter((rule) => isNotStandard(rule) && rule.saysIds.length === 0),
      (rule) => [rule.section],
    ),
    standardRules: rules.filter((rule) => !isNotStandard(rule)),
    ownedStatuses: new Map(files.map((file) => [file.provider, file.owns.map(compileStatusPattern)])),
    providerByToken: tokens,
    siteIndex: createSiteIndex(files),
  }
}
