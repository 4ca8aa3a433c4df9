/**
 * zoned-time - days and times in SendCloud's format, in the time zone of the account
 *
 * Days are those of an IANA time zone; a day may have 23 or 25 hours. Times are `yyyy-MM-dd HH:mm:ss`, without a zone. Pure.
 *
 * See also: ledger/account-settings (zone).
 */

const DAY_MS = 86_400_000

const toZoned = (at: number, zone: string): Temporal.ZonedDateTime =>
  Temporal.Instant.fromEpochMilliseconds(Math.floor(at)).toZonedDateTimeISO(zone)

/**
 * Formats a time as SendCloud does.
 *
 *     formatTime(0, 'Asia/Shanghai') → '1970-01-01 08:00:00'
 */
export function formatTime(at: number, zone: string): string {
  return toZoned(at, zone).toPlainDateTime().toString({ smallestUnit: 'second' }).replace('T', ' ')
}

/**
 * Formats a time as EngageLab does, with the offset of the zone.
 *
 *     formatOffsetTime(0, 'Asia/Shanghai') → '1970-01-01T08:00:00+0800'
 */
export function formatOffsetTime(at: number, zone: string): string {
  const zoned = toZoned(at, zone)
  return zoned.toPlainDateTime().toString({ smallestUnit: 'second' }) + zoned.offset.slice(0, 6).replace(':', '')
}

/** The day of a time, `yyyy-MM-dd`. */
export function formatDay(at: number, zone: string): string {
  return formatTime(at, zone).slice(0, 10)
}

/** Earlier days have no messages; the day after a later one would have a five-digit year. */
const FIRST_DAY = '1970-01-01'
const LAST_DAY = '9998-12-31'

/** Reads a valid calendar day `yyyy-MM-dd` from 1970 to 9998; null for any other text. Total. */
export function parseDay(text: string): string | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return null
  const at = Date.parse(`${text}T00:00:00Z`)
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== text) return null
  return FIRST_DAY <= text && text <= LAST_DAY ? text : null
}

/** The day that is this many days later; earlier for a negative number. */
export function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10)
}

/** The number of days from one day to another, both included. */
export function countDays(from: string, to: string): number {
  return Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS) + 1
}

/** The start of a day in a zone, in epoch milliseconds, also if its midnight does not exist. */
function startOfZonedDay(day: string, zone: string): number {
  return Temporal.PlainDate.from(day).toZonedDateTime(zone).epochMilliseconds
}

/** Converts a local time. One that occurs twice is the first occurrence; one that the clocks skip is the time of the change. */
function toInstant(local: string, zone: string): number {
  const time = Temporal.PlainDateTime.from(local)
  const found = time.toZonedDateTime(zone)
  if (found.toPlainDateTime().equals(time)) return found.epochMilliseconds
  const transition = time.toZonedDateTime(zone, { disambiguation: 'earlier' }).getTimeZoneTransition('next')
  return (transition ?? found).epochMilliseconds
}

/**
 * Reads a time in SendCloud's format, or a day, which means its start; null for any other text. Total.
 *
 *     parseTime('2026-03-29 12:00:00', 'Europe/Berlin') → 2026-03-29T10:00:00Z
 */
export function parseTime(text: string, zone: string): number | null {
  const [, day = '', clock = '00:00:00'] = /^(\d{4}-\d{2}-\d{2})(?: ((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d))?$/.exec(text) ?? []
  return parseDay(day) === null ? null : toInstant(`${day}T${clock}`, zone)
}

/** Reads a time with an offset, as formatOffsetTime writes it, or one in SendCloud's format; null for any other text. Total. */
export function parseOffsetTime(text: string, zone: string): number | null {
  const [, day, clock, hours, minutes] = /^(\d{4}-\d{2}-\d{2})T((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)([+-]\d{2}):?(\d{2})$/.exec(text) ?? []
  if (day === undefined) return parseTime(text, zone)
  const at = parseDay(day) === null ? Number.NaN : Date.parse(`${day}T${clock}${hours}:${minutes}`)
  return Number.isNaN(at) ? null : at
}

/** A period in epoch milliseconds; `until` is exclusive. */
export type DayRange = { readonly from: number; readonly until: number }

/** The period from the start of one day to the end of another. */
export function toDayRange(from: string, to: string, zone: string): DayRange {
  return { from: startOfZonedDay(from, zone), until: startOfZonedDay(addDays(to, 1), zone) }
}

export type CalendarDay = DayRange & { readonly day: string }

/** Splits a period of whole days into its days. */
export function splitIntoDays({ from, until }: DayRange, zone: string): readonly CalendarDay[] {
  const days: CalendarDay[] = []
  for (let day = formatDay(from, zone), at = from; at < until;) {
    const next = addDays(day, 1)
    const end = startOfZonedDay(next, zone)
    days.push({ day, from: at, until: end })
    day = next
    at = end
  }
  return days
}

type ClockHour = DayRange & { readonly hour: number }

const QUARTER_MS = 900_000
const HOUR_MS = 3_600_000

/** Splits a day into its local hours. If the clocks change, an hour is missing or lasts longer: an hour that occurs twice is one entry. */
export function splitIntoHours({ from, until }: DayRange, zone: string): readonly ClockHour[] {
  const isPlain = until - from === DAY_MS && toZoned(from, zone).offset === toZoned(until - QUARTER_MS, zone).offset
  const step = isPlain ? HOUR_MS : QUARTER_MS
  const hours: ClockHour[] = []
  for (let at = from; at < until; at += step) {
    const hour = isPlain ? (at - from) / HOUR_MS : toZoned(at, zone).hour
    const last = hours.at(-1)
    const end = Math.min(at + step, until)
    if (last?.hour === hour) hours[hours.length - 1] = { ...last, until: end }
    else hours.push({ hour, from: at, until: end })
  }
  return hours
}
