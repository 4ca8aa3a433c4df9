/**
 * shaping-view - what is in force for a site, and where each value comes from, for people
 *
 * Pure. See also: queue/shaping/shaping-table, commands/queue/shaping, http/api/shaping.
 */
import type { SiteOptionName, SiteOptions } from './shaping-file.ts'
import type { ShapingTable } from './shaping-table.ts'

/** The settings that hold where no file says otherwise; those of connections and mails a connection hold beside a file too. */
type ShapingSettings = {
  readonly linesPerSite: number
  readonly connectionMails: number
  readonly tls: string
  readonly retryMinutes: readonly number[]
  readonly giveUpDays: number
}

type ShapingRow = {
  readonly option: string
  /** As a file would say it; null: no limit. */
  readonly value: string | null
  /** A setting, or a file with its line; null: nothing limits it. */
  readonly from: string | null
  readonly note: string | null
  readonly sources: readonly string[]
}

const HOUR_MINUTES = 60

/** A rate that reads well: by the second, the minute or the hour. */
function rateText(perMinute: number): string {
  const [count, unit] = perMinute < 1 ? [perMinute * HOUR_MINUTES, 'h'] : [perMinute, 'min']
  return `${Number(count.toFixed(2))}/${unit}`
}

const TEXTS: { readonly [O in Exclude<SiteOptionName, 'class'>]-?: (value: NonNullable<SiteOptions[O]>) => string } = {
  connections: String,
  connections_all: String,
  new_connections: rateText,
  mails_per_connection: String,
  messages: rateText,
  messages_all: rateText,
  tls: String,
  retry_minutes: (minutes) => minutes.join(', '),
  give_up_hours: String,
}

type SettingValue = { readonly value: string; readonly from: string; readonly isLower: (value: number) => boolean }

const settingsOf = (settings: ShapingSettings): Readonly<Partial<Record<string, SettingValue>>> => ({
  connections: { value: String(settings.linesPerSite), from: 'delivery.linesPerSite', isLower: (value) => settings.linesPerSite < value },
  mails_per_connection: {
    value: String(settings.connectionMails),
    from: 'delivery.connectionMails',
    isLower: (value) => settings.connectionMails < value,
  },
  tls: { value: settings.tls, from: 'delivery.tls', isLower: () => false },
  retry_minutes: { value: settings.retryMinutes.join(', '), from: 'delivery.retryMinutes', isLower: () => false },
  give_up_hours: { value: String(settings.giveUpDays * 24), from: 'delivery.giveUpDays', isLower: () => false },
})

/** Every option of a site with the value in force. */
export function shapingRows(
  table: ShapingTable,
  { site, egressIp, settings }: { readonly site: string; readonly egressIp: string | null; readonly settings: ShapingSettings },
): ShapingRow[] {
  const { options, origins } = table.siteShaping(site, egressIp)
  const bySetting = settingsOf(settings)
  const rowOf = (option: string, value: string | null, name: SiteOptionName): ShapingRow => {
    const setting = bySetting[option]
    const origin = origins[name]
    if (value === null || origin === undefined || setting?.isLower(Number(value)) === true)
      return { option, value: setting?.value ?? null, from: setting?.from ?? null, note: null, sources: [] }
    return { option, value, from: `${origin.file}:${origin.line}`, note: origin.note, sources: origin.sources }
  }
  const scalars = (Object.keys(TEXTS) as (keyof typeof TEXTS)[]).map((name) => rowOf(name, textOf(options, name), name))
  const classes = Object.entries(options.class ?? {}).flatMap(([name, members]) =>
    Object.entries(members).map(([member, value]) => rowOf(`class.${name}.${member}`, String(value), 'class')),
  )
  return [...scalars, ...classes]
}

function textOf(options: SiteOptions, name: keyof typeof TEXTS): string | null {
  const value = options[name]
  // Checked cast: the option of a name has the type that its row takes.
  return value === undefined ? null : (TEXTS[name] as (value: unknown) => string)(value)
}
