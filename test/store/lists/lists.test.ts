/**
 * lists.test - suppressions, inbox, facts and counters: pages, filters, tenants, on both engines
 */
import { beforeAll, describe, expect, test } from 'vitest'
import type { Fact } from '../../../src/ledger/facts/fact.ts'
import { LIST_NAMES, type ListName } from '../../../src/ledger/facts/list-facts.ts'
import { createLedgerState, QUARTER_HOUR_MS, quarterHourOf } from '../../../src/ledger/project/state.ts'
import type { CounterRow } from '../../../src/ledger/project/state.ts'
import { sumCounters } from '../../../src/store/facts/counters.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { saveAddressRedaction, findAddressRecords } from '../../../src/store/erasure/address-records.ts'
import { appendFacts, findFactsBySubject, findListFacts, overwriteFactData, findFactKeys } from '../../../src/store/facts/facts.ts'
import { findInboxItem, listInbox, listInboxForOperator } from '../../../src/store/mail/inbox.ts'
import type { InboxFilters } from '../../../src/store/mail/inbox.ts'
import { findSuppressionsInForce, listSuppressions } from '../../../src/store/lists/suppressions.ts'
import type { SuppressionFilters } from '../../../src/store/lists/suppressions.ts'
import { saveLedgerState } from '../../../src/store/facts/ledger-state.ts'
import { engines } from '../../support/engines.ts'
import { readTimeline } from '../../support/look.ts'
import {
  DAY,
  deliveryIdOf,
  hashOf,
  idOf,
  openFact,
  sampleDelivery,
  sampleFact,
  sampleInbox,
  sampleSuppression,
  T0,
  ledgerStateOf,
} from '../sample.ts'

const entries = [
  sampleSuppression({ address: 'a@example.com', from: T0 + 1 }),
  sampleSuppression({ address: 'b@example.com', from: T0 + 2, until: T0 + DAY }),
  sampleSuppression({ address: 'c@example.com', from: T0 + 3, removedAt: T0 + 4 }),
  sampleSuppression({ address: 'd@example.com', from: T0 + 4, pending: true, site: 'mx.example.net', rule: 'common-not-exist' }),
  sampleSuppression({
    address: 'e@example.com',
    from: T0 + 5,
    list: 'unsubscribe',
    scope: '7',
    labelId: 7,
    unsubscribeType: 2,
    apiUser: 'batch',
    rule: null,
    site: null,
    proof: null,
  }),
  sampleSuppression({
    address: null,
    addressHash: hashOf('example.net'),
    domain: 'example.net',
    isDomain: true,
    list: 'block',
    from: T0 + 6,
    deliveryId: null,
  }),
  sampleSuppression({ address: 'a@example.com', from: T0 + 7, list: 'complaint' }),
]
const foreign = [
  sampleSuppression({ account: 2, address: 'a@example.com' }),
  sampleSuppression({ account: 0, address: 'shared@example.com' }),
]

const inbox = [
  sampleInbox({ digest: hashOf('1'), receivedAt: T0 + 1 }),
  sampleInbox({ digest: hashOf('2'), receivedAt: T0 + 2, state: 'accepted', reason: 'unverified', deliveryId: deliveryIdOf(1) }),
  sampleInbox({ digest: hashOf('3'), receivedAt: T0 + 3, reason: 'unreadable', from: null, subject: null }),
  sampleInbox({ digest: hashOf('4'), receivedAt: T0 + 4, account: 2 }),
  sampleInbox({ digest: hashOf('5'), receivedAt: T0 + 5, account: 0, reason: 'postmaster' }),
]

const count = (quarter: number, over: Partial<CounterRow> = {}): CounterRow => ({
  account: 1,
  quarter,
  apiUser: 'sender',
  labelId: 0,
  domain: 'example.com',
  metric: 'request',
  n: 1,
  ...over,
})

describe.each(engines)('lists: $kind', ({ open }) => {
  let engine: Engine
  beforeAll(async () => {
    engine = (await open()).engine
    const ledgerState = ledgerStateOf({ suppressions: [...entries, ...foreign], inbox })
    const q = quarterHourOf(T0)
    const counters = [
      count(q),
      count(q + QUARTER_HOUR_MS, { n: 4 }),
      count(q, { domain: 'example.net', n: 2 }),
      count(q, { apiUser: 'batch', labelId: 7, n: 3 }),
      count(q, { metric: 'delivered', n: 1 }),
      count(q, { metric: 'invalid-406', n: -1 }),
      count(q + DAY, { n: 8 }),
      count(q, { account: 2, n: 1_000 }),
      count(q, { metric: 'open', n: 0 }),
    ]
    counters.forEach((row, i) => ledgerState.dirty.counters.set(String(i), row))
    await engine.tx(async (db) => saveLedgerState(db, ledgerState))
  })

  const filters: readonly (readonly [string, SuppressionFilters, readonly number[]])[] = [
    ['a list', { list: 'bounce' }, [3, 2, 1, 0]],
    ['another list', { list: 'complaint' }, [6]],
    ['a window', { list: 'bounce', from: T0 + 2, to: T0 + 4 }, [2, 1]],
    ['an address', { list: 'bounce', addressHash: hashOf('a@example.com') }, [0]],
    ['in force', { list: 'bounce', inForceAt: T0 + 10 }, [1, 0]],
    ['in force a day later', { list: 'bounce', inForceAt: T0 + DAY }, [0]],
    ['pending at a site by a rule', { list: 'bounce', pending: true, site: 'mx.example.net', rule: 'common-not-exist' }, [3]],
    ['API users and labels', { list: 'unsubscribe', apiUsers: ['batch'], labelIds: [7, 8] }, [4]],
    ['domains', { list: 'block', isDomain: true, domain: 'example.net' }, [5]],
    ['no domains', { list: 'block', isDomain: false }, []],
    ['an empty list of users', { list: 'bounce', apiUsers: [] }, []],
  ]
  test.each(filters)('lists suppressions by %s', async (_, filter, want) => {
    const found = await listSuppressions(engine.read, 1, filter, { limit: 100, total: true })
    expect(found.rows).toEqual(want.map((i) => entries[i]))
    expect(found.total).toBe(want.length)
    expect((await listSuppressions(engine.read, 3, filter, { limit: 100, total: true })).total).toBe(0)
  })

  test('lists suppressions by page', async () => {
    const first = await listSuppressions(engine.read, 1, { list: 'bounce' }, { limit: 3 })
    const last = first.rows.at(-1)
    const after = { from: last?.from ?? 0, addressHash: last?.addressHash ?? '', scope: last?.scope ?? '' }
    expect((await listSuppressions(engine.read, 1, { list: 'bounce' }, { limit: 3, after })).rows).toEqual([entries[0]])
    expect((await listSuppressions(engine.read, 1, { list: 'bounce' }, { limit: 2, start: 2 })).rows).toEqual([entries[1], entries[0]])
  })

  test('checks a thousand addresses at once', async () => {
    const unknown = Array.from({ length: 1_000 }, (_, i) => hashOf(`nobody${i}@example.com`))
    const hashes = ['a', 'b', 'c', 'd', 'e', 'shared'].map((name) => hashOf(`${name}@example.com`))
    const query = { hashes: [...unknown, ...hashes, hashOf('example.net')], at: T0 + DAY }
    const found = await findSuppressionsInForce(engine.read, 1, query)
    const lists = Object.fromEntries([...found].map(([hash, rows]) => [hash, rows.map(({ list }) => list).toSorted()]))
    expect(lists).toEqual({
      [hashes[0] ?? '']: ['bounce', 'complaint'],
      [hashes[4] ?? '']: ['unsubscribe'],
      [hashOf('example.net')]: ['block'],
    })
    const shared = await findSuppressionsInForce(engine.read, 1, { ...query, shared: true })
    expect(shared.get(hashes[5] ?? '')?.map(({ account }) => account)).toEqual([0])
    expect(shared.size).toBe(4)
    expect((await findSuppressionsInForce(engine.read, 1, { hashes: [], at: T0 })).size).toBe(0)
  })

  const inboxes: readonly (readonly [string, InboxFilters, readonly number[]])[] = [
    ['nothing', {}, [2, 1, 0]],
    ['a state', { state: 'accepted' }, [1]],
    ['a reason', { reason: 'unreadable' }, [2]],
    ['a window', { from: T0 + 2, to: T0 + 3 }, [1]],
  ]
  test.each(inboxes)('lists the inbox by %s', async (_, filter, want) => {
    expect(await listInbox(engine.read, 1, filter, { limit: 10 })).toEqual(want.map((i) => inbox[i]))
  })

  test('inbox: pages, single mails, all inboxes', async () => {
    const after = { receivedAt: T0 + 3, digest: hashOf('3') }
    expect(await listInbox(engine.read, 1, {}, { limit: 1, after })).toEqual([inbox[1]])
    expect(await findInboxItem(engine.read, 1, hashOf('1'))).toEqual(inbox[0])
    expect(await findInboxItem(engine.read, 1, hashOf('4'))).toBeNull()
    expect((await listInboxForOperator(engine.read, { state: 'open' }, { limit: 10 })).map(({ account }) => account)).toEqual([0, 2, 1, 1])
  })

  test('sums counters by window and dimension', async () => {
    const q = quarterHourOf(T0)
    const windows = [
      { from: q, to: q + DAY },
      { from: q + DAY, to: q + 2 * DAY },
    ]
    const sums = async (query: Omit<Parameters<typeof sumCounters>[2], 'windows'>) =>
      (await sumCounters(engine.read, 1, { ...query, windows })).map(({ from, metric, apiUser, labelId, domain, n }) => [
        (from - q) / DAY,
        metric,
        apiUser ?? labelId ?? domain,
        n,
      ])
    expect(await sums({})).toEqual([
      [0, 'delivered', null, 1],
      [0, 'invalid-406', null, -1],
      [0, 'request', null, 10],
      [1, 'request', null, 8],
    ])
    expect(await sums({ metrics: ['request'], groupBy: ['apiUser'] })).toEqual([
      [0, 'request', 'batch', 3],
      [0, 'request', 'sender', 7],
      [1, 'request', 'sender', 8],
    ])
    expect(await sums({ metrics: ['request'], groupBy: ['domain'], domains: ['example.net'] })).toEqual([[0, 'request', 'example.net', 2]])
    expect(await sums({ labelIds: [7], apiUsers: ['batch'], groupBy: ['labelId'] })).toEqual([[0, 'request', 7, 3]])
    expect(await sumCounters(engine.read, 3, { windows })).toEqual([])
  })

  test('adds the same state twice if it is saved twice, and stores no zero', async () => {
    const ledgerState = createLedgerState()
    ledgerState.dirty.counters.set('x', count(0, { account: 9 }))
    ledgerState.dirty.counters.set('y', count(0, { account: 9, metric: 'open', n: 0 }))
    for (let i = 0; i < 2; i++) await engine.tx(async (db) => saveLedgerState(db, ledgerState))
    expect(await sumCounters(engine.read, 9, { windows: [{ from: 0, to: QUARTER_HOUR_MS }] })).toMatchObject([{ metric: 'request', n: 2 }])
  })

  test('facts: appended once, listed by time, hidden from other accounts', async () => {
    const facts = [
      openFact(50, { at: T0 + 2, id: idOf(2) }),
      openFact(50, { at: T0 + 1, id: idOf(3), dedupKey: 'second' }),
      openFact(50, { at: T0 + 1, id: idOf(1), dedupKey: 'third' }),
    ]
    const append = async () => engine.tx(async (db) => appendFacts(db, facts, 'ignore'))
    expect(await append()).toBe(3)
    expect(await append()).toBe(0)
    expect((await readTimeline(engine.read, 1, deliveryIdOf(50))).map(({ dedupKey }) => dedupKey)).toEqual(['third', 'second', 'open'])
    expect(await readTimeline(engine.read, 2, deliveryIdOf(50))).toEqual([])
    const ref = { account: 2, subject: deliveryIdOf(50) }
    expect(await findFactsBySubject(engine.read, [ref])).toEqual([])
    expect(await findFactKeys(engine.read, [ref])).toEqual([])
    await expect(engine.tx(async (db) => appendFacts(db, facts.slice(0, 1)))).rejects.toMatchObject({ code: 'conflict' })
  })

  test('finds everything that is indexed by an address, and saves it without the address', async () => {
    const addressHash = hashOf('erase@example.com')
    const deliveries = [70, 71].map((n) => sampleDelivery({ n, recipient: 'erase@example.com', addressHash }))
    const entry = sampleSuppression({ address: 'erase@example.com', addressHash })
    const other = sampleSuppression({ account: 2, address: 'erase@example.com', addressHash })
    const listFact = openFact(70, { id: idOf('list'), subject: `list:bounce:${addressHash}:`, deliveryMonth: 0, addressHash })
    const facts = [openFact(70), openFact(71), listFact]
    await engine.tx(async (db) => saveLedgerState(db, ledgerStateOf({ deliveries, suppressions: [entry, other], facts })))
    const found = await findAddressRecords(engine.read, 1, addressHash)
    expect([found.deliveries.length, found.entries, found.facts.length]).toEqual([2, [entry], 3])
    expect(await findAddressRecords(engine.read, 3, addressHash)).toEqual({ deliveries: [], entries: [], facts: [] })
    const fact = sampleFact<'erased'>({
      n: 0,
      kind: 'erased',
      data: { actor: 'operator', deliveries: 2, entries: 1 },
      subject: `address:${addressHash}`,
      addressHash,
    })
    const without = {
      deliveries: found.deliveries.map((row) => ({ ...row, recipient: null, emailId: `erased${row.deliveryId}` })),
      entries: [
        { ...entry, address: null },
        { ...other, address: null },
      ],
      facts: found.facts,
    }
    await engine.tx(async (db) => saveAddressRedaction(db, 1, { ...without, inbox: [], digests: [], emailIds: [], fact }))
    const left = await findAddressRecords(engine.read, 1, addressHash)
    expect(left.deliveries).toEqual(without.deliveries)
    expect(left.entries).toEqual([{ ...entry, address: null }])
    expect((await findAddressRecords(engine.read, 2, addressHash)).entries).toEqual([other])
    expect(await findFactsBySubject(engine.read, [{ account: 1, subject: fact.subject }])).toEqual([fact])
  })

  test('reads list facts like other facts', async () => {
    const subject = `list:bounce:${hashOf('a@example.com')}:`
    const fact = listFact({ n: 60, list: 'bounce', address: 'a@example.com' })
    await engine.tx(async (db) => appendFacts(db, [fact]))
    expect(await findFactsBySubject(engine.read, [{ account: 1, subject }])).toEqual([fact])
    expect(await engine.read.one('select count(*) as n from list_events where subject = $1', [subject])).toEqual({ n: 1 })
    const erased = { ...fact, data: { ...fact.data, address: null } }
    expect(await engine.tx(async (db) => overwriteFactData(db, 2, [erased]))).toBe(0)
    expect(await engine.tx(async (db) => overwriteFactData(db, 1, [erased]))).toBe(1)
    expect(await findFactsBySubject(engine.read, [{ account: 1, subject }])).toEqual([erased])
  })

  test('finds the list facts of an address on every list and in every scope, and no others', async () => {
    const [ours, others] = ['c@example.com', 'd@example.com']
    const wanted = LIST_NAMES.flatMap((list, n) => [
      listFact({ n: 70 + n, list, address: ours }),
      listFact({ n: 80 + n, list, address: ours, scope: 'label:7' }),
    ])
    const rest = LIST_NAMES.map((list, n) => listFact({ n: 90 + n, list, address: others }))
    const foreign = { ...listFact({ n: 99, list: 'bounce', address: ours }), account: 2 }
    await engine.tx(async (db) => appendFacts(db, [...rest, ...wanted, foreign]))
    const found = await findListFacts(engine.read, { account: 1, addressHash: hashOf(ours) })
    expect(found).toEqual(wanted.toSorted((x, y) => (x.id < y.id ? -1 : 1)))
    expect(await findListFacts(engine.read, { account: 1, addressHash: hashOf('nobody@example.com') })).toEqual([])
  })
})

type ListFactInput = { readonly n: number; readonly list: ListName; readonly address: string; readonly scope?: string }

function listFact({ n, list, address, scope = '' }: ListFactInput): Fact {
  return sampleFact<'list'>({
    n,
    kind: 'list',
    subject: `list:${list}:${hashOf(address)}:${scope}`,
    dedupKey: '1',
    deliveryMonth: 0,
    addressHash: hashOf(address),
    data: {
      list,
      scope,
      change: 1,
      action: 'add',
      address,
      domain: 'example.com',
      isDomain: false,
      n: 1,
      from: T0,
      until: null,
      removedAt: null,
      pending: false,
      reason: 'not-exist',
      rule: null,
      site: null,
      deliveryId: null,
      proof: null,
      unsubscribeType: null,
      apiUser: null,
      labelId: null,
      cause: null,
      actor: null,
      note: null,
      settingsVersion: 1,
    },
  })
}
