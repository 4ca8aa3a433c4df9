/**
 * type-stripper-worker - the thread that erases the types of the pages
 *
 * Node's `module.stripTypeScriptTypes` erases types and moves nothing, so that line numbers stay. Node warns once that the function is experimental; the
 * warning is not for whoever runs the daemon.
 *
 * See also: http/console/type-stripper (starts it).
 */
import { stripTypeScriptTypes } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'

/** `reason`: why the file cannot be stripped. */
export type StrippedFile = { readonly name: string; readonly code: string } | { readonly name: string; readonly reason: string }

function strip(name: string, source: string): StrippedFile {
  try {
    return { name, code: stripTypeScriptTypes(source) }
  } catch (error) {
    return { name, reason: error instanceof Error ? error.message : String(error) }
  }
}

/** Checked by its only caller. */
const isSources = (data: unknown): data is ReadonlyMap<string, string> => data instanceof Map

// Outside of a worker thread, this file does nothing.
if (parentPort !== null && isSources(workerData)) {
  Reflect.set(process, 'emitWarning', () => undefined)
  parentPort.postMessage([...workerData].map(([name, source]) => strip(name, source)))
}
