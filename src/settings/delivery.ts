/**
 * delivery - settings of the delivery queue: whether and how this installation sends mail itself
 *
 * See also: settings (the whole schema), delivery (who is wired by it), docs/DELIVERY.md.
 */
import { z } from 'zod'
import { positiveInteger, setting, nonEmptyText } from './setting.ts'

const seconds = z.number().min(0.1).max(3_600)

const ipAddress = z.union([z.ipv4(), z.ipv6()])

export const deliverySettings = z.strictObject({
  mode: setting(
    z.enum(['off', 'mx', 'smarthost', 'simulated']).default('off'),
    'Who delivers what POST /api/mail/send and SMTP submission accept: off (it waits), mx (the MX hosts of each domain), smarthost, or simulated (providers on loopback; nothing leaves the machine)',
    'off: who delivers himself and only reports here must not begin to send by an upgrade',
  ),
  egressIps: setting(
    z.array(ipAddress).default([]),
    'Addresses of this machine that mail leaves by, in turns',
    'none: the system chooses, and all mail counts as of one address',
  ),
  accountEgressIps: setting(
    z.array(z.string().regex(/^\d+=[\da-fA-F.:]+$/, 'must be ACCOUNT=ADDRESS, as 7=192.0.2.1')).default([]),
    'Pools of single accounts: ACCOUNT=ADDRESS, once for each address; such an account uses no other',
    'none: all accounts share egressIps',
  ),
  ehlo: setting(
    nonEmptyText.optional(),
    'Name in EHLO',
    'the machine’s host name; receivers want one that resolves to the address, and back',
  ),
  policy: setting(
    nonEmptyText.default('default'),
    'How sending pauses: default, spec, never, fixed, or a policy file (TOML)',
    'docs/SIMULATION.md compares them',
  ),
  retryMinutes: setting(
    z.array(z.coerce.number<string | number>().positive().max(10_080)).min(1).default([1, 5, 15, 30, 60, 120, 240]),
    'Minutes between the attempts of one mail; the last holds on',
    'RFC 5321 §4.5.4.1 asks for 30 minutes; the first are shorter, for greylisting',
  ),
  giveUpDays: setting(
    z.number().positive().max(30).default(4),
    'Days until a waiting mail is given up as a soft bounce',
    'RFC 5321 §4.5.4.1: 4 to 5 days; shorter than giveUpDays, so that the queue has the last word',
  ),
  lines: setting(
    positiveInteger.max(10_000).default(100),
    'Mails under way at once',
    'enough for a few hundred mails a second, few enough for the usual limit of open files',
  ),
  linesPerSite: setting(
    positiveInteger.max(10_000).default(20),
    'Of them from one address to one receiving site',
    'what large providers allow to an address of good name; a slow site then leaves lines to all others',
  ),
  inFlightBytes: setting(
    positiveInteger.default(67_108_864),
    'Bytes of made mails in memory at once; a larger mail goes alone',
    '64 MiB: four of the largest attachments that mail/send takes, or all lines full of mails of half a megabyte',
  ),
  connectSeconds: setting(
    seconds.default(30),
    'Seconds until a connection to a receiver stands',
    'the RFC has none for it; a host that has not answered in half a minute is down',
  ),
  greetingSeconds: setting(seconds.default(300), 'Seconds that a receiver’s greeting is waited for', 'RFC 5321 §4.5.3.2.1: five minutes'),
  commandSeconds: setting(
    seconds.default(300),
    'Seconds that a receiver’s answer to a command is waited for',
    'RFC 5321 §4.5.3.2.2–3: five minutes for MAIL and RCPT; two are enough for DATA (.4)',
  ),
  blockSeconds: setting(
    seconds.default(180),
    'Seconds in which a receiver must have taken something of the mail',
    'RFC 5321 §4.5.3.2.5: three minutes for each block',
  ),
  endSeconds: setting(
    seconds.default(600),
    'Seconds that the answer after the mail is waited for',
    'RFC 5321 §4.5.3.2.6: ten minutes; who leaves sooner sends a second copy of what was taken',
  ),
  connectionMails: setting(
    positiveInteger.max(100_000).default(100),
    'Mails that one connection carries',
    'providers count them (Outlook says so with RP-002), and load balancers want them to move on; 1: a connection for each mail',
  ),
  connectionIdleSeconds: setting(
    seconds.default(15),
    'Seconds that a connection without work is kept',
    'less than servers wait: RFC 5321 §4.5.3.2.7 asks for five minutes, many give thirty seconds',
  ),
  idleConnections: setting(
    positiveInteger.max(10_000).default(500),
    'Connections without work that are kept, all together',
    'with lines, well below the usual limit of open files',
  ),
  tls: setting(
    z.enum(['off', 'opportunistic', 'required', 'verified']).default('opportunistic'),
    'STARTTLS to receivers: off, opportunistic, required, or verified; more where a provider’s rule file asks for it (tls = "required")',
    'opportunistic: encrypted where offered; many receivers have no certificate that holds',
  ),
  allowPrivate: setting(
    z.boolean().default(false),
    'Let MX hosts stand in private networks',
    'anybody’s DNS may name your inner network; a smart host of yours may stand there anyhow',
  ),
  smarthost: setting(
    z.url({ protocol: /^smtps?$/ }).optional(),
    'Where mode smarthost sends everything: smtp://USER:PASSWORD@HOST:587, or smtps:// for TLS from the first byte',
    'none',
    true,
  ),
  simulatedSpeed: setting(
    z.number().min(1).max(100_000).default(60),
    'How much faster than ours the time of simulated providers goes, and with it pauses and retries',
    'an hour of quotas, reports and complaints takes a minute',
  ),
  simulatedProviders: setting(
    nonEmptyText.optional(),
    'Folder of the simulated providers’ TOML files; one of them is called generic, whose all other domains are',
    'none: the shipped ones (src/providers)',
  ),
  simulatedSeed: setting(z.int().min(0).default(1), 'Seed of the simulated providers', 'the same seed has the same unknown users'),
  node: setting(
    nonEmptyText.optional(),
    'Name of this node among those that share a store',
    'the machine’s host name and the data folder: a node that comes back takes over its own work at once',
  ),
  leaseSeconds: setting(
    positiveInteger.min(3).max(600).default(15),
    'Seconds after which another node delivers when the delivering one falls silent',
    'longer than the store is away at a fail-over, shorter than anybody notices in mail',
  ),
})
