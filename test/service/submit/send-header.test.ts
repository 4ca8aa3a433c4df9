/** send-header.test - which values of X-Bounced-Send-At are a send time */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { priorityOf, sendTimeOf, withoutSendHeaders } from '../../../src/service/submit/send-header.ts'

const NOW = Date.UTC(2026, 10, 29, 12)
const LATEST = Date.UTC(2026, 11, 19, 12)
const read = (headers: Readonly<Record<string, string>>): number | null => sendTimeOf(headers, { now: NOW, maxDays: 20 })

test.each([
  [{}, null],
  [{ 'X-Bounced-Send-At': '2026-12-01T09:00:00Z' }, Date.UTC(2026, 11, 1, 9)],
  [{ 'x-bounced-send-at': ' 2026-12-01T09:00:00.5+01:00 ' }, Date.UTC(2026, 11, 1, 8, 0, 0, 500)],
  [{ 'X-BOUNCED-SEND-AT': '2026-12-19T12:00:00Z' }, LATEST],
  // Passed already: at once.
  [{ 'X-Bounced-Send-At': '2026-11-29T12:00:00Z' }, null],
  [{ 'X-Bounced-Send-At': '2001-01-01T00:00:00-05:00' }, null],
] as const)('%j is %j', (headers, at) => {
  expect(read(headers)).toBe(at)
})

test.each([
  [{ 'X-Bounced-Send-At': '' }, /one time with its offset/],
  [{ 'X-Bounced-Send-At': 'tomorrow' }, /one time with its offset/],
  [{ 'X-Bounced-Send-At': '1796000000' }, /one time with its offset/],
  [{ 'X-Bounced-Send-At': '2026-12-01T09:00:00' }, /one time with its offset/],
  [{ 'X-Bounced-Send-At': '2026-11-31T09:00:00Z' }, /one time with its offset/],
  [{ 'X-Bounced-Send-At': '2026-12-01T09:00:00Z, 2026-12-02T09:00:00Z' }, /one time with its offset/],
  [{ 'X-Bounced-Send-At': '2026-12-01T09:00:00Z', 'x-bounced-send-at': '2026-12-01T09:00:00Z' }, /one time with its offset/],
  [{ 'X-Bounced-Send-At': '2026-12-19T12:00:01Z' }, /at most 20 days ahead \(submission\.sendAtDays\)/],
] as const)('%j is refused', (headers, message) => {
  expect(() => read(headers)).toThrow(expect.objectContaining({ code: 'header_invalid', message: expect.stringMatching(message) }))
})

test.each([
  [{}, null],
  [{ 'X-Bounced-Priority': 'transactional' }, 'trigger'],
  [{ 'x-bounced-priority': ' Batch ' }, 'batch'],
] as const)('%j has the type %j', (headers, emailType) => {
  expect(priorityOf(headers)).toBe(emailType)
})

test.each([
  { 'X-Bounced-Priority': '' },
  { 'X-Bounced-Priority': 'trigger' },
  { 'X-Bounced-Priority': 'batch, batch' },
  { 'X-Bounced-Priority': 'batch', 'x-bounced-priority': 'batch' },
  { 'X-Bounced-Priority': 'constructor' },
])('%j is refused', (headers) => {
  expect(() => priorityOf(headers)).toThrow(expect.objectContaining({ code: 'header_invalid' }))
})

test('the headers to us do not leave us', () => {
  expect(withoutSendHeaders({ 'X-Bounced-Send-At': 'x', 'X-BOUNCED-PRIORITY': 'y', 'X-Bounced-Other': 'z' })).toEqual({
    'X-Bounced-Other': 'z',
  })
})

/** What a text is. */
function kindOf(text: string): string {
  try {
    const at = read({ 'X-Bounced-Send-At': text })
    return at === null ? 'at once' : at > NOW && at <= LATEST ? 'in reach' : `out of reach: ${at}`
  } catch (error) {
    return error instanceof Fault ? error.code : 'not a fault'
  }
}

test('any text is a time in reach, at once, or refused', () => {
  const texts = fc.oneof(
    fc.string(),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  )
  fc.assert(
    fc.property(texts, (text) => {
      expect(['at once', 'in reach', 'header_invalid']).toContain(kindOf(text))
    }),
  )
})
