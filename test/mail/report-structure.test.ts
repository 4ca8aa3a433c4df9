/**
 * report-structure - the recipient and the reply of a report by their place in its layout
 *
 * See also: mail/freeform/reader, mail/freeform/split-quoted, mail/smtp/session-transcript, mail/dsn/dsn, mail/feedback/rejection-notice.
 */
import { expect, test } from 'vitest'
import { classify } from '../../src/classify/classify.ts'
import { classifierInputOfReport } from '../../src/classify/classifier-input.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import { parseReport } from '../../src/mail/report-parser.ts'
import { NULL_SENDER, buildMessage } from './messages.ts'
import type { TestMessage } from './messages.ts'

const table = loadRules()
const DAEMON = 'Mail Delivery System <MAILER-DAEMON@mx.example.net>'
const POSTFIX = `This is the mail system at host mx.example.net.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients.

`
const EXIM = `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

`
const SENDMAIL = `The original message was received at Tue, 1 Apr 2025 07:59:00 GMT

   ----- The following addresses had permanent fatal errors -----
`

/** The kind, then `recipient code text` of each recipient; the original recipient in parentheses. */
function summarize(message: Partial<TestMessage> & { readonly body: string }): string {
  const report = parseReport(
    buildMessage({ from: DAEMON, subject: 'Undelivered Mail Returned to Sender', fields: [NULL_SENDER], ...message }),
  )
  const recipients = report.recipients.map((one) =>
    `${one.recipient}${one.originalRecipient === null ? '' : ` (${one.originalRecipient})`} ${one.reply.code ?? '-'} ${one.reply.text}`.trim(),
  )
  return [report.kind, ...recipients].join(' | ')
}

const prose: readonly (readonly [name: string, body: string, want: string])[] = [
  [
    'Postfix: a wrapped line that looks like a marker',
    `${POSTFIX}<user@example.org>: host mx.example.org[192.0.2.7] said: 554 5.7.1
    Message contains a forbidden attachment (in reply to end of DATA command)`,
    'bounce | user@example.org 554 Message contains a forbidden attachment',
  ],
  [
    'Postfix: the sender address at the start of a wrapped line',
    `${POSTFIX}<user@example.org>: host mx.example.org[192.0.2.7] said: 550 5.7.1
    <someone@example.com>: Sender address rejected: not in our
    list (in reply to MAIL FROM command)`,
    'bounce | user@example.org 550 <someone@example.com>: Sender address rejected: not in our list',
  ],
  [
    'Postfix: an expanded alias, continued with tabs',
    `${POSTFIX}<user@example.org> (expanded from <alias@example.net>): host
\tmx.example.org[192.0.2.7] said: 552 5.2.2 The mailbox is
\tfull (in reply to RCPT TO command)

<other@example.org>: unknown user: "other"`,
    'bounce | user@example.org (alias@example.net) 552 The mailbox is full | other@example.org -',
  ],
  [
    'an address at the start of a wrapped reply of Exim',
    `${EXIM}  user@example.org
    SMTP error from remote mail server after RCPT TO:<user@example.org>:
    host mx.example.org [192.0.2.7]: 550 5.1.1
    <forwarded@example.test>: no mailbox here`,
    'bounce | user@example.org 550 <forwarded@example.test>: no mailbox here',
  ],
  ['Exim: an undisclosed address', `${EXIM}  an undisclosed address\n    (generated from user@example.org)`, 'bounce | user@example.org -'],
  [
    'Exim: an undisclosed address whose target is in the reply',
    `${EXIM}  undisclosed address
    (ultimately generated from user@example.org)
    SMTP error from remote mail server after RCPT TO:<hidden@example.test>:
    host mx.example.test [192.0.2.8]: 550 <hidden@example.test> is not known here

  other@example.org
    Unrouteable address`,
    'bounce | user@example.org 550 <hidden@example.test> is not known here | other@example.org -',
  ],
  [
    'Sendmail: replies to pipelined commands',
    `${SENDMAIL}<user@example.org>
    (reason: 552-5.2.2 The mailbox is over its quota)

   ----- Transcript of session follows -----
... while talking to mx.example.org.:
>>> DATA
<<< 552-5.2.2 The mailbox is over its quota
<<< 552 5.2.2 Delete some messages
<<< 554 5.5.1 No valid recipients`,
    'bounce | user@example.org 552 The mailbox is over its quota Delete some messages',
  ],
  [
    'Sendmail: a transcript of consequences only',
    `${SENDMAIL}<user@example.org>
    (reason: 550 5.1.1 There is no such mailbox)

   ----- Transcript of session follows -----
... while talking to mx.example.org.:
>>> DATA
<<< 503 5.5.1 Send RCPT first`,
    'bounce | user@example.org 550 There is no such mailbox',
  ],
  [
    'Sendmail: the last session decides',
    `${SENDMAIL}<user@example.org>

   ----- Transcript of session follows -----
... while talking to mx1.example.org.:
>>> MAIL From:<sender@example.com>
<<< 451 4.3.0 Come back later
... while talking to mx2.example.org.:
>>> RCPT To:<user@example.org>
<<< 550 5.1.1 There is no such mailbox
>>> RCPT To:<other@example.org>
<<< 550 5.7.1 That one does not want you`,
    'bounce | user@example.org 550 There is no such mailbox',
  ],
  [
    'a person named in the sentence and another in the reply',
    'Sorry, we could not deliver your message to user@example.org because of\nthis answer:\n\n 552 too many mails for boss@example.test',
    'bounce | user@example.org 552 too many mails for boss@example.test',
  ],
  [
    'the quoted address and a mailing list in To',
    `Your mail could not be handed over.

The message addressed to "user@example.org" was not collected in time.

--- The headers of the original message ---
Received: from mx.example.com by mx.example.net; Tue, 1 Apr 2025 07:59:00 +0000
From: sender@example.com
To: readers@lists.example.com
Subject: Hello`,
    'bounce | user@example.org -',
  ],
  [
    'a contact in a wrapped sentence',
    'Your message could not be delivered because the account was closed.\n\nQuestions are answered by the team at the\nservice desk, by e-mail at team@example.edu.',
    'bounce | null -',
  ],
  [
    'an X.400 address with an SMTP attribute',
    'Your message did not reach the following recipient(s):\n\nc=US;a= ;p=Example;o=Site;dda:smtp=user@example.org; on Tue, 1 Apr 2025\n    The recipient name is not recognized',
    'bounce | user@example.org -',
  ],
  [
    'an X.400 address with an escaped Internet address',
    'Your message did not reach the following recipient(s):\n\nc=US;a= ;p=Example;dda:RFC-822=first(u)user(a)example.org; on Tue, 1 Apr 2025\n    The recipient name is not recognized',
    'bounce | first_user@example.org -',
  ],
  [
    'local names in a report of Sendmail',
    `${SENDMAIL}user\n    (reason: 552 5.2.2 The mailbox is full)\n\n   ----- Transcript of session follows -----\n552 5.2.2 user... The mailbox is full`,
    'bounce | user@mx.example.net 552 The mailbox is full',
  ],
  [
    'a status line after the full reply',
    "Your message to user@example.org couldn't be delivered.\n\nThe server answered: 552 5.2.2 The mailbox is full\n\nStatus code: 552 5.2.2\n",
    'bounce | user@example.org 552 The mailbox is full',
  ],
  [
    'local names of the reporting host',
    'Your mail to the following recipients could not be delivered:\n\tuser\n\tother\n\nThe mail system',
    'bounce | user@mx.example.net - | other@mx.example.net -',
  ],
]

test.each(prose)('%s', (_name, body, want) => {
  expect(summarize({ body })).toBe(want)
})

const EXCHANGE_STEPS = Array.from({ length: 40 }, (_, n) => `Step ${n}: an administrator compares setting ${n} of the directory.`)

test.each([
  ['text', 'text/plain', (lines: readonly string[]) => lines.join('\n')],
  ['HTML only', 'text/html', (lines: readonly string[]) => lines.map((line) => `<p>${line}</p>`).join('\n')],
])('reads the error line of Exchange below its advice: %s', (_name, type, format) => {
  const body = format([
    "Your message to user@example.org couldn't be delivered.",
    'More Info for Email Admins',
    'Status code: 550 5.1.10',
    ...EXCHANGE_STEPS,
    'Original Message Details',
    'Sender Address: sender@example.com',
    'Recipient Address: user@example.org',
    'Error Details',
    'Reported error: 550 5.1.10 RESOLVER.ADR.RecipientNotFound; no recipient with this address',
  ])
  const message = { from: 'Microsoft Outlook <MicrosoftExchange0a@example.org>', fields: [NULL_SENDER, `Content-Type: ${type}`], body }
  expect(summarize(message)).toContain('user@example.org 550 RESOLVER.ADR.RecipientNotFound; no recipient with this address')
})

/** A multipart/report with one part for each further type. */
function buildReport(reportType: string, text: string, ...parts: readonly (readonly [type: string, text: string])[]): TestMessage {
  const all = [['text/plain', text] as const, ...parts].map(([type, part]) => `--b\nContent-Type: ${type}\n\n${part}\n`)
  return {
    from: DAEMON,
    subject: 'Delivery report',
    fields: [NULL_SENDER, `Content-Type: multipart/report; report-type=${reportType}; boundary=b`],
    body: `${all.join('')}--b--\n`.replaceAll('\n', '\r\n'),
  }
}

test('reads X-Supplementary-Info if Diagnostic-Code is absent', () => {
  const group = (recipient: string, info: string): string =>
    `Final-Recipient: rfc822; ${recipient}\nAction: failed\nStatus: 5.0.0\nX-Supplementary-Info: ${info}\n\n`
  const fields = `Reporting-MTA: dns; mx.example.net\n\n${group('user@example.org', '<mx.example.org #5.0.0 smtp; 552 5.2.2 The mailbox\n is full>')}${group('other@example.org', '<192.0.2.7 #5.0.0 smtp; 550 "Not here">')}`
  expect(summarize(buildReport('delivery-status', 'Two failed.', ['message/delivery-status', fields]))).toBe(
    'bounce | user@example.org 552 The mailbox is full | other@example.org 550 Not here"',
  )
})

test.each([
  ['before other fields', 'Action: failed\nReporting-MTA: dns; mx.example.net\nRemote-MTA: dns; mx.example.org'],
  ['after other fields', 'Reporting-MTA: dns; mx.example.net\nRemote-MTA: dns; mx.example.org\nStatus: 5.0.0\nAction: failed'],
])('an Action among the per-message fields is not a recipient: %s', (_name, block) => {
  const fields = `${block}\n\nFinal-Recipient: rfc822; user@example.org\nStatus: 4.2.2\nDiagnostic-Code: smtp; 452 4.2.2 full\n`
  expect(summarize(buildReport('delivery-status', 'It failed.', ['message/delivery-status', fields]))).toBe(
    'bounce | user@example.org 452 full',
  )
})

const LIST_FIELDS = ['Precedence: bulk', 'List-Id: <talk.lists.example.org>', 'List-Unsubscribe: <mailto:leave@lists.example.org>']

test('a report stays a bounce with List fields, and a newsletter about bounces does not become one', () => {
  const body = `${POSTFIX}<user@example.org>: host mx.example.org[192.0.2.7] said: 550 5.1.1 No such user`
  expect(summarize({ fields: [NULL_SENDER, ...LIST_FIELDS], body })).toBe('bounce | user@example.org 550 No such user')
  expect(summarize({ from: 'Mail Weekly <news@example.org>', subject: 'Why mail bounces', fields: LIST_FIELDS, body })).toBe('other')
})

test('a gateway with a name of its own reports failed recipients', () => {
  const from = 'Mail_Gateway_Antivirus@example.org'
  const body = 'Your message could not be delivered to the following recipients:\n\nuser@example.org\n'
  expect(summarize({ from, subject: 'Delivery failure notification', fields: [`Return-Path: <${from}>`], body })).toBe(
    'bounce | user@example.org -',
  )
})

const notification = (disposition: string): readonly [string, string] => [
  'message/disposition-notification',
  `Reporting-UA: mx.example.org; agent\nFinal-Recipient: rfc822; user@example.org\nDisposition: ${disposition}\n`,
]
const AUTOMATIC = 'automatic-action/MDN-sent-automatically; deleted'
const rejections: readonly (readonly [text: string, disposition: string, want: string])[] = [
  ['Your message to <user@example.org> was automatically rejected:\nThe mailbox is full', AUTOMATIC, 'bounce mailbox-full'],
  ['Your message was automatically rejected by Sieve, a mail filtering language.', AUTOMATIC, 'bounce recipient-refused'],
  ['Your message was automatically rejected:\nNo such user here, go away', AUTOMATIC, 'bounce policy'],
  ['Your message was deleted without being read on 1 April.', AUTOMATIC, 'mdn'],
  ['Your message was displayed.', 'manual-action/MDN-sent-manually; displayed', 'mdn'],
]

test.each(rejections)('a disposition notification: %j', (text, disposition, want) => {
  const report = parseReport(buildMessage(buildReport('disposition-notification', text, notification(disposition))))
  const [recipient] = report.recipients
  const reason = recipient === undefined ? '' : ` ${classify(table, classifierInputOfReport(recipient)).reason}`
  expect(`${report.kind}${reason}`).toBe(want)
})
