/**
 * limits - settings of what peers and accounts may use: connections, mails, bytes, time, requests
 *
 * See also: settings/schema (all settings), docs/SMTP.md (the replies).
 */
import { z } from 'zod'
import { SIGN_IN_LIMITS } from '../net/sign-in-limit.ts'
import { nonEmptyText, positiveInteger, setting } from './setting.ts'

export const limitSettings = z.strictObject({
  mailSize: setting(
    positiveInteger.default(5 * 1024 * 1024),
    'Largest mail that is stored whole, in bytes; of a larger one, the first MiB and the digest are stored',
    '5 MiB: a report quotes the header or the whole of one mail, so a useful report is not larger',
  ),
  connections: setting(
    positiveInteger.default(1_000),
    'Simultaneous SMTP connections',
    'leaves room for 500 new connections a second, also if each of them waits for its greeting',
  ),
  connectionsPerPeer: setting(
    positiveInteger.default(100),
    'Simultaneous SMTP connections from one address',
    'large providers send feedback from a few hosts, with many connections each',
  ),
  connectionsPerNetwork: setting(
    positiveInteger.default(300),
    'Simultaneous SMTP connections from one network (/24 for IPv4, /64 for IPv6)',
    'three times the limit of one address, because the outbound hosts of a provider share a network',
  ),
  connectionsPerAllocation: setting(
    positiveInteger.default(600),
    'Simultaneous SMTP connections from one IPv6 /48',
    'twice the limit of a network: a customer is often allocated a /48 (RFC 6177), which has 65,536 networks',
  ),
  exemptPeers: setting(
    z.array(nonEmptyText).default(['127.0.0.0/8', '::1']),
    'Peers without limits by peer and network (addresses, or networks such as 192.0.2.0/24); smtp.trustedRelays are exempt too',
    'loopback: programs on this machine. Behind a load balancer the limits count the client that smtp.proxyPeers names',
  ),
  stressPercent: setting(
    z.int().min(1).max(100).default(80),
    'Share of a limit on SMTP connections, in percent, from which on the connections that it counts have limits.stressSeconds only',
    'idle connections are closed before the limit refuses anybody',
  ),
  stressSeconds: setting(
    positiveInteger.default(10),
    'Seconds from our reply to the next complete SMTP command, and until limits.dataBytesPerSecond applies, under stress',
    'the time that Postfix allows under stress; a server that has something to send sends it at once',
  ),
  greetingMilliseconds: setting(
    z.int().min(0).max(10_000).default(100),
    'Milliseconds that a peer waits for the greeting; a peer that sends before it is refused. Peers of limits.knownPeerSeconds do not wait',
    'programs that do not read replies send at once; servers wait for five minutes (RFC 5321 §4.5.3.2.1)',
  ),
  knownPeerSeconds: setting(
    z.int().min(0).default(3_600),
    'Seconds after an accepted mail in which its peer is greeted at once, unless it breaks a rule or its connections are under stress; 0: every peer waits',
    'an hour: a server that delivers reports comes again within minutes, and a pause for each connection would halve its rate',
  ),
  recipientsPerMail: setting(positiveInteger.default(100), 'Recipients of one mail', 'RFC 5321 §4.5.3.1.8 requires at least 100'),
  mailsPerConnection: setting(
    positiveInteger.default(1_000),
    'Mails in one SMTP session',
    'reusing a connection is cheap, but no peer may occupy one forever',
  ),
  advertisedSize: setting(
    positiveInteger.default(64 * 1024 * 1024),
    'SIZE in the EHLO reply, in bytes; a larger mail is refused with 552',
    '64 MiB: a refused bounce is not sent again, so a large mail is accepted and truncated instead',
  ),
  commandLength: setting(
    positiveInteger.default(4_096),
    'Longest SMTP command line, in bytes',
    'RFC 5321 requires 512; SMTPUTF8 and long VERP addresses need more',
  ),
  idleSeconds: setting(
    positiveInteger.default(300),
    'Seconds until an idle SMTP connection is closed',
    'RFC 5321 §4.5.3.2.7: at least 5 minutes',
  ),
  commandSeconds: setting(
    positiveInteger.default(300),
    'Seconds from our reply to the next complete SMTP command',
    'RFC 5321 §4.5.3.2.7: at least 5 minutes; also stops a peer that sends single bytes to avoid limits.idleSeconds',
  ),
  dataSeconds: setting(positiveInteger.default(900), 'Seconds in which one mail must arrive', '15 minutes: 5 MB over 64 kbit/s take 11'),
  dataGraceSeconds: setting(
    positiveInteger.default(60),
    'Seconds of a mail before limits.dataBytesPerSecond applies',
    'time to recover from lost packets and pauses of the sender',
  ),
  dataBytesPerSecond: setting(
    positiveInteger.default(256),
    'Lowest average rate of a mail, in bytes per second',
    'a tenth of the rate of a slow modem; a slower peer does not intend to finish',
  ),
  commandsBetweenMails: setting(
    positiveInteger.default(1_000),
    'SMTP commands before the first mail, and between two mails',
    'a mail to 100 recipients needs 102; repeated NOOPs cannot hold a connection forever',
  ),
  errorsPerConnection: setting(
    positiveInteger.default(50),
    'Commands refused with 5xx in one SMTP session',
    'a few wrong recipients happen by accident; more indicate a dictionary attack',
  ),
  closeSeconds: setting(
    positiveInteger.default(10),
    'Seconds that running SMTP sessions and the store have to finish at shutdown',
    'process supervisors kill after 10 to 30 seconds',
  ),
  bodyBudget: setting(
    positiveInteger.default(64 * 1024 * 1024),
    'Bytes of all mails that are being received, in total',
    '64 MiB, which bounds memory; above half of it MAIL FROM gets 452, above all of it the largest stalled mail gets 421',
  ),
  freeDiskBytes: setting(
    z
      .int()
      .min(0)
      .default(256 * 1024 * 1024),
    'Free bytes on the disk of the store below which no new mail and no new message is accepted (452 and 507); 0: no floor',
    '256 MiB: four times the write-ahead log of SQLite, so that outcomes, retention and erasure still find room. With PostgreSQL the disk of the data folder is measured',
  ),
  mailsPerPeerMinute: setting(
    positiveInteger.default(6_000),
    'Mails per minute from one address',
    'ten times the rate of the busiest host of a large provider',
  ),
  requestsPerMinute: setting(
    positiveInteger.default(3_000),
    'HTTP requests per minute of one account',
    'the limit of SendCloud, which clients expect',
  ),
  recipientsPerRequest: setting(
    positiveInteger.default(10_000),
    'Recipients in one POST /v1/messages',
    'they share one transaction; a larger one would block other writes for too long',
  ),
  attemptsPerRequest: setting(
    positiveInteger.default(1_000),
    'Attempts in one POST /v1/attempts',
    'they share one transaction, and each is classified',
  ),
  classificationsPerRequest: setting(
    positiveInteger.default(1_000),
    'Replies and mails in one POST /v1/classify',
    'each takes a turn with other requests; a thousand replies take a few tens of milliseconds, and http.bodyBytes limits their mails',
  ),
  emailStatusDays: setting(
    z.int().min(1).max(30).default(3),
    'Longest period of one emailStatus query, in days',
    'the limit of SendCloud; at most 30',
  ),
  failedSignInsPerName: setting(
    positiveInteger.default(SIGN_IN_LIMITS.failedSignInsPerName),
    'Failed sign-ins per minute with one name from one client (an IPv4 address or an IPv6 /64), by HTTP and by SMTP submission each',
    'a person who mistypes needs about ten, and a misconfigured program is stopped; guessing needs millions',
  ),
  failedSignInsPerClient: setting(
    positiveInteger.default(SIGN_IN_LIMITS.failedSignInsPerClient),
    'Failed sign-ins per minute from one client with any names, by HTTP and by SMTP submission each',
    'ten names; above it the client can still use the names with which it signed in during the last day',
  ),
})
