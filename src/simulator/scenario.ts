/**
 * scenario - the schema of a scenario file: the sender, the campaigns, and the incidents at the providers
 *
 *     name = "cold-ip"
 *     title = "A new address"
 *     about = "What is sent, and what fails"
 *     seed = 7
 *     start = "2026-03-02T08:00:00Z"
 *     hours = 168                        # the end of the simulation, even if messages still wait
 *
 *     [sender]
 *     domain = "news.example.com"
 *     ips = ["198.51.100.1"]
 *     connections = 100                  # the most simultaneous attempts
 *     connections_per_site = 20          # from one address to one provider; default: no limit
 *     connection_mails = 100             # the most mails a connection, where no shaping says fewer
 *     connection_idle_seconds = 15       # how long an idle connection is kept
 *     tls = "opportunistic"              # or "off", "required", "verified", as in delivery.tls
 *     warm_up = true                     # new egress IPs follow the warm-up schedule
 *     operator_hours = 4                 # an operator presses Recover this long after a pause that only an operator ends
 *
 *     [[known]]                          # messages that an egress IP delivered before the scenario
 *     ip = "198.51.100.1"
 *     mails = 150000                     # provider = "gmail": at one provider only
 *
 *     [[campaign]]
 *     mails = 100000
 *     at_hours = 0
 *     over_minutes = 60                  # enqueued evenly over this time
 *     account = 1                        # suppression lists and list quality are kept per account
 *     to = { gmail = 6, outlook = 3 }    # relative shares of the providers
 *     mailboxes = { unknown = 0.12 }     # replaces the values of the provider's file
 *
 *     [[outage]]                         # how = "connect", "timeout", "dns" or "busy"
 *     provider = "yahoo"
 *     from_hours = 2
 *     for_hours = 3
 *     how = "timeout"
 *
 *     [[listing]]                        # an egress IP on a provider's block list
 *
 * Unknown members are refused, and the error names every invalid one. Pure. See also: simulator/simulate (runs it), scenarios.
 */
import * as z from 'zod'
import { invalidFile, schemaProblems } from '../invalid-file.ts'
import { TLS_STRICTNESS } from '../queue/shaping/tls-policy.ts'
import { mailboxesSchema } from './provider-file.ts'

const hours = z.number().min(0).max(10_000)
const domain = z.string().regex(/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/, 'is not a lower-case domain')
const ip = z.union([z.ipv4(), z.ipv6()])

const campaign = z.strictObject({
  mails: z.int().min(1).max(5_000_000),
  at_hours: hours.default(0),
  over_minutes: z.number().min(0).max(100_000).default(0),
  account: z.int().min(1).max(1_000).default(1),
  to: z.record(z.string(), z.number().positive()).refine((to) => Object.keys(to).length > 0, 'names no provider'),
  mailboxes: mailboxesSchema.partial().default({}),
  /** Campaigns with the same list have the same recipients, in the same order. */
  list: z.string().min(1).max(40).optional(),
})

const schema = z.strictObject({
  name: z.string().regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'is not lower-case kebab-case'),
  title: z.string().min(1).max(120),
  about: z.string().min(1).max(2_000),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
  start: z.iso.datetime({ offset: true }),
  hours: z.number().positive().max(10_000),
  sender: z.strictObject({
    domain,
    ips: z.array(ip).min(1).max(64),
    connections: z.int().min(1).max(10_000).default(100),
    connections_per_site: z.int().min(1).max(10_000).optional(),
    connection_mails: z.int().min(1).max(100_000).default(100),
    connection_idle_seconds: z.number().positive().max(3_600).default(15),
    tls: z.enum(TLS_STRICTNESS).default('opportunistic'),
    warm_up: z.boolean().default(false),
    operator_hours: z.number().positive().max(1_000).default(4),
  }),
  known: z.array(z.strictObject({ ip, provider: z.string().optional(), mails: z.int().min(0) })).default([]),
  campaign: z.array(campaign).min(1).max(100),
  outage: z
    .array(
      z.strictObject({ provider: z.string(), from_hours: hours, for_hours: hours, how: z.enum(['connect', 'timeout', 'dns', 'busy']) }),
    )
    .default([]),
  listing: z.array(z.strictObject({ ip, provider: z.string(), from_hours: hours, for_hours: hours })).default([]),
})

export type Scenario = Readonly<z.infer<typeof schema>>
export type CampaignRow = Scenario['campaign'][number]

/** Reads a scenario. `providers`: the names that it may use. Throws config_invalid with one line per problem. */
export function readScenario(file: string, data: unknown, providers: readonly string[]): Scenario {
  const read = schema.safeParse(data)
  if (!read.success) throw invalidFile(file, schemaProblems(read.error))
  const lines = unknownReferences(read.data, providers)
  if (lines.length > 0) throw invalidFile(file, lines)
  return read.data
}

/** One line for each provider name and IP that does not exist. */
function unknownReferences({ campaign: campaigns, outage, listing, known, sender }: Scenario, providers: readonly string[]): string[] {
  const references = [
    ...campaigns.flatMap(({ to }, n) => Object.keys(to).map((provider) => ({ where: `campaign.${n}.to`, provider }))),
    ...outage.map(({ provider }, n) => ({ where: `outage.${n}.provider`, provider })),
    ...listing.map(({ provider }, n) => ({ where: `listing.${n}.provider`, provider })),
    ...known.flatMap(({ provider }, n) => (provider === undefined ? [] : [{ where: `known.${n}.provider`, provider }])),
  ]
  const addresses = [
    ...listing.map((each, n) => ({ where: `listing.${n}.ip`, ...each })),
    ...known.map((each, n) => ({ where: `known.${n}.ip`, ...each })),
  ]
  return [
    ...references
      .filter(({ provider }) => !providers.includes(provider))
      .map(({ where, provider }) => `${where}: there is no provider "${provider}"; the providers are ${providers.join(', ')}`),
    ...addresses.filter((each) => !sender.ips.includes(each.ip)).map((each) => `${each.where}: "${each.ip}" is not in sender.ips`),
  ]
}
