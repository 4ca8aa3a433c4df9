/**
 * rule-files - the rule files on disk, read whole or not at all
 *
 * The shipped files lie in `src/rules`; an operator's own folder is read in front of them. A file that cannot be read, is no TOML, breaks the grammar or
 * fails its evidence stops the load, and the table that was in force stays in force.
 *
 * See also: classify/rule-grammar (what a file may say), classify/rule-evidence (the check).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { compileRuleTable } from '../classify/rule-evidence.ts'
import { type RuleLayer, type ParsedRuleFile, readRuleFile } from '../classify/rule-grammar.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import { Fault } from '../errors.ts'

/** Where the rules of the product lie. */
export const SHIPPED_RULES = join(import.meta.dirname, '..', 'rules')

function parseToml(path: string, text: string): unknown {
  try {
    return parse(text)
  } catch (cause) {
    const reason = cause instanceof TomlError ? cause.message.split('\n')[0] : String(cause)
    const line = cause instanceof TomlError ? `:${cause.line}` : ''
    throw new Fault('rule_invalid', `${path}${line}: ${reason}`, { cause, detail: { file: path } })
  }
}

function tomlFilesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.toml'))
      .sort()
  } catch (cause) {
    throw new Fault('rule_invalid', `the rule folder ${folder} cannot be read`, { cause, detail: { folder } })
  }
}

/** Reads all `*.toml` of a folder. Throws rule_invalid with the file and, for bad TOML, the line. */
export function readRuleFolder(folder: string, layer: RuleLayer): ParsedRuleFile[] {
  return tomlFilesIn(folder).map((name) => {
    const path = join(folder, name)
    return readRuleFile({ file: layer === 'shipped' ? name : path, layer }, parseToml(path, readFileSync(path, 'utf8')))
  })
}

/** The table of the shipped rules with the operator's folder in front, evidence checked. Throws rule_invalid. */
export function loadRules({
  shipped = SHIPPED_RULES,
  own = null,
}: { readonly shipped?: string; readonly own?: string | null } = {}): RuleTable {
  return compileRuleTable([...(own === null ? [] : readRuleFolder(own, 'operator')), ...readRuleFolder(shipped, 'shipped')])
}
