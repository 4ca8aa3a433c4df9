/** report-copy.test - who gets a copy of a report, what ends every loop, and the mail of a copy */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planReportCopy, writeReportCopy } from '../../src/compose/report-copy.ts'
import { parseReport } from '../../src/mail/report-parser.ts'
import { ndr } from '../support/reports.ts'

const OWN = ['bounce.example.com', 'in.example.com']
const NDR = ndr({ recipient: 'joe@example.org' })
const VACATION = ['From: joe@example.org', 'Subject: Out of office', 'Auto-Submitted: auto-replied', '', 'I am away.', ''].join('\r\n')
const COPY = writeReportCopy({
  from: 'mailer-daemon@bounce.example.com',
  to: 'news@example.net',
  date: Date.UTC(2026, 10, 20, 12),
  id: 'ab'.repeat(16),
  mac: 'cd'.repeat(32),
  kind: 'bounce',
  about: { recipient: 'joe@example.org', subject: 'Grüße\r\nBcc: x@example.net', sentAt: 0 },
  raw: Buffer.from(NDR),
})
const ALL = ['bounce', 'delay', 'auto-reply']

type Given = { readonly proof?: string | null; readonly to?: string; readonly kinds?: readonly string[]; readonly sender?: string }
const plan = (
  raw: string | Uint8Array,
  { proof = 'token', to = 'sender', kinds = ALL, sender = 'News@example.net' }: Given = {},
): ReturnType<typeof planReportCopy> => {
  const bytes = Buffer.from(raw)
  return planReportCopy({
    report: parseReport(bytes),
    raw: bytes,
    proof,
    settings: { reportCopies: to, reportCopyKinds: kinds },
    sender,
    ownDomains: OWN,
  })
}
const withField = (raw: string, field: string): string => `${field}\r\n${raw}`
const received = (n: number): string =>
  Array.from({ length: n }, (_, i) => `Received: from h${i}.example.net by x; Fri, 20 Nov 2026 12:00:00 +0000`).join('\r\n')

test.each([
  ['a bounce, to its sender', NDR, {}, 'news@example.net'],
  ['to an address of the account', NDR, { to: 'Postmaster@example.net' }, 'postmaster@example.net'],
  ['proven by a signature', NDR, { proof: 'signed' }, 'news@example.net'],
  ['an automatic reply', VACATION, {}, 'news@example.net'],
  ['many hops', withField(NDR, received(25)), {}, 'news@example.net'],
] as const)('%s', (_, raw, given, recipient) => expect(plan(raw, given)).toMatchObject({ recipient, refusal: null }))

test.each([
  ['turned off', NDR, { to: 'off' }, 'off'],
  ['a kind that is not wanted', NDR, { kinds: ['auto-reply'] }, 'kind'],
  ['a mail that is no report', 'Subject: Hi\r\n\r\nHello', {}, 'kind'],
  ['no proof', NDR, { proof: null }, 'unproven'],
  ['proven by VERP, which anybody can write', NDR, { proof: 'verp' }, 'unproven'],
  ['proven by a person', NDR, { proof: 'operator' }, 'unproven'],
  ['a sender that is no address', NDR, { sender: 'nobody' }, 'no-recipient'],
  ['a domain of ours', NDR, { sender: 'a@Bounce.Example.com' }, 'own-domain'],
  ['a subdomain of ours', NDR, { to: 'a@x.in.example.com' }, 'own-domain'],
  ['the bounce of an answer to us', ndr({ recipient: 'token@bounce.example.com' }), {}, 'own-domain'],
  ['the field, whoever wrote it', withField(NDR, 'bounced-copy: no'), {}, 'copy'],
  ['the field behind a gateway', NDR.replace('This is the mail', '> Bounced-Copy: hop=1\r\nThis is the mail'), {}, 'copy'],
  ['too many hops', withField(NDR, received(26)), {}, 'hops'],
] as const)('no copy: %s', (_, raw, given, refusal) => expect(plan(raw, given)).toEqual({ recipient: null, refusal }))

test('a copy is never copied, bounced or answered, and no text of a stranger adds a field', () => {
  const text = COPY.toString('latin1')
  const [head = ''] = text.split('\r\n\r\n')
  const fields = head.split('\r\n').map((line) => line.slice(0, line.indexOf(':')))
  expect(fields).toEqual([
    'From',
    'To',
    'Subject',
    'Date',
    'Message-ID',
    'Auto-Submitted',
    'X-Auto-Response-Suppress',
    'Bounced-Copy',
    'MIME-Version',
    'Content-Type',
  ])
  expect(plan(COPY)).not.toMatchObject({ refusal: null })
  const returned = NDR.replace('--b--', `--b\r\nContent-Type: text/rfc822-headers\r\n\r\n${head}\r\n\r\n--b--`)
  expect(plan(returned)).toMatchObject({ refusal: 'copy' })
  const [, attached = ''] = text.split('Content-Disposition: attachment; filename="report.eml"\r\n\r\n')
  expect(attached.startsWith(NDR.trimEnd())).toBe(true)
})

test('any report gives a lawful mail, whose boundary no report contains', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3_000 }), fc.string({ unit: 'binary', maxLength: 200 }), (raw, subject) => {
      const about = { recipient: `joe${subject}@example.org`, subject, sentAt: 0 }
      const mail = writeReportCopy({
        from: 'm@bounce.example.com',
        to: 'a@example.net',
        date: 0,
        id: 'ab',
        mac: 'cd'.repeat(32),
        kind: 'bounce',
        about,
        raw,
      }).toString('latin1')
      expect(mail).toMatch(/^(?:[\t\x20-\x7E]{0,998}\r\n)+$/)
      expect(mail.match(/\r\n--=_(?:cd){20}/g)).toHaveLength(3)
    }),
  )
})
