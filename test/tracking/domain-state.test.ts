/**
 * domain-state.test - when a tracking domain is verified, when it breaks, and whose it is
 */
import { describe, expect, test } from 'vitest'
import { cnameProblemOf, isDomainInUse, nextDomainState, type CnameChain } from '../../src/tracking/domain-state.ts'

const MINUTE = 60_000
const DAY = 86_400_000
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

  test.each([NONE, FAILED])('one check that fails is not a break; ten minutes of them are: $kind', (chain) => {
    const doubtful = check(check(null, GOOD, 1), chain, 2)
    expect(doubtful).toMatchObject({ verifiedAt: 1, failingSince: 2, problem: expect.stringContaining('go.shop.example') })
    expect(check(doubtful, chain, 3)).toMatchObject({ failingSince: 2 })
    expect([3, 2 + 10 * MINUTE - 1, 2 + 10 * MINUTE].map((at) => isDomainInUse(doubtful, at))).toEqual([true, true, false])
    expect(check(doubtful, GOOD, 4)).toEqual({ verifiedAt: 1, failingSince: null, problem: null })
    expect(isDomainInUse(check(null, chain, 1), 1)).toBe(false)
  })

  test('an account keeps a domain that has broken for 30 days', () => {
    const broken = check(check(null, GOOD, 1), NONE, 2)
    expect(check(broken, NONE, 2 + 30 * DAY - 1)).toMatchObject({ verifiedAt: 1 })
    expect(check(broken, NONE, 2 + 30 * DAY)).toMatchObject({ verifiedAt: null, failingSince: 2 })
  })

  test('a domain that serves another account is not verified', () => {
    expect(check(null, GOOD, 1, true)).toMatchObject({
      verifiedAt: null,
      failingSince: 1,
      problem: expect.stringContaining('another account'),
    })
  })
})
