/** fairness.test - lanes that wait for one key share what it lets through, whatever the number of lanes, accounts, egress IPs and attempts */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { propertyRuns } from '../support/property-runs.ts'
import { attemptsOfLanes, BASE, crowds, type Crowd } from './crowd.ts'
import { HOUR, MINUTE } from './play.ts'

test.each<[string, Partial<Crowd>]>([
  ['two accounts, two egress IPs', {}],
  ['two accounts, two egress IPs, one attempt at once', { capacity: 1 }],
  ['two accounts, three egress IPs', { ips: 3 }],
  ['three egress IPs of different weights, one in reserve', { ips: 3, weights: [3, 1, 0] }],
  ['lanes with different numbers of sender domains', { accounts: 1, domains: 2, ips: 1 }],
  ['connections', { limit: 'connection', accounts: 3, connections: 2, ips: 1 }],
  [
    'connections of two IPs, several sender domains',
    { limit: 'connection', accounts: 3, domains: 3, senders: 3, connections: 3, attemptMs: 4000 },
  ],
  ['capacity and rate in turns', { accounts: 1, domains: 2, ips: 1, perMinute: 19, capacity: 2, attemptMs: 11_393 }],
  ['capacity and the rates of four IPs in turns', { domains: 2, ips: 4, perMinute: 28, capacity: 26, attemptMs: 19_343 }],
  ['three IPs that open together', { accounts: 1, domains: 2, senders: 2, ips: 3, perMinute: 36, capacity: 29, attemptMs: 3100 }],
])('equal shares: %s', (_, change) => {
  const counts = attemptsOfLanes({ ...BASE, ...change }, 2 * HOUR).map(({ attempts }) => attempts)
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(16)
})

test('lanes that wait for one key get equal shares', () => {
  fc.assert(
    fc.property(crowds, (crowd) => {
      const counts = attemptsOfLanes(crowd, 15 * MINUTE).map(({ attempts }) => attempts)
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(16)
    }),
    { numRuns: propertyRuns(30, 500) },
  )
}, 240_000)
