/**
 * schema - the schema of all settings of the process, each with its default and the reason of that default
 *
 * One row for each setting: type, default, purpose, reason. A released name is never reused for another purpose.
 *
 * See also: settings/setting (a row), settings/load (reads file and environment), commands/config (prints the settings).
 */
import { z } from 'zod'
import { FLOOD_RULES } from '../ledger/alert/flood.ts'
import { compatibleSettings } from './compatible.ts'
import { consoleSettings } from './console.ts'
import { httpSettings } from './http.ts'
import { limitSettings } from './limits.ts'
import { lmtpSettings } from './lmtp.ts'
import { mailboxesSetting } from './mailboxes.ts'
import { alertSettings, forwardSettings, reportCopySettings, webhookSettings } from './outbound.ts'
import { exportSettings, retentionSettings } from './retention.ts'
import { DEFAULT_DATA_FOLDER } from './data-folder.ts'
import { deliverySettings } from './delivery.ts'
import { followSettings } from './follow.ts'
import { reporterSettings } from './reporters.ts'
import { positiveInteger, dayCount, dnsName, portNumber, setting, nonEmptyText } from './setting.ts'
import { storeSettings } from './store.ts'
import { submissionSettings } from './submission.ts'
import { trackingSettings } from './tracking.ts'
import { verificationSettings } from './verification.ts'
import { LOG_LEVELS } from '../telemetry.ts'

const smtpSettings = z.strictObject({
  port: setting(
    portNumber.default(2525),
    'Port of the SMTP listener; 0 picks a free one',
    'port 25 requires root; forward it by NAT or a systemd socket unit',
  ),
  name: setting(
    nonEmptyText.optional(),
    'Host name in the SMTP greeting',
    'the host name of the machine; set it if the MX record names another host',
  ),
  proxyPeers: setting(
    z.array(nonEmptyText).default([]),
    'Load balancers that must send a PROXY header, version 1 or 2 (addresses, or networks such as 192.0.2.0/24)',
    'none: anyone can forge the header, so it is accepted from listed load balancers only',
  ),
  trustedRelays: setting(
    z.array(nonEmptyText).default([]),
    'Your own mail servers that pass reports on (addresses or networks); their mail with a null sender may have several Return-Path addresses',
    'none: a report is about one message, so a second address multiplies the work of a mail; loopback is always trusted',
  ),
  verpDomains: setting(
    z.array(dnsName).default([]),
    'Return-Path domains of your other mail servers, whose MX records name this host; mail is accepted for the verpAddresses of accounts at them, postmaster and abuse',
    'none: VERP addresses are at the Return-Path domain, where all mail is accepted',
  ),
})

const tlsSettings = z.strictObject({
  cert: setting(
    nonEmptyText.optional(),
    'PEM file with the certificate chain for STARTTLS',
    'none: a self-signed certificate is used, because most senders do not verify it',
  ),
  key: setting(nonEmptyText.optional(), 'PEM file with the private key for STARTTLS', 'none; set it together with tls.cert'),
})

const logSettings = z.strictObject({
  level: setting(
    z.enum(LOG_LEVELS).default('info'),
    'Lowest level that is logged: trace, debug, info, warn, error, fatal or silent',
    'info shows each mail by its ids; debug adds every SMTP reply and decision; addresses are masked at every level',
  ),
  format: setting(
    z.enum(['auto', 'json', 'pretty']).default('auto'),
    'Log format: auto, json or pretty',
    'auto: pretty on a terminal, json elsewhere',
  ),
})

const ruleSettings = z.strictObject({
  folder: setting(
    nonEmptyText.optional(),
    'Folder with your own rule files, which take precedence over the shipped ones',
    'none: the shipped rules apply alone',
  ),
  writable: setting(
    z.boolean().default(true),
    'Whether an operator may save rule files into rules.folder by the API and the console',
    'on: only the operator can, each change is checked and audited; turn it off if another tool deploys the folder',
  ),
})

const dnsSettings = z.strictObject({
  servers: setting(z.array(nonEmptyText).default([]), 'DNS servers for the keys of signatures', 'the servers of the machine'),
  timeoutSeconds: setting(
    z.number().min(0.1).max(60).default(3),
    'Seconds until a DNS query times out',
    'a batch must not wait for a slow DNS server of a third party',
  ),
})

const floodSettings = z.strictObject({
  accountReports: setting(
    positiveInteger.default(FLOOD_RULES.account.reports),
    'Reports in 15 minutes about the mails of one account that raise an alarm, if they are ten times the usual number',
    'a campaign of 400,000 mails of which 5 % bounce at once',
  ),
  peerReports: setting(
    positiveInteger.default(FLOOD_RULES.peer.reports),
    'Reports in 15 minutes from one address that raise an alarm, if they are ten times the usual number',
    'the rate of the busiest host of a large provider; block an address with bounced block add --peer',
  ),
  tokenReports: setting(
    positiveInteger.default(FLOOD_RULES.token.reports),
    'Reports in one hour about one mail that raise an alarm',
    'a mail has one bounce and a delay warning every few hours; block a token with bounced block add --token',
  ),
})

/** The schema of the configuration file and of the environment. */
export const SETTINGS_SCHEMA = z.strictObject({
  host: setting(
    nonEmptyText.default('127.0.0.1'),
    'Address that the SMTP listeners bind to',
    'loopback: nothing is reachable from outside until you set it',
  ),
  data: setting(
    nonEmptyText.default(DEFAULT_DATA_FOLDER),
    'Folder of the embedded database and the master key',
    'in the working directory; if you remove the folder, bounced starts with an empty database',
  ),
  database: setting(
    z
      .string()
      .regex(/^(?:sqlite:|postgres:\/\/|postgresql:\/\/)/, 'must begin with sqlite: or postgres://')
      .default('sqlite:'),
    'Database: sqlite:, sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME',
    'embedded SQLite needs no server; more than one node requires PostgreSQL',
    true,
  ),
  newStore: setting(
    z.boolean().default(false),
    'Begin with an empty SQLite store, although master.key or a file without tables tells of an earlier one',
    'a store that is missing beside its key was lost or copied without its log; an empty one would forget every mail and every list',
  ),
  returnPathDomain: setting(
    dnsName.default('bounce.localhost'),
    'Domain of the Return-Path addresses; its MX record must name this host',
    'a name that is not reachable; set your own, of at most 20 octets, so that SRS keeps the token whole',
  ),
  feedbackDomain: setting(
    dnsName.default('fbl.localhost'),
    'Domain of the feedback and unsubscribe addresses; its MX record must name this host',
    'a name that is not reachable; set your own',
  ),
  publicUrl: setting(
    z.url().optional(),
    'Public URL of the HTTP listener, for one-click unsubscribe and other links',
    'http:// with http.host and http.port, which is enough for a trial only',
  ),
  apiUser: setting(
    z
      .string()
      .regex(/^[\w.@-]{1,64}$/, 'must be 1 to 64 letters, digits or . _ @ -')
      .default('default'),
    'apiUser of the first account',
    'a placeholder; read at the first start only',
  ),
  apiKey: setting(z.string().min(8).optional(), 'apiKey of the first account', 'a random key, generated at the first start', true),
  masterKey: setting(
    z.string().min(32).optional(),
    'Key that encrypts stored secrets and derives token keys: 32 random bytes as 64 hex digits or base64',
    'generated at the first start with SQLite and kept in the data folder; required with PostgreSQL',
    true,
  ),
  trust: setting(
    z.enum(['strict', 'any']).default('strict'),
    'Trust policy of the first account',
    'strict: a token counts where the reported mail has it, see complaintProof; read at the first start only, change it with bounced account set',
  ),
  giveUpDays: setting(
    dayCount.default(0),
    'Days until registered mail of a new account, of which nobody reports an outcome, becomes a soft bounce; 0: never',
    'your own MTA may have delivered it, and no outcome is not a bounce; accounts keep theirs, change it with bounced account set APIUSER giveUpAfterDays=…',
  ),
  store: storeSettings.prefault({}),
  smtp: smtpSettings.prefault({}),
  lmtp: lmtpSettings.prefault({}),
  mailboxes: mailboxesSetting,
  submission: submissionSettings.prefault({}),
  http: httpSettings.prefault({}),
  tls: tlsSettings.prefault({}),
  limits: limitSettings.prefault({}),
  log: logSettings.prefault({}),
  rules: ruleSettings.prefault({}),
  reporters: reporterSettings.prefault({}),
  dns: dnsSettings.prefault({}),
  verification: verificationSettings.prefault({}),
  flood: floodSettings.prefault({}),
  webhooks: webhookSettings.prefault({}),
  route: forwardSettings.prefault({}),
  reportCopies: reportCopySettings.prefault({}),
  alerts: alertSettings.prefault({}),
  retention: retentionSettings.prefault({}),
  compatible: compatibleSettings.prefault({}),
  console: consoleSettings.prefault({}),
  exports: exportSettings.prefault({}),
  tracking: trackingSettings.prefault({}),
  follow: followSettings.prefault({}),
  delivery: deliverySettings.prefault({}),
})

export type Settings = z.output<typeof SETTINGS_SCHEMA>
