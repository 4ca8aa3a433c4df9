/** simulator.test - every message ends once, time never decreases, and the same seed gives the same run */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readProviders } from '../../src/config/provider-files.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import { loadShaping, parseShapingFile } from '../../src/config/shaping-files.ts'
import { buildShapingTable, type ShapingTable } from '../../src/queue/shaping/shaping-table.ts'
import { createEventQueue } from '../../src/simulator/event-queue.ts'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { readPolicyFile } from '../../src/queue/backoff/policy-file.ts'
import { createReport, type SimulationReport } from '../../src/simulator/report.ts'
import { renderReport } from '../../src/simulator/report-html.ts'
import { seededRandom } from '../../src/queue/schedule/seeded-random.ts'
import { readScenario, type Scenario } from '../../src/simulator/scenario.ts'
import type { ProviderFile } from '../../src/simulator/provider-file.ts'
import { createSlidingWindow } from '../../src/simulator/sliding-window.ts'
import { runSimulation } from '../../src/simulator/simulate.ts'
import { deliverySettings } from '../../src/settings/delivery.ts'

const files = readProviders()
const rules = loadRules()
const shaping = loadShaping(null)
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

const NO_TROUBLE = { unknown: 0, disabled: 0, full: 0, content: 0, busy: 0 }

/** Known everywhere, so that no limit of a new address is met. */
const KNOWN = { ip: '198.51.100.1', mails: 500_000 }

const scenarioOf = (over: Record<string, unknown> = {}): Scenario => readScenario('test.toml', { ...SCENARIO, ...over }, names)

function run(scenario: Scenario, policy: keyof typeof BACKOFF_POLICIES = 'default', onMoment?: (at: number) => void): SimulationReport {
  return simulate(scenario, { policy }, onMoment)
}

type Setup = { readonly policy?: keyof typeof BACKOFF_POLICIES; readonly shaping?: ShapingTable | null; readonly files?: typeof files }

function simulate(
  scenario: Scenario,
  { policy = 'default', shaping: limits = shaping, files: providers = files }: Setup = {},
  onMoment?: (at: number) => void,
): SimulationReport {
  const setup = { scenario, files: providers, rules, policy: BACKOFF_POLICIES[policy], shaping: limits }
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
  tls: fc.constantFrom('off', 'opportunistic', 'required'),
  connectionMails: fc.constantFrom(1, 7, 100),
})

type GivenScenario = typeof scenarios extends fc.Arbitrary<infer T> ? T : never

function scenarioFor(given: GivenScenario): Scenario {
  const campaign = { mails: given.mails, over_minutes: given.over, list: 'all', to: Object.fromEntries(given.to.map((name) => [name, 1])) }
  const mailboxes = { unknown: given.unknown, full: given.full }
  return scenarioOf({
    seed: given.seed,
    sender: { ...SCENARIO.sender, connections: given.connections, connection_mails: given.connectionMails, tls: given.tls },
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

const LIMITED = { campaign: [{ mails: 3_000, over_minutes: 60, to: { outlook: 1, netease: 1, yahoo: 1 } }], known: [KNOWN] }

test('the shipped shaping avoids the refusals of connections that have carried their messages', () => {
  const scenario = scenarioOf(LIMITED)
  const sessionRefusals = (report: SimulationReport): number[] => report.providers.map((each) => each.wastedBy['session'] ?? 0)
  expect(sessionRefusals(simulate(scenario))).toEqual([0, 0, 0])
  const [outlook = 0, netease = 0, yahoo = 0] = sessionRefusals(simulate(scenario, { shaping: null }))
  expect([outlook > 0, netease > 0, yahoo]).toEqual([true, true, 0])
})

test('a connection carries several messages, and no more than the sender, the shaping and the provider allow', () => {
  const mailsEach = (mails: number, limits: ShapingTable | null): number[] => {
    const sender = { ...SCENARIO.sender, ips: ['198.51.100.1'], connections: 1, connection_mails: mails }
    const campaign = ['gmail', 'yahoo'].map((name) => ({ mails: 1_000, over_minutes: 1, to: { [name]: 1 }, mailboxes: NO_TROUBLE }))
    const { providers } = simulate(scenarioOf({ sender, campaign, known: [KNOWN] }), { shaping: limits })
    return providers.map(({ attempts, connections }) => attempts / connections)
  }
  expect(mailsEach(1, null)).toEqual([1, 1])
  const [gmail = 0, yahoo = 0] = mailsEach(10_000, null)
  expect([gmail > 50, yahoo <= 20 && yahoo > 10]).toEqual([true, true])
  const [shapedGmail = 0] = mailsEach(10_000, shaping)
  expect(shapedGmail).toBeLessThanOrEqual(50)
})

test.each([
  // the setting      what the provider demands or lacks    delivered, and what was wasted
  ['opportunistic', 'gmail', true, []],
  ['off', 'gmail', false, ['tls']],
  ['off', 'strict-postfix', false, ['tls']],
  ['off', 'yahoo', true, []],
  ['opportunistic', 'bare', true, []],
  ['required', 'bare', false, ['tls']],
] as const)('TLS %s to %s', (tls, name, isDelivered, wastedBy) => {
  const yahoo = files.get('yahoo')
  if (yahoo === undefined) throw new Error('yahoo is shipped')
  const bare: ProviderFile = { ...yahoo, name: 'bare', mx: 'mx.bare.example', tls: { offered: false } }
  const data = { ...SCENARIO, sender: { ...SCENARIO.sender, tls }, campaign: [{ mails: 20, to: { [name]: 1 } }] }
  const [provider] = simulate(readScenario('t', data, [...names, 'bare']), { files: new Map([...files, ['bare', bare]]) }).providers
  expect([(provider?.delivered ?? 0) > 0, Object.keys(provider?.wastedBy ?? {})]).toEqual([isDelivered, wastedBy])
})

test('a file of the operator limits new connections, and they are spread evenly', () => {
  const own = parseShapingFile('own.toml', '[site."short-hold.example"]\nnew_connections = "6/min"\nmails_per_connection = 1\n')
  const limits = buildShapingTable({ shipped: own, own: null })
  const sender = { ...SCENARIO.sender, ips: ['198.51.100.1'] }
  const [provider] = simulate(scenarioOf({ sender, campaign: [{ mails: 60, to: { 'short-hold': 1 } }] }), { shaping: limits }).providers
  // Without the limit, the sixty mails leave within seconds.
  expect(provider?.connections).toBeGreaterThanOrEqual(60)
  expect((provider?.connections ?? 0) / (provider?.drainSeconds ?? 1)).toBeLessThanOrEqual(6.2 / 60)
})

test('a 5xx in the greeting keeps the messages, and pauses the path to the host', () => {
  const refusing = files.get('strict-postfix')
  if (refusing === undefined) throw new Error('strict-postfix is shipped')
  const listed = { text: '554 mx.strict.example ESMTP not accepting messages', phase: 'greeting' } as const
  const closed = { ...refusing, answer: { ...refusing.answer, listed } }
  const scenario = scenarioOf({
    sender: { ...SCENARIO.sender, ips: ['198.51.100.1'] },
    campaign: [{ mails: 100, to: { 'strict-postfix': 1 }, mailboxes: NO_TROUBLE }],
    listing: [{ ip: '198.51.100.1', provider: 'strict-postfix', from_hours: 0, for_hours: 5 }],
  })
  const report = simulate(scenario, { files: new Map([['strict-postfix', closed]]) })
  expect([report.delivered + report.reports, report.pauses.some(({ key }) => key.startsWith('network|'))]).toEqual([100, true])
  expect(report.wasted).toBeLessThan(300)
})

test('the defaults of a scenario are those of the daemon', () => {
  const {
    connection_mails: mails,
    connection_idle_seconds: idleSeconds,
    connections,
    tls,
  } = scenarioOf({
    sender: { domain: 'news.example.com', ips: ['198.51.100.1'] },
  }).sender
  const delivery = deliverySettings.parse({})
  expect({ mails, idleSeconds, connections, tls }).toEqual({
    mails: delivery.connectionMails,
    idleSeconds: delivery.connectionIdleSeconds,
    connections: delivery.lines,
    tls: delivery.tls,
  })
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
