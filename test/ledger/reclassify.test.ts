/** reclassify.test - second thoughts: what they move, what they undo; and erasure, which rewrites */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { knowAddress } from '../../src/correlate/address.ts'
import { decideReclassify, isJudged, type Judged } from '../../src/ledger/decidereclassify.ts'
import { decideErasure, eraseDelivery, eraseEntry, eraseFact, eraseInbox } from '../../src/ledger/erase.ts'
import type { Fact } from '../../src/ledger/fact.ts'
import { applyFacts } from '../../src/ledger/fold.ts'
import { emptyWorld } from '../../src/ledger/world.ts'
import { COMPLAINT, DAY, GROUP, HOUR, story, type Story, T0, TO, verdict } from './given.ts'

function again(s: Story, id: string, at: number, said: ReturnType<typeof verdict>): readonly Fact[] {
  const line = s.facts.filter((fact): fact is Judged => isJudged(fact) && fact.deliveryId === id)
  const gone = new Set(s.facts.flatMap((fact) => (fact.kind === 'reclassified' ? [fact.data.supersedes] : [])))
  const old = line.find((fact) => !gone.has(fact.id))
  const input = { world: s.world, delivery: s.row(id), verdict: said, actor: 'op', settings: s.settings, moment: s.moment(at) }
  return old === undefined ? [] : s.apply(decideReclassify({ ...input, old }))
}

test('a better rule moves the status and takes the entry off', () => {
  const s = story()
  const id = s.send(T0)
  s.bounce(id, T0 + HOUR, verdict('not-exist'))
  expect(again(s, id, T0 + DAY, verdict('not-exist'))).toEqual([])
  const facts = again(s, id, T0 + DAY, verdict('mailbox-full', 'temporary', { table: 't2' }))
  expect(facts.map((fact) => fact.kind)).toEqual(['reclassified', 'list'])
  expect(s.row(id)).toMatchObject({ status: 5, subStatus: 508, statusAt: T0 + HOUR, reclassified: true })
  expect(s.entry('bounce', TO)).toMatchObject({ removedAt: T0 + DAY, n: 0 })
})

test('and back: the last of the line counts, the list is fed again', () => {
  const s = story()
  const id = s.send(T0)
  s.bounce(id, T0 + HOUR, verdict('other', 'temporary'))
  again(s, id, T0 + DAY, verdict('not-exist', 'permanent', { table: 't2' }))
  expect(s.row(id)).toMatchObject({ status: 4, subStatus: 406 })
  expect(s.entry('bounce', TO)).toMatchObject({ n: 1, removedAt: null })
  again(s, id, T0 + 2 * DAY, verdict('policy', 'permanent', { table: 't3' }))
  expect(s.row(id)).toMatchObject({ status: 4, subStatus: 408 })
  expect(s.entry('bounce', TO)?.removedAt).toBe(T0 + 2 * DAY)
})

test('erasure leaves hashes, decisions and protection', () => {
  const s = story()
  const id = s.send(T0)
  s.bounce(id, T0 + HOUR, verdict('not-exist'), { text: `no such user ${TO.toUpperCase()}, nor big${TO}` })
  const facts = s.facts.map((fact) => eraseFact(fact, TO))
  expect(JSON.stringify(facts).toLowerCase().replaceAll(`big${TO}`, '')).not.toContain(TO)
  expect(JSON.stringify(facts)).toContain(`big${TO}`)
  const world = emptyWorld()
  applyFacts(world, facts)
  expect(world.deliveries.get(id)).toEqual(eraseDelivery(s.row(id), TO))
  expect([...world.suppressions.values()]).toEqual([...s.world.suppressions.values()].map(eraseEntry))
  expect(world.suppressions.size).toBe(1)
  const hash = knowAddress(TO)?.hash ?? ''
  const fact = decideErasure({ account: 1, addressHash: hash, actor: 'op', deliveries: 1, entries: 1 }, s.moment(T0 + DAY))
  expect(fact).toMatchObject({ subject: `address:${hash}`, deliveryMonth: 0 })
})

test('an inbox mail loses the address too', () => {
  const s = story()
  const id = s.send(T0)
  s.bounce(id, T0, verdict('not-exist'), { text: `about ${TO}` }, { problem: 'unverified', proof: null })
  const [row] = [...s.world.inbox.values()]
  expect(row === undefined ? '' : JSON.stringify(eraseInbox(row, TO))).not.toContain(TO)
})

test('a whole story, told twice or shuffled, adds up to the same', () => {
  const step = fc.record({
    wait: fc.integer({ min: 1, max: 40 * 24 }),
    to: fc.constantFrom('joe@example.com', 'ann@example.com', 'bob@qq.com'),
    what: fc.constantFrom('deliver', 'unknown', 'full', 'refuse', 'complain', 'forgive', 'leave', 'delay', 'stray') as fc.Arbitrary<
      keyof typeof deeds
    >,
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.nat(), (steps, seed) => {
      const s = story()
      let now = T0
      for (const { wait, to, what } of steps) {
        now += wait * HOUR
        const id = s.send(now, { to })
        deeds[what](s, id, now + HOUR)
        // The same report in another wrapping (another digest) adds nothing but an inbox row or a filed copy.
        const before = s.facts.length
        deeds[what](s, id, now + HOUR + 1)
        expect(s.facts.slice(before).every((fact) => fact.kind === 'inbox')).toBe(true)
      }
      const shuffled = s.facts.toSorted((a, b) => rank(a.id, seed) - rank(b.id, seed))
      const world = emptyWorld({ keepsFacts: true })
      applyFacts(world, shuffled)
      const rows = (map: ReadonlyMap<string, unknown>): unknown => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1))
      expect(rows(world.deliveries)).toEqual(rows(s.world.deliveries))
      expect(rows(world.suppressions)).toEqual(rows(s.world.suppressions))
      expect(rows(world.dirty.counters)).toEqual(rows(s.world.dirty.counters))
      // Only what was sent to us stands on a list, with the address that we sent to.
      expect(
        [...world.suppressions.values()].every(
          (row) => row.address === 'joe@example.com' || row.address === 'ann@example.com' || row.address === 'bob@qq.com',
        ),
      ).toBe(true)
    }),
    { numRuns: 200 },
  )
})

const rank = (id: string, seed: number): number => (Number(id.slice(-12)) * 7_919 + seed) % 1_009

const deeds = {
  deliver: (s: Story, id: string, at: number) => s.attempt(id, at, { code: 250, n: 1 }),
  unknown: (s: Story, id: string, at: number) => s.bounce(id, at, verdict('not-exist')),
  full: (s: Story, id: string, at: number) => s.bounce(id, at, verdict('mailbox-full', 'temporary')),
  refuse: (s: Story, id: string, at: number) => s.attempt(id, at, { code: 550, n: 1 }, verdict('not-exist')),
  complain: (s: Story, id: string, at: number) => s.report(id, at, { kind: 'complaint', complaint: COMPLAINT }),
  forgive: (s: Story, id: string, at: number) => s.report(id, at, { kind: 'not-spam' }),
  leave: (s: Story, id: string, at: number) => s.report(id, at, { kind: 'unsubscribe' }),
  delay: (s: Story, id: string, at: number) => s.report(id, at, { kind: 'delay', recipients: [{ ...GROUP, action: 'delayed' }] }),
  stray: (s: Story, id: string, at: number) => s.bounce(id, at, verdict('not-exist'), {}, { problem: 'unverified', proof: null }),
} as const
