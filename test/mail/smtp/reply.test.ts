/** reply.test - replies in lines and in text */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findLastReply } from '../../../src/mail/smtp/last-reply.ts'
import { findReplies } from '../../../src/mail/smtp/reply-search.ts'
import { MAX_REPLY_LENGTH, findEnhancedStatus, parseReply } from '../../../src/mail/smtp/reply.ts'

const cases: readonly (readonly [string, number | null, string | null, string])[] = [
  // what the peer wrote                                          code  status   text
  ['550 5.1.1 No such user', 550, '5.1.1', 'No such user'],
  ['550-5.1.1 No such\r\n550 5.1.1 user here', 550, '5.1.1', 'No such user here'],
  ['smtp; 550-5.1.1 No such\r\n 550 5.1.1 user here', 550, '5.1.1', 'No such user here'],
  ['smtp; 550-5.1.1 No such 550-5.1.1 user 550 5.1.1 here', 550, '5.1.1', 'No such user here'],
  ['550-No such\n550-user\n550 here', 550, null, 'No such user here'],
  ['Sorry, I was not able to deliver', null, null, 'Sorry, I was not able to deliver'],
  ['SMTP;550 No such user', 550, null, 'No such user'],
  ['x-postfix; unknown user: "a"', null, null, 'unknown user: "a"'],
  ['smtp; host mx.example.com said: 552 5.2.2 full', 552, '5.2.2', 'host mx.example.com said: 552 5.2.2 full'],
  ['#550 5.1.1 No such user', 550, '5.1.1', 'No such user'],
  ['#5.1.1 smtp;550 5.1.1 No such user', 550, '5.1.1', 'No such user'],
  ['[550] No such user', 550, null, 'No such user'],
  ['(550) No such user', 550, null, 'No such user'],
  ['550 #5.1.1 No such user', 550, '5.1.1', 'No such user'],
  ['550 (5.1.1) No such user', 550, '5.1.1', 'No such user'],
  ['550: 5.1.1: No such user', 550, '5.1.1', 'No such user'],
  ['550 550 5.1.1 No such user', 550, '5.1.1', 'No such user'],
  ['5.1.1 No such user', null, '5.1.1', 'No such user'],
  ['5.1.0 - Unknown address error 550-no such user', 550, '5.1.0', 'Unknown address error 550-no such user'],
  ['No mailbox here by that name. (#5.1.1)', null, '5.1.1', 'No mailbox here by that name. (#5.1.1)'],
  ['550 <a@example.com>: Recipient rejected', 550, null, '<a@example.com>: Recipient rejected'],
  ['554 Service unavailable; Client host [192.0.2.4] blocked', 554, null, 'Service unavailable; Client host [192.0.2.4] blocked'],
  ['250 2.0.0 Ok: queued', 250, '2.0.0', 'Ok: queued'],
  ['421', 421, null, ''],
  [
    'connect to mx.example.com[192.0.2.5]:25: Connection timed out',
    null,
    null,
    'connect to mx.example.com[192.0.2.5]:25: Connection timed out',
  ],
  ['504.example.com refused', null, null, '504.example.com refused'],
  ['gave up after 450 seconds', null, null, 'gave up after 450 seconds'],
  ['message size 512 exceeds 500 KB', null, null, 'message size 512 exceeds 500 KB'],
  ['port 587 was closed', null, null, 'port 587 was closed'],
  ['on 2025-04-01 at 5:50', null, null, 'on 2025-04-01 at 5:50'],
  ['from 5.1.1.1 by Exim 4.92.3 version 5.4.3', null, null, 'from 5.1.1.1 by Exim 4.92.3 version 5.4.3'],
  ['id 550e8400-e29b', null, null, 'id 550e8400-e29b'],
  ['350 continue', null, null, '350 continue'],
  ['', null, null, ''],
]

test.each(cases)('parseReply %j', (raw, code, status, text) => {
  expect(parseReply(raw)).toEqual({ code, status, text })
})

const statuses: readonly (readonly [string, string | null])[] = [
  ['said 5.1.1.', '5.1.1'],
  ['(5.7.606)', '5.7.606'],
  ['192.5.1.1', null],
  ['5.1.1.7', null],
  ['v5.1.1', null],
  ['postfix/2.11.0', null],
  ['ESMTP 4.94.2', null],
  ['3.1.1 1.2.3', null],
]

test.each(statuses)('findEnhancedStatus %j', (text, want) => expect(findEnhancedStatus(text)).toBe(want))

const POSTFIX = `This is the mail system at host mail.example.net.

<a@example.com>: host mx.example.com[192.0.2.1] said: 550 5.1.1
    <a@example.com>: Recipient address rejected: User unknown in relay
    recipient table (in reply to RCPT TO command)

<b@example.com>: host mx.example.com[192.0.2.1] refused to talk to me: 421 4.7.0
    Try again later`
const SENDMAIL = `   ----- Transcript of session follows -----
... while talking to mx.example.com.:
>>> RCPT To:<a@example.com>
<<< 550-5.1.1 No such user
<<< 550 5.1.1 here
550 5.1.1 <a@example.com>... User unknown`
const QMAIL = `<a@example.com>:
192.0.2.3 does not like recipient.
Remote host said: 550 User unknown
Giving up on 192.0.2.3.

<b@example.com>:
Sorry, no mailbox here by that name. (#5.1.1)`
const EXIM = `  a@example.com
    SMTP error from remote mail server after RCPT TO:<a@example.com>:
    host mx.example.com [192.0.2.1]: 550 5.1.1 Unknown user
  b@example.com
    host mx.example.com [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<b@example.com>:
    550-Not here
    550 at all`

/** `host|code status text` of each reply; a star marks a remote one. */
const texts: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'Postfix',
    POSTFIX,
    [
      '*mx.example.com|550 5.1.1 <a@example.com>: Recipient address rejected: User unknown in relay recipient table',
      '*mx.example.com|421 4.7.0 Try again later',
    ],
  ],
  ['sendmail', SENDMAIL, ['*mx.example.com|550 5.1.1 No such user here', '|550 5.1.1 <a@example.com>... User unknown']],
  ['qmail', QMAIL, ['*192.0.2.3|550 - User unknown', '|- 5.1.1 ']],
  ['Exim', EXIM, ['*mx.example.com|550 5.1.1 Unknown user', '*mx.example.com|550 - Not here at all']],
  [
    'Exchange',
    'a@example.com #<mx.example.com #5.1.1 smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound; not found> #SMTP#',
    ['*mx.example.com|550 5.1.1 RESOLVER.ADR.RecipNotFound; not found'],
  ],
  ['old Exchange', '<mx.example.com #5.1.1 SMTP; 550 No such user>', ['*mx.example.com|550 5.1.1 No such user']],
  ['Exchange in a line', 'mx.example.com\n#550 5.1.1 No such user ##', ['|550 5.1.1 No such user']],
  [
    'an old Gmail',
    'The error that the other server returned was:\n550 550 5.1.1 No such user (state 14).\n\n----- Original message -----',
    ['*|550 5.1.1 No such user'],
  ],
  ['Gmail', 'The response from the remote server was:\n\n550-5.1.1 No such\n550 5.1.1 user\n\n', ['*|550 5.1.1 No such user']],
  ['365', "mx.example.com gave this error:\nNo such user\n\nRemote Server returned '550 5.1.1 No such user'", ['*|550 5.1.1 No such user']],
  ['a sentence', 'Your mail failed with error 550 User unknown.', ['|550 - User unknown.']],
  ['no reply', 'We tried for 450 minutes on port 587 since 2 Apr 2025 and sent 500 messages to 192.0.2.250:25, line 554.', []],
  ['a wrapped number', 'retry after\n450 attempts of the mail', []],
]

test.each(texts)('findReplies in %s', (_name, text, want) => {
  const found = findReplies(text).map(
    ({ reply, host, isRemote }) => `${isRemote ? '*' : ''}${host ?? ''}|${reply.code ?? '-'} ${reply.status ?? '-'} ${reply.text}`,
  )
  expect(found).toEqual(want)
})

test('findLastReply prefers the last remote reply', () => {
  expect(findLastReply(SENDMAIL)?.reply.text).toBe('No such user here')
  expect(findLastReply('It failed with 451 4.3.0 later\n\nIt failed for good: 550 5.1.1 no')?.reply.code).toBe(550)
  expect(findLastReply('said: 250 2.0.0 Ok')).toBeNull()
  expect(findLastReply('')).toBeNull()
})

const lasts: readonly (readonly [string, string])[] = [
  // text                                                          code, status and text of the last refusal
  ['<<< 550 <a@example.com>, User unknown', '550 - <a@example.com>, User unknown'],
  ['ERROR_CODE :550, ERROR_CODE :5.1.1 no user', '550 5.1.1 ERROR_CODE :5.1.1 no user'],
  ['原因：552 邮箱已满', '552 - 邮箱已满'],
  ["5.1.0 - Unknown address error 550-'5.1.1 no such user'", "550 5.1.1 no such user'"],
  ['host a.example.com said: 451 4.3.0 busy\nhost b.example.com said: 550 5.1.1 unknown', '550 5.1.1 unknown'],
  ['Fehler 550: Empfänger unbekannt', '550 - Empfänger unbekannt'],
  ['ошибка 550 нет такого', '550 - нет такого'],
  ['エラーコード：550', '550 - '],
  ["(550, b'5.1.1 no such user')", "550 5.1.1 no such user'"],
  ['{"code":550,"message":"no such user"}', '550 - message":"no such user"}'],
  ['----- Reason -----\n550\n', '550 - '],
  ['we are at 550, Main Street since 2 Apr', 'null'],
  [
    'host mx.example.org[192.0.2.7] said: 554 30 Sorry, this mailbox is disabled (554.30)',
    '554 - 30 Sorry, this mailbox is disabled (554.30)',
  ],
]

test.each(lasts)('findLastReply in %j', (text, want) => {
  const reply = findLastReply(text)?.reply
  expect(reply === undefined ? 'null' : `${reply.code ?? '-'} ${reply.status ?? '-'} ${reply.text}`).toBe(want)
})

test.each([
  'Call our support at (480) 555-0100.',
  'Call our support at 480 555 0100.',
  'Telephone: 480-555-0100',
  'Write to us or call 1-480.555.0100!',
  'Phone: +49 441 555 0100',
  'Questions? Call 555\n0100 or write to us',
])('a telephone number is not a reply: %j', (text) => expect(findLastReply(text)).toBeNull())

test('replies are within any text', () => {
  const soup = fc.array(
    fc.constantFrom(
      '550',
      ' ',
      '-',
      '5.1.1',
      '\n',
      ':',
      'said: ',
      '<<< ',
      '#',
      '<',
      '>',
      '(',
      ')',
      'x',
      '250',
      'smtp;',
      'a@example.com',
      '\0',
      '192.0.2.1',
      'host mx.example.com',
    ),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        soup.map((all) => all.join('')),
      ),
      (text) => {
        const reply = parseReply(text)
        expect(reply.text.length).toBeLessThanOrEqual(MAX_REPLY_LENGTH)
        expect(text).toContain(String(reply.code ?? ''))
        expect(text).toContain(reply.status ?? '')
        let floor = 0
        for (const found of findReplies(text)) {
          expect(found.index).toBeGreaterThanOrEqual(floor)
          expect(found.end).toBeGreaterThan(found.index)
          expect(found.end).toBeLessThanOrEqual(text.length)
          floor = found.end
        }
      },
    ),
    { numRuns: 1_000 },
  )
})
