/**
 * provider - whose reply is it, and which receiving site is it
 *
 * The name of a provider is taken from the clues in DESIGN's order of trust: the MX of the delivery, Remote-MTA, the host quoted before the
 * reply, the aligned DKIM domain, the recipient's domain; at last a token in the words that only one provider writes.
 *
 * Pure. See also: classify/rule-grammar (mx, domains, tokens, sites), classify/classify.
 */
import type { ParsedRuleFile } from './rule-grammar.ts'
import type { RuleTable } from './rule-table.ts'
import type { ProviderHint } from './verdict.ts'

/** Host patterns and domains as maps. `exact` and `below` (for `*.`) give the provider; `sites` refine it. */
export type SiteIndex = {
  readonly exact: ReadonlyMap<string, string>
  readonly below: ReadonlyMap<string, string>
  readonly providerByDomain: ReadonlyMap<string, string>
  readonly siteExact: ReadonlyMap<string, string>
  readonly siteBelow: ReadonlyMap<string, string>
  readonly gateways: ReadonlySet<string>
}

export type IdentifiedProvider = { readonly provider: string; readonly source: ProviderHint['source'] }

const HINT_TRUST_ORDER = [
  'delivery-mx',
  'remote-mta',
  'quoted-host',
  'dkim',
  'recipient-domain',
] as const satisfies readonly ProviderHint['source'][]

/** The first file that names a pattern keeps it: the operator's stand in front. */
function mapKeepingFirst(pairs: readonly (readonly [string, string])[]): Map<string, string> {
  const map = new Map<string, string>()
  for (const [key, value] of pairs) if (!map.has(key)) map.set(key, value)
  return map
}

const isWildcard = (pattern: string): boolean => pattern.startsWith('*.')

function splitPatterns(pairs: readonly (readonly [string, string])[]): { exact: Map<string, string>; below: Map<string, string> } {
  return {
    exact: mapKeepingFirst(pairs.filter(([pattern]) => !isWildcard(pattern))),
    below: mapKeepingFirst(pairs.filter(([pattern]) => isWildcard(pattern)).map(([pattern, name]) => [pattern.slice(2), name])),
  }
}

/** Makes the maps. */
export function createSiteIndex(files: readonly ParsedRuleFile[]): SiteIndex {
  const mx = splitPatterns(files.flatMap((file) => file.mx.map((pattern) => [pattern, file.provider] as const)))
  const sites = splitPatterns(
    files.flatMap((file) => Object.entries(file.sites).flatMap(([site, patterns]) => patterns.map((pattern) => [pattern, site] as const))),
  )
  return {
    exact: mx.exact,
    below: mx.below,
    providerByDomain: mapKeepingFirst(files.flatMap((file) => file.domains.map((domain) => [domain, file.provider] as const))),
    siteExact: sites.exact,
    siteBelow: sites.below,
    gateways: new Set(files.filter((file) => file.gateway).map((file) => file.provider)),
  }
}

/** Deeper labels than any host has are not followed: a stranger wrote the name. */
const MAX_LABELS = 20

/** The longest pattern that a host fits. `*.google.com` fits google.com too: both are its operator's. */
function lookUpHost(
  maps: { readonly exact: ReadonlyMap<string, string>; readonly below: ReadonlyMap<string, string> },
  host: string,
): string | null {
  const exact = maps.exact.get(host)
  if (exact !== undefined) return exact
  const labels = host.split('.', MAX_LABELS + 1)
  if (labels.length > MAX_LABELS) return null
  for (let from = 0; from < labels.length; from++) {
    const name = maps.below.get(labels.slice(from).join('.'))
    if (name !== undefined) return name
  }
  return null
}

/** A host as patterns see it: lower case, no dot at its end. */
const normaliseHost = (host: string): string => host.trim().toLowerCase().replace(/\.$/, '')

function providerOfHint(index: SiteIndex, hint: ProviderHint): string | null {
  const value = normaliseHost(hint.value)
  if (hint.source === 'recipient-domain') return index.providerByDomain.get(value) ?? null
  if (hint.source === 'dkim') return index.providerByDomain.get(value) ?? lookUpHost(index, value)
  return lookUpHost(index, value)
}

/** The provider by the clues alone; null if none of them is known. Total. */
export function providerByHints(index: SiteIndex, hints: readonly ProviderHint[]): IdentifiedProvider | null {
  for (const from of HINT_TRUST_ORDER) {
    for (const hint of hints) {
      const provider = hint.source === from ? providerOfHint(index, hint) : null
      if (provider !== null) return { provider, source: from }
    }
  }
  return null
}

/** The provider by the tokens among the phrases that were found. */
export function providerByTokens(table: Pick<RuleTable, 'providerByToken'>, found: readonly number[]): IdentifiedProvider | null {
  for (const id of found) {
    const provider = table.providerByToken.get(id)
    if (provider !== undefined) return { provider, source: 'token' }
  }
  return null
}

/**
 * The provider's site at which a report says that a mail was refused, where we know no better: no attempt told its MX, and the domain is none
 * of a provider's. A stranger wrote Remote-MTA: only a host that the rules know counts, never a bare one, and no filter in front of others.
 * Null: it says nothing. Total.
 *
 *     remoteSiteOf(table, { remoteMta: 'aspmx.l.google.com', mx: null, domain: 'example.com' })   → 'google'
 */
export function remoteSiteOf(
  table: RuleTable,
  { remoteMta, mx, domain }: { readonly remoteMta: string | null; readonly mx: string | null; readonly domain: string },
): string | null {
  if (remoteMta === null || mx !== null || siteOf(table, { domain }).provider !== null) return null
  const { site, provider, isGateway: gateway } = siteOf(table, { mx: remoteMta })
  return provider === null || gateway ? null : site
}

/** `gateway`: a filter in front of many domains, a site for IP and connection keys only. */
export type ReceivingSite = { readonly site: string; readonly provider: string | null; readonly isGateway: boolean }

/**
 * The receiving site: a part of a provider where its file names parts, else the provider, else the bare recipient domain, else the
 * MX host. Total; empty input gives the site "".
 *
 *     siteOf(table, { mx: 'aspmx.l.google.com', domain: 'example.com' })   → { site: 'google', … }
 */
export function siteOf(table: RuleTable, { mx, domain }: { readonly mx?: string | null; readonly domain?: string | null }): ReceivingSite {
  const host = normaliseHost(mx ?? '')
  const name = normaliseHost(domain ?? '')
  const provider = (host === '' ? null : lookUpHost(table.siteIndex, host)) ?? table.siteIndex.providerByDomain.get(name) ?? null
  const siteWithinProvider = host === '' ? null : lookUpHost({ exact: table.siteIndex.siteExact, below: table.siteIndex.siteBelow }, host)
  const site = siteWithinProvider ?? provider ?? (name === '' ? host : name)
  return { site, provider, isGateway: provider !== null && table.siteIndex.gateways.has(provider) }
}
