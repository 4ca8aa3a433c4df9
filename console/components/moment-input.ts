/**
 * moment-input - times that a reader types, in the zone in which the page shows times
 *
 * A `datetime-local` field knows no zone; the value is read in the shown zone, so that "08:00" in a filter is the 08:00 of the list below.
 *
 * See also: components/moment, components/zone-fields.
 */
import { zoneFields } from './zone-fields.ts'

/** What a field of the type `datetime-local` holds, as ISO 8601 in UTC. Empty and invalid: null. A time that a zone skips is the one after it. */
export function readMoment(text: string): string | null {
  const wanted = Date.parse(`${text.length === 10 ? `${text}T00:00` : text}Z`)
  if (!Number.isFinite(wanted)) return null
  // The offset belongs to the time that is looked for; the second round corrects a guess across a change of the clock.
  const guess = wanted - offsetAt(wanted)
  return new Date(wanted - offsetAt(guess)).toISOString()
}

/** What a `datetime-local` field shows for a time, in the shown zone, to the minute. */
export const toMomentInput = (at: number): string => new Date(at + offsetAt(at)).toISOString().slice(0, 16)

/** How far the shown zone is ahead of UTC at a time, in milliseconds. */
const offsetAt = (at: number): number => Date.UTC(...zoneFields(at)) - Math.floor(at / 1_000) * 1_000
