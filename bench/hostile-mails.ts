/**
 * hostile-mails - the mails that cost the most to read, as a stranger would send them to a Return-Path address of ours
 *
 * Lines end with CRLF, and no line begins with a dot. See also: bench/hostile, test/hostile-libraries.test (what libraries may see of them).
 */

/** `raw` builds the mail for the address that it is sent to. `recipients`: how many copies of the address one DATA has. */
export type HostileMail = { readonly name: string; readonly raw: (to: string) => string; readonly recipients?: number }

const KB = 1_024
const MB = KB * KB

const from = 'From: MAILER-DAEMON@mx.example.net\r\nSubject: failure notice\r\n'
const mail = (fields: string, body = 'x'): string => `${from}${fields}\r\n${body}\r\n`
const typed = (type: string, body: string, encoding = '7bit'): string =>
  mail(`MIME-Version: 1.0\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n`, body)
const lines = (line: string, count: number): string => `${line}\r\n`.repeat(count)

const signature = (n: number, more = ''): string =>
  `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=d${n}.example.org; s=s${n}; h=from:subject:to${more}; bh=${'A'.repeat(43)}=; b=${'B'.repeat(344)}\r\n`
const signatures = (count: number, more = ''): string => Array.from({ length: count }, (_, n) => signature(n, more)).join('')

/** Multiparts inside each other. */
const nested = (depth: number): string =>
  Array.from({ length: depth }, (_, n) => `Content-Type: multipart/mixed; boundary="b${n}"\r\n\r\n--b${n}\r\n`).join('')
const enclosed = (depth: number): string => 'Content-Type: message/rfc822\r\n\r\n'.repeat(depth)

const deliveryGroups = (count: number): string =>
  Array.from(
    { length: count },
    (_, n) =>
      `\r\nFinal-Recipient: rfc822; r${n}@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user ${n}\r\n`,
  ).join('')
const report = (groups: string): string =>
  typed(
    'multipart/report; report-type=delivery-status; boundary=b',
    `--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n${groups}\r\n--b--`,
  )
const complaint = (to: string, fields: string): string =>
  `${signatures(10)}${typed(
    'multipart/report; report-type=feedback-report; boundary=b',
    `--b\r\n\r\nA complaint.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nOriginal-Mail-From: <${to}>\r\n${fields}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nReturn-Path: <${to}>\r\n\r\nx\r\n--b--`,
  )}`

export const HOSTILE_MAILS: readonly HostileMail[] = [
  { name: '5 MB of text', raw: () => mail('', lines('550 5.1.1 <a@example.org>: user unknown', (5 * MB) / 42)) },
  { name: '5 MB to 100 recipients', recipients: 100, raw: () => mail('', lines('word '.repeat(15), (4.8 * MB) / 77)) },
  { name: 'a header of 5 MB', raw: () => mail(lines(`X-A: ${'y'.repeat(900)}`, (4.8 * MB) / 907)) },
  { name: 'a field of 4 MB in folds', raw: () => mail(`X-A: a\r\n${lines(' b', (4 * MB) / 4)}`) },
  { name: 'a million lines without a colon', raw: () => mail(lines('y', 1_000_000)) },
  { name: 'one line of 4 MB', raw: () => mail('', 'y'.repeat(4 * MB)) },
  { name: '100,000 Received fields', raw: () => mail(lines('Received: from a by b; Sat, 21 Nov 2026 03:00:00 +0000', 80_000)) },
  { name: '10 signatures', raw: () => signatures(10) + mail('') },
  { name: '1,000 signatures', raw: () => signatures(1_000) + mail('') },
  { name: 'a signature with 10,000 names in h=', raw: () => signatures(1, ':subject'.repeat(10_000)) + mail('') },
  { name: '10 signatures over 5 MB', raw: () => signatures(10) + mail('', lines('word '.repeat(15), (4.8 * MB) / 77)) },
  { name: '200 ARC seals', raw: () => lines('ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.example.org; s=s; b=x', 200) + mail('') },
  { name: 'multiparts 2,000 deep', raw: () => `${from}${nested(2_000)}` },
  { name: 'messages 2,000 deep', raw: () => `${from}${enclosed(2_000)}\r\nx\r\n` },
  { name: '10,000 parts', raw: () => typed('multipart/mixed; boundary=b', lines('--b\r\n\r\nx', 10_000)) },
  { name: 'a million lines that almost are boundaries', raw: () => typed('multipart/mixed; boundary=b', lines('--', 1_000_000)) },
  {
    name: 'a boundary that never occurs',
    raw: () => typed('multipart/mixed; boundary=b', lines('--c\r\nContent-Type: text/plain\r\n\r\nx', 60_000)),
  },
  {
    name: '8,000 parameters (RFC 2231)',
    raw: () => typed(`text/plain; ${Array.from({ length: 8_000 }, (_, n) => `a*${n}*=%41`).join('; ')}`, 'x'),
  },
  { name: '60,000 encoded words', raw: () => `From: a@example.org\r\nSubject: ${'=?utf-8?q?=41?= '.repeat(60_000)}\r\n\r\nx\r\n` },
  { name: 'encoded words that do not end', raw: () => `From: a@example.org\r\nSubject: ${'=?utf-8?q?'.repeat(60_000)}\r\n\r\nx\r\n` },
  { name: '1 MB of spaces in quoted-printable', raw: () => typed('text/plain', `${' '.repeat(MB)}x`, 'quoted-printable') },
  { name: '4 MB of soft line breaks', raw: () => typed('text/plain', lines('=', (4 * MB) / 3), 'quoted-printable') },
  { name: '4 MB that is no base64', raw: () => typed('text/plain', lines('!'.repeat(76), (4 * MB) / 78), 'base64') },
  { name: '4 MB of HTML tags', raw: () => typed('text/html', '<p "'.repeat(MB)) },
  { name: '4 MB of HTML entities', raw: () => typed('text/html', '&amp;&zwnj;'.repeat((4 * MB) / 11)) },
  { name: '200,000 addresses in To', raw: () => mail(`To: ${'a@b.example, '.repeat(200_000)}\r\n`) },
  { name: '4 MB of @', raw: () => mail('', lines('@'.repeat(500), (4 * MB) / 502)) },
  { name: '20,000 recipients in a report', raw: () => report(deliveryGroups(20_000)) },
  { name: 'a complaint with 10 signatures whose DNS does not answer', raw: (to) => complaint(to, '') },
  { name: 'a complaint with 50,000 fields', raw: (to) => complaint(to, lines('Reported-Domain: a.example.org', 50_000)) },
]
