/**
 * providers-in-scenario - the providers of a scenario, with their weather, as the simulation meets them
 *
 * Pure but for the providers that it makes. See also: simulator/simulate, simulator/provider-model.
 */
import { siteOf, type Site } from '../classify/provider.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import { createProvider, type Provider, type Weather } from './provider-model.ts'
import type { ProviderFile } from './provider-file.ts'
import type { Scenario } from './scenario.ts'
import { providerScore, type ProviderScore, type Score } from './metrics.ts'

const HOUR_MS = 3_600_000

/** A provider with all that is known of it beforehand. */
export type Post = { readonly provider: Provider; readonly site: Site; readonly score: ProviderScore }

type Stage = {
  readonly scenario: Scenario
  readonly files: ReadonlyMap<string, ProviderFile>
  readonly rules: RuleTable
  readonly score: Score
}

/** Every provider that a campaign of the scenario writes to, by its name. */
export function castProviders({ scenario, files, rules, score }: Stage): ReadonlyMap<string, Post> {
  const names = [...new Set(scenario.campaign.flatMap(({ to }) => Object.keys(to)))]
  const posts = names.flatMap((name): [string, Post][] => {
    const file = files.get(name)
    if (file === undefined) return []
    const provider = createProvider(file, scenario.seed, weatherOf(scenario, name))
    const site = siteOf(rules, { mx: file.mx, domain: file.domains[0] ?? null })
    return [[name, { provider, site, score: providerScore(score, name, file.title) }]]
  })
  return new Map(posts)
}

/** When the scenario begins. */
export const startOf = (scenario: Scenario): number => Date.parse(scenario.start)

function weatherOf(scenario: Scenario, name: string): Weather {
  const start = startOf(scenario)
  const spell = <T extends { readonly from_hours: number; readonly for_hours: number }>(each: T): T & { from: number; to: number } => {
    const from = start + each.from_hours * HOUR_MS
    return { ...each, from, to: from + each.for_hours * HOUR_MS }
  }
  const here = (each: { readonly provider?: string | undefined }): boolean => each.provider === name
  return {
    outages: scenario.outage.filter(here).map(spell),
    listings: scenario.listing.filter(here).map(spell),
    known: new Map(scenario.known.filter((each) => each.provider === undefined || here(each)).map(({ ip, mails }) => [ip, mails])),
  }
}
