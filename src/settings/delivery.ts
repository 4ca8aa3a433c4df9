/**
 * delivery - settings of the delivery queue: whether and how this installation sends mail
 *
 * See also: settings/schema (all settings), daemon/delivery/delivery-setup (uses them), docs/DELIVERY.md.
 */
import { z } from 'zod'
import { egressIpSchema, poolProblemsOf, poolRuleSchema, poolSchema } from './pools.ts'
import { positiveInteger, setting, nonEmptyText } from './setting.ts'

const seconds = z.number().min(0.1).max(3_600)

const unchecked = z.strictObject({
  mode: setting(
    z.enum(['off', 'mx', 'smarthost', 'simulated']).default('off'),
    'How accepted mail is delivered: off (it stays queued), mx (to the MX hosts of each domain), smarthost, or simulated (to simulated providers on loopback; nothing leaves the machine)',
    'off: if your own MTA delivers and you only report results here, an upgrade must not start sending',
  ),
  egressIps: setting(
    z.array(egressIpSchema).default([]),
    'Local addresses that mail is sent from, in rotation; { ip = ADDRESS, weight = 3 } sends three times as much, weight 0 only while no other is open',
    'none: the system chooses, and all mail counts as sent from one address',
  ),
  accountEgressIps: setting(
    z.array(z.string().regex(/^\d+=[\da-fA-F.:]+$/, 'must be ACCOUNT=ADDRESS, such as 7=192.0.2.1')).default([]),
    'Egress addresses of single accounts: ACCOUNT=ADDRESS, once for each address; such an account uses no others',
    'none: all accounts share egressIps',
  ),
  pools: setting(
    z.array(poolSchema).max(1_000).default([]),
    'Named pools of egress addresses: [[delivery.pools]] with name and ips, as in egressIps; a JSON array in the environment',
    'none: egressIps and accountEgressIps are the pools',
  ),
  poolRules: setting(
    z.array(poolRuleSchema).max(10_000).default([]),
    'Which pool mail leaves by: [[delivery.poolRules]] with pool and one or more of account, label and senderDomain; the most specific rule decides, and account comes before label, label before senderDomain',
    'none: an account uses its accountEgressIps, all others egressIps',
  ),
  ehlo: setting(
    nonEmptyText.optional(),
    'Host name in EHLO',
    'the host name of the machine; receivers expect forward and reverse DNS of the name and the address to match',
  ),
  egressEhlo: setting(
    z.array(z.string().regex(/^[\da-fA-F.:]+=[A-Za-z0-9._-]+$/, 'must be ADDRESS=NAME, such as 192.0.2.1=out1.example.com')).default([]),
    'Host name in EHLO of single egress addresses: ADDRESS=NAME',
    'none: all addresses use ehlo; receivers compare the name with the PTR record of the address',
  ),
  policy: setting(
    nonEmptyText.default('default'),
    'Backoff policy: default, spec, never, fixed, or a policy file (TOML)',
    'docs/SIMULATION.md compares the policies',
  ),
  retryMinutes: setting(
    z.array(z.coerce.number<string | number>().positive().max(10_080)).min(1).default([1, 5, 15, 30, 60, 120, 240]),
    'Minutes between the attempts of one mail; the last value repeats',
    'RFC 5321 §4.5.4.1 asks for 30 minutes; the first intervals are shorter because of greylisting',
  ),
  giveUpDays: setting(
    z.number().positive().max(30).default(4),
    'Days until a queued mail expires as a soft bounce',
    'RFC 5321 §4.5.4.1: 4 to 5 days; if an account sets giveUpAfterDays, keep this shorter, so that the queue decides first',
  ),
  lines: setting(
    positiveInteger.max(10_000).default(100),
    'Mails that are sent simultaneously',
    'enough for a few hundred mails a second, and below the usual limit of open files',
  ),
  linesPerSite: setting(
    positiveInteger.max(10_000).default(20),
    'Mails that are sent simultaneously from one address to one receiving site',
    'the number that large providers allow to an address of good reputation; a slow site cannot use up delivery.lines',
  ),
  inFlightBytes: setting(
    positiveInteger.default(67_108_864),
    'Bytes of mails in memory for sending, in total; a larger mail is sent alone',
    '64 MiB: four mails with the largest attachments that mail/send accepts, or 100 simultaneous mails of 600 KB',
  ),
  connectSeconds: setting(
    seconds.default(30),
    'Seconds until a connection attempt times out',
    'RFC 5321 names no value; a host that does not answer within 30 seconds is down',
  ),
  greetingSeconds: setting(seconds.default(300), 'Seconds until the wait for the greeting times out', 'RFC 5321 §4.5.3.2.1: 5 minutes'),
  commandSeconds: setting(
    seconds.default(300),
    'Seconds until the wait for the reply to a command times out',
    'RFC 5321 §4.5.3.2.2–3: 5 minutes for MAIL and RCPT; DATA needs 2 (§4.5.3.2.4)',
  ),
  blockSeconds: setting(
    seconds.default(180),
    'Seconds in which a receiver must accept more data of the mail',
    'RFC 5321 §4.5.3.2.5: 3 minutes for each block',
  ),
  endSeconds: setting(
    seconds.default(600),
    'Seconds until the wait for the reply to the mail times out',
    'RFC 5321 §4.5.3.2.6: 10 minutes; a shorter wait sends a second copy of a mail that was accepted',
  ),
  connectionMails: setting(
    positiveInteger.max(100_000).default(100),
    'Mails per connection',
    'providers limit them (Outlook refuses with RP-002), and new connections spread the load; 1: a connection for each mail',
  ),
  connectionIdleSeconds: setting(
    seconds.default(15),
    'Seconds that an idle connection is kept open',
    'shorter than the timeouts of servers: RFC 5321 §4.5.3.2.7 asks for 5 minutes, many allow 30 seconds',
  ),
  idleConnections: setting(
    positiveInteger.max(10_000).default(500),
    'Idle connections that are kept open, in total',
    'together with delivery.lines, well below the usual limit of open files',
  ),
  tls: setting(
    z.enum(['off', 'opportunistic', 'required', 'verified']).default('opportunistic'),
    'STARTTLS to receivers: off, opportunistic, required or verified; the rule file of a provider can demand more (tls = "required")',
    'opportunistic: encrypted where offered; many receivers have no valid certificate',
  ),
  shapingFile: setting(
    nonEmptyText.optional(),
    'File with limits of receiving sites (TOML), read in front of the shipped ones; a changed file is read again',
    'none: the shipped limits; `bounced shaping show` prints what is in force',
  ),
  attemptLog: setting(
    nonEmptyText.optional(),
    'File that gets one line of JSON for each attempt; each node of a machine needs a file of its own',
    'none: the timeline of a mail and the metrics have the outcomes; the file is for log shippers and for counting by host, TLS and time',
  ),
  attemptLogBytes: setting(
    positiveInteger.min(65_536).default(67_108_864),
    'Bytes of delivery.attemptLog from which it is rotated: FILE becomes FILE.1, FILE.1 becomes FILE.2',
    '64 MiB: some 100,000 attempts',
  ),
  attemptLogFiles: setting(
    z.int().min(0).max(1_000).default(5),
    'Rotated files of delivery.attemptLog that are kept',
    'with the current file at most 384 MiB; older files are removed',
  ),
  attemptLogRecipients: setting(
    z.boolean().default(false),
    'Write the recipient and the whole emailId into delivery.attemptLog',
    'false: neither retention nor the erasure of an address reaches the file, so it has domains only',
  ),
  allowPrivate: setting(
    z.boolean().default(false),
    'Allow MX hosts in private networks',
    'false: the DNS records of a recipient domain could name hosts of your internal network; a smart host may always be there',
  ),
  smarthost: setting(
    z.url({ protocol: /^smtps?$/ }).optional(),
    'Smart host of mode smarthost: smtp://USER:PASSWORD@HOST:587, or smtps:// for implicit TLS',
    'none; required for mode smarthost',
    true,
  ),
  simulatedSpeed: setting(
    z.number().min(1).max(100_000).default(60),
    'Speed-up of simulated time, which also applies to backoff and retries',
    'one simulated hour of quotas, reports and complaints takes one minute',
  ),
  simulatedProviders: setting(
    nonEmptyText.optional(),
    'Folder with the TOML files of simulated providers; the one named generic serves all other domains',
    'none: the shipped ones (src/simulator/providers)',
  ),
  simulatedSeed: setting(
    z.int().min(0).default(1),
    'Random seed of the simulated providers',
    'a fixed value: the same seed gives the same unknown users',
  ),
  node: setting(
    nonEmptyText.optional(),
    'Name of this node among the nodes that share a database',
    'the host name and the data folder: a node that restarts resumes its own work at once',
  ),
  leaseSeconds: setting(
    positiveInteger.min(3).max(600).default(15),
    'Seconds until other nodes take over what a node delivers that stops responding',
    'longer than a fail-over of the database, and too short to delay mail noticeably',
  ),
  uncertainSeconds: setting(
    z.int().min(0).max(3_600).default(60),
    'Seconds that a node which fell silent has to report the outcomes of its attempts, before another node sends their mails again',
    'a node that is frozen or cut off from the store usually returns within a minute, and nobody else knows what it has sent; after a restart under the same node name there is no wait',
  ),
})

/** Pools and their rules are checked together. */
export const deliverySettings = unchecked.superRefine((settings, issues) => {
  for (const { setting: name, message } of poolProblemsOf(settings)) issues.addIssue({ code: 'custom', path: [name], message })
})
