/**
 * schema - the schema of every setting of the process, each with its default and the reason of it
 *
 * One row a setting: type, default, what it does, why it has its default. The names at the top are those that senders and
 * installers rely on; a released name is never reused for another thing.
 *
 * See also: settings/setting (a row), settings/http, settings/retention and settings/webhooks (groups of their own), config (reads file and environment by this schema), commands/config (prints it).
 */
import { z } from 'zod'
import { FLOOD_RULES } from '../ledger/alert/flood.ts'
import { compatibleSettings } from './compatible.ts'
import { httpSettings } from './http.ts'
import { alertSettings, forwardSettings, webhookSettings } from './webhooks.ts'
import { exportSettings, retentionSettings } from './retention.ts'
import { deliverySettings } from './delivery.ts'
import { positiveInteger, dayCount, dnsName, portNumber, setting, nonEmptyText } from './setting.ts'
import { submissionSettings } from './submission.ts'
import { LOG_LEVELS } from '../telemetry.ts'

const smtpSettings = z.strictObject({
  port: setting(
    portNumber.default(2525),
    'Port of the SMTP listener; 0 picks a free one',
    '25 needs root; put 25 in front by NAT or a socket unit',
  ),
  name: setting(nonEmptyText.optional(), 'Name in the SMTP greeting', 'the machine’s host name, unless the MX record names another'),
  proxyPeers: setting(
    z.array(nonEmptyText).default([]),
    'Balancers that must begin with a PROXY header, version 1 or 2 (addresses, or networks as 192.0.2.0/24)',
    'none: the header is a claim about who connects, so only a listed balancer may make it',
  ),
})

const tlsSettings = z.strictObject({
  cert: setting(
    nonEmptyText.optional(),
    'File of the PEM certificate chain for STARTTLS',
    'none: a certificate of our own making, since senders do not check it',
  ),
  key: setting(nonEmptyText.optional(), 'File of the PEM private key for STARTTLS', 'goes with tls.cert'),
})

const limitSettings = z.strictObject({
  mailSize: setting(
    positiveInteger.default(5 * 1024 * 1024),
    'Bytes of a mail that are read; of a larger one the first MiB and the digest are kept',
    'reports quote headers or one mail; what is larger is no report that anybody meant to be read',
  ),
  connections: setting(
    positiveInteger.default(1_000),
    'SMTP connections at once',
    'the greeting waits 100 ms, so that 500 new ones a second need room',
  ),
  connectionsPerPeer: setting(
    positiveInteger.default(100),
    'SMTP connections at once from one address',
    'large providers send feedback from few hosts',
  ),
  connectionsPerNetwork: setting(
    positiveInteger.default(300),
    'SMTP connections at once from one network (/24, or /64 of IPv6)',
    'a provider’s outbound hosts stand in one network; a botnet’s do not',
  ),
  recipientsPerMail: setting(positiveInteger.default(100), 'RCPT commands in one mail', 'RFC 5321 §4.5.3.1.8 wants at least 100'),
  mailsPerConnection: setting(positiveInteger.default(1_000), 'Mails in one SMTP session', 'a kept connection is cheap, a monopoly is not'),
  advertisedSize: setting(
    positiveInteger.default(64 * 1024 * 1024),
    'SIZE in the EHLO answer; a mail above it is refused by 552',
    'null senders do not try again, so what is merely large is taken and cut, not refused',
  ),
  commandLength: setting(
    positiveInteger.default(4_096),
    'Bytes of one SMTP command line',
    'RFC 5321 wants 512, SMTPUTF8 and long VERP more',
  ),
  idleSeconds: setting(
    positiveInteger.default(300),
    'Seconds that a silent SMTP peer is waited for',
    'RFC 5321 §4.5.3.2.7: at least 5 minutes',
  ),
  commandSeconds: setting(
    positiveInteger.default(300),
    'Seconds from our reply to the next whole SMTP command',
    'a byte now and then is not silence, and must not hold a connection; RFC 5321 §4.5.3.2.7: at least 5 minutes',
  ),
  dataSeconds: setting(positiveInteger.default(900), 'Seconds that one mail may take to come', '5 MB over 64 kbit/s take 11 minutes'),
  dataGraceSeconds: setting(
    positiveInteger.default(60),
    'Seconds of a mail before its rate counts',
    'lost packets and a sender’s own pauses are over by then',
  ),
  dataBytesPerSecond: setting(
    positiveInteger.default(256),
    'Least bytes a second of a mail, on its average',
    'a tenth of the slowest modem: who is slower does not want to be done',
  ),
  commandsBetweenMails: setting(
    positiveInteger.default(1_000),
    'SMTP commands before a mail, and from one mail to the next',
    'a mail for 100 recipients takes 102; NOOPs must not hold a connection for ever',
  ),
  errorsPerConnection: setting(
    positiveInteger.default(50),
    'Commands refused by 5xx in one SMTP session',
    'a list of wrong recipients is an accident, a dictionary is not',
  ),
  closeSeconds: setting(
    positiveInteger.default(10),
    'Seconds that running sessions have to end at a stop',
    'supervisors kill after 10 to 30',
  ),
  bodyBudget: setting(
    positiveInteger.default(64 * 1024 * 1024),
    'Bytes of all open mail bodies together',
    'above half MAIL FROM gets 452, above all the largest stalled one gets 421: memory stays bounded',
  ),
  mailsPerPeerMinute: setting(
    positiveInteger.default(6_000),
    'Mails a minute from one address',
    'ten times what a large provider’s busiest host sends',
  ),
  requestsPerMinute: setting(
    positiveInteger.default(3_000),
    'HTTP requests a minute of one account',
    'the vendor’s limit, which clients know',
  ),
  recipientsPerRequest: setting(
    positiveInteger.default(10_000),
    'Recipients in one POST /v1/messages',
    'one transaction; more would hold the writer for too long',
  ),
  attemptsPerRequest: setting(
    positiveInteger.default(1_000),
    'Attempts in one POST /v1/attempts',
    'one transaction, each of them classified',
  ),
  emailStatusDays: setting(
    z.int().min(1).max(30).default(3),
    'Longest span of one emailStatus query, in days',
    'the vendor’s limit; up to 30',
  ),
})

const logSettings = z.strictObject({
  level: setting(z.enum(LOG_LEVELS).default('info'), 'What is logged', 'info carries ids and no whole address'),
  format: setting(z.enum(['auto', 'json', 'pretty']).default('auto'), 'How it is logged', 'auto: pretty on a terminal, JSON elsewhere'),
})

const ruleSettings = z.strictObject({
  folder: setting(nonEmptyText.optional(), 'Folder of your own rule tables; they go in front of ours', 'none'),
})

const reporterSettings = z.strictObject({
  own: setting(
    z.array(dnsName).default([]),
    'Domains whose signed feedback you believe, beside the shipped list',
    'none: the list holds the operators of feedback loops that are known',
  ),
})

const dnsSettings = z.strictObject({
  servers: setting(z.array(nonEmptyText).default([]), 'DNS servers to ask for signatures’ keys', 'the machine’s own'),
  timeoutSeconds: setting(
    z.number().min(0.1).max(60).default(3),
    'Seconds that a DNS answer is waited for',
    'a batch must not wait for a stranger’s DNS',
  ),
})

const floodSettings = z.strictObject({
  accountReports: setting(
    positiveInteger.default(FLOOD_RULES.account.reports),
    'Reports in a quarter-hour about one account’s mails that raise an alarm, when they are ten times the usual',
    'a campaign of 400,000 mails of which 5 % come back at once',
  ),
  peerReports: setting(
    positiveInteger.default(FLOOD_RULES.peer.reports),
    'The same, from one address',
    'a large provider’s busiest host; cut it off by bounced cut add --peer',
  ),
  tokenReports: setting(
    positiveInteger.default(FLOOD_RULES.token.reports),
    'Reports in an hour about one mail that raise an alarm',
    'one mail has one bounce and a warning every few hours; cut it off by bounced cut add --token',
  ),
})

/** The one schema. */
export const SETTINGS_SCHEMA = z.strictObject({
  host: setting(
    nonEmptyText.default('127.0.0.1'),
    'Address both listeners bind to',
    'loopback until told otherwise: nothing is open by accident',
  ),
  data: setting(
    nonEmptyText.default('data'),
    'Folder of the embedded store and the master key',
    'beside the program, so that removing the folder starts anew',
  ),
  database: setting(
    z
      .string()
      .regex(/^(?:sqlite:|postgres:\/\/|postgresql:\/\/)/, 'must begin with sqlite: or postgres://')
      .default('sqlite:'),
    'The store: sqlite:, sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME',
    'embedded SQLite needs no server; PostgreSQL for more than one node',
    true,
  ),
  returnPathDomain: setting(
    dnsName.default('bounce.localhost'),
    'Domain of the Return-Path addresses; its MX points here',
    'a name that reaches nobody until you set yours; at most 20 octets, so that SRS keeps the token whole',
  ),
  feedbackDomain: setting(dnsName.default('fbl.localhost'), 'Domain of feedback and unsubscribe addresses; its MX points here', 'as above'),
  publicUrl: setting(
    z.url().optional(),
    'Where the world reaches our HTTP, for one-click links',
    'http://HOST:PORT, which serves only a trial',
  ),
  apiUser: setting(
    z
      .string()
      .regex(/^[\w.@-]{1,64}$/, 'must be 1 to 64 letters, digits or . _ @ -')
      .default('default'),
    'apiUser of the first account',
    'used once, at the first start',
  ),
  apiKey: setting(z.string().min(8).optional(), 'apiKey of the first account', 'made by chance at the first start, unless given', true),
  masterKey: setting(
    z.string().min(32).optional(),
    'Key under which stored secrets are sealed and tokens derived: 32 random bytes as 64 hex digits or base64',
    'made at the first start with SQLite and kept in the data folder; required with PostgreSQL',
    true,
  ),
  trust: setting(
    z.enum(['strict', 'any']).default('strict'),
    'Trust policy of the first account',
    'strict: feedback needs a listed provider’s signature beside the token; used once, at the first start: bounced account set changes it',
  ),
  giveUpDays: setting(
    dayCount.default(5),
    'Days after which a mail of the first account that nobody closed is given up; 0 is never',
    'RFC 5321 §4.5.4.1: at least 4 to 5 days; used once, at the first start: change it by bounced account set APIUSER giveUpAfterDays=…',
  ),
  smtp: smtpSettings.prefault({}),
  submission: submissionSettings.prefault({}),
  http: httpSettings.prefault({}),
  tls: tlsSettings.prefault({}),
  limits: limitSettings.prefault({}),
  log: logSettings.prefault({}),
  rules: ruleSettings.prefault({}),
  reporters: reporterSettings.prefault({}),
  dns: dnsSettings.prefault({}),
  flood: floodSettings.prefault({}),
  webhooks: webhookSettings.prefault({}),
  route: forwardSettings.prefault({}),
  alerts: alertSettings.prefault({}),
  retention: retentionSettings.prefault({}),
  compatible: compatibleSettings.prefault({}),
  exports: exportSettings.prefault({}),
  delivery: deliverySettings.prefault({}),
})

export type Settings = z.output<typeof SETTINGS_SCHEMA>
