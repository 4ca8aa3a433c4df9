/**
 * rule-files - checks, saves and removes rule files of the operator, and puts them in force
 *
 * A file is saved only if the whole folder loads with it. After the write, the rules are reloaded; if that fails because somebody else
 * changed the folder meanwhile, the file becomes what it was. Each change is audited with who made it. The shipped rules are never changed.
 * Other nodes read their own folders: share the folder, or save on each, and reload.
 *
 * See also: config/rule-editor (the files), config/rule-draft (the check), http/api/rules/rule-files, docs/RULES.md.
 */
import { basename } from 'node:path'
import { checkRules, findTakenReplies, type CheckedRule, type TakenReply } from '../../classify/rule-check.ts'
import { buildRuleTable, type RuleTable } from '../../classify/rule-table.ts'
import { compileDraft, layDraftOver, type DraftFile } from '../../config/rule-draft.ts'
import {
  findRuleFile,
  findRuleFileVersion,
  listRuleFiles,
  listRuleFileVersions,
  replaceRuleFile,
  type RuleFileVersion,
  type StoredRuleFile,
} from '../../config/rule-editor.ts'
import { readRuleFolder } from '../../config/rule-folder.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

export type DraftCheck = {
  /** The version of the table with the draft; null: it does not load. */
  readonly table: string | null
  /** Why it does not load, one line each. */
  readonly problems: readonly string[]
  readonly rules: readonly CheckedRule[]
  readonly taken: readonly TakenReply[]
}

type RuleFileChange = {
  readonly file: string
  readonly actor: string
  /** The version that was read; null: there was no such file. Undefined: whatever is there. */
  readonly version?: string | null
}

export type RuleFileService = {
  /** Checks a draft over the rules in force, as the loader does, and says what its evidence says. */
  readonly check: (draft: readonly DraftFile[]) => DraftCheck
  /** The operator's files. Faults: conflict (no folder is set, or it cannot be read). */
  readonly list: () => readonly StoredRuleFile[]
  /** Faults: not_found. */
  readonly find: (file: string) => StoredRuleFile
  readonly versions: (file: string) => readonly RuleFileVersion[]
  /** Faults: not_found (the version is not kept). */
  readonly findVersion: (file: string, version: string) => string
  /** Faults: rule_invalid, conflict (another version is there, no folder is set, or rules.writable is off). */
  readonly save: (change: RuleFileChange & { readonly text: string }) => Promise<StoredRuleFile>
  /** Faults: not_found, rule_invalid (another file needs it), conflict. */
  readonly remove: (change: RuleFileChange) => Promise<void>
}

type RuleFileOptions = {
  /** Null: rules.folder is not set. */
  readonly folder: string | null
  readonly isWritable: boolean
  /** Puts the folder in force, whole or not at all. Faults: rule_invalid. */
  readonly reload: () => void
}

export function createRuleFileService(context: Context, options: RuleFileOptions): RuleFileService {
  const requireFolder = (): string => {
    if (options.folder !== null) return options.folder
    throw new Fault('conflict', 'there is no folder for rules of your own: set rules.folder (BOUNCED_RULES_FOLDER)')
  }
  const find = (file: string): StoredRuleFile => {
    const found = findRuleFile(requireFolder(), file)
    if (found === null) throw new Fault('not_found', 'your rule folder has no file of this name')
    return found
  }
  return {
    check: (draft) => checkDraft(context.rules(), draft),
    list: () => listRuleFiles(requireFolder()),
    find,
    versions: (file) => listRuleFileVersions(requireFolder(), file),
    findVersion: (file, version) => {
      const text = findRuleFileVersion(requireFolder(), file, version)
      if (text === null) throw new Fault('not_found', 'this version of the file is not kept')
      return text
    },
    save: async (change) => {
      await changeFile(context, options, { ...change, folder: requireFolder() })
      return find(change.file)
    },
    remove: async (change) => {
      find(change.file)
      await changeFile(context, options, { ...change, text: null, folder: requireFolder() })
    },
  }
}

/** More lines do not help a reader. */
const MAX_PROBLEMS = 100

function checkDraft(table: RuleTable, draft: readonly DraftFile[]): DraftCheck {
  const parsed = attempt(() => layDraftOver(table, draft))
  if ('problems' in parsed) return { table: null, problems: parsed.problems, rules: [], taken: [] }
  const shipped = table.files.filter(({ layer }) => layer === 'shipped')
  const built = attempt(() => buildRuleTable([...parsed.value, ...shipped]))
  if ('problems' in built) return { table: null, problems: built.problems, rules: [], taken: [] }
  const names = new Set(draft.map(({ file }) => file))
  const files = parsed.value.filter(({ file }) => names.has(file))
  const compiled = attempt(() => compileDraft(table, parsed.value))
  return {
    table: 'problems' in compiled ? null : compiled.value.version,
    problems: 'problems' in compiled ? compiled.problems : [],
    rules: checkRules(built.value, files),
    taken: findTakenReplies(built.value, files).slice(0, MAX_PROBLEMS),
  }
}

function attempt<Value>(work: () => Value): { readonly value: Value } | { readonly problems: readonly string[] } {
  try {
    return { value: work() }
  } catch (error) {
    if (error instanceof Fault && error.code === 'rule_invalid') return { problems: error.message.split('\n').slice(0, MAX_PROBLEMS) }
    throw error
  }
}

type FolderChange = RuleFileChange & { readonly folder: string; readonly text: string | null }

/** Everything up to the reload runs without yielding, so that two changes never interleave in this process. */
async function changeFile(context: Context, { isWritable, reload }: RuleFileOptions, change: FolderChange): Promise<void> {
  const { folder, file, text, actor, version } = change
  if (!isWritable) throw new Fault('conflict', 'rule files cannot be changed here: rules.writable is off')
  const before = findRuleFile(folder, file)
  if (version !== undefined && version !== (before?.version ?? null))
    throw new Fault('conflict', `${file} has changed since you read it: it is version ${before?.version ?? '(none)'}`)
  requireLoadable(context.rules(), folder, { file, text })
  const now = context.now()
  replaceRuleFile(folder, file, text, now)
  try {
    reload()
  } catch (error) {
    replaceRuleFile(folder, file, before?.text ?? null, now)
    throw error
  }
  const detail = {
    file,
    before: before?.version ?? null,
    after: findRuleFile(folder, file)?.version ?? null,
    table: context.rules().version,
  }
  const what = text === null ? 'rules.removed' : 'rules.saved'
  await transact(context, {}, ({ moment }) => ({ result: null, facts: [createAuditFact(0, what, detail, { actor, moment })] }))
}

/** Reads the folder and not the rules in force: the files may have changed since the last reload. Faults: rule_invalid. */
function requireLoadable(inForce: RuleTable, folder: string, draft: DraftFile): void {
  const stored = readRuleFolder(folder, 'operator').filter(({ file }) => basename(file) !== draft.file)
  const shipped = inForce.files.filter(({ layer }) => layer === 'shipped')
  const base: RuleTable = { ...inForce, files: [...stored, ...shipped] }
  compileDraft(base, layDraftOver(base, [draft]))
}
