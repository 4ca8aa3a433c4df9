/**
 * providers-in-scenario - creates the simulated providers of a scenario, with their outages, listings and prior deliveries
 *
 * Pure apart from the providers that it creates. See also: simulator/simulate, simulator/provider-model.
 */
import { siteOf, type ReceivingSite } from '../classify/provider.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import { createSimulatedProvider, type SimulatedProvider, type ProviderConditions } from './provider-model.ts'
import type { ProviderFile } from './provider-file.ts'
import type { Scenario } from './scenario.ts'
import { getProviderMetrics, type ProviderMetrics, type SimulationMetrics } from './metrics.ts'

const HOUR_MS = 3_600_000

/** A provider with its receiving site and its metrics. */
export type ScenarioProvider = { readonly model: SimulatedProvider; readonly site: ReceivingSite; readonly metrics: ProviderMetrics }

type ScenarioContext = {
  readonly scenario: Scenario
  readonly files: ReadonlyMap<string, ProviderFile>
  readonly rules: RuleTable
  readonly metrics: SimulationMetrics
}

/** Every provider to which a campaign of the scenario sends, by name. */
export function createScenarioProviders({ scenario, files, rules, metrics }: ScenarioContext): ReadonlyMap<string, ScenarioProvider> {
  const names = [...new Set(scenario.campaign.flatMap(({ to }) => Object.keys(to)))]
  const providers = names.flatMap((name): [string, ScenarioProvider][] => {
    const file = files.get(name)
    if (file === undefined) return []
    const provider = createSimulatedProvider(file, scenario.seed, conditionsOf(scenario, name))
    const site = siteOf(rules, { mx: file.mx, domain: file.domains[0] ?? null })
    return [[name, { model: provider, site, metrics: getProviderMetrics(metrics, name, file.title) }]]
  })
  return new Map(providers)
}

/** The start of a scenario, in epoch milliseconds. */
export const scenarioStart = (scenario: Scenario): number => Date.parse(scenario.start)

function conditionsOf(scenario: Scenario, name: string): ProviderConditions {
  const start = scenarioStart(scenario)
  const toPeriod = <T extends { readonly from_hours: number; readonly for_hours: number }>(each: T): T & { from: number; to: number } => {
    const from = start + each.from_hours * HOUR_MS
    return { ...each, from, to: from + each.for_hours * HOUR_MS }
  }
  const isOfProvider = (each: { readonly provider?: string | undefined }): boolean => each.provider === name
  return {
    outages: scenario.outage.filter(isOfProvider).map(toPeriod),
    listings: scenario.listing.filter(isOfProvider).map(toPeriod),
    priorDeliveries: new Map(
      scenario.known.filter((each) => each.provider === undefined || isOfProvider(each)).map(({ ip, mails }) => [ip, mails]),
    ),
  }
}
