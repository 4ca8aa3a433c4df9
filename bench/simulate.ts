/**
 * simulate - a virtual day of a million mails: rules, ledger, queue and providers, without a store
 *
 * Runs scenarios/day.toml with the default policy, and a tenth of it before: the cost of a mail should not grow with the day.
 */
import { join } from 'node:path'
import { readProviders, readToml } from '../src/config/provider-files.ts'
import { loadRules } from '../src/config/rule-files.ts'
import { loadShaping } from '../src/config/shaping-files.ts'
import { BACKOFF_POLICIES } from '../src/queue/backoff/policy.ts'
import { readScenario, type Scenario } from '../src/simulator/scenario.ts'
import { runSimulation as play } from '../src/simulator/simulate.ts'
import type { Figure } from './figure.ts'
import { measureWaiting } from './waiting.ts'

const FILE = join(import.meta.dirname, '../scenarios/day.toml')

export async function simulate(): Promise<readonly Figure[]> {
  const files = readProviders()
  const rules = loadRules()
  const shaping = loadShaping(null)
  const whole = readScenario(FILE, readToml(FILE), [...files.keys()])
  const measure = (scenario: Scenario): { readonly seconds: number; readonly mails: number; readonly attempts: number } => {
    const began = performance.now()
    const { metrics: score } = play({ scenario, files, rules, policy: BACKOFF_POLICIES.default, shaping })
    return { seconds: (performance.now() - began) / 1_000, mails: score.mails, attempts: score.attempts }
  }
  const tenth = measure({
    ...whole,
    campaign: whole.campaign.map((each) => ({ ...each, mails: each.mails / 10, over_minutes: each.over_minutes / 10 })),
  })
  const day = measure(whole)
  const cost = (of: { readonly seconds: number; readonly mails: number }): number => (of.seconds / of.mails) * 1e6
  return [
    {
      figure: `a virtual day of ${day.mails.toLocaleString('en-US')} mails, ${day.attempts.toLocaleString('en-US')} attempts`,
      value: day.seconds,
      unit: 's',
      target: '<= 120',
    },
    { figure: 'virtual mails', value: day.mails / day.seconds, unit: 'mails/s' },
    {
      figure: 'cost of a virtual mail',
      value: cost(day),
      unit: 'µs',
      beside: 'the same for a tenth of the day',
      ratio: cost(day) / cost(tenth),
      target: '<= 1.5',
    },
    ...measureWaiting(),
  ]
}
