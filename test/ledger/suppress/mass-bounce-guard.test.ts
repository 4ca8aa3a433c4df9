/** mass-bounce-guard.test - a site that denies many users: held entries, their review, and later deliveries */
import { expect, test } from 'vitest'
import { decideMassBounceReview } from '../../../src/ledger/decide/operator-action.ts'
import { isEntryInForce } from '../../../src/ledger/suppress/suppression.ts'
import { DAY, MINUTE, story, type Story, T0, verdict } from '../given.ts'

const start = T0 + 10 * DAY

/** Delivers to `count` addresses, `ago` days before the start. */
function deliver(s: Story, count: number, ago: number, prefix = 'old'): void {
  for (let i = 0; i < count; i += 1) {
    const at = start - ago * DAY + i * 1_000
    s.attempt(s.send(at, { to: `${prefix}${i}@example.com` }), at, { code: 250, n: 1, site: 'example.com' })
  }
}

function hits(s: Story, count: number, prefix: string, at = start): void {
  for (let i = 0; i < count; i += 1) s.bounce(s.send(at, { to: `${prefix}${i}@example.com` }), at + i * 1_000, verdict('not-exist'))
}

const pending = (s: Story): number => [...s.ledger.suppressions.values()].filter((row) => row.pending).length
const listed = (s: Story): number =>
  [...s.ledger.suppressions.values()].filter((row) => row.list === 'bounce' && isEntryInForce(row, start + MINUTE)).length

test('fifty hits at five times the share of the week: the fiftieth and later are held', () => {
  const s = story()
  deliver(s, 200, 2)
  hits(s, 55, 'new')
  expect([listed(s), pending(s)]).toEqual([49, 6])
  expect(s.ledger.sites.get('example.com')).toMatchObject({ held: true, change: 1 })
  expect(s.facts.filter((fact) => fact.kind === 'alarm' || fact.kind === 'brake')).toHaveLength(2)
  const late = s.row(s.send(start + 2 * MINUTE, { to: 'new54@example.com' }))
  expect(late.status).toBe(18)
  expect(s.row([...s.ledger.deliveries.values()].find((row) => row.recipient === 'new54@example.com')?.deliveryId ?? '').status).toBe(4)
})

test('twenty hits on addresses that were alive within 30 days', () => {
  const s = story()
  deliver(s, 25, 9, 'live')
  hits(s, 25, 'live')
  expect([listed(s), pending(s)]).toEqual([19, 6])
  const fact = s.facts.find((fact) => fact.kind === 'brake')
  expect(fact?.data).toMatchObject({ why: 'engaged', engaged: 20 })
})

const calm = [
  [
    'few hits',
    (s: Story) => {
      deliver(s, 200, 2)
      hits(s, 49, 'new')
    },
  ],
  [
    'the usual share',
    (s: Story) => {
      deliver(s, 100, 2)
      hits(s, 60, 'older', start - 3 * DAY)
      hits(s, 49, 'young', start - 2 * DAY)
      hits(s, 55, 'new')
    },
  ],
  ['too few outcomes', (s: Story) => hits(s, 55, 'new')],
  [
    'hits spread over hours',
    (s: Story) => {
      deliver(s, 200, 2)
      for (let i = 0; i < 5; i += 1) hits(s, 20, `new${i}-`, start + i * 60 * MINUTE)
    },
  ],
] as const

test.each(calm)('not held: %s', (_, run) => {
  const s = story()
  run(s)
  expect(pending(s)).toBe(0)
  expect(s.ledger.sites.get('example.com')).toBeUndefined()
})

function held(): Story {
  const s = story()
  deliver(s, 200, 2)
  hits(s, 52, 'new')
  return s
}

function release(s: Story, action: 'apply' | 'discard', at: number): void {
  const rows = [...s.ledger.suppressions.values()]
  s.apply(
    decideMassBounceReview(
      { ledger: s.ledger, site: 'example.com', action, rows },
      { actor: 'op', settings: s.settings, moment: s.moment(at) },
    ),
  )
}

test('an operator applies held entries: they start at the hit', () => {
  const s = held()
  release(s, 'apply', start + DAY)
  expect(pending(s)).toBe(0)
  expect(s.entry('bounce', 'new51@example.com')).toMatchObject({ n: 1, removedAt: null, until: start + 51_000 + 30 * DAY })
  expect(s.row(s.send(start + 2 * DAY, { to: 'new51@example.com' })).subStatus).toBe(401)
  expect(s.ledger.sites.get('example.com')?.held).toBe(false)
})

test('an operator discards held entries: the hits do not count', () => {
  const s = held()
  release(s, 'discard', start + DAY)
  expect(s.entry('bounce', 'new51@example.com')).toMatchObject({ n: 0, removedAt: start + DAY, pending: false })
  s.bounce(s.send(start + 3 * DAY, { to: 'new51@example.com' }), start + 3 * DAY, verdict('not-exist'))
  expect(s.entry('bounce', 'new51@example.com')).toMatchObject({ n: 1, removedAt: null, pending: false })
})

test('hits before the last release are not counted again', () => {
  const s = held()
  release(s, 'apply', start + MINUTE)
  hits(s, 40, 'more', start + 2 * MINUTE)
  expect(pending(s)).toBe(0)
})

test('a later delivery discards the held entry of its address, a delivery that bounced does not', () => {
  const s = held()
  s.attempt(s.send(start + MINUTE * 5, { to: 'new51@example.com' }), start + MINUTE * 6, { code: 250, n: 1, site: 'example.com' })
  expect(s.entry('bounce', 'new51@example.com')).toMatchObject({ pending: false, n: 0 })
  const bounced = [...s.ledger.deliveries.values()].find((row) => row.recipient === 'new50@example.com')?.deliveryId ?? ''
  s.attempt(bounced, start + MINUTE * 6, { code: 250, n: 1, site: 'example.com' })
  expect(s.entry('bounce', 'new50@example.com')).toMatchObject({ pending: true })
})

test('a delivery that only its account reports discards no held entry of the shared list', () => {
  const s = story({ sharedList: true })
  deliver(s, 200, 2)
  for (let i = 0; i < 52; i += 1)
    s.attempt(
      s.send(start, { to: `new${i}@example.com` }),
      start + i * 1_000,
      { code: 550, n: 1, site: 'example.com', source: 'queue' },
      verdict('not-exist'),
    )
  const shared = () => s.entry('bounce', 'new51@example.com', { account: 0 })
  expect(shared()).toMatchObject({ pending: true })
  const later = (source: 'api' | 'queue', at: number): void => {
    s.attempt(s.send(at, { to: 'new51@example.com', account: 2 }), at, { code: 250, n: 1, site: 'example.com', source })
  }
  later('api', start + 5 * MINUTE)
  expect(shared()).toMatchObject({ pending: true })
  later('queue', start + 6 * MINUTE)
  expect(shared()).toMatchObject({ pending: false })
})
