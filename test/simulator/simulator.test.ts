/** simulator.test - every message ends once, time never decreases, and the same seed gives the same run */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readProviders } from '../../src/config/provider-files.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import { createEventQueue } from '../../src/simulator/event-queue.ts'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { readPolicyFile } from '../../src/queue/backoff/policy-file.ts'
import { createReport, type SimulationReport } from '../../src/simulator/report.ts'
import { renderReport } from '../../src/simulator/report-html.ts'
import { seededRandom } from '../../src/queue/schedule/seeded-random.ts'
import { readScenario, type Scenario } from '../../src/simulator/scenario.ts'
import { createSlidingWindow } from '../../src/simulator/sliding-window.ts'
import { runSimulation } from '../../src/simulator/simulate.ts'

const files = readProviders()
const rules = loadRules()
const names = [...files.keys()]

const SCENARIO = {
  name: 'test',
  title: 'Test',
  about: 'A test',
  seed: 1,
  start: '2026-03-02T08:00:00Z',
  hours: 200,
  sender: { domain: 'news.example.com', ips: ['198.51.100.1', '198.51.100.2'], connections: 20 },
  campaign: [{ mails: 300, to: { gmail: 1 } }],
}

const scenarioOf = (over: Record<string, unknown> = {}): Scenario => readScenario('test.toml', { ...SCENARIO, ...over }, names)

function run(scenario: Scenario, policy: keyof typeof BACKOFF_POLICIES = 'default', onMoment?: (at: number) => void): SimulationReport {
  const setup = { scenario, files, rules, policy: BACKOFF_POLICIES[policy] }
  return createReport(scenario, policy, runSimulation(onMoment === undefined ? setup : { ...setup, onMoment }))
}

const share = fc.double({ min: 0, max: 0.4, noNaN: true })
const scenarios = fc.record({
  seed: fc.nat(1_000_000),
  connections: fc.integer({ min: 1, max: 80 }),
  mails: fc.integer({ min: 1, max: 250 }),
  over: fc.constantFrom(0, 1, 90),
  to: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 4 }),
  unknown: share,
  full: share,
  outageAt: fc.constantFrom(0, 0.05, 3),
  how: fc.constantFrom('connect', 'timeout', 'dns', 'busy'),
  policy: fc.constantFrom('default', 'never', 'fixed'),
  again: fc.boolean(),
})

type GivenScenario = typeof scenarios extends fc.Arbitrary<infer T> ? T : never

function scenarioFor(given: GivenScenario): Scenario {
  const campaign = { mails: given.mails, over_minutes: given.over, list: 'all', to: Object.fromEntries(given.to.map((name) => [name, 1])) }
  const mailboxes = { unknown: given.unknown, full: given.full }
  return scenarioOf({
    seed: given.seed,
    sender: { ...SCENARIO.sender, connections: given.connections },
    campaign: [{ ...campaign, mailboxes }, ...(given.again ? [{ ...campaign, mailboxes, at_hours: 24 }] : [])],
    outage: [{ provider: given.to[0], from_hours: given.outageAt, for_hours: 2, how: given.how }],
  })
}

test('every message ends in exactly one final status, as in the counters of the ledger, and time never decreases', () => {
  fc.assert(
    fc.property(scenarios, (given) => {
      const moments: number[] = []
      const report = run(scenarioFor(given), given.policy, (at) => moments.push(at))
      expect(report.waiting).toBe(0)
      expect(report.delivered + report.invalid + report.soft).toBe(report.mails)
      expect(report.mails).toBe(given.again ? 2 * given.mails : given.mails)
      const { request = 0, delivered = 0, invalid = 0 } = report.ledger
      expect([request, delivered, invalid, report.ledger['soft-bounce'] ?? 0]).toEqual([
        report.mails,
        report.delivered,
        report.invalid,
        report.soft,
      ])
      expect(moments.every((at, n) => n === 0 || at >= (moments[n - 1] ?? 0))).toBe(true)
    }),
    { numRuns: 40, seed: 7 },
  )
})

test('the same seed, scenario and policy give the same report, to the byte', () => {
  fc.assert(
    fc.property(scenarios, (given) => {
      const scenario = scenarioFor(given)
      expect(JSON.stringify(run(scenario, given.policy))).toBe(JSON.stringify(run(scenario, given.policy)))
    }),
    { numRuns: 10, seed: 8 },
  )
})

test('the policies meet the same mailboxes: invalid messages do not depend on the policy', () => {
  const scenario = scenarioOf({ campaign: [{ mails: 400, to: { gmail: 1, generic: 1 }, mailboxes: { unknown: 0.05 } }] })
  const unknown = (['default', 'never', 'fixed'] as const).map((policy) =>
    run(scenario, policy).providers.map((each) => each.invalidBy['not-exist']),
  )
  expect(unknown[1]).toEqual(unknown[0])
  expect(unknown[2]).toEqual(unknown[0])
})

test('a second campaign does not send to recipients that bounced before', () => {
  const campaign = { mails: 400, list: 'all', to: { generic: 1 }, mailboxes: { unknown: 0.02 } }
  const report = run(scenarioOf({ campaign: [campaign, { ...campaign, at_hours: 24 }] }))
  const [generic] = report.providers
  expect(generic?.listed).toBeGreaterThan(0)
  expect(generic?.invalidBy['blacklisted']).toBe(generic?.listed)
})

test('NDRs and complaints come back after the 250', () => {
  const report = run(scenarioOf({ seed: 3, campaign: [{ mails: 3_000, over_minutes: 60, to: { generic: 1 } }] }))
  expect(report.reports).toBeGreaterThan(10)
  expect(report.ledger['complaint'] ?? 0).toBe(report.complaints)
})

const badScenarios = [
  [{ sped: 1 }, 'test.toml: Unrecognized key: "sped"'],
  [{ seed: 1.5 }, 'test.toml: seed: '],
  [{ start: 'tomorrow' }, 'test.toml: start: '],
  [{ campaign: [] }, 'test.toml: campaign: '],
  [{ campaign: [{ mails: 1, to: {} }] }, 'test.toml: campaign.0.to: names no provider'],
  [
    { campaign: [{ mails: 1, to: { gmial: 1 } }] },
    'test.toml: campaign.0.to: there is no provider "gmial"; the providers are dead, generic, gmail',
  ],
  [{ campaign: [{ mails: 1, to: { gmail: 1 }, mailboxes: { unknown: 2 } }] }, 'test.toml: campaign.0.mailboxes.unknown: '],
  [{ sender: { ...SCENARIO.sender, ips: ['300.1.1.1'] } }, 'test.toml: sender.ips.0: '],
  [
    { listing: [{ ip: '192.0.2.9', provider: 'gmail', from_hours: 0, for_hours: 1 }] },
    'test.toml: listing.0.ip: "192.0.2.9" is not in sender.ips',
  ],
  [
    { outage: [{ provider: 'hotmail', from_hours: 0, for_hours: 1, how: 'connect' }] },
    'test.toml: outage.0.provider: there is no provider "hotmail"',
  ],
] as const

test.each(badScenarios)('the error names what is wrong in a scenario with %j', (over, message) => {
  expect(() => scenarioOf(over)).toThrow(message)
})

const badPolicies = [
  [{ name: 'x', base: 'gentle' }, 'p.toml: base: '],
  [{ name: 'x', base: 'default', class: { 'ip-rates': {} } }, 'p.toml: class.ip-rates: no such backoff class'],
  [{ name: 'x', base: 'default', class: { 'ip-rate': { base: 1 } } }, 'p.toml: class.ip-rate: Unrecognized key: "base"'],
] as const

test.each(badPolicies)('the error names what is wrong in a policy with %j', (data, message) => {
  expect(() => readPolicyFile('p.toml', data)).toThrow(message)
})

test('a policy file changes what it names and nothing else', () => {
  const policy = readPolicyFile('p.toml', { name: 'gentle', base: 'default', class: { 'ip-rate': { base_minutes: 7, threshold: 9 } } })
  const { default: ours } = BACKOFF_POLICIES
  expect(policy).toEqual({
    ...ours,
    name: 'gentle',
    classes: {
      ...ours.classes,
      'ip-rate': { ...ours.classes['ip-rate'], baseMs: 7 * 60_000, measures: [{ ...ours.classes['ip-rate'].measures[0], threshold: 9 }] },
    },
  })
})

test('the page is self-contained, and text of a scenario is escaped', () => {
  const scenario = scenarioOf({ title: '<script>alert(1)</script>', about: `"' onload=x <img src=//evil.example/>` })
  const page = renderReport([run(scenario, 'default'), run(scenario, 'never')])
  expect(page).not.toMatch(/<script|<img|<link|<iframe| on[a-z]+="|https?:\/\//i)
  expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  expect(page).toContain(`default-src 'none'`)
  expect(page.match(/<svg /g)).toHaveLength(6)
})

test('an event queue gives the soonest first, and of one moment the first scheduled', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 200 }), (moments) => {
      const events = createEventQueue<number>()
      for (const [n, at] of moments.entries()) events.schedule(at, n)
      const popped = moments.map(() => events.pop())
      const want = moments.map((at, what) => ({ at, what })).toSorted((a, b) => a.at - b.at || a.what - b.what)
      expect(popped.map((each) => ({ at: each?.at, what: each?.what }))).toEqual(want)
      expect(events.pop()).toBeNull()
    }),
  )
})

test('a sliding window counts the events inside it', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40), { maxLength: 60 }), (gaps) => {
      const window = createSlidingWindow(6, 10)
      const seen: number[] = []
      let at = 0
      for (const gap of gaps) {
        at += gap
        seen.push(at)
        window.add(at)
        const oldest = Math.floor(at / 10) - 5
        expect(window.sum(at)).toBe(seen.filter((each) => Math.floor(each / 10) >= oldest).length)
      }
    }),
  )
})

test('random numbers are evenly distributed, and the same for the same arguments', () => {
  const numbers = Array.from({ length: 20_000 }, (_, n) => seededRandom(5, n, 3))
  const tenths = Array.from({ length: 10 }, (_, tenth) => numbers.filter((each) => Math.floor(each * 10) === tenth).length)
  for (const count of tenths) expect(Math.abs(count - 2_000)).toBeLessThan(200)
  expect(Array.from({ length: 20_000 }, (_, n) => seededRandom(5, n, 3))).toEqual(numbers)
  expect(seededRandom(6, 1, 3)).not.toBe(seededRandom(5, 1, 3))
})
