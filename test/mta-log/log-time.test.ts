/**
 * log-time.test - times with and without a year, an offset and a zone
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseLogTime } from '../../src/mta-log/log-time.ts'

const NOW = Date.UTC(2027, 0, 2, 12)

test.each([
  // text                          zone              time
  ['Jan  1 00:00:01', 'UTC', '2027-01-01T00:00:01Z'],
  ['Dec 31 23:59:59', 'UTC', '2026-12-31T23:59:59Z'],
  ['Jan  3 10:00:00', 'UTC', '2027-01-03T10:00:00Z'],
  ['Jan  4 10:00:00', 'UTC', '2026-01-04T10:00:00Z'],
  ['Dec 31 23:59:59', 'Asia/Shanghai', '2026-12-31T15:59:59Z'],
  ['2026-11-29 11:33:04', 'Europe/Berlin', '2026-11-29T10:33:04Z'],
  ['2026-07-29 11:33:04.250', 'Europe/Berlin', '2026-07-29T09:33:04.250Z'],
  ['2026-11-29 11:33:04+0530', 'Europe/Berlin', '2026-11-29T06:03:04Z'],
  ['2026-11-29T11:33:04,5-08:00', 'UTC', '2026-11-29T19:33:04.500Z'],
  ['2026-06-30T23:59:60Z', 'UTC', '2026-06-30T23:59:59Z'],
  ['1795951984', 'Asia/Shanghai', '2026-11-29T11:33:04Z'],
])('%s in %s is %s', (text, zone, want) => {
  expect(parseLogTime(text, { now: NOW, zone })).toBe(Date.parse(want))
})

test.each(['', 'Feb 30 10:00:00', '2026-02-30 10:00:00', '2026-13-01T00:00:00Z', 'Foo  1 10:00:00', '25:00', '11:33:04'])(
  '%j is no time',
  (text) => {
    expect(parseLogTime(text, { now: NOW, zone: 'UTC' })).toBeNull()
  },
)

test('a syslog time is never more than a day ahead, and at most a year old', () => {
  const moment = fc.integer({ min: Date.UTC(2000, 1), max: Date.UTC(2060, 1) })
  fc.assert(
    fc.property(moment, fc.integer({ min: -364, max: 0 }), (now, days) => {
      const written = new Date(now + days * 86_400_000)
      const [month, day] = [written.toLocaleString('en-US', { month: 'short', timeZone: 'UTC' }), String(written.getUTCDate()).padStart(2)]
      const time = parseLogTime(`${month} ${day} ${written.toISOString().slice(11, 19)}`, { now, zone: 'UTC' })
      expect(time).toBe(Math.floor(written.getTime() / 1_000) * 1_000)
    }),
  )
})
