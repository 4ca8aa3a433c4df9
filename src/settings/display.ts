/**
 * display - a setting in force as people may see it
 *
 * Of a secret, only whether it is set; of the database's URL, everything but the password. Pure. See also: settings/load, commands/config,
 * http/api/installation/settings.
 */
import type { SettingRow } from './load.ts'

type DisplayedSetting = Omit<SettingRow, 'secret' | 'value'> & { readonly text: string }

/** The value of a setting as text; `-` if it is not set. */
export function formatSettingValue({ value, secret }: SettingRow): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return '-'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (!secret) return text
  return /^(?:sqlite|postgres|postgresql):/.test(text) ? text.replace(/:\/\/([^:@/]*):[^@]*@/, '://$1:***@') : '*** (set)'
}

/** The settings without secrets, in the order of the schema. */
export const displaySettings = (rows: readonly SettingRow[]): readonly DisplayedSetting[] =>
  rows.map((row) => {
    const { secret: _secret, value: _value, ...rest } = row
    return { ...rest, text: formatSettingValue(row) }
  })
