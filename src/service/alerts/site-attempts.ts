/**
 * site-attempts - counts attempts by receiving site, whoever made them: our own queue, another MTA, or an email service provider
 *
 * Sites that the rules name have their names, all others are `other`: whoever registers mail must not make labels of a metric.
 *
 * See also: classify/provider (sites), telemetry (the metric), docs/MONITORING.md.
 */
import type { SiteIndex } from '../../classify/provider.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import type { AttemptData } from '../../ledger/facts/delivery-facts.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { Telemetry } from '../../telemetry.ts'

/** What the attempts of sites are counted with. */
export type SiteMetrics = { readonly rules: () => RuleTable; readonly telemetry: Telemetry }

/** Counts the attempts among committed facts. */
export function countSiteAttempts({ rules, telemetry }: SiteMetrics, facts: readonly Fact[]): void {
  for (const fact of facts) {
    if (fact.kind !== 'attempt') continue
    const site = namedSitesOf(rules().siteIndex).has(fact.data.site) ? fact.data.site : 'other'
    telemetry.count('bounced_site_attempts_total', { site, outcome: outcomeOf(fact.data) })
  }
}

const outcomeOf = ({ code, final }: AttemptData): 'delivered' | 'deferred' | 'failed' =>
  code !== null && code < 300 ? 'delivered' : final ? 'failed' : 'deferred'

const namesByIndex = new WeakMap<SiteIndex, ReadonlySet<string>>()

/** The sites that a rule table names. */
function namedSitesOf(index: SiteIndex): ReadonlySet<string> {
  const known = namesByIndex.get(index)
  if (known !== undefined) return known
  const { providers, sites, providerByDomain } = index
  const maps = [providers.byName, providers.bySuffix, sites.byName, sites.bySuffix, providerByDomain]
  const names = new Set(maps.flatMap((map) => [...map.values()]))
  namesByIndex.set(index, names)
  return names
}
