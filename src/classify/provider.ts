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
import type { ProviderClue } from './verdict.ts'

/** Host patterns and domains as maps. `exact` and `below` (for `*.`) give the provider; `sites` refine it. */
export type SiteIndex = {
  readonly exact: ReadonlyMap<string, string>
  readonly below: ReadonlyMap<string, string>
  readonly domains: ReadonlyMap<string, string>
  readonly siteExact: ReadonlyMap<string, string>
  readonly siteBelow: ReadonlyMap<string, string>
  readonly gateways: ReadonlySet<string>
}

export type ProviderName = { readonly provider: string; readonly from: ProviderClue['source'] }

const TRUST = ['delivery-mx', 'remote-mta', 'quoted-host', 'dkim', 'recipient-domain'] as const satisfies readonly ProviderClue['source'][]

/** The first file that names a pattern keeps it: the operator's stand in front. */
function firstWins(pairs: readonly (readonly [string, string])[]): Map<string, string> {
  const map = new Map<string, string>()
  for (const [key, value] of pairs) if (!map.has(key)) map.set(key, value)
  return map
}

const isBelow = (pattern: string): boolean => pattern.startsWith('*.')

function byPattern(pairs: readonly (readonly [string, string])[]): { exact: Map<string, string>; below: Map<string, string> } {
  return {
    exact: firstWins(pairs.filter(([pattern]) => !isBelow(pattern))),
    below: firstWins(pairs.filter(([pattern]) => isBelow(pattern)).map(([pattern, name]) => [pattern.slice(2), name])),
  }
}

/** Makes the maps. */
export function indexSites(files: readonly ParsedRuleFile[]): SiteIndex {
  const mx = byPattern(files.flatMap((file) => file.mx.map((pattern) => [pattern, file.provider] as const)))
  const sites = byPattern(
    files.flatMap((file) => Object.entries(file.sites).flatMap(([site, patterns]) => patterns.map((pattern) => [pattern, site] as const))),
  )
  return {
    exact: mx.exact,
    below: mx.below,
    domains: firstWins(files.flatMap((file) => file.domains.map((domain) => [domain, file.provider] as const))),
    siteExact: sites.exact,
    siteBelow: sites.below,
    gateways: new Set(files.filter((file) => file.gateway).map((file) => file.provider)),
  }
}

/** Deeper labels than any host has are not followed: a stranger wrote the name. */
const MAX_LABELS = 20

/** The longest pattern that a host fits. `*.google.com` fits google.com too: both are its operator's. */
function lookUp(
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
const plain = (host: string): string => host.trim().toLowerCase().replace(/\.$/, '')

function named(index: SiteIndex, clue: ProviderClue): string | null {
  const value = plain(clue.value)
  if (clue.source === 'recipient-domain') return index.domains.get(value) ?? null
  if (clue.source === 'dkim') return index.domains.get(value) ?? lookUp(index, value)
  return lookUp(index, value)
}

/** The provider by the clues alone; null if none of them is known. Total. */
export function providerOfClues(index: SiteIndex, clues: readonly ProviderClue[]): ProviderName | null {
  for (const from of TRUST) {
    for (const clue of clues) {
      const provider = clue.source === from ? named(index, clue) : null
      if (provider !== null) return { provider, from }
    }
  }
  return null
}

/** The provider by the tokens among the phrases that were found. */
export function providerOfTokens(table: Pick<RuleTable, 'tokens'>, found: readonly number[]): ProviderName | null {
  for (const id of found) {
    const provider = table.tokens.get(id)
    if (provider !== undefined) return { provider, from: 'token' }
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
  const { site, provider, gateway } = siteOf(table, { mx: remoteMta })
  return provider === null || gateway ? null : site
}

/** `gateway`: a filter in front of many domains, a site for IP and connection keys only. */
export type Site = { readonly site: string; readonly provider: string | null; readonly gateway: boolean }

/**
 * The receiving site: a part of a provider where its file names parts, else the provider, else the bare recipient domain, else the
 * MX host. Total; empty input gives the site "".
 *
 *     siteOf(table, { mx: 'aspmx.l.google.com', domain: 'example.com' })   → { site: 'google', … }
 */
export function siteOf(table: RuleTable, { mx, domain }: { readonly mx?: string | null; readonly domain?: string | null }): Site {
  const host = plain(mx ?? '')
  const name = plain(domain ?? '')
  const provider = (host === '' ? null : lookUp(table.sites, host)) ?? table.sites.domains.get(name) ?? null
  const part = host === '' ? null : lookUp({ exact: table.sites.siteExact, below: table.sites.siteBelow }, host)
  const site = part ?? provider ?? (name === '' ? host : name)
  return { site, provider, gateway: provider !== null && table.sites.gateways.has(provider) }
}
