/** fold.test - any order of the same facts gives the same rows, and a fact counts once */
import { engagementData } from '../given.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normaliseAddress } from '../../../src/correlate/address-hash.ts'
import { formatDeliveryId } from '../../../src/correlate/delivery-id.ts'
import { REASONS, type Reason } from '../../../src/classify/reasons.ts'
import { countersOf, siteCountersOf } from '../../../src/ledger/project/counters.ts'
import { DELIVERED_EFFECT } from '../../../src/ledger/decide/effect.ts'
import type { StatusEffect, DeliveryStatus } from '../../../src/ledger/facts/decision.ts'
import type { Fact } from '../../../src/ledger/facts/fact.ts'
import { applyFacts } from '../../../src/ledger/project/fold.ts'
import { createFact, type FactMoment, aboutDelivery, aboutMail, aboutSite } from '../../../src/ledger/facts/new-fact.ts'
import { changeEntry } from '../../../src/ledger/suppress/list-entry.ts'
import { outranks, statusRank } from '../../../src/ledger/project/status-rank.ts'
import { createLedgerState, type LedgerState } from '../../../src/ledger/project/state.ts'

const DELIVERY = formatDeliveryId({ day: 2_400, account: 1, sequence: 9 }) ?? ''
const HASH = normaliseAddress('joe@example.com')?.hash ?? ''
const ABOUT = aboutDelivery({ account: 1, deliveryId: DELIVERY, addressHash: HASH })
const BASE = Date.UTC(2026, 6, 1)
const TIE = { via: 'rcpt', proof: 'token' } as const
const VERSION = { settingsVersion: 1 }

const effects: fc.Arbitrary<StatusEffect> = fc
  .record({
    status: fc.constantFrom<DeliveryStatus>(1, 4, 5),
    asynchronous: fc.boolean(),
    reason: fc.constantFrom(...(Object.keys(REASONS) as Reason[])),
    permanence: fc.constantFrom('permanent' as const, 'temporary' as const),
    weak: fc.boolean(),
    forwarded: fc.boolean(),
    engaged: fc.boolean(),
    subStatus: fc.constantFrom(401, 404, 406, 408, 503, 509),
  })
  .map((effect) => (effect.status === 1 ? DELIVERED_EFFECT : { ...effect, fault: REASONS[effect.reason].fault }))

/** Few values, so that times collide. */
const times = fc.nat(6).map((n) => BASE + n * 600_000)

type Maker = (moment: FactMoment, known: readonly Fact[]) => Fact

const request: fc.Arbitrary<Maker> = fc.constantFrom('sent' as const, 'unsent' as const, 'duplicate' as const).map(
  (result) => (moment) =>
    createFact('request', ABOUT, moment, {
      emailId: 'x0$joe@example.com',
      messageId: 'x',
      recipient: 'joe@example.com',
      domain: 'example.com',
      site: 'example.com',
      apiUser: 'api',
      labelId: 3,
      label: 'news',
      emailType: 'batch',
      broadcast: 'b',
      from: 'a@example.org',
      subject: 's',
      headers: {},
      messageIdHeader: 'm@example.org',
      requestIp: null,
      requestedAt: BASE,
      result,
      ...VERSION,
    }),
)

const attempt: fc.Arbitrary<Maker> = fc
  .record({
    n: fc.integer({ min: 1, max: 4 }),
    effect: fc.option(effects),
    site: fc.constantFrom('a', 'b'),
    mx: fc.option(fc.constantFrom('m1', 'm2')),
  })
  .map(
    ({ n, effect, site, mx }) =>
      (moment) =>
        createFact('attempt', ABOUT, moment, {
          n,
          code: 250,
          status: null,
          text: `attempt ${n}`,
          error: null,
          mx,
          egressIp: mx,
          site,
          final: effect !== null,
          source: 'api',
          verdict: null,
          effect,
          ...VERSION,
        }),
  )

const failed: fc.Arbitrary<Maker> = fc
  .record({
    effect: effects,
    remoteSite: fc.option(fc.constantFrom('a', 'google')),
    reported: fc.option(fc.constantFrom('joe@example.com', 'jim@example.org')),
  })
  .map(
    ({ effect, reported, remoteSite }) =>
      (moment) =>
        createFact('failed', ABOUT, moment, {
          source: 'report',
          reported,
          reportedDomain: reported,
          reportStatus: null,
          remoteMta: null,
          site: remoteSite,
          remoteSite,
          text: 'text',
          verdict: null,
          effect,
          tie: TIE,
          digest: 'd',
          billable: true,
          ...VERSION,
        }),
  )

const small: fc.Arbitrary<Maker> = fc.oneof(
  fc
    .record({ kind: fc.constantFrom('open' as const, 'click' as const), n: fc.nat(2), machine: fc.boolean(), counted: fc.boolean() })
    .map(({ kind, n, machine, counted }) => (moment: FactMoment) => {
      const sign = machine ? 'bot' : null
      return createFact(kind, ABOUT, moment, engagementData({ requestId: String(n), machine: sign, counted: counted || !machine }))
    }),
  fc.nat(2).map(
    (episode) => (moment: FactMoment) =>
      createFact('complaint', ABOUT, moment, {
        feedbackType: 'abuse',
        reporter: 'r',
        episode,
        listed: true,
        userAgent: null,
        sourceIp: null,
        arrivalAt: null,
        tie: TIE,
        digest: 'd',
        ...VERSION,
      }),
  ),
  fc
    .nat(2)
    .map(
      (episode) => (moment: FactMoment) =>
        createFact('not-spam', ABOUT, moment, { reporter: 'r', episode, lifts: false, tie: TIE, digest: 'd' }),
    ),
  fc.constant((moment: FactMoment) =>
    createFact('delivered', ABOUT, moment, { action: 'relayed', reported: null, effect: DELIVERED_EFFECT, tie: TIE, digest: 'd' }),
  ),
  fc.constant((moment: FactMoment) => createFact('stub', ABOUT, moment, { tie: TIE })),
)

/** Withdraws one of the clicks before it. */
const machineClicks: fc.Arbitrary<Maker> = fc
  .record({ pick: fc.nat(20), counted: fc.boolean() })
  .map(({ pick, counted }) => (moment, known) => {
    const clicks = known.filter(({ kind }) => kind === 'click')
    const click = clicks[pick % Math.max(1, clicks.length)]
    return createFact('machine-clicks', ABOUT, moment, { clicks: [click?.id ?? 'none'], counted, ...VERSION })
  })

const RECLASSIFIED = { job: 'job', verdict: null, site: null, remoteSite: null, reportedDomain: null, actor: null, ...VERSION }

/** Supersedes one of the facts before it, sometimes a reclassified one. */
const reclassified: fc.Arbitrary<Maker> = fc
  .record({ pick: fc.nat(20), effect: fc.option(effects), table: fc.constantFrom('t1', 't2') })
  .map(({ pick, effect, table }) => (moment, known) => {
    const supersedable = known.filter((fact) => fact.kind === 'failed' || fact.kind === 'attempt' || fact.kind === 'reclassified')
    const old = supersedable[pick % Math.max(1, supersedable.length)]
    const data = { ...RECLASSIFIED, supersedes: old?.id ?? 'none', table, effect, text: 'again' }
    return createFact('reclassified', ABOUT, { ...moment, at: old?.at ?? moment.at }, data)
  })

const elsewhere: fc.Arbitrary<Maker> = fc.oneof(
  fc
    .integer({ min: 0, max: 3 })
    .map(
      (change) => (moment: FactMoment) =>
        changeEntry({
          key: { account: 1, list: 'bounce', addressHash: HASH, scope: '' },
          previous: null,
          action: 'add',
          state: { n: change, from: moment.at, reason: `change ${change}` },
          origin: { cause: null, actor: null, settingsVersion: 1 },
          moment,
        }),
    )
    .map((make) => (moment: FactMoment) => renumber(make(moment))),
  fc.constantFrom('open' as const, 'accepted' as const, 'discarded' as const).map(
    (state) => (moment: FactMoment) =>
      createFact('inbox', aboutMail(1, 'd'.repeat(64), null), moment, {
        state,
        reason: 'unmatched',
        mail: 'other',
        from: null,
        subject: null,
        summary: state,
        guess: null,
        actor: null,
      }),
  ),
  fc.integer({ min: 1, max: 3 }).map(
    (change) => (moment: FactMoment) =>
      createFact('brake', aboutSite('example.com'), moment, {
        site: 'example.com',
        change,
        held: change % 2 === 1,
        why: 'share',
        hits: 1,
        engaged: 0,
        actor: null,
      }),
  ),
)

/** A change number is unique, as the store's key guarantees. */
function renumber(fact: Fact): Fact {
  if (fact.kind !== 'list') return fact
  const change = fact.data.n + 1
  return { ...fact, dedupKey: `list:${change}`, data: { ...fact.data, change } }
}

const histories: fc.Arbitrary<readonly Fact[]> = fc
  .array(fc.tuple(fc.oneof(request, attempt, failed, small, machineClicks, reclassified, elsewhere), times, times), { maxLength: 14 })
  .map((made) => {
    let n = 0
    const facts: Fact[] = []
    for (const [make, at, receivedAt] of made)
      facts.push(make({ at, receivedAt, ids: { next: () => `id-${String((n += 1)).padStart(4, '0')}` } }, facts))
    // The store keeps the first of several facts with the same dedup key.
    return facts.filter(
      (fact, index) => facts.findIndex((other) => other.subject === fact.subject && other.dedupKey === fact.dedupKey) === index,
    )
  })

function fold(facts: readonly Fact[]): LedgerState {
  const ledger = createLedgerState({ keepsFacts: true })
  applyFacts(ledger, facts)
  return ledger
}

const sorted = <V>(map: ReadonlyMap<string, V>): readonly (readonly [string, V])[] => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1))

function rowsOf(ledger: LedgerState): unknown {
  const { deliveries, suppressions, inbox, sites, dirty } = ledger
  return [deliveries, suppressions, inbox, sites, dirty.counters, dirty.siteCounters].map((map) => sorted<unknown>(map))
}

test('any permutation of the facts gives the same rows and counters', () => {
  fc.assert(
    fc.property(
      histories.chain((facts) => fc.tuple(fc.constant(facts), fc.shuffledSubarray([...facts], { minLength: facts.length }))),
      ([facts, shuffled]) => {
        expect(rowsOf(fold(shuffled))).toEqual(rowsOf(fold(facts)))
      },
    ),
    { numRuns: 1_000 },
  )
})

test('facts that are applied again change nothing', () => {
  fc.assert(
    fc.property(histories, (facts) => {
      const ledger = fold(facts)
      const before = JSON.stringify(rowsOf(ledger))
      expect(applyFacts(ledger, facts)).toBe(0)
      expect(JSON.stringify(rowsOf(ledger))).toBe(before)
    }),
  )
})

test('counters are the sums of the counters of all rows', () => {
  fc.assert(
    fc.property(histories, (facts) => {
      const ledger = fold(facts)
      const rows = [...ledger.deliveries.values()]
      expect(new Set(ledger.dirty.counters.values())).toEqual(new Set(rows.flatMap(countersOf)))
      expect(new Set(ledger.dirty.siteCounters.values())).toEqual(new Set(rows.flatMap(siteCountersOf)))
    }),
  )
})

test('a row that was saved and loaded folds further facts like one that stayed in memory', () => {
  fc.assert(
    fc.property(histories, fc.nat(14), (facts, cut) => {
      const first = fold(facts.slice(0, cut))
      const loaded = createLedgerState({ keepsFacts: true })
      for (const [id, row] of first.deliveries) loaded.deliveries.set(id, row)
      for (const [key, row] of first.suppressions) loaded.suppressions.set(key, row)
      for (const [key, row] of first.inbox) loaded.inbox.set(key, row)
      for (const [key, row] of first.sites) loaded.sites.set(key, row)
      for (const [id, known] of first.facts) loaded.facts.set(id, [...known])
      applyFacts(loaded, facts.slice(cut))
      const whole = fold(facts)
      expect(sorted(loaded.deliveries)).toEqual(sorted(whole.deliveries))
      expect(sorted(loaded.suppressions)).toEqual(sorted(whole.suppressions))
    }),
  )
})

test('a reclassified fact without its delivery’s facts is refused', () => {
  const made = { at: BASE, receivedAt: BASE, ids: { next: () => 'id-1' } }
  const first = fold([createFact('stub', ABOUT, made, { tie: TIE })])
  const ledger = createLedgerState()
  for (const [id, row] of first.deliveries) ledger.deliveries.set(id, row)
  const data = { ...RECLASSIFIED, supersedes: 'x', table: 't', effect: null, text: '' }
  expect(() => applyFacts(ledger, [createFact('reclassified', ABOUT, made, data)])).toThrow(/were not loaded/)
})

test('ranks are a strict total order', () => {
  const standing = fc.record({ rank: fc.nat(5), at: fc.nat(3), fact: fc.constantFrom('a', 'b', 'c') })
  fc.assert(
    fc.property(standing, standing, standing, (a, b, c) => {
      const same = a.rank === b.rank && a.at === b.at && a.fact === b.fact
      expect([outranks(a, b), outranks(b, a)].filter(Boolean)).toHaveLength(same ? 0 : 1)
      expect(!(outranks(a, b) && outranks(b, c)) || outranks(a, c)).toBe(true)
    }),
  )
})

const ranks = [
  [18, false, 0],
  [1, true, 1],
  [1, false, 1],
  [5, false, 2],
  [4, false, 3],
  [5, true, 4],
  [4, true, 5],
] as const

test.each(ranks)('status %i, asynchronous %s, has rank %i', (status, asynchronous, rank) => {
  expect(statusRank({ status, asynchronous })).toBe(rank)
})
