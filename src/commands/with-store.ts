/**
 * with-store - runs a command on an open store, and closes it whatever happens
 *
 * See also: opening.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { FirstCredentials } from '../daemon/accounts.ts'
import { databaseUrlOf, type Config } from '../settings/load.ts'
import { openContext } from '../daemon/bootstrap.ts'
import type { Runtime } from '../daemon/bootstrap.ts'
import { createTelemetry } from '../telemetry.ts'
import { loadConfigFor } from './command.ts'
import { printLines } from './output.ts'

export type CommandContext = Runtime & { readonly config: Config }

/** Opens the store of the settings in force. A command logs only what goes wrong. */
export async function withStore<T>(command: Command, work: (on: CommandContext) => Promise<T>): Promise<T> {
  return runOnStore(loadConfigFor(command), work)
}

/** The same for a command that must leave nothing behind: where there is no store yet, it works on one that goes with it. */
export async function withStoreOrTemporary<T>(command: Command, work: (on: CommandContext) => Promise<T>): Promise<T> {
  const config = loadConfigFor(command)
  const url = databaseUrlOf(config.settings)
  if (!url.startsWith('sqlite:') || existsSync(url.slice('sqlite:'.length))) return runOnStore(config, work)
  const data = mkdtempSync(join(tmpdir(), 'bounced-dry-'))
  printLines('There is no store yet: this runs on an empty one that is thrown away, and no mail of yours is known in it.')
  try {
    return await runOnStore({ ...config, settings: { ...config.settings, data, database: 'sqlite:' } }, work, false)
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}

async function runOnStore<T>(config: Config, work: (on: CommandContext) => Promise<T>, showsSecrets = true): Promise<T> {
  const { format } = config.settings.log
  const runtime = await openContext({ settings: config.settings, telemetry: await createTelemetry({ level: 'warn', format }) })
  try {
    if (runtime.firstCredentials && showsSecrets) printLines(...firstCredentialsLines(runtime.firstCredentials))
    return await work({ ...runtime, config })
  } finally {
    await runtime.close()
  }
}

/** The secrets of a first start, shown once. A key that was given is not shown. */
export function firstCredentialsLines({ apiUser, apiKey, operatorSecret }: FirstCredentials): string[] {
  return [
    'This is the first start. What was made is shown now and never again:',
    `  account   apiUser ${apiUser}   apiKey ${apiKey ?? 'as BOUNCED_API_KEY gives it'}`,
    `  operator  Bearer ${operatorSecret}`,
  ]
}
