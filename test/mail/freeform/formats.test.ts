/**
 * formats - bounces written as prose, and messages that only resemble them
 *
 * See also: mail/freeform/formats, mail/freeform/reader, formats.cases (the messages).
 */
import { expect, test } from 'vitest'
import { MARKER_ROLES } from '../../../src/mail/freeform/bounce-format.ts'
import { findLineMarkers } from '../../../src/mail/freeform/format-index.ts'
import { BOUNCE_FORMATS } from '../../../src/mail/freeform/formats.ts'
import { parseReport } from '../../../src/mail/report-parser.ts'
import { selectEnhancedStatus } from '../../../src/mail/smtp/recipient-status.ts'
import { BOUNCES, OTHERS } from './formats.cases.ts'
import { buildMessage } from '../messages.ts'

test.each(BOUNCES)('%s', (_name, mail, want) => {
  const report = parseReport(buildMessage(mail))
  const rows = report.recipients.map((one) => `${one.recipient} ${one.reply.code ?? '-'} ${selectEnhancedStatus(one) ?? '-'}`)
  expect([report.kind, ...rows].join(' | ')).toBe(want)
})

test.each(OTHERS)('%s', (_name, mail, want) => {
  expect(parseReport(buildMessage(mail)).kind).toBe(want)
})

test('does not mix the texts of two recipients', () => {
  const [, mail] = BOUNCES[0] ?? []
  const [first, second] = mail === undefined ? [] : parseReport(buildMessage(mail)).recipients
  expect(first?.text).toContain('No such user here')
  expect(first?.text).not.toContain('example.test')
  expect(second?.text).not.toContain('No such user here')
  expect(`${first?.text}${second?.text}`).not.toContain('Thank you')
})

test('keeps the parent of a generated address', () => {
  const [, mail] = BOUNCES.find(([name]) => name === 'exim with a parent') ?? []
  const report = mail === undefined ? null : parseReport(buildMessage(mail))
  expect(report?.recipients[0]).toMatchObject({
    recipient: 'user@example.org',
    originalRecipient: 'alias@example.net',
    remoteMta: 'mx.example.org',
  })
})

test('finds every marker, and every marker is in lower case', () => {
  for (const format of BOUNCE_FORMATS) {
    for (const role of MARKER_ROLES) {
      for (const text of format[role] ?? []) {
        expect(text).toBe(text.toLowerCase())
        expect(text.length).toBeGreaterThanOrEqual(3)
        expect(
          findLineMarkers(`  --- ${text}`).some((mark) => mark.format === format.id && mark.role === role),
          `${format.id} ${role} ${text}`,
        ).toBe(true)
      }
    }
  }
})
