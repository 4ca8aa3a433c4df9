/**
 * rule-files - the rule table that is built from the rule files on disk
 *
 * The shipped files are in `src/rules`. An operator's own folder takes precedence. If a file cannot be read, is not TOML, breaks the
 * grammar or fails its evidence, the load fails as a whole and the previous table stays in force.
 *
 * See also: config/rule-folder (reads the files), classify/rule-evidence (checks the evidence).
 */
import { compileRuleTable } from '../classify/rule-evidence.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import { readRuleFolder, SHIPPED_RULES } from './rule-folder.ts'

/** Builds the table of the shipped rules, preceded by the operator's, and checks the evidence. Throws Fault rule_invalid. */
export function loadRules({
  shipped = SHIPPED_RULES,
  own = null,
}: { readonly shipped?: string; readonly own?: string | null } = {}): RuleTable {
  return compileRuleTable([...(own === null ? [] : readRuleFolder(own, 'operator')), ...readRuleFolder(shipped, 'shipped')])
}
