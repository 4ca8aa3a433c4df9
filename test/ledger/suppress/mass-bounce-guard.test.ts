/** mass-bounce-guard.test - when a site vanishes: hold, apply, discard, and what a later delivery does */
import { expect, test } from 'vitest'
import { decideMassBounceReview } from '../../../src/ledger/decide/operator-action.ts'
import { isEntryInForce } from '../../../src/ledger/suppress/suppression.ts'
import { DAY, MINUTE, story, type Story, T0, verdict } from '../given.ts'

const start = T0 + 10 * DAY

/** Addresses that took mail `ago` days before. */
function deliver(s: Story, count: number, ago: number, prefix = 'old'): void {
  for (let i = 0; i < count; i += 1) {
    const at = start - ago * DAY + i * 1_000
    s.attempt(s.send(at, { to: `${prefix}${i}@example.com` }), at, { code: 250, n: 1, site: 'example.com' })
  }
}

function hits(s: Story, count: number, prefix: string, at = start): void {
  for (let i = 0; i < count; i += 1) s.bounce(s.send(at, { to: `${prefix}${i}@example.com` }), at + i * 1_000, verdict('not-exist'))
}

const pending = (s: Story): number => [...s.world.suppressions.values()].filter((row) => row.pending).length
const listed = (s: Story): number =>
  [...s.world.suppressions.values()].filter((row) => row.list === 'bounce' && isEntryInForce(row, start + MINUTE)).length

test('fifty hits at five times the share of the week: held from the fiftieth on', () => {
  const s = story()
  deliver(s, 200, 2)
  hits(s, 55, 'new')
  expect([listed(s), pending(s)]).toEqual([49, 6])
  expect(s.world.sites.get('example.com')).toMatchObject({ held: true, change: 1 })
  expect(s.facts.filter((fact) => fact.kind === 'alarm' || fact.kind === 'brake')).toHaveLength(2)
  const late = s.row(s.send(start + 2 * MINUTE, { to: 'new54@example.com' }))
  expect(late.status).toBe(18)
  expect(s.row([...s.world.deliveries.values()].find((row) => row.recipient === 'new54@example.com')?.deliveryId ?? '').status).toBe(4)
})

test('twenty hits on addresses that were alive within 30 days', () => {
  const s = story()
  deliver(s, 25, 9, 'live')
  hits(s, 25, 'live')
  expect([listed(s), pending(s)]).toEqual([19, 6])
  const alarm = s.facts.find((fact) => fact.kind === 'brake')
  expect(alarm?.data).toMatchObject({ why: 'engaged', engaged: 20 })
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
    'a share that is usual',
    (s: Story) => {
      deliver(s, 100, 2)
      hits(s, 60, 'older', start - 3 * DAY)
      hits(s, 49, 'young', start - 2 * DAY)
      hits(s, 55, 'new')
    },
  ],
  ['too little known', (s: Story) => hits(s, 55, 'new')],
  [
    'hits over hours',
    (s: Story) => {
      deliver(s, 200, 2)
      for (let i = 0; i < 5; i += 1) hits(s, 20, `new${i}-`, start + i * 60 * MINUTE)
    },
  ],
] as const

test.each(calm)('not held: %s', (_, happens) => {
  const s = story()
  happens(s)
  expect(pending(s)).toBe(0)
  expect(s.world.sites.get('example.com')).toBeUndefined()
})

function held(): Story {
  const s = story()
  deliver(s, 200, 2)
  hits(s, 52, 'new')
  return s
}

function release(s: Story, action: 'apply' | 'discard', at: number): void {
  const rows = [...s.world.suppressions.values()]
  s.apply(
    decideMassBounceReview(
      { world: s.world, site: 'example.com', action, rows },
      { actor: 'op', settings: s.settings, moment: s.moment(at) },
    ),
  )
}

test('an operator applies what is held: it runs from the hit', () => {
  const s = held()
  release(s, 'apply', start + DAY)
  expect(pending(s)).toBe(0)
  expect(s.entry('bounce', 'new51@example.com')).toMatchObject({ n: 1, removedAt: null, until: start + 51_000 + 30 * DAY })
  expect(s.row(s.send(start + 2 * DAY, { to: 'new51@example.com' })).subStatus).toBe(401)
  expect(s.world.sites.get('example.com')?.held).toBe(false)
})

test('an operator discards what is held: the hit does not count', () => {
  const s = held()
  release(s, 'discard', start + DAY)
  expect(s.entry('bounce', 'new51@example.com')).toMatchObject({ n: 0, removedAt: start + DAY, pending: false })
  s.bounce(s.send(start + 3 * DAY, { to: 'new51@example.com' }), start + 3 * DAY, verdict('not-exist'))
  expect(s.entry('bounce', 'new51@example.com')).toMatchObject({ n: 1, removedAt: null, pending: false })
})

test('what a person judged is not held again at once', () => {
  const s = held()
  release(s, 'apply', start + MINUTE)
  hits(s, 40, 'more', start + 2 * MINUTE)
  expect(pending(s)).toBe(0)
})

test('a later delivery discards its own, a mail that bounced itself does not', () => {
  const s = held()
  s.attempt(s.send(start + MINUTE * 5, { to: 'new51@example.com' }), start + MINUTE * 6, { code: 250, n: 1, site: 'example.com' })
  expect(s.entry('bounce', 'new51@example.com')).toMatchObject({ pending: false, n: 0 })
  const bounced = [...s.world.deliveries.values()].find((row) => row.recipient === 'new50@example.com')?.deliveryId ?? ''
  s.attempt(bounced, start + MINUTE * 6, { code: 250, n: 1, site: 'example.com' })
  expect(s.entry('bounce', 'new50@example.com')).toMatchObject({ pending: true })
})
