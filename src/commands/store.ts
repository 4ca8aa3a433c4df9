/**
 * store - runs a command on an open store, and closes it whatever happens
 *
 * See also: opening.
 */
import type { Command } from 'commander'
import type { Config } from '../config.ts'
import { openShop } from '../opening.ts'
import type { Opening } from '../opening.ts'
import { createTelemetry } from '../telemetry.ts'
import { configFor } from './define.ts'
import { say } from './terminal.ts'

export type OnStore = Opening & { readonly config: Config }

/** Opens the store of the settings in force. A command logs only what goes wrong. */
export async function withStore<T>(command: Command, work: (on: OnStore) => Promise<T>): Promise<T> {
  const config = configFor(command)
  const { format } = config.settings.log
  const opening = await openShop({ settings: config.settings, telemetry: await createTelemetry({ level: 'warn', format }) })
  try {
    if (opening.first) say(...firstLines(opening.first.apiUser, opening.first.apiKey, opening.first.operatorSecret))
    return await work({ ...opening, config })
  } finally {
    await opening.close()
  }
}

/** The secrets of a first start, shown once. */
export function firstLines(apiUser: string, apiKey: string, operatorSecret: string): string[] {
  return [
    'This is the first start. Two secrets were made; they are shown now and never again:',
    `  account   apiUser ${apiUser}   apiKey ${apiKey}`,
    `  operator  Bearer ${operatorSecret}`,
  ]
}
