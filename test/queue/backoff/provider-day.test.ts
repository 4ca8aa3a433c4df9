/**
 * provider-day.test - the end of a day in a zone: plain days, days of 23 and 25 hours, and a day that a zone skipped
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { endOfProviderDay, isTimeZone } from '../../../src/queue/backoff/provider-day.ts'

const DAYS = [
  // moment                 zone                    end of its day
  ['2026-01-01T12:00:00Z', 'Asia/Shanghai', '2026-01-01T16:00:00Z'],
  ['2026-01-01T16:00:00Z', 'Asia/Shanghai', '2026-01-02T16:00:00Z'],
  ['2026-03-29T00:30:00Z', 'Europe/Berlin', '2026-03-29T22:00:00Z'],
  ['2026-10-25T00:30:00Z', 'Europe/Berlin', '2026-10-25T23:00:00Z'],
  // Cairo's clocks skip midnight.
  ['2026-04-23T20:00:00Z', 'Africa/Cairo', '2026-04-23T22:00:00Z'],
  // Samoa skipped 30 December 2011.
  ['2011-12-30T05:00:00Z', 'Pacific/Apia', '2011-12-30T10:00:00Z'],
] as const

test.each(DAYS)('the day of %s in %s ends at %s', (at, zone, end) => {
  expect(new Date(endOfProviderDay(Date.parse(at), zone)).toISOString()).toBe(end.replace('Z', '.000Z'))
})

const ZONES = Intl.supportedValuesOf('timeZone')

test('a day ends where its date changes, at most 25 hours ahead', () => {
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(2015, 0, 1), max: Date.UTC(2035, 0, 1) }), fc.constantFrom(...ZONES), (at, zone) => {
      const end = endOfProviderDay(at, zone)
      const dateOf = (moment: number): string => new Intl.DateTimeFormat('en-CA', { timeZone: zone }).format(moment)
      expect(end).toBeGreaterThan(at)
      expect(end - at).toBeLessThanOrEqual(25 * 3_600_000)
      expect(dateOf(end - 1)).toBe(dateOf(at))
      expect(dateOf(end)).not.toBe(dateOf(at))
    }),
  )
})

test.each([
  ['Asia/Shanghai', true],
  ['UTC', true],
  ['Mars/Olympus', false],
  ['', false],
  ['2026-01-01T00:00Z[Asia/Tokyo]', false],
])('%j is a zone: %s', (zone, isZone) => expect(isTimeZone(zone)).toBe(isZone))
