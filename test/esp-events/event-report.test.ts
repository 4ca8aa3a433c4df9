/** event-report.test - the mail of an event is read as what it is, whatever a stranger wrote into it */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createEspEvent, type EspEvent, type EspOutcome } from '../../src/esp-events/esp-event.ts'
import { isReportEvent, writeEventReport } from '../../src/esp-events/event-report.ts'
import { parseReport } from '../../src/mail/report-parser.ts'
import type { Report } from '../../src/mail/report.ts'

const AT = Date.UTC(2026, 10, 20, 12)

function readAgain(known: Partial<EspEvent> & { readonly outcome: EspOutcome }): Report | null {
  const event = createEspEvent({ id: 'e', recipient: 'joe@example.org', ...known })
  return event !== null && isReportEvent(event) ? parseReport(writeEventReport('ses', event, AT)) : null
}

test('a bounce is a delivery report with its reply', () => {
  const report = readAgain({
    outcome: 'bounced',
    reply: 'smtp; 550 5.1.1 no such user',
    mx: 'mx.example.org',
    messageIds: ['ses-1', 'm1@example.com'],
  })
  expect(report).toMatchObject({
    kind: 'bounce',
    from: 'events@amazonses.com',
    sentAt: AT,
    recipients: [
      {
        recipient: 'joe@example.org',
        action: 'failed',
        status: '5.1.1',
        remoteMta: 'mx.example.org',
        reply: { code: 550, status: '5.1.1', text: 'no such user' },
      },
    ],
    originalMessage: { messageId: 'm1@example.com' },
  })
})

test.each([
  ['complaint', null, 'complaint', 'abuse'],
  ['complaint', 'fraud', 'complaint', 'fraud'],
  ['complaint', 'x: y\r\nFeedback-Type: opt-out', 'complaint', 'abuse'],
  ['unsubscribe', null, 'complaint', 'opt-out'],
] as const)('%s of the type %j', (outcome, feedbackType, kind, type) => {
  expect(readAgain({ outcome, feedbackType })).toMatchObject({ kind, complaint: { feedbackType: type } })
})

test('opens, clicks, deliveries and delays are no reports', () => {
  for (const outcome of ['open', 'click', 'delivered', 'deferred'] as const) expect(readAgain({ outcome })).toBeNull()
})

test('no text adds a field, a part or a recipient', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.constantFrom(
      '\r\n\r\nAction: delivered\r\n',
      '\r\n--event-of-an-esp--\r\n',
      '--event-of-an-esp',
      '\nFinal-Recipient: rfc822; ann@example.net\n',
    ),
  )
  fc.assert(
    fc.property(text, text, text, (reply, mx, id) => {
      const report = readAgain({ outcome: 'bounced', reply, mx, messageIds: [id] })
      expect(report?.kind).toBe('bounce')
      expect(report?.recipients.map(({ recipient, action }) => [recipient, action])).toEqual([['joe@example.org', 'failed']])
    }),
  )
})
