/**
 * rules - lists the rules, checks their evidence, and tries one reply on them
 *
 * See also: classify/rule-evidence, config/rule-files.
 */
import type { Command } from 'commander'
import { classify } from '../../classify/classify.ts'
import { checkEvidence, subjectOfText } from '../../classify/rule-evidence.ts'
import { describeRules } from '../../classify/rule-listing.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import type { ProviderClue } from '../../classify/verdict.ts'
import { loadRules } from '../../config/rule-files.ts'
import type { Define } from '../command.ts'
import { configFor } from '../command.ts'
import { verdictLines } from './verdict-format.ts'
import { columns, say } from '../output.ts'

export const rules: Define = (command) => {
  command
    .command('list')
    .summary('print every rule in the order it is asked')
    .option('--provider <name>', 'only this section')
    .option('--json', 'one JSON object a rule, with its conditions')
    .action((options: { provider?: string; json?: boolean }, self: Command) => {
      const table = tableFor(self)
      if (options.json === true) listJson(table, options.provider ?? null)
      else list(table, options.provider ?? null)
    })
  command
    .command('test')
    .summary('classify a reply; without one, show every rule its evidence')
    .argument('[reply]', 'a reply as a server says it: "550 5.1.1 No such user"')
    .option('--mx <host>', 'the MX that said it')
    .option('--recipient <address>', 'whom it speaks of')
    .action((reply: string | undefined, options: { mx?: string; recipient?: string }, self: Command) => {
      const table = tableFor(self)
      if (reply === undefined) prove(table)
      else say(...verdictLines(classify(table, subjectOfText(reply, cluesFrom(options)))))
    })
}

/** The table as the daemon would load it. Faults: rule_invalid. */
function tableFor(command: Command): RuleTable {
  return loadRules({ own: configFor(command).settings.rules.folder ?? null })
}

function cluesFrom(options: { mx?: string; recipient?: string }): ProviderClue[] {
  const clues: ProviderClue[] = []
  if (options.mx) clues.push({ source: 'delivery-mx', value: options.mx })
  if (options.recipient) clues.push({ source: 'recipient-domain', value: options.recipient.slice(options.recipient.lastIndexOf('@') + 1) })
  return clues
}

function listJson(table: RuleTable, provider: string | null): void {
  const shown = describeRules(table).filter((rule) => provider === null || rule.provider === provider)
  say(...shown.map((rule) => JSON.stringify(rule)))
}

function list(table: RuleTable, provider: string | null): void {
  const shown = table.rules.filter((rule) => provider === null || rule.section === provider)
  say(...columns(shown.map((rule) => [rule.id, rule.reason, rule.permanence ?? '-', rule.section, rule.file])))
  say(`${shown.length} rules, table ${table.version}`)
}

function prove(table: RuleTable): void {
  const faults = checkEvidence(table)
  say(...faults.map((fault) => fault.message))
  const lines = table.rules.reduce((sum, rule) => sum + rule.hits.length + rule.misses.length, 0)
  say(`${table.rules.length} rules, ${lines} replies of evidence, ${faults.length} failed, table ${table.version}`)
  if (faults.length > 0) process.exitCode = 1
}
