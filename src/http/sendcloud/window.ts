/**
 * window - the period of a query, in days of the account's time zone
 *
 * A request sets `days` (1 is today), or `startDate` and `endDate`, both inclusive.
 */
import type { SendCloudCode } from './envelope.ts'
import type { RequestParameters } from './parameters.ts'
import { readParameters, readWhole, defineParameter } from './parameters.ts'
import type { DayRange } from './zoned-time.ts'
import { formatDay, parseDay, addDays, countDays, toDayRange } from './zoned-time.ts'

const WINDOW_PARAMETERS = {
  days: defineParameter<number | null>({
    names: ['days'],
    missingCode: null,
    invalidCode: 40006,
    read: readWhole(1, 3_660),
    defaultValue: null,
  }),
  startDate: defineParameter<string | null>({
    names: ['startDate', 'start_date'],
    missingCode: null,
    invalidCode: 40007,
    read: parseDay,
    defaultValue: null,
  }),
  endDate: defineParameter<string | null>({
    names: ['endDate', 'end_date'],
    missingCode: null,
    invalidCode: 40008,
    read: parseDay,
    defaultValue: null,
  }),
}

type WindowOptions = { readonly maxDays: number; readonly zone: string; readonly now: number }
type WindowResult = { readonly ok: true; readonly range: DayRange | null } | { readonly ok: false; readonly code: SendCloudCode }

/** Reads the period; `range` is null if the request sets none. A period that is too long is 40006 for `days` and 40008 for dates. Pure. */
export function readWindow(parameters: RequestParameters, { maxDays, zone, now }: WindowOptions): WindowResult {
  const read = readParameters(WINDOW_PARAMETERS, parameters)
  if (!read.ok) return read
  const { days, startDate, endDate } = read.values
  if (days !== null) {
    const today = formatDay(now, zone)
    return days > maxDays ? { ok: false, code: 40006 } : { ok: true, range: toDayRange(addDays(today, 1 - days), today, zone) }
  }
  if (startDate === null && endDate === null) return { ok: true, range: null }
  if (startDate === null) return { ok: false, code: 40007 }
  if (endDate === null) return { ok: false, code: 40008 }
  const length = countDays(startDate, endDate)
  return length < 1 || length > maxDays ? { ok: false, code: 40008 } : { ok: true, range: toDayRange(startDate, endDate, zone) }
}
