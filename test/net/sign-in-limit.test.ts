/**
 * sign-in-limit.test - guesses are limited by client and name, and lock out nobody else
 */
import { describe, expect, test } from 'vitest'
import { clientBlockOf, networksOf } from '../../src/net/peer-network.ts'
import { createFixedWindowLimit } from '../../src/net/rate-limit.ts'
import { createSignInLimit, type SignInLimit } from '../../src/net/sign-in-limit.ts'

const blocks = [
  // address                  client                     network                    allocation
  ['192.0.2.7', '192.0.2.7', '192.0.2.0/24', null],
  ['::ffff:192.0.2.7', '192.0.2.7', '192.0.2.0/24', null],
  ['2001:DB8:1:2:3:4:5:6', '2001:db8:1:2::/64', '2001:db8:1:2::/64', '2001:db8:1::/48'],
  ['2001:0db8:0001::6', '2001:db8:1:0::/64', '2001:db8:1:0::/64', '2001:db8:1::/48'],
  ['2001:db8::1', '2001:db8:0:0::/64', '2001:db8:0:0::/64', '2001:db8:0::/48'],
  ['::1', '0:0:0:0::/64', '0:0:0:0::/64', '0:0:0::/48'],
] as const
test.each(blocks)('the networks of %s', (address, client, network, allocation) => {
  expect(clientBlockOf(address)).toBe(client)
  expect(networksOf(address)).toEqual({ network, allocation })
})

describe('a limit for each key', () => {
  test('more keys than it holds reset the oldest count and never use up the limit of a new key', () => {
    const limit = createFixedWindowLimit(2, 10)
    limit.consume('victim', 0)
    limit.consume('victim', 0)
    expect(limit.isExhausted('victim', 0)).toBe(true)
    for (let n = 0; n < 1_000; n++) limit.consume(`invented-${n}`, 0)
    expect([limit.consume('victim', 0), limit.consume('somebody', 0), limit.consume('somebody', 0)]).toEqual([true, true, true])
  })

  test('counts start again with each minute', () => {
    const limit = createFixedWindowLimit(1)
    expect([0, 1, 59_999, 60_000].map((now) => limit.consume('key', now))).toEqual([true, false, false, true])
  })
})

const GUESSER = '192.0.2.66'

/** One client guesses with made-up names until the limit refuses all of them. */
function guessWithInventedNames(limit: SignInLimit, count: number): void {
  for (let n = 0; n < count; n++) {
    const attempt = { address: GUESSER, name: `invented-${n}` }
    if (limit.refusalOf(attempt, 0) === null) limit.countFailure(attempt, 0)
  }
}

describe('failed sign-ins', () => {
  const create = (): SignInLimit => createSignInLimit({ failedSignInsPerName: 3, failedSignInsPerClient: 10 })

  test('100,000 made-up names lock out their own client, and no user elsewhere', () => {
    const limit = create()
    guessWithInventedNames(limit, 100_000)
    expect(limit.refusalOf({ address: GUESSER, name: 'one-more' }, 0)).toBe('client')
    expect(limit.refusalOf({ address: '192.0.2.1', name: 'alice' }, 0)).toBeNull()
    expect(limit.refusalOf({ address: '192.0.2.1', name: 'invented-1' }, 0)).toBeNull()
    expect(limit.refusalOf({ address: GUESSER, name: 'one-more' }, 60_000)).toBeNull()
  })

  test('a user who signed in from the address of the guesser within a day still can', () => {
    const limit = create()
    const user = { address: GUESSER, name: 'alice' }
    limit.noteSuccess(user, 0)
    guessWithInventedNames(limit, 1_000)
    expect(limit.refusalOf(user, 0)).toBeNull()
    expect(limit.refusalOf({ address: GUESSER, name: 'bob' }, 0)).toBe('client')
    expect([limit.countFailure(user, 1), limit.countFailure(user, 1), limit.countFailure(user, 1)]).toEqual([null, null, null])
    expect(limit.refusalOf(user, 1)).toBe('name')
    for (let n = 0; n < 10; n++) limit.countFailure({ address: GUESSER, name: `${n}` }, 86_400_001)
    expect(limit.refusalOf(user, 86_400_001)).toBe('client')
  })

  test('guesses of a name from many clients lock it out for none of the others', () => {
    const limit = create()
    for (let n = 0; n < 1_000; n++)
      for (let k = 0; k < 3; k++) limit.countFailure({ address: `198.51.${n >> 8}.${n & 255}`, name: 'alice' }, 0)
    expect(limit.refusalOf({ address: '198.51.0.1', name: 'alice' }, 0)).toBe('name')
    expect(limit.refusalOf({ address: '203.0.113.1', name: 'alice' }, 0)).toBeNull()
  })

  test('all addresses of an IPv6 /64 are one client', () => {
    const limit = create()
    for (let n = 1; n <= 10; n++) limit.countFailure({ address: `2001:db8::${n}`, name: `invented-${n}` }, 0)
    expect(limit.refusalOf({ address: '2001:db8::ffff', name: 'alice' }, 0)).toBe('client')
    expect(limit.refusalOf({ address: '2001:db8:0:1::1', name: 'alice' }, 0)).toBeNull()
  })
})
