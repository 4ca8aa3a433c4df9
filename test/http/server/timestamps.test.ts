/**
 * timestamps.test - timestamps are converted to ISO 8601, and other numbers are not
 */
import { expect, test } from 'vitest'
import { formatTimestamps } from '../../../src/http/server/timestamps.ts'

const AT = Date.UTC(2026, 10, 20, 12)
const ISO = '2026-11-20T12:00:00.000Z'

test.each([
  ['removedAt', AT, ISO],
  ['from', AT, ISO],
  ['until', AT, ISO],
  ['until', null, null],
  ['statusAt', 0, null],
  ['n', 3, 3],
  ['until', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ['until', 8_640_000_000_000_000, '+275760-09-13T00:00:00.000Z'],
  ['at', Number.NaN, Number.NaN],
  ['from', 'news@example.com', 'news@example.com'],
  ['evidence', [{ at: AT, code: 421 }, 'x', 7], [{ at: ISO, code: 421 }, 'x', 7]],
  ['detail', { since: AT, reports: 5, names: ['a'] }, { since: ISO, reports: 5, names: ['a'] }],
] as const)('%s %j', (name, value, want) => expect(formatTimestamps(name, value)).toEqual(want))
