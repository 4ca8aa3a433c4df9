/** suppression.test - ladders, new hits, repeated failures, and refusals by lists */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashDomain, normaliseAddress } from '../../../src/correlate/address-hash.ts'
import { decideBulkRemoval, decideListChange } from '../../../src/ledger/decide/operator-action.ts'
import type { ListName } from '../../../src/ledger/facts/list-facts.ts'
import { suppressionMsOf, SUPPRESSION_LADDERS } from '../../../src/ledger/suppress/suppression-ladder.ts'
import { DAY, HOUR, MINUTE, story, type Story, T0, TO, verdict } from '../given.ts'

const rungs = [
  // ladder      domains    n   duration
  ['engagelab', 'tencent', 1, DAY],
  ['engagelab', 'tencent', 2, 2 * DAY],
  ['engagelab', 'tencent', 5, 16 * DAY],
  ['engagelab', 'tencent', 6, 30 * DAY],
  ['engagelab', 'tencent', 400, 30 * DAY],
  ['engagelab', 'others', 1, 30 * DAY],
  ['engagelab', 'others', 2, 60 * DAY],
  ['engagelab', 'others', 3, 180 * DAY],
  ['engagelab', 'others', 9, 180 * DAY],
  ['sendcloud', 'tencent', 3, 4 * DAY],
  ['sendcloud', 'others', 1, HOUR],
  ['sendcloud', 'others', 2, 4 * HOUR],
  ['sendcloud', 'others', 3, 8 * HOUR],
  ['sendcloud', 'others', 4, DAY],
  ['sendcloud', 'others', 5, 2 * DAY],
  ['sendcloud', 'others', 11, 128 * DAY],
  ['sendcloud', 'others', 12, 180 * DAY],
  ['sendcloud', 'others', 99, 180 * DAY],
] as const

test.each(rungs)('%s, %s, hit %i', (ladder, domains, n, duration) => {
  expect(suppressionMsOf(SUPPRESSION_LADDERS[ladder][domains], n)).toBe(duration)
})

test('durations of a ladder never decrease and never exceed its cap', () => {
  const ladders = Object.values(SUPPRESSION_LADDERS).flatMap(({ tencent, others }) => [tencent, others])
  fc.assert(
    fc.property(fc.constantFrom(...ladders), fc.integer({ min: 1, max: 1_000 }), (ladder, n) => {
      expect(suppressionMsOf(ladder, n)).toBeLessThanOrEqual(suppressionMsOf(ladder, n + 1))
      expect(suppressionMsOf(ladder, n + 1)).toBeLessThanOrEqual(ladder.capMs)
    }),
  )
})

const hit = (s: Story, at: number, to = TO): void => {
  s.bounce(s.send(at, { to }), at + 1, verdict('not-exist'))
}

test('three mails in one minute are one hit', () => {
  const s = story()
  const ids = [0, 20_000, 40_000].map((later) => s.send(T0 + later))
  for (const id of ids) s.bounce(id, T0 + MINUTE, verdict('not-exist'))
  expect(s.entry('bounce', TO)).toMatchObject({ n: 1, change: 1, from: T0 + MINUTE, until: T0 + MINUTE + 30 * DAY })
  expect(ids.map((id) => s.row(id).status)).toEqual([4, 4, 4])
})

test('n rises only for mail that was accepted after the entry had ended or was removed', () => {
  const s = story()
  hit(s, T0)
  hit(s, T0 + 31 * DAY)
  expect(s.entry('bounce', TO)).toMatchObject({ n: 2, until: T0 + 31 * DAY + 1 + 60 * DAY })
  const waiting = s.send(T0 + 40 * DAY, { to: 'ann@example.com' })
  expect(s.row(waiting).status).toBe(18)
  remove(s, T0 + 41 * DAY)
  hit(s, T0 + 42 * DAY)
  expect(s.entry('bounce', TO)).toMatchObject({ n: 3, until: T0 + 42 * DAY + 1 + 180 * DAY })
})

test('a late report about a mail that was accepted before the entry ended is not a new hit', () => {
  const s = story({ ladder: 'sendcloud' })
  const [first, second] = [s.send(T0), s.send(T0 + MINUTE)]
  s.bounce(first, T0 + 2 * MINUTE, verdict('not-exist'))
  s.bounce(second, T0 + 5 * HOUR, verdict('not-exist'))
  expect(s.entry('bounce', TO)).toMatchObject({ n: 1, change: 1 })
})

const engagements = [
  // delivered days before the next hit, async bounce of it after days    n then
  [20, null, 1],
  [8, null, 1],
  [6, null, 2],
  [20, 3, 2],
  [20, 8, 1],
] as const

test.each(engagements)('a delivery %i days before the next hit, bounced after %s days: n = %i', (days, bounced, n) => {
  const s = story()
  hit(s, T0)
  const next = T0 + 60 * DAY
  const id = s.send(next - days * DAY)
  s.attempt(id, next - days * DAY, { code: 250, n: 1 })
  if (bounced !== null) s.bounce(id, next - (days - bounced) * DAY, verdict('mailbox-full', 'temporary'))
  hit(s, next)
  expect(s.entry('bounce', TO)?.n).toBe(n)
})

const tencent = [
  ['joe@qq.com', {}, DAY],
  ['joe@vip.qq.com', {}, DAY],
  ['joe@foxmail.com', {}, DAY],
  ['joe@company.example', { site: 'tencent' }, DAY],
  ['joe@company.example', {}, 30 * DAY],
  ['joe@notqq.com', {}, 30 * DAY],
] as const

test.each(tencent)('%s %j: entry of %i ms', (to, over, duration) => {
  const s = story()
  s.bounce(s.send(T0, { to, ...over }), T0, verdict('not-exist'))
  expect((s.entry('bounce', to)?.until ?? 0) - T0).toBe(duration)
})

test('a domain whose MX is under qq.com uses the Tencent ladder', () => {
  const s = story()
  const to = 'joe@company.example'
  s.attempt(s.send(T0, { to }), T0, { code: 550, n: 1, mx: 'mxbiz1.qq.com' }, verdict('not-exist'))
  expect(s.entry('bounce', to)?.until).toBe(T0 + DAY)
})

const repeats = [
  // reason             permanence    days of the failures              listed
  ['mailbox-disabled', 'permanent', [0, 7, 14], true],
  ['mailbox-disabled', 'permanent', [0, 7, 13], false],
  ['mailbox-disabled', 'permanent', [0, 14], false],
  ['domain-not-exist', 'permanent', [0, 1, 20], true],
  ['mailbox-full', 'temporary', [0, 4, 8, 12, 16], true],
  ['mailbox-full', 'temporary', [0, 8, 16, 20], false],
  ['spam', 'permanent', [0, 4, 8, 12, 16, 20], false],
  ['policy', 'permanent', [0, 4, 8, 12, 16, 20], false],
] as const

test.each(repeats)('%s %s on days %j: listed %s', (reason, permanence, days, listed) => {
  const s = story()
  for (const day of days) s.bounce(s.send(T0 + day * DAY), T0 + day * DAY, verdict(reason, permanence))
  const last = T0 + (days.at(-1) ?? 0) * DAY
  const { reason: listedReason, n, until } = s.entry('bounce', TO) ?? { reason: null, n: null, until: null }
  expect([listedReason, n, until]).toEqual(listed ? [reason, 0, last + 30 * DAY] : [null, null, null])
})

test('a delivery in between ends the series; the setting switches it off; weak failures do not count', () => {
  const alive = story()
  for (const day of [0, 7]) alive.bounce(alive.send(T0 + day * DAY), T0 + day * DAY, verdict('mailbox-disabled'))
  alive.attempt(alive.send(T0 + 8 * DAY), T0 + 8 * DAY, { code: 250, n: 1 })
  alive.bounce(alive.send(T0 + 14 * DAY), T0 + 14 * DAY, verdict('mailbox-disabled'))
  const off = story({ repeatLadder: false })
  const weak = story()
  for (const day of [0, 7, 14]) {
    off.bounce(off.send(T0 + day * DAY), T0 + day * DAY, verdict('mailbox-disabled'))
    weak.bounce(weak.send(T0 + day * DAY), T0 + day * DAY, verdict('mailbox-disabled', 'permanent', { weak: true }))
  }
  expect([alive, off, weak].map((s) => s.entry('bounce', TO))).toEqual([null, null, null])
})

const operatorAt = (s: Story, at: number) => ({ actor: 'op', settings: s.settings, moment: s.moment(at) })

function remove(s: Story, at: number, list: ListName = 'bounce', to = TO): void {
  const key = { account: 1, list, addressHash: normaliseAddress(to)?.hash ?? '', scope: '' }
  s.apply(decideListChange({ ledger: s.ledger, key, change: { action: 'remove' } }, operatorAt(s, at)))
}

function add(
  s: Story,
  at: number,
  list: ListName,
  over: { account?: number; hash?: string; scope?: string; until?: number | null } = {},
): number {
  const key = { account: over.account ?? 1, list, addressHash: over.hash ?? normaliseAddress(TO)?.hash ?? '', scope: over.scope ?? '' }
  const state = { address: TO, domain: 'example.com', reason: 'upload', until: over.until ?? null }
  return s.apply(decideListChange({ ledger: s.ledger, key, change: { action: 'add', state } }, operatorAt(s, at))).length
}

const refusals = [
  // lists with an entry                                sub status, text
  [['complaint'], 401, 'Blacklist:complaint (worker:address in complaint list)'],
  [['block'], 401, 'Blacklist: Block:(worker:address in block list)'],
  [['bounce'], 401, 'Blacklist: Bounce(worker:address in bounce list)'],
  [['unsubscribe'], 402, 'unsubscribe'],
  [['bounce', 'allow'], null, ''],
  [['bounce', 'allow', 'block'], 401, 'Blacklist: Block:(worker:address in block list)'],
  [['complaint', 'allow'], 401, 'Blacklist:complaint (worker:address in complaint list)'],
  [['unsubscribe', 'allow'], 402, 'unsubscribe'],
  [[], null, ''],
] as const

test.each(refusals)('on lists %j: %s', (lists, subStatus, text) => {
  const s = story()
  for (const list of lists) add(s, T0, list)
  expect(s.row(s.send(T0 + 1))).toMatchObject({ subStatus, sendLog: text, status: subStatus === null ? 18 : 4 })
})

test('block and allow entries cover a domain, an API user, or all; a block ends as set', () => {
  const domain = story()
  add(domain, T0, 'block', { hash: hashDomain('example.com'), until: T0 + DAY })
  expect([1, 2 * DAY].map((later) => domain.row(domain.send(T0 + later)).status)).toEqual([4, 18])
  const all = story()
  add(all, T0, 'bounce')
  add(all, T0, 'allow', { account: 0, hash: hashDomain('example.com') })
  expect(all.row(all.send(T0 + 1)).status).toBe(18)
  const one = story()
  add(one, T0, 'bounce')
  add(one, T0, 'allow', { scope: 'api' })
  expect([one.row(one.send(T0 + 1)).status, one.row(one.send(T0 + 1, { apiUser: 'other' })).status]).toEqual([18, 4])
  // A label with the name of an API user is not that user.
  expect(one.row(one.send(T0 + 1, { apiUser: 'other', label: 'api' })).status).toBe(4)
})

test('adding twice and removing twice changes nothing', () => {
  const s = story()
  expect([add(s, T0, 'block'), add(s, T0 + 1, 'block'), add(s, T0 + 2, 'block', { until: T0 + DAY })]).toEqual([1, 0, 1])
  remove(s, T0 + 3, 'block')
  const { change } = s.entry('block', TO) ?? { change: 0 }
  remove(s, T0 + 4, 'block')
  expect(s.entry('block', TO)).toMatchObject({ change, removedAt: T0 + 3 })
})

test('only replies that our queue heard feed the shared list, and it applies to accounts that share it', () => {
  const s = story({ sharedList: true })
  hit(s, T0)
  expect(s.entry('bounce', TO, { account: 0 })).toBeNull()
  s.attempt(s.send(T0, { to: 'ann@example.com' }), T0, { code: 550, n: 1, source: 'api' }, verdict('not-exist'))
  expect(s.entry('bounce', 'ann@example.com', { account: 0 })).toBeNull()
  s.attempt(s.send(T0, { to: 'bob@example.com' }), T0, { code: 550, n: 1, source: 'queue' }, verdict('not-exist'))
  expect(s.entry('bounce', 'bob@example.com', { account: 0 })).toMatchObject({ n: 1, address: null, deliveryId: null })
  s.bounce(s.send(T0, { to: 'eve@example.com' }), T0, verdict('not-exist'), {}, { proof: 'signed' })
  expect(s.entry('bounce', 'eve@example.com', { account: 0 })).toBeNull()
  expect(s.row(s.send(T0 + 1, { to: 'bob@example.com', account: 2 }))).toMatchObject({ status: 4, subStatus: 401 })
  s.settings = { ...s.settings, sharedList: false }
  expect(s.row(s.send(T0 + 1, { to: 'bob@example.com', account: 3 })).status).toBe(18)
})

test('a bulk removal selects by site, rule and time, and its hits do not count', () => {
  const s = story()
  hit(s, T0)
  hit(s, T0 + HOUR, 'ann@example.com')
  hit(s, T0 + HOUR, 'bob@example.net')
  const rows = [...s.ledger.suppressions.values()]
  const filter = { site: 'example.com', rule: 'test-not-exist', since: T0 + MINUTE, until: T0 + 2 * HOUR }
  const facts = s.apply(decideBulkRemoval({ rows, filter, account: 1 }, operatorAt(s, T0 + 3 * HOUR)))
  expect(facts.map((fact) => fact.kind)).toEqual(['list', 'audit'])
  expect([TO, 'ann@example.com', 'bob@example.net'].map((to) => s.entry('bounce', to)?.removedAt)).toEqual([null, T0 + 3 * HOUR, null])
  hit(s, T0 + DAY, 'ann@example.com')
  expect(s.entry('bounce', 'ann@example.com')).toMatchObject({ n: 1, removedAt: null })
  expect(decideBulkRemoval({ rows: [], filter, account: 1 }, operatorAt(s, T0 + 4 * HOUR))).toEqual([])
})

test('every entry of the bounce list ends, whatever happened before', () => {
  const step = fc.record({
    wait: fc.integer({ min: 1, max: 90 }),
    what: fc.constantFrom('hit' as const, 'deliver' as const, 'remove' as const, 'full' as const),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), fc.constantFrom('engagelab' as const, 'sendcloud' as const), (steps, ladder) => {
      const s = story({ ladder })
      let now = T0
      for (const { wait, what } of steps) {
        now += wait * DAY
        if (what === 'remove') remove(s, now)
        else if (what === 'deliver') s.attempt(s.send(now), now, { code: 250, n: 1 })
        else s.bounce(s.send(now), now, what === 'hit' ? verdict('not-exist') : verdict('mailbox-full', 'temporary'))
      }
      const entry = s.entry('bounce', TO)
      expect(entry === null || (entry.until !== null && entry.until - entry.from <= 180 * DAY)).toBe(true)
      expect(s.row(s.send(now + 181 * DAY)).status).toBe(18)
    }),
    { numRuns: 200 },
  )
})
