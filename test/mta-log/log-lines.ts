/**
 * log-lines - lines of each format as the manuals document them, with example names
 */
import type { LogFormat } from '../../src/mta-log/log-formats.ts'
import type { LogOutcome } from '../../src/mta-log/log-outcome.ts'

const MX = { kind: 'host', name: 'mx.example.org', ip: '192.0.2.25' } as const
const at = (time: string): number => Date.parse(time)

/** Null: the line is not of the format. */
export type LineCase = readonly [format: LogFormat, line: string, want: readonly Partial<LogOutcome>[] | null]

const POSTFIX: readonly LineCase[] = [
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/smtpd[70]: 4ABCDE1234: client=app.example.com[192.0.2.7]',
    [{ event: 'received', queueId: '4ABCDE1234', host: 'mail', time: at('2026-11-29T11:33:04Z') }],
  ],
  ['postfix', 'Nov 29 11:33:04 mail postfix/pickup[70]: 3xq8kX1vRWz5: uid=0 from=<root>', [{ event: 'received', queueId: '3xq8kX1vRWz5' }]],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/cleanup[70]: 4ABCDE1234: message-id=<one@example.com>',
    [{ event: 'named', messageId: 'one@example.com' }],
  ],
  ['postfix', 'Nov 29 11:33:04 mail postfix/cleanup[70]: 4ABCDE1234: message-id=<>', []],
  [
    'postfix',
    '2026-11-29T12:33:04.250000+01:00 Mail postfix/qmgr[70]: 4ABCDE1234: from=<s@b.example.com>, size=512, nrcpt=2 (queue active)',
    [{ event: 'named', sender: 's@b.example.com', recipientCount: 2, host: 'mail', time: at('2026-11-29T11:33:04.250Z') }],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/qmgr[70]: 4ABCDE1234: from=<s@b.example.com>, status=expired, returned to sender',
    [{ event: 'expired', recipient: null, sender: 's@b.example.com' }],
  ],
  ['postfix', 'Nov 29 11:33:04 mail postfix/qmgr[70]: 4ABCDE1234: removed', [{ event: 'removed' }]],
  [
    'postfix',
    '<22>1 2026-11-29T11:33:04Z mail postfix/smtp 71 - - 4ABCDE1234: to=<a@example.org>, relay=mx.example.org[192.0.2.25]:25, delay=1.2, delays=0.1/0/0.5/0.6, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4FEDC)',
    [{ event: 'sent', recipient: 'a@example.org', relay: MX, dsn: '2.0.0', code: 250, queuedAs: '4FEDC' }],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/smtp[71]: 4ABCDE1234: to=<a@example.org>, orig_to=<alias@example.com>, relay=mx.example.org[192.0.2.25]:25, conn_use=3, delay=1, delays=1/0/0/0, dsn=5.1.1, status=bounced (host mx.example.org[192.0.2.25] said: 550 5.1.1 <a@example.org>: Recipient address rejected: User unknown (in reply to RCPT TO command))',
    [
      {
        event: 'bounced',
        recipient: 'a@example.org',
        origTo: 'alias@example.com',
        dsn: '5.1.1',
        code: 550,
        error: null,
        text: '550 5.1.1 <a@example.org>: Recipient address rejected: User unknown',
        relay: MX,
      },
    ],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix-out/smtp[71]: 4ABCDE1234: to=<a@example.org>, relay=none, delay=30, delays=0/0/30/0, dsn=4.4.1, status=deferred (connect to mx.example.org[192.0.2.25]:25: Connection refused)',
    [{ event: 'deferred', code: null, error: 'connect', relay: null, dsn: '4.4.1' }],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/smtp[71]: 4ABCDE1234: to=<a@example.org>, relay=mx.example.org[192.0.2.25]:25, delay=1, delays=1/0/0/0, dsn=4.7.0, status=deferred (host mx.example.org[192.0.2.25] refused to talk to me: 421 4.7.0 try again later)',
    [{ event: 'deferred', code: 421, text: '421 4.7.0 try again later' }],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/error[71]: 4ABCDE1234: to=<a@example.org>, relay=none, delay=1, delays=1/0/0/0, dsn=4.4.1, status=deferred (delivery temporarily suspended: host mx.example.org[192.0.2.25] said: 451 4.7.1 greylisted (in reply to RCPT TO command))',
    [{ event: 'deferred', code: 451, relay: MX }],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/smtp[71]: 4ABCDE1234: to=<a@example.org>, relay=none, delay=0, delays=0/0/0/0, dsn=5.4.4, status=bounced (Host or domain name not found. Name service error for name=example.org type=AAAA: Host not found)',
    [{ event: 'bounced', error: 'dns', dsn: '5.4.4' }],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/smtp[71]: 4ABCDE1234: to=<a@example.org>, relay=mx.example.org[192.0.2.25]:25, delay=9, delays=0/0/9/0, dsn=4.4.2, status=deferred (lost connection with mx.example.org[192.0.2.25] while receiving the initial server greeting)',
    [{ event: 'deferred', error: 'dropped' }],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/smtp[71]: 4ABCDE1234: to=<a@example.org>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4BBBB0001)',
    [{ event: 'sent', relay: { kind: 'host', name: '127.0.0.1', ip: '127.0.0.1' }, queuedAs: '4BBBB0001' }],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/lmtp[71]: 4ABCDE1234: to=<a@example.org>, relay=mail.example.com[private/dovecot-lmtp], delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 <a@example.org> abc Saved)',
    [{ event: 'sent', relay: { kind: 'socket', name: 'private/dovecot-lmtp', ip: null } }],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/pipe[71]: 4ABCDE1234: to=<a@example.org>, relay=dovecot, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (delivered via dovecot service)',
    [{ event: 'sent', relay: { kind: 'pipe', name: 'dovecot', ip: null }, code: null }],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/local[71]: 4ABCDE1234: to=<ann@mail.example.com>, orig_to=<ann>, relay=local, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)',
    [{ event: 'sent', origTo: 'ann', relay: { kind: 'local', name: 'local', ip: null } }],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/local[71]: 4ABCDE1234: to=<ann@mail.example.com>, relay=local, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (forwarded as 4CCCC0001)',
    [{ event: 'sent', queuedAs: '4CCCC0001' }],
  ],
  [
    'postfix',
    'Nov 29 11:33:04 mail postfix/smtpd[71]: NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 5.7.1 no; from=<a@example.com> to=<b@example.org>',
    [],
  ],
  ['postfix', 'Nov 29 11:33:04 mail postfix/smtp[71]: warning: dnsblog reply timeout 10s for dnsbl.example', []],
  ['postfix', 'Nov 29 11:33:04 mail sshd[71]: Accepted publickey for ann', []],
  ['postfix', 'four score and seven', null],
]

const EXIM: readonly LineCase[] = [
  [
    'exim',
    '2026-11-29 11:33:04 1tGabc-0001ab-2X <= s@b.example.com H=app.example.com [192.0.2.7] P=esmtp S=512 id=one@example.com',
    [
      {
        event: 'received',
        queueId: '1tGabc-0001ab-2X',
        sender: 's@b.example.com',
        messageId: 'one@example.com',
        time: at('2026-11-29T11:33:04Z'),
      },
    ],
  ],
  [
    'exim',
    '2026-11-29 11:33:04 +0100 [71] 1tGabc-000000001ab-2XYZ <= <> R=1tGabb-000000001aa-1XYZ U=Debian-exim P=local S=2000',
    [{ event: 'received', queueId: '1tGabc-000000001ab-2XYZ', sender: '', time: at('2026-11-29T10:33:04Z') }],
  ],
  [
    'exim',
    '2026-11-29 11:33:04 1tGabc-0001ab-2X => a@example.org <alias@example.com> R=dnslookup T=remote_smtp H=mx.example.org [192.0.2.25]:25 I=[192.0.2.1]:40000 X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=yes C="250 2.0.0 Ok: queued as 4FEDC"',
    [
      {
        event: 'sent',
        recipient: 'a@example.org',
        origTo: 'alias@example.com',
        relay: MX,
        code: 250,
        queuedAs: '4FEDC',
        egressIp: '192.0.2.1',
      },
    ],
  ],
  [
    'exim',
    '2026-11-29 11:33:04 1tGabc-0001ab-2X ** a@example.org R=dnslookup T=remote_smtp H=mx.example.org [192.0.2.25]: SMTP error from remote mail server after RCPT TO:<a@example.org>: 550 5.1.1 no such user',
    [{ event: 'bounced', recipient: 'a@example.org', relay: MX, code: 550, text: '550 5.1.1 no such user' }],
  ],
  [
    'exim',
    '2026-11-29 11:33:04 1tGabc-0001ab-2X ** a@nowhere.example: Unrouteable address',
    [{ event: 'bounced', recipient: 'a@nowhere.example', error: 'dns', text: 'Unrouteable address' }],
  ],
  [
    'exim',
    '2026-11-29 11:33:04 1tGabc-0001ab-2X == a@example.org R=dnslookup T=remote_smtp defer (111) H=mx.example.org [192.0.2.25]: Connection refused',
    [{ event: 'deferred', error: 'connect', relay: MX }],
  ],
  [
    'exim',
    '2026-11-29 11:33:04 1tGabc-0001ab-2X == a@example.org R=dnslookup T=remote_smtp defer (-44) H=mx.example.org [192.0.2.25]: SMTP error from remote mail server after RCPT TO:<a@example.org>: 451 4.7.1 greylisted',
    [{ event: 'deferred', code: 451, text: '451 4.7.1 greylisted', relay: MX }],
  ],
  [
    'exim',
    "2026-11-29 11:33:04 1tGabc-0001ab-2X == a@example.org R=dnslookup T=remote_smtp defer (-53): retry time not reached for any host for 'example.org'",
    [],
  ],
  [
    'exim',
    '2026-11-29 11:33:04 1tGabc-0001ab-2X ** a@example.org R=dnslookup T=remote_smtp H=mx.example.org [192.0.2.25]: SMTP error from remote mail server after RCPT TO:<a@example.org>: 451 4.7.1 greylisted: retry timeout exceeded',
    [{ event: 'expired', recipient: 'a@example.org', code: 451, text: '451 4.7.1 greylisted' }],
  ],
  [
    'exim',
    '2026-11-29 11:33:04 1tGabc-0001ab-2X ** a@example.org: retry timeout exceeded',
    [{ event: 'expired', recipient: 'a@example.org', code: null }],
  ],
  [
    'exim',
    '2026-11-29 11:33:04 1tGabc-0001ab-2X => |/usr/bin/filter <a@example.org> R=aliases T=address_pipe',
    [{ event: 'sent', recipient: 'a@example.org', relay: { kind: 'pipe', name: 'address_pipe', ip: null } }],
  ],
  [
    'exim',
    '2026-11-29 11:33:04 1tGabc-0001ab-2X => ann <ann@mail.example.com> R=local_user T=mail_spool',
    [{ event: 'sent', origTo: 'ann@mail.example.com', relay: { kind: 'local', name: 'mail_spool', ip: null } }],
  ],
  ['exim', '2026-11-29 11:33:04 1tGabc-0001ab-2X Completed', [{ event: 'removed' }]],
  ['exim', '2026-11-29 11:33:04 Start queue run: pid=71', []],
  ['exim', 'Nov 29 11:33:04 mail exim[71]: 1tGabc-0001ab-2X Completed', [{ event: 'removed', host: 'mail' }]],
  ['exim', 'four score and seven', null],
]

const KUMO = (record: object): string =>
  JSON.stringify({
    id: '1d98076abbbc11ed940250ebf67f93bd',
    sender: 's@b.example.com',
    recipient: 'a@example.org',
    timestamp: 1_795_951_984,
    ...record,
  })
const PEER = { name: 'mx.example.org.', addr: '192.0.2.25' }

const KUMOMTA: readonly LineCase[] = [
  [
    'kumomta',
    KUMO({ type: 'Reception', headers: { 'Message-ID': '<one@example.com>' } }),
    [{ event: 'received', sender: 's@b.example.com', messageId: 'one@example.com' }],
  ],
  [
    'kumomta',
    KUMO({
      type: 'Delivery',
      peer_address: PEER,
      response: { code: 250, enhanced_code: { class: 2, subject: 0, detail: 0 }, content: 'OK' },
      source_address: { address: '192.0.2.1:53210' },
      num_attempts: 2,
    }),
    [
      {
        event: 'sent',
        relay: MX,
        code: 250,
        dsn: '2.0.0',
        text: '250 2.0.0 OK',
        egressIp: '192.0.2.1',
        attempt: 2,
        time: 1_795_951_984_000,
      },
      { event: 'removed' },
    ],
  ],
  [
    'kumomta',
    KUMO({
      type: 'TransientFailure',
      peer_address: null,
      response: {
        code: 451,
        enhanced_code: null,
        content: 'KumoMTA internal: failed to connect to any candidate hosts: 192.0.2.25:25: timed out',
      },
    }),
    [{ event: 'deferred', code: null, error: 'timeout' }],
  ],
  [
    'kumomta',
    KUMO({
      type: 'Bounce',
      recipient: ['a@example.org', 'b@example.org'],
      response: { code: 550, enhanced_code: { class: 5, subject: 1, detail: 1 }, content: 'no such user' },
    }),
    [{ event: 'bounced', recipient: 'a@example.org', code: 550 }, { event: 'bounced', recipient: 'b@example.org' }, { event: 'removed' }],
  ],
  [
    'kumomta',
    KUMO({ type: 'Expiration', response: { code: 551, content: 'Next delivery time would be too late' } }),
    [{ event: 'expired', recipient: 'a@example.org', code: null }, { event: 'removed' }],
  ],
  ['kumomta', KUMO({ type: 'OOB' }), []],
  ['kumomta', '{"type":7}', null],
  ['kumomta', '[1]', null],
]

const POWERMTA: readonly LineCase[] = [
  [
    'powermta',
    'd,2026-11-29 11:33:04+0000,2026-11-29 11:33:00+0000,s@b.example.com,a@example.org,,relayed,2.0.0 (success),smtp;250 2.0.0 OK queued as 4FEDC,mx.example.org (192.0.2.25),,smtp,app (192.0.2.7),smtp,192.0.2.1,192.0.2.25,"STARTTLS,SIZE",512,vmta1,job7,env7',
    [
      {
        event: 'sent',
        time: at('2026-11-29T11:33:04Z'),
        queueId: 'env7',
        sender: 's@b.example.com',
        recipient: 'a@example.org',
        relay: MX,
        dsn: '2.0.0',
        code: 250,
        egressIp: '192.0.2.1',
        queuedAs: '4FEDC',
      },
    ],
  ],
  [
    'powermta',
    'b,2026-11-29 11:33:04+0000,,s@b.example.com,a@example.org,rfc822;alias@example.com,failed,5.1.1 (bad destination mailbox address),"smtp;550 5.1.1 no such user, ""a""",mx.example.org (192.0.2.25),bad-mailbox',
    [{ event: 'bounced', origTo: 'alias@example.com', text: '550 5.1.1 no such user, "a"', dsn: '5.1.1' }],
  ],
  [
    'powermta',
    't,2026-11-29 11:33:04+0000,,s@b.example.com,a@example.org,,delayed,4.4.1 (no answer from host),smtp; connection timed out,mx.example.org (192.0.2.25)',
    [{ event: 'deferred', error: 'timeout', code: null }],
  ],
  [
    'powermta',
    'b,2026-11-29 11:33:04+0000,,s@b.example.com,a@example.org,,failed,5.4.7 (delivery time expired),smtp;421 4.7.0 too many messages,,message-expired',
    [{ event: 'expired', recipient: 'a@example.org', code: 421 }],
  ],
  ['powermta', 'r,2026-11-29 11:33:04+0000,,s@b.example.com,a@example.org', []],
  ['powermta', 'tq,2026-11-29 11:33:04+0000', []],
  ['powermta', 'four score and seven', null],
]

const OPENSMTPD: readonly LineCase[] = [
  [
    'opensmtpd',
    'Nov 29 11:33:04 mail smtpd[71]: 5df87c9c42abeddb smtp message msgid=f6e94209 size=802 nrcpt=1 proto=ESMTP',
    [{ event: 'received', queueId: 'f6e94209', recipientCount: 1 }],
  ],
  [
    'opensmtpd',
    'Nov 29 11:33:04 mail smtpd[71]: 5df87c9ffd0e785d mta delivery evpid=f6e94209918f7e7b from=<s@b.example.com> to=<a@example.org> rcpt=<-> source="192.0.2.1" relay="192.0.2.25 (mx.example.org)" delay=1s result="Ok" stat="250 2.0.0 Ok"',
    [
      {
        event: 'sent',
        queueId: 'f6e94209',
        sender: 's@b.example.com',
        recipient: 'a@example.org',
        origTo: null,
        relay: MX,
        code: 250,
        egressIp: '192.0.2.1',
      },
    ],
  ],
  [
    'opensmtpd',
    'Nov 29 11:33:04 mail smtpd[71]: 5df87c9ffd0e785d mta delivery evpid=f6e94209918f7e7b from=<s@b.example.com> to=<a@example.org> rcpt=<alias@example.com> source="-" relay="192.0.2.25 (mx.example.org)" delay=1s result="PermFail" stat="550 5.1.1 no "such" user"',
    [{ event: 'bounced', origTo: 'alias@example.com', code: 550, egressIp: null }],
  ],
  [
    'opensmtpd',
    'Nov 29 11:33:04 mail smtpd[71]: 5df87c9ffd0e785d mta delivery evpid=f6e94209918f7e7b from=<s@b.example.com> to=<a@example.org> rcpt=<-> source="-" relay="mx.example.org" delay=1s result="TempFail" stat="Network error on destination MXs"',
    [{ event: 'deferred', error: 'connect' }],
  ],
  [
    'opensmtpd',
    'Nov 29 11:33:04 mail smtpd[71]: 5df87c9b982c840c mta delivery evpid=3d4c4a424797fe79 from=<s@b.example.com> to=<a@example.org> rcpt=<-> source="127.0.0.1" relay="127.0.0.1 (localhost)" delay=0s result="Ok" stat="250 2.0.0: f6e94209 Message accepted for delivery"',
    [{ event: 'sent', queuedAs: 'f6e94209', relay: { kind: 'host', name: 'localhost', ip: '127.0.0.1' } }],
  ],
  [
    'opensmtpd',
    'Nov 29 11:33:04 mail smtpd[71]: relay: Expire for f6e94209918f7e7b: from=<s@b.example.com>, to=<a@example.org>, rcpt=<->, delay=4d, stat=Envelope expired',
    [{ event: 'expired', queueId: 'f6e94209', recipient: 'a@example.org', sender: 's@b.example.com' }],
  ],
  [
    'opensmtpd',
    'Nov 29 11:33:04 mail smtpd[71]: 5df87c9b982c840c mda delivery evpid=3d4c4a424797fe79 from=<s@b.example.com> to=<ann@mail.example.com> rcpt=<-> user=ann delay=0s result=Ok stat=Delivered',
    [{ event: 'sent', relay: { kind: 'local', name: 'mda', ip: null } }],
  ],
  ['opensmtpd', 'Nov 29 11:33:04 mail smtpd[71]: 5df87c9b982c840c mta connected', []],
  ['opensmtpd', 'four score and seven', null],
]

const ZONEMTA: readonly LineCase[] = [
  [
    'zonemta',
    'Nov 29 11:33:04 mail zone-mta[71]: INFO Sender/default/72 18d0c1a2b3000abc.001 ACCEPTED from=s@b.example.com to=a@example.org src=192.0.2.1 mx=mx.example.org[192.0.2.25] id=<one@example.com> (250 2.0.0 Ok: queued as 4FEDC)',
    [
      {
        event: 'sent',
        queueId: '18d0c1a2b3000abc.001',
        sender: 's@b.example.com',
        recipient: 'a@example.org',
        relay: MX,
        messageId: 'one@example.com',
        queuedAs: '4FEDC',
        host: 'mail',
      },
    ],
  ],
  [
    'zonemta',
    'info Sender/default/72 id=18d0c1a2b300099f 18d0c1a2b3000abc.002 DEFERRED[greylist] from=ann@example.com[s@b.example.com] to=a@example.org src=192.0.2.1 mx=mx.example.org[192.0.2.25] id=<one@example.com> (451 4.7.1 greylisted)',
    [{ event: 'deferred', sender: 's@b.example.com', code: 451, recipientCount: 1 }],
  ],
  [
    'zonemta',
    '2026-11-29T11:33:04.500Z INFO Sender/default/72 18d0c1a2b3000abc.001 REJECTED[recipient] from=s@b.example.com to=a@example.org cat=x src=192.0.2.1 mx=mx.example.org[192.0.2.25] id=<one@example.com> (550 5.1.1 no such user)',
    [{ event: 'bounced', code: 550, time: at('2026-11-29T11:33:04.500Z') }],
  ],
  ['zonemta', 'Nov 29 11:33:04 mail zone-mta[71]: INFO Queue 18d0c1a2b3000abc QUEUED', []],
  ['zonemta', 'four score and seven', null],
]

const HARAKA: readonly LineCase[] = [
  [
    'haraka',
    '[NOTICE] [71A0B1C2-0000-4000-8000-0123456789AB.1] [core] message mid="<one@example.com>" size=512 rcpts=1/0/0 delay=0.1 code=CONT msg=""',
    [{ event: 'named', queueId: '71A0B1C2-0000-4000-8000-0123456789AB.1', messageId: 'one@example.com' }],
  ],
  [
    'haraka',
    'Nov 29 11:33:04 mail haraka[71]: [NOTICE] [71A0B1C2-0000-4000-8000-0123456789AB.1] [core] recipient <a@example.org> code=OK msg="" sender="s@b.example.com"',
    [{ event: 'named', sender: 's@b.example.com', host: 'mail' }],
  ],
  [
    'haraka',
    '2026-11-29T11:33:04.000Z [NOTICE] [71A0B1C2-0000-4000-8000-0123456789AB.1.1] [outbound] delivered file=1_0_x domain=example.org host=MX.example.org ip=192.0.2.25 port=25 mode=SMTP tls=y auth=n response="250 2.0.0 Ok: queued as 4FEDC" delay=0.5 fails=0 rcpts=1/0/0',
    [{ event: 'sent', queueId: '71A0B1C2-0000-4000-8000-0123456789AB.1', relay: MX, code: 250, queuedAs: '4FEDC', recipient: null }],
  ],
  [
    'haraka',
    '[NOTICE] [71A0B1C2-0000-4000-8000-0123456789AB.1.1] [outbound] Temp failing 1_0_x for 64 seconds: 451 4.7.1 greylisted',
    [{ event: 'deferred', code: 451 }],
  ],
  [
    'haraka',
    '[INFO] [71A0B1C2-0000-4000-8000-0123456789AB.1.1] [outbound] bouncing mail: 550 5.1.1 no such user',
    [{ event: 'bounced', code: 550 }],
  ],
  [
    'haraka',
    '{"event":"bounced","queueId":"71A0B1C2.1","recipient":"a@example.org","code":550,"text":"5.1.1 no such user"}',
    [{ event: 'bounced', recipient: 'a@example.org', code: 550 }],
  ],
  ['haraka', '[INFO] [-] [core] Starting up Haraka version 3', []],
  ['haraka', 'four score and seven', null],
]

const JSONL: readonly LineCase[] = [
  [
    'jsonl',
    '{"event":"deferred","time":"2026-11-29T11:33:04Z","host":"Mail","queueId":"71","sender":"s@b.example.com","recipient":"a@example.org","origTo":"alias@example.com","relay":"mx.example.org","relayIp":"192.0.2.25","code":451,"dsn":"4.7.1","text":"4.7.1 greylisted","messageId":"<one@example.com>","egressIp":"192.0.2.1","attempt":3}',
    [
      {
        event: 'deferred',
        time: at('2026-11-29T11:33:04Z'),
        host: 'mail',
        queueId: '71',
        relay: MX,
        code: 451,
        text: '451 4.7.1 greylisted',
        messageId: 'one@example.com',
        attempt: 3,
      },
    ],
  ],
  [
    'jsonl',
    '{"event":"delivered","time":1795951984,"recipient":"a@example.org","text":"250 2.0.0 Ok: queued as 4FEDC"}',
    [{ event: 'sent', queueId: '', queuedAs: '4FEDC', time: 1_795_951_984_000 }],
  ],
  [
    'jsonl',
    '{"event":"bounced","recipient":"a@example.org","error":"dns","text":"no such domain"}',
    [{ event: 'bounced', code: null, error: 'dns' }],
  ],
  ['jsonl', '{"event":"removed","queueId":"71"}', [{ event: 'removed' }]],
  ['jsonl', '{"event":"constructor","queueId":"71"}', null],
  ['jsonl', '{"event":"sent"}', null],
  ['jsonl', '"sent"', null],
  ['jsonl', '{"event":"sent"', null],
]

export const LINE_CASES: readonly LineCase[] = [...POSTFIX, ...EXIM, ...KUMOMTA, ...POWERMTA, ...OPENSMTPD, ...ZONEMTA, ...HARAKA, ...JSONL]
