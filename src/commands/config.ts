/**
 * config - prints every setting in force, and who said so
 *
 * Secrets are shown as set or not set, never as themselves. Warnings go to standard error.
 */
import type { SettingRow } from '../settings/load.ts'
import type { Define } from './command.ts'
import { configFor } from './command.ts'
import { columns, say } from './output.ts'

export const config: Define = (command) => {
  command
    .option('--json', 'print JSON')
    .option('--reasons', 'print what each setting does, and the reason of its default')
    .action((options: { json?: true; reasons?: true }) => {
      const { rows, warnings, file } = configFor(command)
      if (options.json) say(JSON.stringify({ file, settings: rows.map(masked), warnings }, null, 2))
      else {
        say(file === null ? 'no file (set --config or BOUNCED_CONFIG)' : `file: ${file}`)
        say(
          ...columns(
            rows.map((row) => [
              row.path,
              shown(row),
              row.source,
              row.variable,
              ...(options.reasons ? [`${row.what}. Default: ${row.why}`] : []),
            ]),
          ),
        )
      }
      for (const warning of warnings) console.error(`warning: ${warning}`)
    })
}

function masked(row: SettingRow): Omit<SettingRow, 'secret'> {
  const { secret, ...rest } = row
  return secret ? { ...rest, value: shown(row) } : rest
}

/** A database URL shows all but its password; other secrets show only whether there is one. */
function shown({ value, secret }: SettingRow): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return '-'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (!secret) return text
  return /^(?:sqlite|postgres|postgresql):/.test(text) ? text.replace(/:\/\/([^:@/]*):[^@]*@/, '://$1:***@') : '*** (set)'
}
