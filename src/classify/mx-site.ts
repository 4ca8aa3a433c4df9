/**
 * mx-site - the receiving site of an MX host, whether a rule file lists the host or not
 *
 * Domains whose mail is received by the same unlisted servers are one site, named after its hosts with the labels that they share written once. KumoMTA's site
 * name has the same purpose. If a domain has MX hosts of several organisations, those of each are a site. An unlisted site counts as a gateway: its domains share
 * the keys of egress IPs and connections, and one domain's trouble does not stop the others.
 *
 * Pure. See also: classify/provider (listed hosts), net/mx (the MX records), queue/backoff/backoff-key (what a site is for).
 */
import { getDomain } from 'tldts'
import { siteOf } from './provider.ts'
import type { RuleTable } from './rule-table.ts'

/** `gateway`: the site counts for IP and connection keys only. */
export type MxSite = { readonly site: string; readonly gateway: boolean }

/** The name is part of backoff keys. Sets whose names are equal up to here share them. */
const MAX_NAME_CHARACTERS = 200

/**
 * The name of a set of hosts, whatever their order. The `|` of KumoMTA's names separates the parts of a backoff key, so a comma takes its place.
 *
 *     siteNameOf(['mx2.example.net', 'mx1.example.net'])   → '(mx1,mx2).example.net'
 */
function siteNameOf(hosts: readonly string[]): string {
  const names = [...new Set(hosts)].toSorted()
  const [first = [], ...others] = names.map((name) => name.split('.').toReversed())
  if (others.length === 0) return (names[0] ?? '').slice(0, MAX_NAME_CHARACTERS)
  // Each host keeps a label of its own in front.
  const most = Math.min(first.length, ...others.map((labels) => labels.length)) - 1
  let shared = 0
  while (shared < most && others.every((labels) => labels[shared] === first[shared])) shared += 1
  const heads = [first, ...others].map((labels) => labels.slice(shared).toReversed().join('.'))
  const tail = first.slice(0, shared).toReversed()
  return [`(${heads.join(',')})`, ...tail].join('.').slice(0, MAX_NAME_CHARACTERS)
}

const organisationOf = (host: string): string => getDomain(host, { allowPrivateDomains: true }) ?? host

/**
 * The site of one of the MX hosts of a domain. `hosts` are all of them, without trailing dots. Total.
 *
 *     siteOfMxHost(table, { host: 'mx1.example.net', hosts: ['mx1.example.net', 'mx2.example.net'], domain: 'example.com' })
 *     → { site: '(mx1,mx2).example.net', gateway: true }
 */
export function siteOfMxHost(
  table: Pick<RuleTable, 'siteIndex'>,
  { host, hosts, domain }: { readonly host: string; readonly hosts: readonly string[]; readonly domain: string },
): MxSite {
  const listed = siteOf(table, { mx: host, domain })
  if (listed.provider !== null) return { site: listed.site, gateway: listed.isGateway }
  const organisation = organisationOf(host)
  const name = siteNameOf(hosts.filter((each) => organisationOf(each) === organisation && siteOf(table, { mx: each }).provider === null))
  // A name without a dot could be that of a listed site.
  return name.includes('.') ? { site: name, gateway: true } : { site: listed.site, gateway: false }
}
