/**
 * provider-files - reads the simulator's provider files from disk
 *
 * The shipped files are in `src/simulator/providers`. See also: simulator/provider-file (what a file may contain).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { Fault } from '../errors.ts'
import { fileFault, isSystemError, withFile } from '../file-fault.ts'
import { type ProviderFile, readProviderFile } from '../simulator/provider-file.ts'

/** The folder of the shipped provider files. */
export const SHIPPED_PROVIDERS = join(import.meta.dirname, '..', 'simulator', 'providers')

/** Parses a TOML file. Throws Fault config_invalid with the file and the error. */
export function readToml(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    if (isSystemError(cause)) throw fileFault({ what: 'the file', path, remedy: 'name another one' }, cause)
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : 'cannot be read'
    throw new Fault('config_invalid', `${path}: ${reason}`, { cause, detail: { file: path } })
  }
}

/** Reads all providers of a folder, by name. Throws Fault config_invalid. */
export function readProviders(folder: string = SHIPPED_PROVIDERS): ReadonlyMap<string, ProviderFile> {
  const role = { what: 'the folder of provider files', path: folder, remedy: 'name another one' }
  const files = withFile(role, () => readdirSync(folder))
    .filter((name) => name.endsWith('.toml'))
    .sort()
  const providers = files.map((name) => readProviderFile(join(folder, name), readToml(join(folder, name))))
  return new Map(providers.map((each) => [each.name, each]))
}
