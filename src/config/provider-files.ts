/**
 * provider-files - the simulator's providers on disk, read whole or not at all
 *
 * The shipped ones lie in `src/providers`. See also: simulator/provider-file (what a file may say).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { Fault } from '../errors.ts'
import { type ProviderFile, readProviderFile } from '../simulator/provider-file.ts'

/** Where the providers of the product lie. */
export const SHIPPED_PROVIDERS = join(import.meta.dirname, '..', 'simulator', 'providers')

/** Reads a TOML file as data. Throws config_invalid with its name and what is wrong with it. */
export function readToml(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : 'cannot be read'
    throw new Fault('config_invalid', `${path}: ${why}`, { cause, detail: { file: path } })
  }
}

/** All providers of a folder by name. Throws config_invalid. */
export function readProviders(folder: string = SHIPPED_PROVIDERS): ReadonlyMap<string, ProviderFile> {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.toml'))
    .sort()
  const providers = files.map((name) => readProviderFile(join(folder, name), readToml(join(folder, name))))
  return new Map(providers.map((each) => [each.name, each]))
}
