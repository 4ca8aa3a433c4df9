/**
 * rule-listing - a rule table as rows for people: `bounced rules list`
 *
 * Pure. See also: classify/rule-table.
 */
import type { RuleLayer } from './rule-grammar.ts'
import { type FaultParty, type Reason, REASONS } from './reasons.ts'
import type { RuleTable } from './rule-table.ts'
import type { BackoffClass, Permanence } from './verdict.ts'

/**
 * One rule. `asked` says when it is tried: with the first phrases, after the enhanced code of the reply, or at the end as a `standard`
 * rule.
 */
export type ListedRule = {
  readonly id: string
  readonly provider: string
  readonly layer: RuleLayer
  readonly file: string
  readonly reason: Reason
  readonly fault: FaultParty
  readonly permanence: Permanence | null
  readonly pause: BackoffClass | null
  readonly deferral: boolean
  readonly asked: 'first' | 'after-code' | 'standard'
  readonly code: readonly (number | string)[]
  readonly status: readonly string[]
  readonly says: readonly string[]
  readonly unless: readonly string[]
  readonly around: readonly string[]
  readonly hits: number
  readonly misses: number
}

/** All rules, in the order in which they are tried. Total. */
export function listRules(table: RuleTable): readonly ListedRule[] {
  return table.rules.map((rule) => ({
    id: rule.id,
    provider: rule.section,
    layer: rule.layer,
    file: rule.file,
    reason: rule.reason,
    fault: REASONS[rule.reason].fault,
    permanence: rule.permanence ?? null,
    pause: rule.pause ?? null,
    deferral: rule.deferral === true,
    asked: rule.section === 'standard' ? 'standard' : rule.last === true ? 'after-code' : 'first',
    code: rule.code ?? [],
    status: rule.status ?? [],
    says: rule.says ?? [],
    unless: rule.unless ?? [],
    around: rule.around ?? [],
    hits: rule.hits.length,
    misses: rule.misses.length,
  }))
}
