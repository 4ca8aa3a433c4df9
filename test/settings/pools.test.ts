/** pools.test - pools of egress IPs and the rules that choose one, the EHLO name of each egress IP, and what the settings refuse */
import { expect, test } from 'vitest'
import { deliverySettings } from '../../src/settings/delivery.ts'
import { loadConfig } from '../../src/settings/load.ts'
import { egressIpsOf, egressPoolsOf, ehloNamesOf, namedEgressIpsOf } from '../../src/settings/pools.ts'

test('an egress IP has its own EHLO name, or the one of all', () => {
  const settings = deliverySettings.parse({ egressEhlo: ['192.0.2.1=out1.example.com', '2001:DB8::1=out2.example.com'] })
  const nameOf = ehloNamesOf(settings, 'out.example.com')
  expect(['192.0.2.1', '2001:db8::1', '192.0.2.9', ''].map(nameOf)).toEqual([
    'out1.example.com',
    'out2.example.com',
    'out.example.com',
    'out.example.com',
  ])
})

test.each(['192.0.2.1', '192.0.2.1=', '=out.example.com', '192.0.2.1=out example', '192.0.2.1=out\r\nMAIL'])('%j is refused', (entry) => {
  expect(deliverySettings.safeParse({ egressEhlo: [entry] }).success).toBe(false)
})

const POOLS = [{ name: 'fast', ips: ['192.0.2.8', { ip: '2001:db8::8', weight: 0 }] }]

test('weights, account pools and named pools become one table', () => {
  const settings = deliverySettings.parse({
    mode: 'mx',
    egressIps: ['192.0.2.1', { ip: '192.0.2.2', weight: 3 }, { ip: '192.0.2.3' }],
    accountEgressIps: ['7=192.0.2.7', '7=192.0.2.7', '7=2001:db8::7'],
    pools: POOLS,
    poolRules: [{ label: ' Receipt ', senderDomain: 'Example.COM', pool: 'fast' }],
  })
  expect(egressPoolsOf(settings)).toEqual({
    '*': ['192.0.2.1', { ip: '192.0.2.2', weight: 3 }, { ip: '192.0.2.3', weight: 1 }],
    7: ['192.0.2.7', '2001:db8::7'],
    fast: POOLS[0]?.ips,
  })
  expect(settings.poolRules).toEqual([{ label: 'receipt', senderDomain: 'example.com', pool: 'fast' }])
  const ips = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.7', '2001:db8::7', '192.0.2.8', '2001:db8::8']
  expect([...egressIpsOf(settings)]).toEqual(ips)
  expect(namedEgressIpsOf(settings)).toEqual(ips)
})

test('the environment gives pools as JSON', () => {
  const { settings } = loadConfig({
    BOUNCED_DELIVERY_EGRESS_IPS: '[{"ip": "192.0.2.1", "weight": 2}, "192.0.2.2"]',
    BOUNCED_DELIVERY_POOLS: '[{"name": "fast", "ips": ["192.0.2.8"]}]',
    BOUNCED_DELIVERY_POOL_RULES: '[{"account": 8, "pool": "fast"}]',
  })
  expect(settings.delivery.egressIps).toEqual([{ ip: '192.0.2.1', weight: 2 }, '192.0.2.2'])
  expect(settings.delivery.poolRules).toEqual([{ account: 8, pool: 'fast' }])
})

test('without any address the system chooses one, and none is named', () => {
  const settings = deliverySettings.parse({ mode: 'mx' })
  expect(egressPoolsOf(settings)).toEqual({ '*': ['default'] })
  expect(namedEgressIpsOf(settings)).toEqual([])
})

test.each<[object, RegExp]>([
  [{ egressIps: [{ ip: '192.0.2.1', weight: -1 }] }, /egressIps\.0\.weight: Too small/],
  [{ egressIps: [{ ip: '192.0.2.1', weight: 1.5 }] }, /must be an address, or/],
  [{ egressIps: [{ ip: '192.0.2.1', weigth: 2 }] }, /egressIps\.0: Unrecognized key: "weigth"/],
  [{ egressIps: ['out1.example.com'] }, /must be an address, or/],
  [{ pools: [{ name: 'fast', ips: [] }] }, /needs an address/],
  [{ pools: [{ name: '7', ips: ['192.0.2.8'] }] }, /lower-case letter/],
  [{ pools: [...POOLS, ...POOLS] }, /two pools have the name "fast"/],
  [{ pools: [{ name: 'fast', ips: ['192.0.2.8', { ip: '192.0.2.8', weight: 2 }] }] }, /pool "fast" lists 192\.0\.2\.8 twice/],
  [
    { pools: POOLS, poolRules: [{ label: 'receipt', pool: 'fats' }] },
    /there is no pool "fats" \(label "receipt"\); delivery\.pools has fast/,
  ],
  [{ poolRules: [{ account: 8, pool: 'fast' }] }, /there is no pool "fast" \(account 8\); delivery\.pools names none/],
  [{ pools: POOLS, poolRules: [{ pool: 'fast' }] }, /names no account, label or senderDomain/],
  [
    {
      pools: POOLS,
      poolRules: [
        { label: 'a', pool: 'fast' },
        { label: 'A ', pool: 'fast' },
      ],
    },
    /two rules are for label "a"/,
  ],
  [
    { pools: POOLS, accountEgressIps: ['07=192.0.2.7'], poolRules: [{ account: 7, pool: 'fast' }] },
    /account 7 has a pool in accountEgressIps as well/,
  ],
  [{ pools: POOLS, poolRules: [{ senderDomain: 'exämple.com', pool: 'fast' }] }, /A-label/],
  [{ pools: POOLS, poolRules: [{ account: 0, pool: 'fast' }] }, /poolRules/],
])('%j is refused with words', (settings, words) => {
  const parsed = deliverySettings.safeParse(settings)
  expect(parsed.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n')).toMatch(words)
})
