/**
 * zoned-time - days and times as the vendor writes them, in the account's own zone
 *
 * Days are cut in an IANA zone; a day may have 23 or 25 hours. Times are `yyyy-MM-dd HH:mm:ss`, without a zone.
 *
 * See also: ledger/account-settings (zone).
 */

const DAY_MS = 86_400_000

const toZoned = (at: number, zone: string): Temporal.ZonedDateTime =>
  Temporal.Instant.fromEpochMilliseconds(Math.floor(at)).toZonedDateTimeISO(zone)

/**
 * A moment as SendCloud writes it.
 *
 *     formatTime(0, 'Asia/Shanghai') → '1970-01-01 08:00:00'
 */
export function formatTime(at: number, zone: string): string {
  return toZoned(at, zone).toPlainDateTime().toString({ smallestUnit: 'second' }).replace('T', ' ')
}

/** The day of a moment, `yyyy-MM-dd`. */
export function formatDay(at: number, zone: string): string {
  return formatTime(at, zone).slice(0, 10)
}

/** Days beyond have no neighbour of four digits, and no mail. */
const FIRST_DAY = '1970-01-01'
const LAST_DAY = '9998-12-31'

/** `yyyy-MM-dd` that stands in the calendar, from 1970 to 9998, or null. */
export function parseDay(text: string): string | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return null
  const at = Date.parse(`${text}T00:00:00Z`)
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== text) return null
  return FIRST_DAY <= text && text <= LAST_DAY ? text : null
}

/** The day that lies so many days behind. */
export function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10)
}

/** Days between two, both counted. */
export function countDays(from: string, to: string): number {
  return Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS) + 1
}

/** Returns the first moment of a day in a zone, in epoch milliseconds, also where its midnight does not exist. */
function startOfZonedDay(day: string, zone: string): number {
  return Temporal.PlainDate.from(day).toZonedDateTime(zone).epochMilliseconds
}

/** A local time that occurs twice is the first one; one that the clocks skip is the moment at which they do. */
function toInstant(local: string, zone: string): number {
  const time = Temporal.PlainDateTime.from(local)
  const found = time.toZonedDateTime(zone)
  if (found.toPlainDateTime().equals(time)) return found.epochMilliseconds
  const transition = time.toZonedDateTime(zone, { disambiguation: 'earlier' }).getTimeZoneTransition('next')
  return (transition ?? found).epochMilliseconds
}

/**
 * A time as the vendor writes it, in a zone, or a day for its beginning; null for what is none.
 *
 *     parseTime('2026-03-29 12:00:00', 'Europe/Berlin') → 2026-03-29T10:00:00Z
 */
export function parseTime(text: string, zone: string): number | null {
  const [, day = '', clock = '00:00:00'] = /^(\d{4}-\d{2}-\d{2})(?: ((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d))?$/.exec(text) ?? []
  return parseDay(day) === null ? null : toInstant(`${day}T${clock}`, zone)
}

/** From the beginning of the first day to the end of the last, `until` not counted. */
export type DayRange = { readonly from: number; readonly until: number }

export function toDayRange(from: string, to: string, zone: string): DayRange {
  return { from: startOfZonedDay(from, zone), until: startOfZonedDay(addDays(to, 1), zone) }
}

export type CalendarDay = DayRange & { readonly day: string }

/** The days that a span of whole days is made of. */
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

/** The hours of a day by the clock on the wall: 23 to 25 of them where the clocks change, and the one that comes twice is one. */
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
