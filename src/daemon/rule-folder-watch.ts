/**
 * rule-folder-watch - puts a changed file of the operator's rules in force on every node that reads the folder
 *
 * A node that saves a file by the API has it in force at once. Other nodes that share the folder, and a person who edits a file, are noticed
 * by the times and sizes of the files. A change is read when it is as old as one look, so that a copy of several files is read whole. If the
 * folder does not load, the rules in force stay, and the log says why once for each change.
 *
 * See also: config/rule-folder, service/rules/rule-files, daemon/bootstrap.
 */
import { ruleFolderSignature } from '../config/rule-folder.ts'
import type { Runtime } from './bootstrap.ts'

/** A look costs some file attributes. */
const LOOK_INTERVAL_MS = 5_000

/** Starts to look. The returned function stops it. */
export function startRuleFolderWatch(runtime: Pick<Runtime, 'context' | 'reloadOwnRules'>, folder: string | undefined): () => void {
  return folder === undefined ? () => undefined : lookForChanges(() => ruleFolderSignature(folder), createRuleReload(runtime, folder))
}

/** Calls `onChange` when a signature has changed since the last call and not since the last look. The returned function stops it. */
export function lookForChanges(signature: () => string, onChange: () => void): () => void {
  let inForce = signature()
  let lastSeen = inForce
  const look = (): void => {
    const seen = signature()
    const isSettled = seen === lastSeen
    lastSeen = seen
    if (seen === inForce || !isSettled) return
    inForce = seen
    onChange()
  }
  const timer = setInterval(look, LOOK_INTERVAL_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** Reloads the folder. Never throws. */
function createRuleReload({ context, reloadOwnRules }: Pick<Runtime, 'context' | 'reloadOwnRules'>, folder: string): () => void {
  const { log } = context.telemetry
  return () => {
    const before = context.rules().version
    try {
      reloadOwnRules()
      const { version } = context.rules()
      if (version !== before) log.info({ folder, before, table: version }, 'changed rule files are in force')
    } catch (error) {
      log.error({ err: error, folder }, 'the changed rule files do not load; the rules before them stay in force')
    }
  }
}
