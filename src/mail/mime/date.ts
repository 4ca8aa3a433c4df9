/**
 * date - reads an RFC 5322 date as epoch milliseconds
 *
 *     parseDate('Tue, 1 Apr 2025 08:00:00 +0200 (CEST)') → 1743487200000
 *
 * Weekday and seconds may be missing, zones may be obsolete names, years may have two or three digits. A date that does not exist
 * (31 Feb) or a time out of range is null.
 *
 * Pure, total. RFC 5322 §3.3, §4.3. See also: mail/dsn/dsn, mail/feedback/arf.
 */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/** Hours east of Greenwich: RFC 5322 §4.3 and names in common use. Military letters are treated as 0. */
const ZONE_HOURS: Readonly<Record<string, number>> = {
  ut: 0,
  utc: 0,
  gmt: 0,
  z: 0,
  wet: 0,
  est: -5,
  edt: -4,
  cst: -6,
  cdt: -5,
  mst: -7,
  mdt: -6,
  pst: -8,
  pdt: -7,
  bst: 1,
  cet: 1,
  met: 1,
  west: 1,
  cest: 2,
  mest: 2,
  eet: 2,
  eest: 3,
  msk: 3,
  msd: 4,
  hkt: 8,
  jst: 9,
  kst: 9,
  aest: 10,
  aedt: 11,
  nzst: 12,
  nzdt: 13,
}

const RFC5322_DATE =
  /^(?:[a-z]{2,9}\.?,?\s{1,5})?(\d{1,2})[\s-]{1,5}([a-z]{3})[a-z]{0,6}\.?[\s-]{1,5}(\d{2,4}),?\s{1,5}(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:\.\d{1,9})?)?(?:\s{0,5}([+-]\d{2}:?\d{2}|[a-z]{1,5}\b))?/
/** asctime form, which qmail and others write: `Tue Apr  1 08:00:00 2025`. */
const ASCTIME_DATE =
  /^(?:[a-z]{3},?\s{1,5})?([a-z]{3})\s{1,5}(\d{1,2})\s{1,5}(\d{1,2}):(\d{2}):(\d{2})\s{1,5}(?:([a-z]{1,5}|[+-]\d{4})\s{1,5})?(\d{4})\b/
/** RFC 3339, which newer feedback loops write. */
const RFC3339_DATE = /^(\d{4})-(\d{2})-(\d{2})[t ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?\s?(z|utc|[+-]\d{2}:?\d{2})?/
const MAX_DATE_LENGTH = 100

/** Reads a date; null if there is none. Total. */
export function parseDate(text: string): number | null {
  const line = text.slice(0, MAX_DATE_LENGTH).trim().toLowerCase()
  const rfc5322 = RFC5322_DATE.exec(line)
  if (rfc5322 !== null)
    return toEpochMs(rfc5322[3], MONTHS.indexOf(rfc5322[2] ?? ''), rfc5322[1], [rfc5322[4], rfc5322[5], rfc5322[6]], rfc5322[7])
  const ctime = ASCTIME_DATE.exec(line)
  if (ctime !== null) return toEpochMs(ctime[7], MONTHS.indexOf(ctime[1] ?? ''), ctime[2], [ctime[3], ctime[4], ctime[5]], ctime[6])
  const iso = RFC3339_DATE.exec(line)
  return iso === null ? null : toEpochMs(iso[1], Number(iso[2]) - 1, iso[3], [iso[4], iso[5], iso[6]], iso[7])
}

type Digits = string | undefined

function toEpochMs(year: Digits, month: number, day: Digits, clock: readonly [Digits, Digits, Digits], zone: Digits): number | null {
  const [hour, minute, second] = [Number(clock[0]), Number(clock[1]), Number(clock[2] ?? 0)]
  if (month < 0 || month > 11 || hour > 24 || minute > 59 || second > 60) return null
  const calendarYear = expandYear(year ?? '')
  const dayOfMonth = Number(day)
  if (dayOfMonth < 1 || dayOfMonth > daysInMonth(month, calendarYear)) return null
  const days = Date.UTC(calendarYear, month, dayOfMonth)
  return days + (hour * 3_600 + minute * 60 + second) * 1_000 - zoneOffsetMs(zone ?? '')
}

function daysInMonth(month: number, year: number): number {
  if (month !== 1) return month === 3 || month === 5 || month === 8 || month === 10 ? 30 : 31
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
}

/** RFC 5322 §4.3: 00–49 are in this century; 50–99 and three digits count from 1900. */
function expandYear(digits: string): number {
  const year = Number(digits)
  if (digits.length === 2) return year < 50 ? 2_000 + year : 1_900 + year
  return digits.length === 3 ? 1_900 + year : year
}

function zoneOffsetMs(zone: string): number {
  const numeric = /^([+-])(\d{2}):?(\d{2})$/.exec(zone)
  if (numeric === null) return (Object.hasOwn(ZONE_HOURS, zone) ? (ZONE_HOURS[zone] ?? 0) : 0) * 3_600_000
  const minutes = Number(numeric[2]) * 60 + Number(numeric[3])
  return (numeric[1] === '-' ? -minutes : minutes) * 60_000
}
