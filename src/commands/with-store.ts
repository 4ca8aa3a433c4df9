/**
 * with-store - opens the store in this process for a command, and closes it when the command ends
 *
 * For commands that only read, and for commands that find no daemon. A command that writes goes through `commands/command-runner`.
 *
 * See also: daemon/bootstrap (opens the store), commands/command-runner.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { FirstCredentials } from '../daemon/accounts.ts'
import { openContext } from '../daemon/bootstrap.ts'
import type { CommandContext } from '../daemon/store-command.ts'
import { databaseUrlOf } from '../settings/load.ts'
import { consoleLinkOf } from '../http/console/page-shell.ts'
import { LINK_HOURS } from '../service/users/users.ts'
import type { Settings } from '../settings/schema.ts'
import { createTelemetry } from '../telemetry.ts'
import { loadConfigFor } from './command.ts'
import { printLines } from './output.ts'

/** Opens the store of the settings in force. The command logs warnings and errors only. Faults: those of `openContext` and of the work. */
export async function withStore<T>(command: Command, work: (on: CommandContext) => Promise<T>): Promise<T> {
  return withStoreOf(loadConfigFor(command).settings, work)
}

/** The same, but leaves nothing behind: where there is no store yet, the work gets an empty one that is removed afterwards. */
export async function withStoreOrTemporary<T>(command: Command, work: (on: CommandContext) => Promise<T>): Promise<T> {
  const { settings } = loadConfigFor(command)
  const url = databaseUrlOf(settings)
  if (!url.startsWith('sqlite:') || existsSync(url.slice('sqlite:'.length))) return withStoreOf(settings, work)
  const data = mkdtempSync(join(tmpdir(), 'bounced-dry-'))
  printLines('There is no store yet. The command runs on an empty store that is removed afterwards, so it knows none of your mails.')
  try {
    return await withStoreOf({ ...settings, data, database: 'sqlite:' }, work, false)
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}

/** Opens the store of these settings for the work. Prints the secrets of a first start if `showsSecrets`. */
export async function withStoreOf<T>(settings: Settings, work: (on: CommandContext) => Promise<T>, showsSecrets = true): Promise<T> {
  const telemetry = await createTelemetry({ level: 'warn', format: settings.log.format })
  const runtime = await openContext({ settings, telemetry })
  try {
    if (runtime.firstCredentials && showsSecrets) printLines(...firstCredentialsLines(runtime.firstCredentials, runtime.context.publicUrl))
    return await work({ ...runtime, settings })
  } finally {
    await runtime.close()
  }
}

/** The secrets of a first start, which are shown once. An API key that the operator set is not shown. */
export function firstCredentialsLines({ apiUser, apiKey, operatorSecret, linkToken }: FirstCredentials, publicUrl: string): string[] {
  return [
    'This is the first start. These secrets are shown once and cannot be read again:',
    `  account   apiUser ${apiUser}   apiKey ${apiKey ?? 'as BOUNCED_API_KEY gives it'}`,
    `  operator  Bearer ${operatorSecret}`,
    `  console   ${consoleLinkOf(publicUrl, linkToken)}   (creates the administrator; works once, for ${LINK_HOURS} hours)`,
  ]
}
