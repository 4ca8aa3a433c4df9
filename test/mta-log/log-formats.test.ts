/**
 * log-formats.test - each format as its manual documents it, and any line whatever
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LOG_FORMATS, parserOf } from '../../src/mta-log/log-formats.ts'
import type { ParseLine } from '../../src/mta-log/line-parser.ts'
import { LOG_EVENTS, type LogOutcome } from '../../src/mta-log/log-outcome.ts'
import { LINE_CASES } from './log-lines.ts'

const NOW = Date.UTC(2026, 10, 29, 12)
const CONTEXT = { clock: { now: NOW, zone: 'UTC' }, columns: [] }

test.each(LINE_CASES)('%s: %s', (format, line, want) => {
  const parsed = parserOf(format)(line, CONTEXT)
  expect({ outcomes: parsed === null ? null : outcomesOf(parsed) }).toMatchObject({ outcomes: want })
})

const outcomesOf = (parsed: ReturnType<ParseLine>): readonly LogOutcome[] => (parsed !== null && 'map' in parsed ? parsed : [])

test('a header of PowerMTA names the columns of the lines after it', () => {
  const parse = parserOf('powermta')
  const header = parse('type,timeLogged,rcpt,orig,header_Message-Id,dsnDiag', CONTEXT)
  expect(header).toEqual({ columns: ['type', 'timelogged', 'rcpt', 'orig', 'header_message-id', 'dsndiag'] })
  const columns = header !== null && 'columns' in header ? header.columns : []
  const line = 'b,1795951984,a@example.org,s@b.example.com,<one@example.com>,"smtp;550 5.1.1 no, such user"'
  expect(parse(line, { ...CONTEXT, columns })).toMatchObject([
    { recipient: 'a@example.org', sender: 's@b.example.com', messageId: 'one@example.com', code: 550, time: 1_795_951_984_000 },
  ])
})

/** Lines of the formats, whole, cut, doubled and with bytes of other lines in them. */
const mutatedLine = fc
  .tuple(fc.constantFrom(...LINE_CASES.map(([, line]) => line)), fc.nat(400), fc.nat(40), fc.string({ maxLength: 20, unit: 'binary' }))
  .map(([line, start, length, added]) => line.slice(0, start) + added + line.slice(start + length))

function isOutcome(outcome: LogOutcome): boolean {
  const isCode = outcome.code === null || (outcome.code >= 200 && outcome.code < 600)
  const isTime = outcome.time === null || Number.isSafeInteger(outcome.time)
  return LOG_EVENTS.includes(outcome.event) && isCode && isTime && !(outcome.code !== null && outcome.error !== null)
}

describe.each(LOG_FORMATS)('%s', (format) => {
  test('reads any line without throwing, and gives outcomes in the common form', () => {
    const line = fc.oneof(mutatedLine, fc.string({ unit: 'binary', maxLength: 300 }), fc.json())
    const property = fc.property(line, (each) => outcomesOf(parserOf(format)(each, CONTEXT)).every(isOutcome))
    expect(fc.check(property, { numRuns: 400 })).toMatchObject({ failed: false })
  })

  test('a long line of one character costs next to nothing', () => {
    const parse = parserOf(format)
    for (const piece of ['a', ' ', '<', '[', '(', '"', ',', 'to=<', 'a=', ' H=', ': ', '0', '.'])
      for (const [, line] of LINE_CASES.filter(([name]) => name === format).slice(0, 6))
        parse(line.slice(0, 60) + piece.repeat(16_384), CONTEXT)
    expect(parse('x'.repeat(16_384), CONTEXT)).toBeNull()
  })
})
