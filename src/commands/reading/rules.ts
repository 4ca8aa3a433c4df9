/**
 * rules - lists the rules, checks their evidence, and classifies one reply
 *
 * See also: classify/rule-evidence, config/rule-files.
 */
import type { Command } from 'commander'
import { classify } from '../../classify/classify.ts'
import { providerHintsOf } from '../../classify/classifier-input.ts'
import { checkEvidence, classifierInputOfText } from '../../classify/rule-evidence.ts'
import { listRules } from '../../classify/rule-listing.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import { loadRules } from '../../config/rule-files.ts'
import type { DefineCommand } from '../command.ts'
import { loadConfigFor } from '../command.ts'
import { verdictLines } from './verdict-format.ts'
import { formatColumns, printLines } from '../output.ts'

export const rulesCommand: DefineCommand = (command) => {
  command
    .command('list')
    .summary('print every rule, in the order in which they are tried')
    .option('--provider <name>', 'only this section')
    .option('--json', 'one JSON object per rule, with its conditions')
    .action((options: { provider?: string; json?: boolean }, self: Command) => {
      const table = loadRuleTable(self)
      if (options.json === true) listJson(table, options.provider ?? null)
      else list(table, options.provider ?? null)
    })
  command
    .command('test')
    .summary('classify a reply; without one, check every rule against its evidence')
    .argument('[reply]', 'a reply as a server sends it: "550 5.1.1 No such user"')
    .option('--mx <host>', 'the MX that sent it')
    .option('--recipient <address>', 'the recipient that it is about')
    .action((reply: string | undefined, options: { mx?: string; recipient?: string }, self: Command) => {
      const table = loadRuleTable(self)
      if (reply === undefined) checkRules(table)
      else printLines(...verdictLines(classify(table, classifierInputOfText(reply, providerHintsOf(options)))))
    })
}

/** Loads the rules as the daemon does. Faults: rule_invalid. */
function loadRuleTable(command: Command): RuleTable {
  return loadRules({ own: loadConfigFor(command).settings.rules.folder ?? null })
}

function listJson(table: RuleTable, provider: string | null): void {
  const shown = listRules(table).filter((rule) => provider === null || rule.provider === provider)
  printLines(...shown.map((rule) => JSON.stringify(rule)))
}

function list(table: RuleTable, provider: string | null): void {
  const shown = table.rules.filter((rule) => provider === null || rule.section === provider)
  printLines(...formatColumns(shown.map((rule) => [rule.id, rule.reason, rule.permanence ?? '-', rule.section, rule.file])))
  printLines(`${shown.length} rules, table ${table.version}`)
}

function checkRules(table: RuleTable): void {
  const failures = checkEvidence(table)
  printLines(...failures.map((fault) => fault.message))
  const replies = table.rules.reduce((sum, rule) => sum + rule.hits.length + rule.misses.length, 0)
  printLines(`${table.rules.length} rules, ${replies} replies of evidence, ${failures.length} failed, table ${table.version}`)
  if (failures.length > 0) process.exitCode = 1
}
