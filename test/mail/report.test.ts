/**
 * report - kinds, recipients and complaints; any bytes give a report
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseReport } from '../../src/mail/report-parser.ts'
import type { Report } from '../../src/mail/report.ts'
import { BOUNCES, OTHERS } from './freeform/formats.cases.ts'
import { NULL_SENDER, REPORT_KINDS, RETURNED, buildMessage } from './messages.ts'

const DAEMON = 'Mail Delivery System <MAILER-DAEMON@mx.example.net>'

function report(body: string, fields: readonly string[] = []): Report {
  return parseReport(buildMessage({ from: DAEMON, subject: 'Undelivered Mail Returned to Sender', fields: [NULL_SENDER, ...fields], body }))
}

/** The violated invariants of a report; empty for every report. */
function violations(one: Report): readonly string[] {
  const faults = [
    one.kind in REPORT_KINDS ? '' : 'kind',
    one.recipients.length <= 1_000 ? '' : 'too many recipients',
    one.text.length <= 8_192 ? '' : 'long text',
    one.recipients.every((recipient) => recipient.text.length <= 2_048) ? '' : 'long words',
    one.kind !== 'complaint' || one.complaint !== null ? '' : 'a complaint without its fields',
  ]
  return faults.filter((fault) => fault !== '')
}

/** For properties. */
function isWhole(one: Report): boolean {
  return violations(one).length === 0
}

describe('any bytes', () => {
  const seeds = [...BOUNCES, ...OTHERS].map(([, mail]) => Buffer.from(buildMessage(mail)))

  test('random bytes', () => {
    expect(() =>
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 2_000 }), (raw) => isWhole(parseReport(raw))),
        { numRuns: 300 },
      ),
    ).not.toThrow()
  })

  test('mutated messages give the same report each time', () => {
    const mutation = fc.record({ at: fc.nat(), drop: fc.nat(40), insert: fc.string({ maxLength: 20 }) })
    const property = fc.property(fc.nat(seeds.length - 1), fc.array(mutation, { minLength: 1, maxLength: 6 }), (pick, mutations) => {
      let mail = seeds[pick] ?? Buffer.alloc(0)
      for (const one of mutations) {
        const at = one.at % (mail.length + 1)
        mail = Buffer.concat([mail.subarray(0, at), Buffer.from(one.insert), mail.subarray(at + one.drop)])
      }
      const first = parseReport(mail)
      expect(parseReport(mail)).toEqual(first)
      return isWhole(first)
    })
    expect(() => fc.assert(property, { numRuns: 400 })).not.toThrow()
  })

  test.each([1, 20, 300, 4_000])('random MIME structures, from seed %i', (seed) => {
    const types = [
      'text/plain',
      'text/html',
      'message/rfc822',
      'message/delivery-status',
      'message/feedback-report',
      'multipart/report; boundary=b',
      'multipart/mixed; boundary=b',
      'application/json',
      'text/rfc822-headers',
    ]
    const lines = [
      '--b',
      '--b--',
      '',
      'Final-Recipient: rfc822; user@example.org',
      'Action: failed',
      'Status: 5.1.1',
      'Diagnostic-Code: smtp; 550 5.1.1 x',
      'Feedback-Type: abuse',
      '<user@example.org>:',
      '550 no',
      'From: a@example.com',
      'Received: from x',
      ...types.map((type) => `Content-Type: ${type}`),
    ]
    expect(() =>
      fc.assert(
        fc.property(fc.array(fc.constantFrom(...lines), { maxLength: 60 }), (picked) =>
          isWhole(parseReport(Buffer.from(picked.join('\r\n')))),
        ),
        { numRuns: 400, seed },
      ),
    ).not.toThrow()
  })

  test.each([
    ['a hundred thousand addresses', Array.from({ length: 100_000 }, (_, n) => `a${n}@example.org: 550 5.1.1 no\n`).join('')],
    ['one long line of at signs', '@'.repeat(1_000_000)],
    ['one long word', `${'a'.repeat(1_000_000)}@example.org failed`],
    ['a hundred thousand replies', `<a@example.org>: ${'550 5.1.1 x\n'.repeat(100_000)}`],
    ['a hundred thousand labels', 'recipient: '.repeat(100_000)],
    [
      'fifty thousand groups',
      Array.from({ length: 50_000 }, (_, n) => `Final-Recipient: rfc822; a${n}@example.org\nAction: failed\n\n`).join(''),
    ],
  ])('%s end soon', (_name, body) => {
    const before = process.cpuUsage()
    expect(violations(report(body))).toEqual([])
    // CPU time, which other programs do not stretch. A scan that is quadratic in the length takes minutes.
    expect(process.cpuUsage(before).user).toBeLessThan(10_000_000)
  })
})

describe('delivery status', () => {
  const groups = `Reporting-MTA: dns; mx.example.net
Original-Envelope-Id: order+2B1
Arrival-Date: Tue, 1 Apr 2025 08:00:00 +0000

Original-Recipient: rfc822;first+2Btag@example.org
Final-Recipient: rfc822; first@example.test
Action: failed
Status: 5.0.0
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550-5.7.1 line one
550 5.7.1 line two

Final-Recipient: rfc822; second@example.org
Action: delayed
Status: 4.4.1
Will-Retry-Until: Wed, 2 Apr 2025 08:00:00 +0000
Final-Recipient: rfc822; third@example.org
Action: delivered
Status: 2.0.0`

  test('reads groups with or without a blank line between them, and unfolded replies', () => {
    const one = report(groups, ['Content-Type: message/delivery-status'])
    expect(one.kind).toBe('bounce')
    expect(one.envelopeId).toBe('order+1')
    expect(one.reportingMta).toBe('mx.example.net')
    expect(
      one.recipients.map((r) => [r.recipient, r.originalRecipient, r.action, r.status, r.reply.code, r.reply.status, r.remoteMta]),
    ).toEqual([
      ['first@example.test', 'first+tag@example.org', 'failed', '5.0.0', 550, '5.7.1', 'mx.example.org'],
      ['second@example.org', null, 'delayed', '4.4.1', null, null, null],
      ['third@example.org', null, 'delivered', '2.0.0', null, null, null],
    ])
    expect(one.recipients[0]?.text).toContain('line two')
    expect(one.recipients[1]?.willRetryUntil).toBe(Date.UTC(2025, 3, 2, 8))
  })

  test.each(['text/plain', 'application/octet-stream', 'message/x-delivery-status', 'text/html'])(
    'reads fields under the type %s',
    (type) => {
      const body = `--b\r\nContent-Type: text/plain\r\n\r\nIt failed.\r\n--b\r\nContent-Type: ${type}\r\n\r\n${groups}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n${RETURNED}\r\n--b--`
      const one = report(body, ['Content-Type: multipart/report; report-type=delivery-status; boundary=b'])
      expect(one.kind).toBe('bounce')
      expect(one.originalMessage).toMatchObject({ messageId: '1@example.com', from: 'sender@example.com', to: ['user@example.org'] })
    },
  )

  test.each([
    // diagnostic                                                       code  status
    ['smtp; 550 4.4.7 expired, last error: 452 4.2.2 mailbox full', 452, '4.2.2'],
    ['smtp; 554 4.4.7 Message expired.<421 4.4.2 Connection timed out>', 421, '4.4.2'],
    ['smtp; 550 4.4.7 QUEUE.Expired; message expired', 550, '4.4.7'],
  ])('given up: %s', (diagnostic, code, status) => {
    const one = report(`Final-Recipient: rfc822; user@example.org\nAction: failed\nStatus: 4.4.7\nDiagnostic-Code: ${diagnostic}`, [
      'Content-Type: message/delivery-status',
    ])
    expect([one.recipients[0]?.reply.code, one.recipients[0]?.reply.status]).toEqual([code, status])
  })

  test('prefers the original recipient to one at an internal host', () => {
    const one = report(
      'Original-Recipient: rfc822;user@example.org\nFinal-Recipient: rfc822;@relay.example.net:user@ims-daemon\nAction: failed\nStatus: 5.2.0',
      ['Content-Type: message/delivery-status'],
    )
    expect(one.recipients[0]?.recipient).toBe('user@example.org')
  })

  test('reads the report that a gateway enclosed', () => {
    const inner = buildMessage({
      from: DAEMON,
      subject: 'Returned mail: User unknown',
      fields: ['Content-Type: message/delivery-status'],
      body: groups,
    })
    const one = report(
      `--b\r\nContent-Type: text/plain\r\n\r\nA mail came back.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n${Buffer.from(inner).toString()}\r\n--b--`,
      ['Content-Type: multipart/mixed; boundary=b'],
    )
    expect(one.recipients.map((r) => r.recipient)).toContain('second@example.org')
  })

  test('uses To of the returned message only if it has one address', () => {
    const one = report(`Your mail came back.\n\n----- Original message -----\n${RETURNED}`)
    expect(one.recipients.map((r) => r.recipient)).toEqual(['user@example.org'])
    const two = report(
      `Your mail came back.\n\n----- Original message -----\n${RETURNED.replace('Customer <user@example.org>', 'user@example.org, other@example.org')}`,
    )
    expect(two.recipients.map((r) => r.recipient)).toEqual([null])
  })
})

describe('complaints', () => {
  const FIELDS = 'Feedback-Type: abuse\nUser-Agent: X/1\nVersion: 1'
  const NAMED = `${FIELDS}\nOriginal-Mail-From: <b@example.com>`
  const HEADER = 'Return-Path: <b@example.com>\nFrom: news@example.com\nTo: user@example.org\nSubject: News\nMessage-ID: <1@example.com>'
  const part = (type: string, text: string): string => `--b\nContent-Type: ${type}\n\n${text}\n`
  const structures: readonly (readonly [string, string, string, { isForwarded: boolean; isReturned: boolean }])[] = [
    // the structure                       Content-Type                      body
    [
      'parts',
      'multipart/report; report-type=feedback-report; boundary=b',
      `${part('message/feedback-report', FIELDS)}${part('message/rfc822', HEADER)}--b--`,
      { isForwarded: false, isReturned: true },
    ],
    [
      'parts of the wrong type',
      'multipart/mixed; boundary=b',
      `${part('text/plain', FIELDS)}${part('text/rfc822-headers', HEADER)}--b--`,
      { isForwarded: false, isReturned: true },
    ],
    ['one text, and prose above', 'text/plain', `A complaint.\n\n${FIELDS}\n\n${HEADER}`, { isForwarded: true, isReturned: true }],
    ['one text that begins with the fields', 'text/plain', `${NAMED}\n\n${HEADER}`, { isForwarded: true, isReturned: false }],
    [
      'fields in a part, the header pasted',
      'multipart/mixed; boundary=b',
      `${part('text/plain', `Hello\n\n----- Original message -----\n\n${HEADER}`)}${part('message/feedback-report', FIELDS)}--b--`,
      { isForwarded: true, isReturned: true },
    ],
    [
      'the same, and the fields name the mail',
      'multipart/mixed; boundary=b',
      `${part('text/plain', `Hello\n\n----- Original message -----\n\n${HEADER}`)}${part('message/feedback-report', NAMED)}--b--`,
      { isForwarded: false, isReturned: false },
    ],
  ]
  test.each(structures)('only parts of their own are evidence: %s', (_what, type, body, { isForwarded, isReturned }) => {
    const report = parseReport(buildMessage({ from: 'fbl@example.net', subject: 'FW', fields: [`Content-Type: ${type}`], body }))
    expect(report).toMatchObject({ kind: 'complaint', isForwarded })
    expect(report.originalMessage?.returnPath ?? null).toBe(isReturned ? 'b@example.com' : null)
  })

  test('reads every field of a feedback report', () => {
    const one = parseReport(
      buildMessage({
        from: 'fbl@example.net',
        subject: 'FW',
        fields: ['Content-Type: message/feedback-report'],
        body: `Feedback-Type: Abuse
User-Agent: Example/1.0
Version: 1
Original-Mail-From: <bounce@example.com>
Original-Rcpt-To: <user@example.org>
Original-Rcpt-To: <other@example.org>
Arrival-Date: Tue, 1 Apr 2025 08:00:00 +0000
Source-IP: 192.0.2.1
Incidents: 3
Reported-Domain: Example.com
X-Other: kept`,
      }),
    )
    expect(one.complaint).toMatchObject({
      format: 'arf',
      feedbackType: 'abuse',
      userAgent: 'Example/1.0',
      originalMailFrom: 'bounce@example.com',
      originalRcptTo: ['user@example.org', 'other@example.org'],
      arrivalAt: Date.UTC(2025, 3, 1, 8),
      sourceIp: '192.0.2.1',
      incidents: 3,
      reportedDomains: ['example.com'],
    })
    expect(one.complaint?.fields['x-other']).toBe('kept')
  })

  test('reads the complainant from plain JMRP', () => {
    const [, mail] = OTHERS.find(([name]) => name === 'jmrp') ?? []
    const one = mail === undefined ? null : parseReport(buildMessage(mail))
    expect(one?.complaint).toMatchObject({ format: 'jmrp', originalRcptTo: ['user@example.org'], sourceIp: '192.0.2.1' })
  })

  test('reads notifications of a sending service', () => {
    const event = {
      notificationType: 'Bounce',
      bounce: {
        bouncedRecipients: [
          { emailAddress: 'user@example.org', action: 'failed', status: '5.1.1', diagnosticCode: 'smtp; 550 5.1.1 user unknown' },
        ],
        reportingMTA: 'dsn; mx.example.net',
      },
      mail: { messageId: '1' },
    }
    const one = parseReport(buildMessage({ from: 'no-reply@sns.example.net', subject: 'Notification', body: JSON.stringify(event) }))
    expect(one).toMatchObject({
      kind: 'bounce',
      recipients: [{ recipient: 'user@example.org', status: '5.1.1', reply: { code: 550, status: '5.1.1' } }],
    })
  })
})

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures', 'mails')

test('mutated fixtures give reports', () => {
  const files = readdirSync(fixtures).filter((file) => file.endsWith('.eml'))
  for (const file of files) {
    const raw = readFileSync(join(fixtures, file))
    expect(() =>
      fc.assert(
        fc.property(fc.array(fc.tuple(fc.nat(raw.length), fc.nat(255)), { maxLength: 20 }), (changes) => {
          const mail = Buffer.from(raw)
          for (const [at, value] of changes) mail[at % mail.length] = value
          return isWhole(parseReport(mail))
        }),
        { numRuns: 5 },
      ),
    ).not.toThrow()
  }
})
