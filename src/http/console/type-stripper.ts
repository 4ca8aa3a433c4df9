/**
 * type-stripper - TypeScript of a page as the JavaScript that a browser runs
 *
 * The adapter to Node's `module.stripTypeScriptTypes`: erases types and moves nothing, so that line numbers stay. Node warns once that the
 * function is experimental; the warning is not for whoever runs the daemon.
 *
 * See also: http/console/console-files.
 */
import { stripTypeScriptTypes } from 'node:module'
import { Fault } from '../../errors.ts'

/** Erases the types of one file. Faults: config_invalid, with the file's name (a syntax error, or syntax that is more than types). */
export function stripTypes(source: string, file: string): string {
  const emitWarning: unknown = Reflect.get(process, 'emitWarning')
  Reflect.set(process, 'emitWarning', () => undefined)
  try {
    return stripTypeScriptTypes(source)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Fault('config_invalid', `${file}: ${reason}`, { cause: error })
  } finally {
    Reflect.set(process, 'emitWarning', emitWarning)
  }
}
