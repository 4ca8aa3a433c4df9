/**
 * rule-draft - the operator's rule files as they would be, before they are in force
 *
 * A draft replaces, adds or removes files of the operator's layer by their names; the shipped rules stay. It is checked as the loader
 * checks the folder: grammar, ids, phrases and evidence.
 *
 * See also: config/rule-files (the loader), config/rule-folder, service/reclassify, docs/RULES.md.
 */
import { basename } from 'node:path'
import { compileRuleTable } from '../classify/rule-evidence.ts'
import type { ParsedRuleFile } from '../classify/rule-grammar.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import { parseRuleFile } from './rule-folder.ts'

/** One file of a draft. `text` null: the file is removed. */
export type DraftFile = { readonly file: string; readonly text: string | null }

const operatorFilesOf = ({ files }: RuleTable): readonly ParsedRuleFile[] => files.filter(({ layer }) => layer === 'operator')

/** The operator's files of a table, with a draft laid over them. Throws Fault rule_invalid for a file that breaks the grammar. */
export function layDraftOver(table: RuleTable, draft: readonly DraftFile[]): readonly ParsedRuleFile[] {
  const names = new Set(draft.map(({ file }) => file))
  const kept = operatorFilesOf(table).filter(({ file }) => !names.has(basename(file)))
  const added = draft.flatMap(({ file, text }) => (text === null ? [] : [parseRuleFile({ file, layer: 'operator' }, text)]))
  return [...kept.map((each) => ({ ...each, file: basename(each.file) })), ...added]
}

/** The table of these files and the shipped ones of a table, which are checked already. Throws Fault rule_invalid, as the loader does. */
export function compileDraft(table: RuleTable, operatorFiles: readonly ParsedRuleFile[]): RuleTable {
  return compileRuleTable([...operatorFiles, ...table.files.filter(({ layer }) => layer === 'shipped')], { evidence: 'operator' })
}

/** Parsed files as text that {@link decodeRuleFiles} reads. */
export const encodeRuleFiles = (files: readonly ParsedRuleFile[]): string => JSON.stringify(files)

/** Reads what {@link encodeRuleFiles} wrote. */
// Checked cast: only our own code writes the text, from the same type.
export const decodeRuleFiles = (text: string): readonly ParsedRuleFile[] => JSON.parse(text) as readonly ParsedRuleFile[]
