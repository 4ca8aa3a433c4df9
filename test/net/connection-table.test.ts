/**
 * connection-table.test - limits of connections, and whom a full listener evicts
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createAddressMatcher } from '../../src/net/address-matcher.ts'
import {
  createConnectionTable,
  type ConnectionTable,
  type ConnectionTableLimits,
  type OpenConnection,
} from '../../src/net/connection-table.ts'

const LIMITS: ConnectionTableLimits = {
  connections: 1_000,
  connectionsPerPeer: 100,
  connectionsPerNetwork: 300,
  connectionsPerAllocation: 600,
  stressPercent: 80,
}
const EXEMPT = '203.0.113.1'

type Fixture = {
  readonly table: ConnectionTable
  readonly evicted: string[]
  /** Opens a connection, idle since then; null: at work. Returns the connection, or the refusal. */
  readonly open: (address: string, idleSince?: number | null) => OpenConnection | string
}

function createFixture(limits: Partial<ConnectionTableLimits> = {}): Fixture {
  const table = createConnectionTable({ ...LIMITS, ...limits }, createAddressMatcher([EXEMPT], 'limits.exemptPeers'))
  const evicted: string[] = []
  return {
    table,
    evicted,
    open: (address, idleSince = 0) => {
      const connection = { address, idleSince: () => idleSince, evict: () => evicted.push(address) }
      return table.admit(connection) ?? connection
    },
  }
}

const release = ({ table }: Fixture, connection: OpenConnection | string): void => {
  if (typeof connection !== 'string') table.release(connection)
}

const networks = [
  // two addresses                             the limit that both share
  ['192.0.2.7', '192.0.2.7', 'peerConnections'],
  ['192.0.2.7', '192.0.2.8', 'networkConnections'],
  ['192.0.2.7', '192.0.3.7', null],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::1', 'networkConnections'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:3:3:4:5:6', 'allocationConnections'],
  ['2001:db8:1::1', '2001:db8:2::1', null],
  ['::1', '2001:db8::1', null],
  [EXEMPT, EXEMPT, null],
] as const
test.each(networks)('%s and %s share %s', (one, other, refusal) => {
  const { open } = createFixture({ connectionsPerPeer: 1, connectionsPerNetwork: 1, connectionsPerAllocation: 1 })
  open(one)
  const second = open(other)
  expect(typeof second === 'string' ? second : null).toBe(refusal)
})

test('connections count until they are released, once', () => {
  const fixture = createFixture({ connectionsPerPeer: 2, connectionsPerNetwork: 3 })
  const { open } = fixture
  const first = open('192.0.2.1')
  open('192.0.2.1')
  expect(open('192.0.2.1')).toBe('peerConnections')
  open('192.0.2.2')
  expect(open('192.0.2.3')).toBe('networkConnections')
  release(fixture, first)
  release(fixture, first)
  expect(open('192.0.2.3')).toBeTypeOf('object')
  expect(open('192.0.2.4')).toBe('networkConnections')
})

describe('a full listener', () => {
  test('evicts the connection that is idle for longest in the network with the most connections', () => {
    const { open, evicted } = createFixture({ connections: 5 })
    open('198.51.100.1', 1)
    open('192.0.2.1', 30)
    open('192.0.2.2', 20)
    open('192.0.2.3', null)
    open('2001:db8::1', 2)
    expect(open('203.0.113.9')).toBeTypeOf('object')
    expect(evicted).toEqual(['192.0.2.2'])
  })

  test('refuses a network that has as many connections as any other', () => {
    const { open, evicted } = createFixture({ connections: 2 })
    open('198.51.100.1')
    open('192.0.2.1')
    expect(open('203.0.113.9')).toBeTypeOf('object')
    expect(evicted).toEqual(['198.51.100.1'])
    expect(open('203.0.113.10')).toBeTypeOf('object')
    expect(evicted).toEqual(['198.51.100.1', '203.0.113.9'])
    expect(open('192.0.2.9')).toBeTypeOf('object')
    expect(evicted).toEqual(['198.51.100.1', '203.0.113.9', '192.0.2.1'])
  })

  test('refuses everybody while all connections are at work', () => {
    const { open } = createFixture({ connections: 2 })
    open('192.0.2.1', null)
    open('192.0.2.2', null)
    expect(open('198.51.100.1')).toBe('connections')
    expect(open(EXEMPT)).toBe('connections')
  })

  test('evicts an exempt connection for an exempt one only', () => {
    const { open, evicted } = createFixture({ connections: 2 })
    open(EXEMPT, 1)
    open(EXEMPT, 2)
    expect(open('198.51.100.1')).toBe('connections')
    expect(open(EXEMPT)).toBeTypeOf('object')
    expect(evicted).toEqual([EXEMPT])
  })

  test('1,000 idle connections of four networks leave room for a fifth network', () => {
    const { open, evicted } = createFixture()
    for (let n = 0; n < 1_000; n++) open(`192.0.${n % 4}.${n % 40}`)
    for (let n = 0; n < 50; n++) expect(open('198.51.100.1', null)).toBeTypeOf('object')
    expect(evicted.length).toBe(50)
    expect(new Set(evicted.map((address) => address.split('.')[2])).size).toBe(4)
  })
})

test('connections are under stress from the share of the listener, their peer, or their network on', () => {
  const { open, table } = createFixture({ connections: 20, connectionsPerPeer: 5, connectionsPerNetwork: 10 })
  for (let n = 0; n < 3; n++) open('192.0.2.1')
  expect(table.isStressed('192.0.2.1')).toBe(false)
  open('192.0.2.1')
  expect([table.isStressed('192.0.2.1'), table.isStressed('192.0.2.2')]).toEqual([true, false])
  for (let n = 0; n < 4; n++) open('192.0.2.3')
  expect([table.isStressed('192.0.2.2'), table.isStressed('198.51.100.1'), table.isStressed(EXEMPT)]).toEqual([true, false, false])
  for (let n = 0; n < 8; n++) open(EXEMPT)
  expect([table.isStressed('198.51.100.1'), table.isStressed(EXEMPT)]).toEqual([true, true])
})

test('no limit is ever exceeded, and whoever is evicted was idle, in any sequence', () => {
  const addresses = ['192.0.2.1', '192.0.2.2', '198.51.100.1', '2001:db8::1', '2001:db8:0:1::1', '2001:db8:1::1', EXEMPT]
  const step = fc.record({
    address: fc.constantFrom(...addresses),
    idleSince: fc.option(fc.nat(100), { nil: null }),
    isRelease: fc.boolean(),
    pick: fc.nat(50),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const limits = { connections: 6, connectionsPerPeer: 2, connectionsPerNetwork: 3, connectionsPerAllocation: 4, stressPercent: 80 }
      const table = createConnectionTable(limits, (address) => address === EXEMPT)
      const open = new Set<OpenConnection>()
      for (const { address, idleSince, isRelease, pick } of steps) {
        const chosen = [...open][pick]
        if (isRelease && chosen !== undefined) {
          table.release(chosen)
          open.delete(chosen)
          continue
        }
        const connection: OpenConnection = {
          address,
          idleSince: () => idleSince,
          evict: () => {
            expect(idleSince).not.toBeNull()
            expect(open.delete(connection)).toBe(true)
          },
        }
        if (table.admit(connection) === null) open.add(connection)
        expect(open.size).toBeLessThanOrEqual(limits.connections)
        const count = (prefix: string): number => [...open].filter((each) => each.address.startsWith(prefix)).length
        expect(Math.max(...addresses.slice(0, 6).map(count))).toBeLessThanOrEqual(2)
        expect([count('192.0.2.'), count('2001:db8::')].every((n) => n <= 3)).toBe(true)
        expect(count('2001:db8::') + count('2001:db8:0:')).toBeLessThanOrEqual(4)
      }
    }),
  )
})
