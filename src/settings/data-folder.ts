/**
 * data-folder - the data folder of the settings, read without the schema
 *
 * `bounced receive` starts once for each mail and needs nothing else of the settings; loading the schema takes longer than it may run.
 *
 * See also: settings/schema (`data`), settings/load, commands/receive.
 */
import { readFileSync } from 'node:fs'

export const DEFAULT_DATA_FOLDER = 'data'

/** The data folder that `loadConfig` would return. Rejects where the file cannot be read, is no TOML, or names no folder. */
export async function readDataFolder(env: Readonly<Record<string, string | undefined>>, file: string | null): Promise<string> {
  const variable = env['BOUNCED_DATA'] ?? ''
  if (variable !== '') return variable
  const configFile = file ?? env['BOUNCED_CONFIG'] ?? null
  if (configFile === null) return DEFAULT_DATA_FOLDER
  const { parse } = await import('smol-toml')
  const { data = DEFAULT_DATA_FOLDER } = parse(readFileSync(configFile, 'utf8'))
  if (typeof data !== 'string' || data === '') throw new Error(`${configFile}: data must be the path of a folder`)
  return data
}
