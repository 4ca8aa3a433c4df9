/**
 * rule-folder - reads the rule files of one folder
 *
 * See also: config/rule-files (which builds the rule table), classify/rule-grammar (what a file may contain).
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { type RuleLayer, type ParsedRuleFile, readRuleFile } from '../classify/rule-grammar.ts'
import { Fault } from '../errors.ts'
import { fileFault, withFile } from '../file-fault.ts'

/** The folder of the rules that ship with the product. */
export const SHIPPED_RULES = join(import.meta.dirname, '..', 'rules')

/** Reads every `*.toml` file of a folder, sorted by name. Throws Fault rule_invalid with the file and, for invalid TOML, the line. */
export function readRuleFolder(folder: string, layer: RuleLayer): ParsedRuleFile[] {
  return listTomlFiles(folder).map((name) => {
    const path = join(folder, name)
    return parseRuleFile({ file: layer === 'shipped' ? name : path, layer }, readRuleText(path))
  })
}

/** Changes whenever a rule file of the folder is written, added or removed. Empty if the folder cannot be read. */
export function ruleFolderSignature(folder: string): string {
  try {
    return listTomlFiles(folder)
      .map((name) => {
        const { mtimeMs, size, ino } = statSync(join(folder, name))
        return `${name}:${mtimeMs}:${size}:${ino}`
      })
      .join('\n')
  } catch {
    return ''
  }
}

/** Parses the text of one rule file. Throws Fault rule_invalid with the file and, for invalid TOML, the line. */
export function parseRuleFile(origin: { readonly file: string; readonly layer: RuleLayer }, text: string): ParsedRuleFile {
  return readRuleFile(origin, parseToml(origin.file, text))
}

const readRuleText = (path: string): string =>
  withFile({ what: 'the rule file', path, remedy: 'remove it' }, () => readFileSync(path, 'utf8'))

function listTomlFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.toml'))
      .sort()
  } catch (cause) {
    throw fileFault({ what: 'the rule folder', path: folder, remedy: 'name another one with BOUNCED_RULES_FOLDER' }, cause, 'rule_invalid')
  }
}

function parseToml(path: string, text: string): unknown {
  try {
    return parse(text)
  } catch (cause) {
    const reason = cause instanceof TomlError ? cause.message.split('\n')[0] : String(cause)
    const line = cause instanceof TomlError ? `:${cause.line}` : ''
    throw new Fault('rule_invalid', `${path}${line}: ${reason}`, { cause, detail: { file: path } })
  }
}
