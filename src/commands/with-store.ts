/**
 * with-store - runs a command on an open store, and closes it whatever happens
 *
 * See also: opening.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { FirstStart } from '../daemon/accounts.ts'
import { databaseOf, type Config } from '../settings/load.ts'
import { openShop } from '../daemon/bootstrap.ts'
import type { Opening } from '../daemon/bootstrap.ts'
import { createTelemetry } from '../telemetry.ts'
import { configFor } from './command.ts'
import { say } from './output.ts'

export type OnStore = Opening & { readonly config: Config }

/** Opens the store of the settings in force. A command logs only what goes wrong. */
export async function withStore<T>(command: Command, work: (on: OnStore) => Promise<T>): Promise<T> {
  return onStore(configFor(command), work)
}

/** The same for a command that must leave nothing behind: where there is no store yet, it works on one that goes with it. */
export async function withStoreOrNone<T>(command: Command, work: (on: OnStore) => Promise<T>): Promise<T> {
  const config = configFor(command)
  const url = databaseOf(config.settings)
  if (!url.startsWith('sqlite:') || existsSync(url.slice('sqlite:'.length))) return onStore(config, work)
  const data = mkdtempSync(join(tmpdir(), 'bounced-dry-'))
  say('There is no store yet: this runs on an empty one that is thrown away, and no mail of yours is known in it.')
  try {
    return await onStore({ ...config, settings: { ...config.settings, data, database: 'sqlite:' } }, work, false)
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}

async function onStore<T>(config: Config, work: (on: OnStore) => Promise<T>, showsSecrets = true): Promise<T> {
  const { format } = config.settings.log
  const opening = await openShop({ settings: config.settings, telemetry: await createTelemetry({ level: 'warn', format }) })
  try {
    if (opening.first && showsSecrets) say(...firstLines(opening.first))
    return await work({ ...opening, config })
  } finally {
    await opening.close()
  }
}

/** The secrets of a first start, shown once. A key that was given is not shown. */
export function firstLines({ apiUser, apiKey, operatorSecret }: FirstStart): string[] {
  return [
    'This is the first start. What was made is shown now and never again:',
    `  account   apiUser ${apiUser}   apiKey ${apiKey ?? 'as BOUNCED_API_KEY gives it'}`,
    `  operator  Bearer ${operatorSecret}`,
  ]
}
