/**
 * kumomta-import - the traffic shaping of KumoMTA as limits of receiving sites and rules, with a list of all that has no counterpart
 *
 * A section of a domain or a provider becomes the table of the site that its MX hosts belong to; `sources` whose names are IP addresses become tables of egress IPs. An
 * `automation` becomes a rule, if its regular expression can be said as a phrase: see queue/shaping/kumomta-automation.
 *
 * Pure. https://docs.kumomta.com/userguide/configuration/trafficshaping/. See also: queue/shaping/shaping-file, commands/queue/shaping-import.
 */
import * as z from 'zod'
import { readAutomations, type ImportedRule } from './kumomta-automation.ts'
import { perMinuteOf } from './rate-text.ts'

/** A table of a TOML file. */
export type TomlTable = Readonly<Record<string, unknown>>

/** The name of the site and its provider, as the rules know it. */
export type SiteName = { readonly site: string; readonly provider: string | null }

type SiteNames = {
  /** Of a domain; null: its MX hosts are not known. */
  readonly ofDomain: (domain: string) => SiteName | null
  /** Of hosts by their suffix; `*.` with the suffix where no rule file lists them. */
  readonly ofHosts: (suffix: string) => SiteName
}

export type KumomtaImport = {
  /** The data of a shaping file. */
  readonly shaping: { readonly default?: TomlTable; readonly site: Readonly<Record<string, TomlTable>> }
  readonly rules: readonly ImportedRule[]
  /** One line for each option or automation that was not taken, with its section and why. */
  readonly notTaken: readonly string[]
}

type Converted = { readonly option: string; readonly value: unknown } | string

const countOf = (value: unknown): number | null => {
  const count = typeof value === 'string' ? Number(value.replace(/^local:/, '').replaceAll(/[_,]/g, '')) : value
  return typeof count === 'number' && Number.isInteger(count) && count > 0 ? count : null
}

const asCount =
  (option: string) =>
  (value: unknown): Converted => {
    const count = countOf(value)
    return count === null ? 'is not a whole number above 0' : { option, value: count }
  }

const asRate =
  (option: string) =>
  (value: unknown): Converted => {
    const text = typeof value === 'string' ? value.replace(/^local:/, '').replace(/,\s*max_burst.*$/, '') : ''
    return perMinuteOf(text) === null ? 'is not a rate such as "100/min"' : { option, value: text }
  }

/** KumoMTA's policies with and without a valid certificate. */
const TLS: Readonly<Record<string, string>> = {
  Disabled: 'off',
  Opportunistic: 'opportunistic',
  OpportunisticInsecure: 'opportunistic',
  Required: 'verified',
  RequiredInsecure: 'required',
}

const asTls = (value: unknown): Converted => {
  const tls = TLS[String(value)]
  return tls === undefined ? 'is not a TLS policy that is known here' : { option: 'tls', value: tls }
}

/** What becomes of each option; a text says why nothing does. */
const OPTIONS: Readonly<Record<string, ((value: unknown) => Converted) | string>> = {
  connection_limit: asCount('connections'),
  provider_connection_limit: asCount('connections_all'),
  max_deliveries_per_connection: asCount('mails_per_connection'),
  max_connection_rate: asRate('new_connections'),
  max_message_rate: asRate('messages'),
  provider_max_message_rate: asRate('messages_all'),
  enable_tls: asTls,
  enable_mta_sts: (value) => (value === true ? { option: 'tls', value: 'mta-sts' } : 'is the default here'),
  mx_rollup: 'sites are always those of the MX hosts',
  replace_base: 'a table here changes single options',
  idle_timeout: 'set delivery.connectionIdleSeconds, which holds for all sites',
  connect_timeout: 'set delivery.connectSeconds, which holds for all sites',
  banner_timeout: 'set delivery.greetingSeconds, which holds for all sites',
  data_timeout: 'set delivery.commandSeconds, which holds for all sites',
  data_dot_timeout: 'set delivery.endSeconds, which holds for all sites',
  consecutive_connection_failures_before_delay: 'a host set pauses when all connections that were open have failed',
  enable_dane: 'DANE is not supported',
  smtp_port: 'MX hosts listen on port 25',
}

type Section = { readonly label: string; readonly data: TomlTable; readonly site: SiteName | null }

const isTable = (value: unknown): value is TomlTable => typeof value === 'object' && value !== null && !Array.isArray(value)
const tableOf = (value: unknown): TomlTable => (isTable(value) ? value : {})

/** The domains that have sections: the caller looks their MX hosts up. */
export const importedDomains = (data: TomlTable): string[] => Object.keys(data).filter((name) => name !== 'default' && name !== 'provider')

/** Converts the data of a shaping file. Total. */
export function importKumomta(data: TomlTable, names: SiteNames): KumomtaImport {
  const notTaken: string[] = []
  const rules: ImportedRule[] = []
  const tables = new Map<string, Record<string, unknown>>()
  for (const { label, data: section, site } of sectionsOf(data, names, notTaken)) {
    if (site === null) {
      notTaken.push(`${label}: its MX hosts could not be found, so that its site is not known`)
      continue
    }
    const table = tables.get(site.site) ?? {}
    tables.set(site.site, table)
    Object.assign(table, optionsOf(label, section, notTaken), sourcesOf(label, section, notTaken))
    rules.push(...readAutomations({ label, provider: site.provider, site: site.site }, section['automation'], notTaken))
  }
  const all = tables.get('')
  const site = Object.fromEntries([...tables].filter(([name, table]) => name !== '' && Object.keys(table).length > 0))
  return { shaping: { ...(all === undefined ? {} : { default: all }), site }, rules, notTaken }
}

/** A section of `provider` without `match` adds to the one with it, of the same name, in another file. */
function* sectionsOf(data: TomlTable, names: SiteNames, notTaken: string[]): Generator<Section> {
  for (const [name, value] of Object.entries(data)) {
    if (name === 'default') yield { label: '"default"', data: tableOf(value), site: { site: '', provider: null } }
    else if (name !== 'provider') yield { label: `"${name}"`, data: tableOf(value), site: names.ofDomain(name.toLowerCase()) }
  }
  for (const [name, value] of Object.entries(tableOf(data['provider']))) {
    const label = `provider."${name}"`
    const section = tableOf(value)
    const sites = hostsOf(section, notTaken, label).map((suffix) => names.ofHosts(suffix))
    if (sites.length === 0) notTaken.push(`${label}: without "match" here, it needs the file that has it: import both as one file`)
    const distinct = [...new Map(sites.map((site) => [site.site, site])).values()]
    for (const site of distinct) yield { label, data: section, site }
  }
}

function hostsOf(section: TomlTable, notTaken: string[], label: string): string[] {
  const { match } = section
  return (Array.isArray(match) ? match : []).flatMap((each: unknown) => {
    const { MXSuffix: suffix, HostName: host } = tableOf(each)
    const text = typeof suffix === 'string' ? suffix : typeof host === 'string' ? host : null
    if (text === null) notTaken.push(`${label}: match ${JSON.stringify(each)} is neither MXSuffix nor HostName`)
    return text === null ? [] : [text.toLowerCase().replace(/^\./, '').replace(/\.$/, '')]
  })
}

const STRUCTURE = new Set(['automation', 'sources', 'match'])

function optionsOf(label: string, section: TomlTable, notTaken: string[]): Record<string, unknown> {
  const options: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(section)) {
    if (STRUCTURE.has(name)) continue
    const convert = OPTIONS[name] ?? 'is not known here'
    const converted = typeof convert === 'string' ? convert : convert(value)
    if (typeof converted === 'string') notTaken.push(`${label} ${name} = ${JSON.stringify(value)}: ${converted}`)
    else options[converted.option] = converted.value
  }
  return options
}

const ipAddress = z.union([z.ipv4(), z.ipv6()])

const IP_OPTIONS: ReadonlySet<string> = new Set(['connections', 'new_connections', 'mails_per_connection', 'messages'])

function sourcesOf(label: string, section: TomlTable, notTaken: string[]): { readonly ip?: Record<string, unknown> } {
  const ip: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(tableOf(section['sources']))) {
    const source = `${label}.sources."${name}"`
    if (!ipAddress.safeParse(name).success) {
      notTaken.push(`${source}: egress IPs have no names here; give the table the name of the address`)
      continue
    }
    const options = Object.entries(optionsOf(source, tableOf(value), notTaken))
    for (const [option] of options.filter(([each]) => !IP_OPTIONS.has(each)))
      notTaken.push(`${source}: ${option} cannot differ by egress IP`)
    ip[name] = Object.fromEntries(options.filter(([each]) => IP_OPTIONS.has(each)))
  }
  return Object.keys(ip).length === 0 ? {} : { ip }
}
