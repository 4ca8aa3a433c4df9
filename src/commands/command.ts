/**
 * command - the type of a command: a function that adds arguments, options and an action to an empty commander command
 *
 * See also: cli (the table of commands).
 */
import type { Command } from 'commander'
import { loadConfig } from '../settings/load.ts'
import type { Config } from '../settings/load.ts'

export type DefineCommand = (command: Command) => void

/** Loads the settings of a command from `--config`, the environment and the defaults. Faults: config_invalid. */
export function loadConfigFor(command: Command): Config {
  const file: unknown = command.optsWithGlobals()['config']
  return loadConfig(process.env, typeof file === 'string' ? file : null)
}
