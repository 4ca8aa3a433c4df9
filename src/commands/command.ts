/**
 * command - what a command is: a function that gives an empty commander command its arguments, options and action
 *
 * See also: cli (the table of commands).
 */
import type { Command } from 'commander'
import { loadConfig } from '../settings/load.ts'
import type { Config } from '../settings/load.ts'

export type DefineCommand = (command: Command) => void

/** The settings for a command: its `--config`, the environment, the defaults. Faults: config_invalid. */
export function loadConfigFor(command: Command): Config {
  const file: unknown = command.optsWithGlobals()['config']
  return loadConfig(process.env, typeof file === 'string' ? file : null)
}
