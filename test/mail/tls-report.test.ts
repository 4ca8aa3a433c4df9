/**
 * tls-report.test - TLS reports: what is read of a genuine one, what is not one, and hostile ones
 */
import { gzipSync } from 'node:zlib'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseTlsReport, type TlsReport } from '../../src/mail/feedback/tls-report.ts'
import { MAX_JSON } from '../../src/mail/mime/json-reader.ts'
import { parseReport } from '../../src/mail/report-parser.ts'
import type { Report } from '../../src/mail/report.ts'

const FIXTURES = join(import.meta.dirname, '../../fixtures')
const fixture = (name: string): Report => parseReport(readFileSync(join(FIXTURES, name)))

const REPORT = {
  'organization-name': 'Example Mail',
  'date-range': { 'start-datetime': '2026-03-12T00:00:00Z', 'end-datetime': '2026-03-13T00:00:00Z' },
  'contact-info': 'tls@example.org',
  'report-id': 'r1',
  policies: [] as readonly unknown[],
}
const policyOf = (successful: unknown, failed: unknown, details: unknown = []): unknown => ({
  policy: {
    'policy-type': 'sts',
    'policy-domain': 'bounce.example.com',
    'policy-string': ['version: STSv1'],
    'mx-host': 'MX.example.com.',
  },
  summary: { 'total-successful-session-count': successful, 'total-failure-session-count': failed },
  'failure-details': details,
})
const read = (over: object): TlsReport | null => parseTlsReport(JSON.stringify({ ...REPORT, ...over }))

test.each(['mails/tls-report-json.eml', 'mails/tls-report-gzip.eml'])('%s is read whole', (name) => {
  expect(fixture(name)).toMatchObject({ kind: 'tls-report', format: 'tlsrpt', recipients: [], complaint: null })
  expect(fixture(name).tlsReport).toEqual({
    submitter: 'example.org',
    domain: 'bounce.example.com',
    content: {
      reportId: '2026-03-12T00:00:00Z_bounce.example.com',
      organizationName: 'Example Mail',
      contactInfo: 'tls-reports@example.org',
      startsAt: Date.UTC(2026, 2, 12),
      endsAt: Date.UTC(2026, 2, 12, 23, 59, 59),
      successful: 1_280,
      failed: 12,
      omitted: 0,
      policies: [
        {
          type: 'sts',
          domain: 'bounce.example.com',
          lines: ['version: STSv1', 'mode: enforce', 'mx: mx.bounce.example.com', 'max_age: 86400'],
          mxHosts: ['mx.bounce.example.com'],
          successful: 1_280,
          failed: 12,
          failures: [
            {
              resultType: 'certificate-expired',
              sendingMtaIp: '203.0.113.25',
              receivingIp: '198.51.100.10',
              receivingMxHostname: 'mx.bounce.example.com',
              sessions: 9,
              reasonCode: null,
            },
            {
              resultType: 'starttls-not-supported',
              sendingMtaIp: '203.0.113.26',
              receivingIp: '198.51.100.10',
              receivingMxHostname: 'mx.bounce.example.com',
              sessions: 3,
              reasonCode: '503 STARTTLS not offered',
            },
          ],
        },
      ],
    },
  })
})

test('a report to the address of a mail is one too', () => {
  expect(fixture('negatives/tls-rpt.eml').tlsReport?.content).toMatchObject({ reportId: expect.any(String) })
})

describe('the JSON', () => {
  const counts: readonly (readonly [written: unknown, read: number | null])[] = [
    [7, 7],
    [0, 0],
    ['12', 12],
    [1_000_000_000_000, 1_000_000_000_000],
    [-1, null],
    ['-1', null],
    [1.5, null],
    [1e300, null],
    ['99999999999999999999', null],
    [null, null],
    [[3], null],
    [true, null],
    ['', null],
  ]
  test.each(counts)('a count %j is %j, and adds as much to the sum', (written, wanted) => {
    const report = read({ policies: [policyOf(written, 2), policyOf(5, written)] })
    expect(report).toMatchObject({ successful: 5 + (wanted ?? 0), failed: 2 + (wanted ?? 0) })
    expect(report?.policies.map(({ failed }) => failed)).toContain(wanted)
  })

  const notReports: readonly (readonly [what: string, text: string])[] = [
    ['no JSON', 'hello'],
    ['a list', '[]'],
    ['an empty object', '{}'],
    ['no report-id', JSON.stringify({ ...REPORT, 'report-id': undefined })],
    ['an empty report-id', JSON.stringify({ ...REPORT, 'report-id': ' \u0000 ' })],
    ['a report-id that is an object', JSON.stringify({ ...REPORT, 'report-id': {} })],
    ['policies that are an object', JSON.stringify({ ...REPORT, policies: {} })],
    ['JSON that is cut', JSON.stringify({ ...REPORT, policies: [policyOf(1, 1)] }).slice(0, -9)],
    ['more text than the limit', JSON.stringify({ ...REPORT, note: 'x'.repeat(MAX_JSON) })],
    ['many open brackets', `{"report-id":"r","policies":${'['.repeat(MAX_JSON - 50)}}`],
  ]
  test.each(notReports)('%s is no report', (_what, text) => {
    expect(parseTlsReport(text)).toBeNull()
  })

  test('a deep nest of brackets that is closed costs nothing else', () => {
    const depth = 100_000
    expect(parseTlsReport(`{"report-id":"r","policies":[${'['.repeat(depth)}${']'.repeat(depth)}]}`)).toMatchObject({
      successful: 0,
      failed: 0,
    })
  })

  test('unknown words stay, wrong types are left out, control characters become spaces', () => {
    const details = [
      { 'result-type': 'New-Type', 'failed-session-count': 1, 'failure-reason-code': 'a\r\n\u0000b\u2028c' },
      7,
      null,
      { 'result-type': ['x'], 'receiving-ip': {}, 'failed-session-count': 'many' },
    ]
    const report = read({
      'organization-name': 5,
      'contact-info': ['x'],
      'date-range': { 'start-datetime': 'yesterday', 'end-datetime': '2026-03-12t23:59:59+02:00' },
      policies: [policyOf(1, 1, details), 'x', { policy: 'x', summary: [] }],
    })
    expect(report).toMatchObject({
      organizationName: '5',
      contactInfo: null,
      startsAt: null,
      endsAt: Date.UTC(2026, 2, 12, 21, 59, 59),
      successful: 1,
      failed: 1,
    })
    expect(report?.policies[0]).toMatchObject({
      mxHosts: ['MX.example.com.'],
      failures: [
        { resultType: 'new-type', sessions: 1, reasonCode: 'a b c' },
        { resultType: 'unknown', receivingIp: null, sessions: null },
      ],
    })
    expect(report?.policies[1]).toEqual({
      type: 'unknown',
      domain: null,
      lines: [],
      mxHosts: [],
      successful: null,
      failed: null,
      failures: [],
    })
  })

  test('what exceeds a limit is counted, and the failures with the most sessions are kept', () => {
    const details = Array.from({ length: 60 }, (_, n) => ({ 'result-type': `type-${n}`, 'failed-session-count': n }))
    const report = read({ policies: Array.from({ length: 30 }, (_, n) => policyOf(1, n, n === 29 ? details : [])) })
    const failures = report?.policies.flatMap((policy) => policy.failures) ?? []
    expect(report).toMatchObject({ successful: 30, failed: 435, omitted: 14 + 20 })
    expect(report?.policies.map(({ failed }) => failed)).toEqual(Array.from({ length: 16 }, (_, n) => 29 - n))
    expect(failures.map(({ sessions }) => sessions)).toEqual(Array.from({ length: 40 }, (_, n) => 20 + n))
  })

  test('any JSON gives a bounded report or none', () => {
    const near = fc.record(
      {
        'report-id': fc.oneof(fc.string(), fc.jsonValue()),
        'organization-name': fc.jsonValue(),
        'date-range': fc.oneof(
          fc.jsonValue(),
          fc.record({
            'start-datetime': fc.oneof(
              fc.date({ noInvalidDate: true }).map((at) => at.toISOString()),
              fc.string(),
            ),
          }),
        ),
        policies: fc.oneof(
          fc.jsonValue(),
          fc.array(
            fc.oneof(
              fc.jsonValue(),
              fc.tuple(fc.jsonValue(), fc.jsonValue(), fc.jsonValue()).map(([a, b, c]) => policyOf(a, b, c)),
              fc
                .tuple(
                  fc.double(),
                  fc.integer(),
                  fc.array(fc.record({ 'failed-session-count': fc.jsonValue(), 'result-type': fc.jsonValue() })),
                )
                .map(([a, b, c]) => policyOf(a, b, c)),
            ),
          ),
        ),
      },
      { requiredKeys: ['policies'] },
    )
    fc.assert(
      fc.property(fc.oneof(near, fc.jsonValue()), (json) => {
        const report = parseTlsReport(JSON.stringify(json))
        if (report === null) return
        expect(JSON.stringify(report).length).toBeLessThan(200_000)
        for (const sum of [report.successful, report.failed, report.omitted]) expect(Number.isSafeInteger(sum) && sum >= 0).toBe(true)
        for (const at of [report.startsAt, report.endsAt]) expect(at === null || !Number.isNaN(new Date(at).getTime())).toBe(true)
        expect(JSON.stringify(report)).not.toMatch(/\\u00[01]|\\ud[89a-f]/)
      }),
      { numRuns: 500 },
    )
  })
})

type Part = { readonly type: string; readonly body: Buffer; readonly filename?: string }

const EMPTY_MEMBER = gzipSync(Buffer.alloc(0))

/** A mail whose only part is the report, or a multipart with a text before it. */
function mailOf({ type, body, filename }: Part, { fields = [], wrapper }: { fields?: readonly string[]; wrapper?: string } = {}): Report {
  const name = filename === undefined ? [] : [`Content-Disposition: attachment; filename="${filename}"`]
  const encoded = body.toString('base64').replaceAll(/.{76}/g, '$&\r\n')
  const part = [`Content-Type: ${type}`, ...name, 'Content-Transfer-Encoding: base64', '', encoded].join('\r\n')
  const head = ['From: tls@example.org', 'Subject: hello', 'MIME-Version: 1.0', ...fields].join('\r\n')
  const text = '--b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n\r\n'
  const raw =
    wrapper === undefined
      ? `${head}\r\n${part}`
      : `${head}\r\nContent-Type: ${wrapper}; boundary=b\r\n\r\n${text}--b\r\n${part}\r\n--b--\r\n`
  return parseReport(Buffer.from(raw))
}

describe('the mail', () => {
  const json = Buffer.from(JSON.stringify({ ...REPORT, policies: [policyOf(1, 0)] }))
  const name = 'example.org!bounce.example.com!1773273600!1773359999.json.gz'
  const gzip = { type: 'application/gzip', body: gzipSync(json) }
  const kinds: readonly (readonly [what: string, report: Report, kind: string])[] = [
    ['application/tlsrpt+gzip alone', mailOf({ ...gzip, type: 'application/tlsrpt+gzip' }), 'read'],
    ['application/tlsrpt+json alone', mailOf({ type: 'application/tlsrpt+json', body: json }), 'read'],
    ['multipart/mixed', mailOf({ ...gzip, type: 'application/tlsrpt+gzip' }, { wrapper: 'multipart/mixed' }), 'read'],
    ['JSON under the name of gzip', mailOf({ type: 'application/tlsrpt+gzip', body: json }), 'read'],
    [
      'a general type with the file name and the header field',
      mailOf({ ...gzip, filename: name }, { fields: ['TLS-Report-Domain: example.com'] }),
      'read',
    ],
    ['a general type with the file name alone', mailOf({ ...gzip, filename: name }), 'none'],
    ['the header field alone', mailOf(gzip, { fields: ['TLS-Report-Domain: example.com'] }), 'none'],
    [
      'another report type',
      mailOf({ ...gzip, type: 'application/tlsrpt+gzip' }, { wrapper: 'multipart/report; report-type=delivery-status' }),
      'none',
    ],
    [
      'multipart/report without a report',
      mailOf({ type: 'image/png', body: json }, { wrapper: 'multipart/report; report-type=tlsrpt' }),
      'unread',
    ],
    ['gzip that is cut', mailOf({ type: 'application/tlsrpt+gzip', body: gzip.body.subarray(0, -20) }), 'unread'],
    ['octets', mailOf({ type: 'application/tlsrpt+gzip', body: Buffer.alloc(1_000, 7) }), 'unread'],
    ['an empty part', mailOf({ type: 'application/tlsrpt+json', body: Buffer.alloc(0) }), 'unread'],
  ]
  test.each(kinds)('%s', (_what, report, kind) => {
    const found = report.kind !== 'tls-report' ? 'none' : report.tlsReport?.content == null ? 'unread' : 'read'
    expect(found).toBe(kind)
    expect(report.tlsReport === null).toBe(report.kind !== 'tls-report')
  })

  test('a gigabyte in a small mail is not unpacked', () => {
    // A gigabyte of one octet is a megabyte of gzip; unpacking stops at the limit whatever follows.
    const small = gzipSync(Buffer.alloc(16 * 1_048_576, 0x20))
    const padded = gzipSync(Buffer.concat([json, Buffer.alloc(MAX_JSON, 0x20)]))
    const nested = gzipSync(gzipSync(json))
    const members = Buffer.concat(Array.from({ length: 20_000 }, () => EMPTY_MEMBER))
    for (const body of [small, padded, nested, members])
      expect(mailOf({ type: 'application/tlsrpt+gzip', body }).tlsReport).toMatchObject({ content: null })
  })

  test('names that are no domains are not taken, and From stands in', () => {
    const fields = ['TLS-Report-Submitter: <script>', `TLS-Report-Domain: ${'x'.repeat(400)}`]
    expect(mailOf({ type: 'application/tlsrpt+json', body: json }, { fields }).tlsReport).toMatchObject({
      submitter: 'example.org',
      domain: 'bounce.example.com',
    })
  })

  test('a bounce that returns a TLS report is a bounce', () => {
    const returned = readFileSync(join(FIXTURES, 'mails/tls-report-json.eml'), 'latin1')
    const status =
      'Reporting-MTA: dns; mx.example.net\r\n\r\nFinal-Recipient: rfc822; tls@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n'
    const raw = `From: MAILER-DAEMON@mx.example.net\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=o\r\n\r\n--o\r\nContent-Type: message/delivery-status\r\n\r\n${status}\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n${returned}\r\n--o--\r\n`
    expect(parseReport(Buffer.from(raw, 'latin1'))).toMatchObject({ kind: 'bounce', tlsReport: null })
  })
})
