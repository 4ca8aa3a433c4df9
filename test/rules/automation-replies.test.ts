/**
 * automation-replies.test - the backoff class of replies that traffic-shaping rules of other mail servers act on
 *
 * Each row has the meaning of a published pattern, in words of our own around what the provider is known by.
 */
import { describe, expect, test } from 'vitest'
import { classifyForProvider } from '../../src/classify/classify.ts'
import { classifierInputOfText } from '../../src/classify/rule-evidence.ts'
import { loadRules } from '../../src/config/rule-files.ts'

const table = loadRules()

const REPLIES: readonly (readonly [provider: string, reply: string, backoffClass: string | null])[] = [
  ['google', '421 4.7.28 An unusual rate of unsolicited mail was detected from your IP address', 'ip-rate'],
  ['google', '421 4.7.28 An unusual rate of unsolicited mail was detected from your DKIM domain [example.com]', 'domain-rate'],
  ['google', '421 4.7.26 This mail was deferred because its sender is unauthenticated', null],
  ['google', '421 4.7.29 This mail was deferred because it was sent without TLS', null],
  ['yahoo', '421 4.7.0 [TSS04] Mail from 192.0.2.1 is deferred for now: unexpected volume or user complaints', 'ip-reputation'],
  ['yahoo', '421 4.7.0 [TSS05] Mail from 192.0.2.1 is deferred for now: unexpected volume or user complaints', 'ip-reputation'],
  ['yahoo', '421 [IPTS04] Mail of 192.0.2.1 is temporarily deferred due to user complaints', 'ip-reputation'],
  ['yahoo', '421 4.7.0 [TS01] Mail from 192.0.2.1 is deferred for now: user complaints', 'ip-reputation'],
  ['yahoo', '421 4.7.0 [TS02] Mail from 192.0.2.1 is deferred for now: user complaints', 'ip-reputation'],
  ['yahoo', '421 4.7.1 [TS03] All mail from 192.0.2.1 will be permanently deferred', 'deferred-for-good'],
  ['yahoo', '553 5.7.1 [BL21] Connections from 192.0.2.1 are refused: listed by Spamhaus', 'ip-blocklist'],
  ['yahoo', '421 Max message per connection reached, closing the transmission channel', 'session-limit'],
  ['yahoo-jp', '421 [TSS04] Mail from 192.0.2.1 is deferred for now: unexpected volume', 'ip-reputation'],
  ['gmx', '421 gmx.net Too many connections from your host', 'connection-frequency'],
  [
    'gmx',
    '421-gmx.net (mxgmx104) Nemesis ESMTP Service not available 421 Your host has reached its maximum number of connections',
    'connection-frequency',
  ],
  ['gmx', '421-Rate limit reached. Please try again later.', 'ip-rate'],
  ['gmx', '421-Service closing transmission channel 421 Reject due to policy restrictions.', 'ip-reputation'],
  [
    'outlook',
    '550 5.7.1 Unfortunately, mail from [192.0.2.1] was not sent: part of their network is on our block list (S3150)',
    'ip-blocklist',
  ],
  ['outlook', '451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation (S775)', 'ip-reputation'],
  ['outlook', '451 4.7.652 The mail server [192.0.2.1] has exceeded the maximum number of connections (S3115)', 'connection-frequency'],
  ['outlook', '451 4.7.652 The mail server [192.0.2.1] has opened too many (S3115)', 'connection-frequency'],
  [
    'outlook',
    '451 4.7.653 The mail server [192.0.2.1] has exceeded the maximum number of messages per connection (S3116)',
    'session-limit',
  ],
  ['outlook', '451 4.7.653 The mail server [192.0.2.1] sends too much (S3116)', 'session-limit'],
  ['outlook', '421 RP-001 Some messages from 192.0.2.1 were not sent: we limit messages by the hour and by the day', 'ip-rate'],
  [
    'outlook',
    '421 RP-002 Some messages on this connection from 192.0.2.1 were not sent: limits on messages by connection',
    'session-limit',
  ],
  ['outlook', '421 RP-003 The connection from 192.0.2.1 was refused: limits on concurrent connections', 'connection-frequency'],
  ['outlook', '451 Connection refused from 192.0.2.1, it exceeds the max concurrent connections. IB007', 'connection-frequency'],
  ['outlook', '451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)', 'ip-reputation'],
  ['outlook', '451 4.7.0 Temporary server error. Please try again later. PRX5', 'busy'],
  ['apple', '451 4.7.1 Service unavailable - try again later', 'busy'],
  ['apple', '451 [BS02] Temporary server error. Please try again later.', 'busy'],
  ['apple', '421 [HCM1] Your mail from 192.0.2.1 has been deferred', 'busy'],
  ['apple', '550 5.7.1 The mail was rejected because its domain is present in the Spamhaus DBL', null],
  ['orange', '421 opmta1mti12nd1 smtp.orange.fr ESMTP server not available: Trop de connexions', 'connection-frequency'],
  ['orange', '421 smtp.orange.fr Service refuse. Veuillez essayer plus tard', 'ip-rate'],
  ['orange', '550 5.7.1 Client host blocked for spamming issues. OFR_506 see http://csi.cloudmark.example/reset-request/', 'ip-blocklist'],
  ['mimecast', '451 Internal resource temporarily unavailable - greylisted', 'greylist'],
  ['tencent', '550 Ip frequency limited', 'ip-rate'],
  ['tencent', '550 Connection frequency limited', 'connection-frequency'],
  ['tencent', '550 Domain frequency limited', 'domain-rate'],
  ['tencent', '550 Sender frequency limited', 'domain-rate'],
  ['tencent', '550 Mail content denied', 'content'],
  ['netease', '421 Too many connections', 'connection-frequency'],
  ['netease', '554 DT:SPM 163 mx1', 'content'],
  ['mail-ru', '451 Ratelimit for IP 192.0.2.1 is exceeded', 'ip-rate'],
  ['mail-ru', '421 Too many concurrent SMTP connections from this IP address', 'connection-frequency'],
  ['yandex', '421 4.7.0 Too many messages from your IP, slow down', 'ip-rate'],
  ['yandex', '421 4.7.0 Too many connections from 192.0.2.1', 'connection-frequency'],
  ['', '452 4.3.2 Too many messages for this session', 'session-limit'],
  ['', '421 4.7.0 Too many connections from your IP', 'connection-frequency'],
]

describe('the backoff class of', () => {
  test.each(REPLIES)('%s: %s', (provider, reply, backoffClass) => {
    const hint = provider === '' ? null : ({ provider, source: 'delivery-mx' } as const)
    const verdict = classifyForProvider(table, classifierInputOfText(reply), hint)
    expect([verdict.backoffClass, verdict.rule]).toEqual([backoffClass, expect.any(String)])
  })
})
