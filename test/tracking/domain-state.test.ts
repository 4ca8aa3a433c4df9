/**
 * domain-state.test - when a tracking domain is verified, when it breaks, and whose it is
 */
import { describe, expect, test } from 'vitest'
import { cnameProblemOf, nextDomainState, type CnameChain } from '../../src/tracking/domain-state.ts'

const TARGET = 't.example.com'
const GOOD: CnameChain = { kind: 'found', names: [TARGET] }
const NONE: CnameChain = { kind: 'none' }
const FAILED: CnameChain = { kind: 'failed', text: 'ETIMEOUT' }

test.each([
  ['an alias', GOOD, /^verified$/],
  ['an alias of an alias', { kind: 'found', names: ['cdn.example.net', TARGET] }, /^verified$/],
  [
    'an alias of a host below',
    { kind: 'found', names: [`x.${TARGET}`] },
    /is an alias of x\.t\.example\.com: publish "go\.shop\.example\. CNAME/,
  ],
  ['no alias', NONE, /has no CNAME: publish "go\.shop\.example\. CNAME t\.example\.com\."/],
  ['no answer', FAILED, /no answer.*ETIMEOUT/],
] as const)('%s', (_title, chain, want) => {
  expect(cnameProblemOf('go.shop.example', chain, TARGET) ?? 'verified').toMatch(want)
})

describe('a domain over time', () => {
  const check = (before: ReturnType<typeof nextDomainState> | null, chain: CnameChain, now: number, isTaken = false) =>
    nextDomainState({ domain: 'go.shop.example', before, chain, target: TARGET, isTaken, now })

  test('is verified with the first good chain, and remembers since when', () => {
    const first = check(null, GOOD, 1)
    expect([first, check(first, GOOD, 2)]).toEqual([first, { verifiedAt: 1, failingSince: null, problem: null }])
  })

  test('breaks with the first chain that says so, and remembers since when', () => {
    const broken = check(check(null, GOOD, 1), NONE, 2)
    expect(broken).toMatchObject({ verifiedAt: null, failingSince: 2, problem: expect.stringContaining('CNAME') })
    expect(check(broken, NONE, 3)).toMatchObject({ failingSince: 2 })
    expect(check(broken, GOOD, 4)).toEqual({ verifiedAt: 4, failingSince: null, problem: null })
  })

  test('a resolver that fails changes nothing', () => {
    const good = check(null, GOOD, 1)
    expect(check(good, FAILED, 2)).toEqual(good)
    expect(check(null, FAILED, 1)).toMatchObject({ verifiedAt: null, failingSince: 1 })
  })

  test('a domain that serves another account is not verified', () => {
    expect(check(null, GOOD, 1, true)).toMatchObject({
      verifiedAt: null,
      failingSince: 1,
      problem: expect.stringContaining('another account'),
    })
  })
})
