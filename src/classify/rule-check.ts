/**
 * rule-check - what the evidence says about the rules of a draft, rule by rule
 *
 * The loader refuses a table at the first failures (classify/rule-evidence). A person who drafts a rule wants all of it: which rule decides
 * each hit and each miss, which earlier rule stands before the draft, and which replies of other rules the draft takes over.
 *
 * Pure. See also: classify/rule-evidence, service/rules/rule-drafts.
 */
import { classifyEvidence, textOfEvidence } from './rule-evidence.ts'
import type { ParsedEvidence, ParsedRule, ParsedRuleFile } from './rule-grammar.ts'
import type { RuleTable } from './rule-table.ts'

/** One reply of evidence, and the rule that decides it. */
type CheckedReply = { readonly text: string; readonly decidedBy: string; readonly matched: readonly string[]; readonly isAsWanted: boolean }

export type CheckedRule = {
  readonly id: string
  readonly file: string
  readonly hits: readonly CheckedReply[]
  readonly misses: readonly CheckedReply[]
  /** Rules before this one that decide its hits. */
  readonly shadowedBy: readonly string[]
}

/** A hit of another rule that a rule of the draft decides. */
export type TakenReply = { readonly rule: string; readonly text: string; readonly takenBy: string }

/** Checks the rules of these files in a table that contains them (classify/rule-table, built without the check). Total. */
export function checkRules(table: RuleTable, files: readonly ParsedRuleFile[]): readonly CheckedRule[] {
  return files.flatMap((file) => file.rules.map((rule) => checkRule(table, file, rule)))
}

function checkRule(table: RuleTable, { provider, file }: ParsedRuleFile, rule: ParsedRule): CheckedRule {
  const check =
    (isHit: boolean) =>
    (evidence: ParsedEvidence): CheckedReply => {
      const { rule: decidedBy, evidence: proof } = classifyEvidence(table, provider, evidence)
      return { text: textOfEvidence(evidence), decidedBy, matched: proof.matched, isAsWanted: (decidedBy === rule.id) === isHit }
    }
  const hits = rule.hits.map(check(true))
  const order = orderOf(table, rule.id)
  const before = hits.filter(({ decidedBy, isAsWanted }) => !isAsWanted && orderOf(table, decidedBy) < order)
  const shadowedBy = [...new Set(before.map(({ decidedBy }) => decidedBy))]
  return { id: rule.id, file, hits, misses: rule.misses.map(check(false)), shadowedBy }
}

const orderOf = (table: RuleTable, id: string): number => table.rules.find((each) => each.id === id)?.order ?? Number.POSITIVE_INFINITY

/** The hits of rules outside of these files that a rule in them decides. Total. */
export function findTakenReplies(table: RuleTable, files: readonly ParsedRuleFile[]): readonly TakenReply[] {
  const names = new Set(files.map(({ file }) => file))
  const ids = new Set(files.flatMap(({ rules }) => rules.map(({ id }) => id)))
  return table.files
    .filter(({ file }) => !names.has(file))
    .flatMap(({ provider, rules }) =>
      rules.flatMap((rule) =>
        rule.hits.flatMap((hit): readonly TakenReply[] => {
          const takenBy = classifyEvidence(table, provider, hit).rule
          return ids.has(takenBy) ? [{ rule: rule.id, text: textOfEvidence(hit), takenBy }] : []
        }),
      ),
    )
}
