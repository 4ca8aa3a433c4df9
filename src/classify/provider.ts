/**
 * provider - identifies the provider of a reply, and the receiving site of a mail
 *
 * The provider comes from the first known hint, in order of trust: MX of the delivery, Remote-MTA, host quoted before the reply, aligned
 * DKIM domain, recipient's domain, and the writer of a report that quotes no reply. If none is known, a token in the text that only one provider writes decides.
 *
 * Pure. See also: classify/rule-grammar (mx, domains, tokens, sites), classify/classify.
 */
import type { ParsedRuleFile } from './rule-grammar.ts'
import { PROVIDER_HINT_SOURCES, type ProviderHint, type ProviderSource } from './verdict.ts'

/** Host patterns as maps: host names, and suffixes (patterns with a leading `*.`). */
type HostIndex = { readonly byName: ReadonlyMap<string, string>; readonly bySuffix: ReadonlyMap<string, string> }

/** Providers by host and by recipient domain. `sites` divides a provider into several receiving sites. */
export type SiteIndex = {
  readonly providers: HostIndex
  readonly providerByDomain: ReadonlyMap<string, string>
  readonly sites: HostIndex
  readonly gateways: ReadonlySet<string>
}

/** The part of a rule table that this file reads. */
type ProviderTable = { readonly siteIndex: SiteIndex; readonly providerByToken: ReadonlyMap<number, string> }

export type IdentifiedProvider = { readonly provider: string; readonly source: ProviderSource }

/** The first file that names a pattern keeps it: the operator's files come first. */
function mapKeepingFirst(pairs: readonly (readonly [string, string])[]): Map<string, string> {
  const map = new Map<string, string>()
  for (const [key, value] of pairs) if (!map.has(key)) map.set(key, value)
  return map
}

const isWildcard = (pattern: string): boolean => pattern.startsWith('*.')

function createHostIndex(pairs: readonly (readonly [string, string])[]): HostIndex {
  return {
    byName: mapKeepingFirst(pairs.filter(([pattern]) => !isWildcard(pattern))),
    bySuffix: mapKeepingFirst(pairs.filter(([pattern]) => isWildcard(pattern)).map(([pattern, name]) => [pattern.slice(2), name])),
  }
}

/** Creates the index of all rule files, the operator's first. */
export function createSiteIndex(files: readonly ParsedRuleFile[]): SiteIndex {
  return {
    providers: createHostIndex(files.flatMap((file) => file.mx.map((pattern) => [pattern, file.provider] as const))),
    providerByDomain: mapKeepingFirst(files.flatMap((file) => file.domains.map((domain) => [domain, file.provider] as const))),
    sites: createHostIndex(
      files.flatMap((file) =>
        Object.entries(file.sites).flatMap(([site, patterns]) => patterns.map((pattern) => [pattern, site] as const)),
      ),
    ),
    gateways: new Set(files.filter((file) => file.gateway).map((file) => file.provider)),
  }
}

/** Host names come from untrusted text. None has more labels. */
const MAX_LABELS = 20

/** The value of the longest pattern that matches a host. `*.google.com` also matches google.com. */
function lookUpHost({ byName, bySuffix }: HostIndex, host: string): string | null {
  const exact = byName.get(host)
  if (exact !== undefined) return exact
  let [found, from]: [string | undefined, number] = [undefined, 0]
  for (let label = 0; label < MAX_LABELS; label++) {
    found ??= bySuffix.get(host.slice(from))
    const dot = host.indexOf('.', from)
    if (dot < 0) return found ?? null
    from = dot + 1
  }
  return null
}

/** A host name in the form of patterns: lower case, no trailing dot. */
const normaliseHost = (host: string): string => host.trim().toLowerCase().replace(/\.$/, '')

function providerOfHint(index: SiteIndex, hint: ProviderHint): string | null {
  const value = normaliseHost(hint.value)
  if (hint.source === 'recipient-domain') return index.providerByDomain.get(value) ?? null
  if (hint.source === 'dkim' || hint.source === 'reporter') return index.providerByDomain.get(value) ?? lookUpHost(index.providers, value)
  return lookUpHost(index.providers, value)
}

/** The provider by hints alone; null if no hint is known. Total. */
export function providerByHints(index: SiteIndex, hints: readonly ProviderHint[]): IdentifiedProvider | null {
  for (const source of PROVIDER_HINT_SOURCES) {
    for (const hint of hints) {
      const provider = hint.source === source ? providerOfHint(index, hint) : null
      if (provider !== null) return { provider, source }
    }
  }
  return null
}

/** The provider by the tokens among the phrases that were found. */
export function providerByTokens(
  { providerByToken }: Pick<ProviderTable, 'providerByToken'>,
  found: readonly number[],
): IdentifiedProvider | null {
  for (const id of found) {
    const provider = providerByToken.get(id)
    if (provider !== undefined) return { provider, source: 'token' }
  }
  return null
}

/**
 * The provider's site that refused a mail, read from Remote-MTA. Only used if nothing better is known: no attempt named an MX, and the
 * domain belongs to no provider. Remote-MTA is untrusted, so only a host that the rules know counts, and no gateway in front of other
 * domains. Null: unknown. Total.
 *
 *     remoteSiteOf(table, { remoteMta: 'aspmx.l.google.com', mx: null, domain: 'example.com' })   → 'google'
 */
export function remoteSiteOf(
  table: Pick<ProviderTable, 'siteIndex'>,
  { remoteMta, mx, domain }: { readonly remoteMta: string | null; readonly mx: string | null; readonly domain: string },
): string | null {
  if (remoteMta === null || mx !== null || siteOf(table, { domain }).provider !== null) return null
  const { site, provider, isGateway } = siteOf(table, { mx: remoteMta })
  return provider === null || isGateway ? null : site
}

/** `isGateway`: the site is a filter in front of many domains, and counts for IP and connection keys only. */
export type ReceivingSite = { readonly site: string; readonly provider: string | null; readonly isGateway: boolean }

/**
 * The receiving site: a part of a provider if its file names parts, else the provider, else the recipient domain, else the MX host.
 * Total; empty input gives the site "".
 *
 *     siteOf(table, { mx: 'aspmx.l.google.com', domain: 'example.com' })   → { site: 'google', … }
 */
export function siteOf(
  { siteIndex }: Pick<ProviderTable, 'siteIndex'>,
  { mx, domain }: { readonly mx?: string | null; readonly domain?: string | null },
): ReceivingSite {
  const host = normaliseHost(mx ?? '')
  const name = normaliseHost(domain ?? '')
  const provider = (host === '' ? null : lookUpHost(siteIndex.providers, host)) ?? siteIndex.providerByDomain.get(name) ?? null
  const siteWithinProvider = host === '' ? null : lookUpHost(siteIndex.sites, host)
  const site = siteWithinProvider ?? provider ?? (name === '' ? host : name)
  return { site, provider, isGateway: provider !== null && siteIndex.gateways.has(provider) }
}
