/**
 * config - prints every setting in force, and its source
 *
 * A secret is shown only as set or not set. Warnings, and what stops the start, go to standard error.
 *
 * See also: settings/load.
 */
import { exposureProblemsOf } from '../settings/exposure.ts'
import { formatSettingValue } from '../settings/display.ts'
import type { SettingRow } from '../settings/load.ts'
import type { DefineCommand } from './command.ts'
import { loadConfigFor } from './command.ts'
import { formatColumns, printLines } from './output.ts'

export const configCommand: DefineCommand = (command) => {
  command
    .option('--json', 'print JSON')
    .option('--reasons', 'print what each setting does, and the reason of its default')
    .action((options: { json?: true; reasons?: true }) => {
      const { settings, rows, warnings: mistakes, file } = loadConfigFor(command)
      const warnings = [...exposureProblemsOf(settings).map((problem) => `serve will not start: ${problem}`), ...mistakes]
      if (options.json) printLines(JSON.stringify({ file, settings: rows.map(maskSecret), warnings }, null, 2))
      else {
        printLines(file === null ? 'no file (set --config or BOUNCED_CONFIG)' : `file: ${file}`)
        printLines(
          ...formatColumns(
            rows.map((row) => [
              row.path,
              formatSettingValue(row),
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

function maskSecret(row: SettingRow): Omit<SettingRow, 'secret'> {
  const { secret, ...rest } = row
  return secret ? { ...rest, value: formatSettingValue(row) } : rest
}
