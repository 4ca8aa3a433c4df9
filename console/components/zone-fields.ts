/**
 * zone-fields - what a clock in the shown zone says at a time
 *
 * See also: app/preferences (the zone).
 */
import { shownZone } from '../app/preferences.ts'

/** Year, month (from 0), day, hour, minute and second, in the order that `Date` and `Date.UTC` take. */
export function zoneFields(at: number): [number, number, number, number, number, number] {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: shownZone(),
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]))
  const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0
  return [part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second')]
}
