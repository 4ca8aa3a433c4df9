/** attempt-reading.test - a refusal before MAIL concerns the connection, and keeps the message */
import { expect, test } from 'vitest'
import { loadRules } from '../../../src/config/rule-files.ts'
import { readAttempt, type SmtpPhase } from '../../../src/ledger/decide/attempt-reading.ts'

const rules = loadRules()
const MX = 'mx.example.net'
const SUBJECT = { attempt: 1, egressIp: '192.0.2.1', site: MX, domain: 'example.net' }

const resultOf = (text: string, phase?: SmtpPhase) => {
  const reply = { kind: 'reply', code: Number(text.slice(0, 3)), text, mx: MX } as const
  const { verdict, result } = readAttempt(rules, SUBJECT, phase === undefined ? reply : { ...reply, phase })
  return result.kind === 'refused' ? { isRetried: result.deferral, pause: result.pause, reason: verdict?.reason } : result
}

const NO_SERVICE = '554 mx.example.net ESMTP not accepting messages'
const LISTED = '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org'
const SPAM = '550 5.7.1 Message content rejected: considered spam'
const FULL_OF_CONNECTIONS = '421 4.7.0 mx.example.net Error: too many connections from 192.0.2.1'

test.each([
  // phase      reply                is the message tried again, and which class counts it
  [undefined, NO_SERVICE, false, 'recipient'],
  ['rcpt', NO_SERVICE, false, 'recipient'],
  ['route', NO_SERVICE, false, 'recipient'],
  ['greeting', NO_SERVICE, true, 'network'],
  ['ehlo', NO_SERVICE, true, 'network'],
  ['mail', LISTED, false, 'ip-blocklist'],
  ['greeting', LISTED, true, 'ip-blocklist'],
  ['end', SPAM, false, 'content'],
  ['ehlo', SPAM, true, 'network'],
  ['greeting', FULL_OF_CONNECTIONS, true, 'connection-frequency'],
  ['starttls', '454 4.7.0 TLS not available due to local problem', true, null],
] as const)('phase %s: %s', (phase, text, isRetried, pause) => {
  expect(resultOf(text, phase)).toMatchObject({ isRetried, pause })
})

test('the words of the reply are recorded as the rules read them, whatever the phase', () => {
  expect(resultOf(NO_SERVICE, 'greeting')).toMatchObject({ reason: 'recipient-refused' })
})
