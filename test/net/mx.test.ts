/** mx.test - the MX hosts of a domain for every kind of DNS answer; order, caching and the name of a set. */
import { expect, test, vi } from 'vitest'
import fc from 'fast-check'
import { loadRules } from '../../src/config/rule-files.ts'
import type { DnsLookup } from '../../src/net/dns.ts'
import { createMxResolver, destinationOf, orderHosts } from '../../src/net/mx.ts'
import { createZoneLookUp } from '../support/zone.ts'

const found = (hosts: readonly string[], implicit = false): unknown => ({
  kind: 'hosts',
  hosts: hosts.map((host) => ({ name: host.split(' ')[1], preference: Number(host.split(' ')[0]) })),
  implicit,
  set: hosts.map((host) => host.split(' ')[1]).join(','),
})
const none = (why: string): unknown => ({ kind: 'none', why })

const zone = {
  'MX example.com': [
    ['mx2.example.com', '20'],
    ['mx1.example.com', '10'],
  ],
  'MX case.example': [['MX1.Example.COM.', '10']],
  'MX null.example': [['', '0']],
  'MX nullmixed.example': [
    ['', '0'],
    ['mx1.example.com', '10'],
  ],
  'MX literal.example': [['192.0.2.1', '10']],
  'MX xn--mller-kva.example': [['mx1.example.com', '10']],
  'A implicit.example': ['192.0.2.7'],
  'AAAA six.example': ['2001:db8::7'],
  'CNAME alias.example': ['example.com'],
  'CNAME aliasofa.example': ['implicit.example'],
  'CNAME loop1.example': ['loop2.example'],
  'CNAME loop2.example': ['loop1.example'],
  'MX servfail.example': 'ESERVFAIL',
  'A halffail.example': 'ETIMEOUT',
  'CNAME cnamefail.example': 'ETIMEOUT',
  'TXT empty.example': [['v=spf1 -all']],
} as const

test.each([
  // domain                 result
  ['example.com', found(['10 mx1.example.com', '20 mx2.example.com'])],
  ['EXAMPLE.com.', found(['10 mx1.example.com', '20 mx2.example.com'])],
  ['case.example', found(['10 mx1.example.com'])],
  ['müller.example', found(['10 mx1.example.com'])],
  ['xn--mller-kva.example', found(['10 mx1.example.com'])],
  ['null.example', none('null-mx')],
  ['nullmixed.example', found(['10 mx1.example.com'])],
  ['literal.example', none('no-host')],
  ['implicit.example', found(['0 implicit.example'], true)],
  ['six.example', found(['0 six.example'], true)],
  ['alias.example', found(['10 mx1.example.com', '20 mx2.example.com'])],
  ['aliasofa.example', found(['0 implicit.example'], true)],
  ['loop1.example', { kind: 'failed', text: 'loop1.example is an alias with a chain of more than 8 names' }],
  ['empty.example', none('no-host')],
  ['nowhere.example', none('no-domain')],
  ['servfail.example', { kind: 'failed', text: 'DNS MX servfail.example: ESERVFAIL' }],
  ['halffail.example', { kind: 'failed', text: 'DNS A halffail.example: ETIMEOUT' }],
  ['cnamefail.example', { kind: 'failed', text: 'DNS CNAME cnamefail.example: ETIMEOUT' }],
  ['[192.0.2.1]', none('bad-name')],
  ['192.0.2.1', none('bad-name')],
  ['', none('bad-name')],
  ['a b.example', none('bad-name')],
  [`${'a'.repeat(64)}.example`, none('bad-name')],
])('find %j', async (domain, want) => {
  expect(await createMxResolver({ lookUp: createZoneLookUp(zone) }).find(domain)).toEqual(want)
})

test('answers are cached, "none" for less, failures for seconds; concurrent callers share a query', async () => {
  let now = 1
  const lookUp = vi.fn<DnsLookup>(createZoneLookUp(zone))
  const mx = createMxResolver({ lookUp, now: () => now })
  const countQueries = async (domain: string): Promise<number> => {
    lookUp.mockClear()
    await Promise.all([mx.find(domain), mx.find(domain)])
    return lookUp.mock.calls.filter(([, type]) => type === 'MX').length
  }
  const rows = [
    ['example.com', 299_000, 301_000],
    ['null.example', 59_000, 61_000],
    ['servfail.example', 4_000, 6_000],
  ] as const
  for (const [domain, freshMs, expiredMs] of rows) {
    const begin = now
    expect(await countQueries(domain)).toBe(1)
    now = begin + freshMs
    expect(await countQueries(domain)).toBe(0)
    now = begin + expiredMs
    expect(await countQueries(domain)).toBe(1)
  }
})

test('addresses: one family, both, none, failures', async () => {
  const mx = createMxResolver({
    lookUp: createZoneLookUp({
      'A both.example': ['192.0.2.1'],
      'AAAA both.example': ['2001:db8::1'],
      'A four.example': ['192.0.2.1', 'nonsense'],
      'A fails.example': 'ESERVFAIL',
    }),
  })
  expect(await mx.addressesOf('both.example', null)).toEqual({ kind: 'addresses', addresses: ['2001:db8::1', '192.0.2.1'] })
  expect(await mx.addressesOf('both.example', 4)).toEqual({ kind: 'addresses', addresses: ['192.0.2.1'] })
  expect(await mx.addressesOf('four.example', null)).toEqual({ kind: 'addresses', addresses: ['192.0.2.1'] })
  expect((await mx.addressesOf('four.example', 6)).kind).toBe('none')
  expect((await mx.addressesOf('fails.example', null)).kind).toBe('failed')
  expect((await mx.addressesOf('nowhere.example', null)).kind).toBe('none')
})

test('hosts are ordered by preference and shuffled within one; each of equal hosts can come first', () => {
  const preferences = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 8 })
  fc.assert(
    fc.property(
      preferences,
      fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 8, maxLength: 8 }),
      (chosen, randoms) => {
        const hosts = chosen.map((preference, n) => ({ name: `mx${n}.example`, preference }))
        let n = 0
        const ordered = orderHosts(hosts, () => randoms[n++ % randoms.length] ?? 0)
        expect(ordered.map((each) => each.preference)).toEqual(chosen.toSorted((a, b) => a - b))
        expect(new Set(ordered)).toEqual(new Set(hosts))
      },
    ),
  )
  const equals = [0, 1, 2].map((n) => ({ name: `mx${n}.example`, preference: 10 }))
  const firsts = new Set([0.1, 0.5, 0.9].flatMap((low) => [0, 1, 2].map((n) => orderHosts(equals, randomWith(low, n))[0]?.name)))
  expect(firsts.size).toBe(3)
})

function randomWith(low: number, first: number): () => number {
  let n = 0
  return () => (n++ === first ? 0 : low)
}

test('the name of the set does not depend on the order of the answer', async () => {
  const records = [
    ['b.example', '10'],
    ['a.example', '10'],
    ['c.example', '5'],
  ]
  for (const order of [records, records.toReversed()]) {
    const mx = createMxResolver({ lookUp: createZoneLookUp({ 'MX example.com': order }) })
    expect(await mx.find('example.com')).toMatchObject({ set: 'a.example,b.example,c.example' })
  }
})

test('domains with the same unlisted hosts are one site; a domain without MX records, or without an answer, is its own', async () => {
  const table = loadRules()
  const { find } = createMxResolver({ lookUp: createZoneLookUp(zone) })
  const siteOf = async (domain: string): Promise<unknown> => destinationOf(table, domain, await find(domain))
  const shared = { site: 'mx1.example.com', gateway: true, mxSet: 'mx1.example.com' }
  expect(await siteOf('case.example')).toEqual(shared)
  expect(await siteOf('müller.example')).toEqual(shared)
  expect(await siteOf('example.com')).toEqual({ site: '(mx1,mx2).example.com', gateway: true, mxSet: 'mx1.example.com,mx2.example.com' })
  expect(await siteOf('implicit.example')).toEqual({ site: 'implicit.example', gateway: false, mxSet: 'implicit.example' })
  expect(await siteOf('servfail.example')).toEqual({ site: 'servfail.example', gateway: false, mxSet: '' })
})
