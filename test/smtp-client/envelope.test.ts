/** envelope.test - the parameters that each extension of the server brings, and what is never written into a command. */
import { expect, test } from 'vitest'
import { envelopeCommands, parseExtensions } from '../../src/smtp-client/envelope.ts'
import type { OutgoingMail } from '../../src/smtp-client/transport.ts'

const mail: OutgoingMail = {
  egressIp: '',
  domain: 'example.com',
  mailFrom: 'b@bounce.example.com',
  to: 'ann@example.com',
  raw: Buffer.from('\r\ngr\u00fc\u00dfe\r\n'),
  isProbe: false,
  envelopeId: 'A+B=1',
}

test.each([
  // EHLO keyword      MAIL                                                RCPT
  ['250 HELP', 'MAIL FROM:<b@bounce.example.com>', 'RCPT TO:<ann@example.com>'],
  ['250 8BITMIME', 'MAIL FROM:<b@bounce.example.com> BODY=8BITMIME', 'RCPT TO:<ann@example.com>'],
  ['250 SIZE 1000', 'MAIL FROM:<b@bounce.example.com> SIZE=11', 'RCPT TO:<ann@example.com>'],
  ['250 size', 'MAIL FROM:<b@bounce.example.com> SIZE=11', 'RCPT TO:<ann@example.com>'],
  [
    '250 DSN',
    'MAIL FROM:<b@bounce.example.com> RET=HDRS ENVID=A+2BB+3D1',
    'RCPT TO:<ann@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;ann@example.com',
  ],
])('%s', (line, mailCommand, rcpt) => {
  expect(envelopeCommands(mail, parseExtensions(`250-mx.example\n${line}`))).toEqual({ kind: 'commands', mail: mailCommand, rcpt })
})

test.each([
  // recipient                          code of the refusal
  ['ann@example.com\r\nRSET', 553],
  ['ann@example.com>', 553],
  ['a\0nn@example.com', 553],
  ['', 553],
  ['j\u00f6rg@example.com', 550],
])('%j is refused without a word to the server', (to, code) => {
  expect(envelopeCommands({ ...mail, to }, new Map())).toMatchObject({ kind: 'refusal', code })
})

test.each([
  // reply                                                   keywords
  ['250 mx.example', []],
  ['250-mx.example\n250-SIZE 10\n250-AUTH=PLAIN\n250 dsn', ['SIZE', 'AUTH', 'DSN']],
  ['250-STARTTLS\n250-  \n250-\u00fc\nrubbish\n250 PIPELINING', ['PIPELINING']],
])('extensions of %j', (reply, keywords) => expect([...parseExtensions(reply).keys()]).toEqual(keywords))
