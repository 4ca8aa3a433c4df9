/**
 * log-time - the times that MTAs write into their logs
 *
 * Times without an offset are local times of the MTA's host. A time without a year belongs to the last year in which it is not in the future.
 *
 * Pure, total. RFC 3164 §4.1.2 (no year), RFC 3339. See also: mta-log/syslog-line.
 */

/** What the text of a time leaves open. */
export type LogClock = {
  /** The present moment (epoch ms), which decides the year. */
  readonly now: number
  /** The IANA time zone of the MTA's host. */
  readonly zone: string
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const SYSLOG_TIME = /^([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?$/
const ISO_TIME = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|[+-]\d\d:?\d\d)(?::?\d\d)?)?$/
const SECONDS = /^\d{9,10}(?:\.\d{1,9})?$/

/** The clocks of two hosts differ by less. */
const MAX_CLOCK_DIFFERENCE_MS = 86_400_000

/** Reads a time: `Nov 29 11:33:04`, `2026-11-29 11:33:04+0000` and its relatives, or seconds since 1970. Null: not a time. */
export function parseLogTime(text: string, clock: LogClock): number | null {
  const syslog = SYSLOG_TIME.exec(text)
  if (syslog !== null) return timeWithoutYear(syslog, clock)
  const iso = ISO_TIME.exec(text)
  if (iso !== null) return isoTime(iso, clock)
  return SECONDS.test(text) ? Math.floor(Number(text) * 1_000) : null
}

function timeWithoutYear([, name = '', day, hour, minute, second]: RegExpExecArray, { now, zone }: LogClock): number | null {
  const month = MONTHS.indexOf(name.toLowerCase()) + 1
  if (month === 0) return null
  const parts = { month, day: Number(day), hour: Number(hour), minute: Number(minute), second: Number(second) }
  const thisYear = new Date(now).getUTCFullYear()
  const times = [thisYear + 1, thisYear, thisYear - 1].map((year) => localTime({ year, ...parts }, zone))
  return times.find((time) => time !== null && time <= now + MAX_CLOCK_DIFFERENCE_MS) ?? null
}

function isoTime(found: RegExpExecArray, { zone }: LogClock): number | null {
  const [, year, month, day, hour, minute, second, fraction = '', offset] = found
  const parts = {
    year: Number(year),
    month: Number(month),
    day: Number(day),
    hour: Number(hour),
    minute: Number(minute),
    second: Number(second),
  }
  const millisecond = Number(fraction.slice(0, 3).padEnd(3, '0'))
  const time = localTime(parts, offset === undefined ? zone : 'UTC')
  return time === null ? null : time + millisecond - offsetMs(offset ?? 'Z')
}

function offsetMs(offset: string): number {
  if (offset === 'Z') return 0
  const digits = offset.replace(':', '')
  const minutes = Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3, 5))
  return (digits.startsWith('-') ? -minutes : minutes) * 60_000
}

type TimeParts = {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

/** The moment of a local time; in the hour that a zone repeats, the first of both. A leap second is the second before it. Null: no such time. */
function localTime({ second, ...parts }: TimeParts, zone: string): number | null {
  try {
    const local = Temporal.PlainDateTime.from({ ...parts, second: second === 60 ? 59 : second }, { overflow: 'reject' })
    return local.toZonedDateTime(zone).epochMilliseconds
  } catch {
    return null
  }
}
