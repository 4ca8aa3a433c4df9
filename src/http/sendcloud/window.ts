/**
 * window - the span of days that the vendor's queries ask for
 *
 * `days` (1 is today) or `startDate` and `endDate`, both counted, cut in the account's zone.
 */
import type { VendorCode } from './envelope.ts'
import type { Bag } from './parameters.ts'
import { readParameters, readWhole, parameter } from './parameters.ts'
import type { Span } from './zoned-time.ts'
import { dayOf, parseDay, shiftDay, spanOf, spanOfDays } from './zoned-time.ts'

const WINDOW = {
  days: parameter<number | null>({ names: ['days'], empty: null, invalid: 40006, read: readWhole(1, 3_660), absent: null }),
  startDate: parameter<string | null>({ names: ['startDate', 'start_date'], empty: null, invalid: 40007, read: parseDay, absent: null }),
  endDate: parameter<string | null>({ names: ['endDate', 'end_date'], empty: null, invalid: 40008, read: parseDay, absent: null }),
}

export type WindowWish = { readonly mostDays: number; readonly zone: string; readonly now: number }
export type WindowRead = { readonly ok: true; readonly span: Span | null } | { readonly ok: false; readonly code: VendorCode }

/** The span of a request; null when it names none. Too long is 40006 for days and 40008 for dates. */
export function readWindow(bag: Bag, { mostDays, zone, now }: WindowWish): WindowRead {
  const read = readParameters(WINDOW, bag)
  if (!read.ok) return read
  const { days, startDate, endDate } = read.values
  if (days !== null) {
    const today = dayOf(now, zone)
    return days > mostDays ? { ok: false, code: 40006 } : { ok: true, span: spanOfDays(shiftDay(today, 1 - days), today, zone) }
  }
  if (startDate === null && endDate === null) return { ok: true, span: null }
  if (startDate === null) return { ok: false, code: 40007 }
  if (endDate === null) return { ok: false, code: 40008 }
  const length = spanOf(startDate, endDate)
  return length < 1 || length > mostDays ? { ok: false, code: 40008 } : { ok: true, span: spanOfDays(startDate, endDate, zone) }
}
