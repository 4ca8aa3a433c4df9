/**
 * owner-only - refuses a file of secrets that other users can read or replace
 *
 * See also: config/master-key-file, settings/secret-files.
 */
import { Fault } from '../errors.ts'

/** The bits of a file mode that let the group or everybody read, write or execute. */
const OTHERS_MODE = 0o077

/** Windows has no such modes. `instead`: what to do besides changing the mode. Throws Fault config_invalid with the command to run. */
export function requireOwnerOnly(file: string, mode: number, instead: string): void {
  if (process.platform === 'win32' || (mode & OTHERS_MODE) === 0) return
  const shown = (mode & 0o777).toString(8).padStart(4, '0')
  throw new Fault('config_invalid', `${file} can be read or changed by other users (mode ${shown}): run chmod 600 '${file}', or ${instead}`)
}
