/**
 * shaping-import - converts a traffic shaping file of KumoMTA to a shaping file and rule files, and lists what has no counterpart
 *
 * The MX hosts of domains that no rule file lists are looked up, as KumoMTA does when it loads the file. Both results are checked as the daemon checks them; a rule whose
 * evidence fails is listed, not written.
 *
 * See also: queue/shaping/kumomta-import, commands/queue/shaping.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { siteOf } from '../../classify/provider.ts'
import { checkEvidence } from '../../classify/rule-evidence.ts'
import { readRuleFile, type ParsedRuleFile } from '../../classify/rule-grammar.ts'
import { buildRuleTable, type RuleTable } from '../../classify/rule-table.ts'
import { readToml } from '../../config/provider-files.ts'
import { parseShapingFile } from '../../config/shaping-files.ts'
import { Fault } from '../../errors.ts'
import type { DnsLookup } from '../../net/dns.ts'
import { createMxResolver, destinationOf } from '../../net/mx.ts'
import type { ImportedRule } from '../../queue/shaping/kumomta-automation.ts'
import { importedDomains, importKumomta, type KumomtaImport, type SiteName, type TomlTable } from '../../queue/shaping/kumomta-import.ts'
import { printLines } from '../output.ts'

/** `out` null: the shaping is printed. `rulesOut` null: rules are not written. */
type ImportOptions = { readonly file: string; readonly out: string | null; readonly rulesOut: string | null }

/** Imports a file. Faults: config_invalid. */
export async function importShaping(table: RuleTable, lookUp: DnsLookup, { file, out, rulesOut }: ImportOptions): Promise<void> {
  const data = readToml(file)
  if (typeof data !== 'object' || data === null) throw new Fault('config_invalid', `${file}: is not a table`)
  // Checked cast: TOML is a table of names.
  const imported = importKumomta(data as TomlTable, await siteNamesFor(table, lookUp, data as TomlTable))
  const shaping = stringify(imported.shaping)
  parseShapingFile(out ?? 'the imported shaping', shaping)
  const { files, failed } = checkedRules(table, imported)
  if (out === null) printLines(shaping.trimEnd())
  else writeFileSync(out, shaping)
  if (rulesOut !== null) {
    mkdirSync(rulesOut, { recursive: true })
    for (const { name, text } of files) writeFileSync(join(rulesOut, name), text)
  }
  const notTaken = [...imported.notTaken, ...failed]
  const rules = imported.rules.length - failed.length
  printLines(
    '',
    `# ${Object.keys(imported.shaping.site).length} sites, ${rules} rules${rulesOut === null && rules > 0 ? ' (name a folder with --rules-out)' : ''}`,
    `# not taken: ${notTaken.length}`,
    ...notTaken.map((line) => `#   ${line}`),
  )
}

async function siteNamesFor(table: RuleTable, lookUp: DnsLookup, data: TomlTable): Promise<Parameters<typeof importKumomta>[1]> {
  const { find } = createMxResolver({ lookUp })
  const found = await Promise.all(
    importedDomains(data).map(async (domain): Promise<readonly [string, SiteName | null]> => {
      const { site, provider } = siteOf(table, { domain })
      if (provider !== null) return [domain.toLowerCase(), { site, provider }]
      const destination = destinationOf(table, domain, await find(domain))
      const listed = siteOf(table, { mx: destination.mxSet.split(',')[0] ?? '' }).provider
      return [domain.toLowerCase(), destination.mxSet === '' ? null : { site: destination.site, provider: listed }]
    }),
  )
  const byDomain = new Map(found)
  return {
    ofDomain: (domain) => byDomain.get(domain) ?? null,
    ofHosts: (suffix) => {
      const { site, provider } = siteOf(table, { mx: `mx.${suffix}` })
      return provider === null ? { site: `*.${suffix}`, provider } : { site, provider }
    },
  }
}

type RuleFile = { readonly name: string; readonly text: string }

/** A rule file for each provider. A rule that fails, or that decides what a rule in force decides, is left out: the daemon would refuse its file. */
function checkedRules(
  table: RuleTable,
  { rules }: KumomtaImport,
): { readonly files: readonly RuleFile[]; readonly failed: readonly string[] } {
  const failures = checkEvidence(buildRuleTable([...ruleFilesOf(rules).map(({ parsed }) => parsed), ...table.files]))
  const failing = new Map(failures.flatMap(({ id, decidedBy }) => [[id, decidedBy] as const, [decidedBy, id] as const]))
  const failed = rules.filter(({ rule }) => failing.has(rule.id))
  return {
    files: ruleFilesOf(rules.filter((each) => !failed.includes(each))).map(({ name, data }) => ({
      name: `kumomta-${name}.toml`,
      text: stringify(data),
    })),
    failed: failed.map(({ rule }) => `rule ${rule.id} (${rule.says.join(', ')}): the rule ${failing.get(rule.id)} decides such replies`),
  }
}

type RuleFileData = { readonly name: string; readonly data: TomlTable; readonly parsed: ParsedRuleFile }

function ruleFilesOf(rules: readonly ImportedRule[]): RuleFileData[] {
  const groups = Object.groupBy(rules, ({ provider, site }) => provider ?? (site === '' ? 'common' : site))
  return Object.entries(groups).map(([site, group = []]) => {
    const name = providerNameOf(site)
    const hosts = group[0]?.provider === null && site !== 'common' ? { mx: [site] } : {}
    const data = { provider: name, ...hosts, rule: group.map(({ rule }) => rule) }
    return { name, data, parsed: readRuleFile({ file: `kumomta-${name}.toml`, layer: 'operator' }, data) }
  })
}

/** A provider of unlisted hosts has the name of their suffix, which their pattern in the shaping file covers too. */
const providerNameOf = (site: string): string => site.replace(/^\*\./, '')
