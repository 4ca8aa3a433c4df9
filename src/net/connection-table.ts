/**
 * connection-table - the open connections of a listener, limited in total, by peer and by network
 *
 * If the listener is full, a new connection takes the place of an idle one: the one that has been idle for longest in the network with the most
 * connections. So a client that opens connections and leaves them idle displaces itself, and a client of another network is served.
 * Exempt peers (loopback, trusted relays, proxies) have no limits by peer and network, and are displaced by each other only.
 *
 * Stress: above a share of a limit, the listener shortens the timeouts of the connections that the limit concerns, as Postfix does
 * (STRESS_README). No I/O of its own. See also: net/peer-network, smtp-server/accept, http/server/connection-limits, docs/SMTP.md.
 */
import type { AddressMatcher } from './address-matcher.ts'
import { networksOf } from './peer-network.ts'

export type ConnectionTableLimits = {
  readonly connections: number
  readonly connectionsPerPeer: number
  /** By IPv4 /24 and by IPv6 /64. */
  readonly connectionsPerNetwork: number
  /** By IPv6 /48. */
  readonly connectionsPerAllocation: number
  /** The share of a limit from which on its connections are under stress. */
  readonly stressPercent: number
}

export type OpenConnection = {
  /** The client's address, normalised. */
  readonly address: string
  /** Since when the connection waits for its client, in epoch milliseconds; null while it is at work. */
  readonly idleSince: () => number | null
  /** Closes the connection, because its place is needed. */
  readonly evict: () => void
}

type ConnectionRefusal = 'connections' | 'peerConnections' | 'networkConnections' | 'allocationConnections'

export type ConnectionTable = {
  /** Admits a connection, which then counts until it is released. Otherwise returns the limit that it exceeds. May evict another one. */
  readonly admit: (connection: OpenConnection) => ConnectionRefusal | null
  /** Idempotent. */
  readonly release: (connection: OpenConnection) => void
  /** Whether connections of this address are under stress: by the listener as a whole, or by the limits of its peer or networks. */
  readonly isStressed: (address: string) => boolean
}

/** A group of addresses that a limit counts together. */
type Group = { readonly key: string; readonly limit: number; readonly refusal: ConnectionRefusal }
type Entry = { readonly groups: readonly Group[]; readonly isExempt: boolean }

type TableState = {
  readonly limits: ConnectionTableLimits
  readonly isExempt: AddressMatcher
  readonly entries: Map<OpenConnection, Entry>
  readonly counts: Map<string, number>
}

export function createConnectionTable(limits: ConnectionTableLimits, isExempt: AddressMatcher): ConnectionTable {
  const state: TableState = { limits, isExempt, entries: new Map(), counts: new Map() }
  return {
    admit: (connection) => admit(state, connection),
    release: (connection) => release(state, connection),
    isStressed: (address) => isStressed(state, address),
  }
}

function admit(state: TableState, connection: OpenConnection): ConnectionRefusal | null {
  const entry = createEntry(state, connection.address)
  const exceeded = entry.isExempt ? undefined : entry.groups.find(({ key, limit }) => countOf(state, key) >= limit)
  if (exceeded !== undefined) return exceeded.refusal
  if (state.entries.size >= state.limits.connections && !evictFor(state, entry)) return 'connections'
  state.entries.set(connection, entry)
  for (const { key } of entry.groups) state.counts.set(key, countOf(state, key) + 1)
  return null
}

function release(state: TableState, connection: OpenConnection): void {
  const entry = state.entries.get(connection)
  if (entry === undefined) return
  state.entries.delete(connection)
  for (const { key } of entry.groups) {
    const left = countOf(state, key) - 1
    if (left > 0) state.counts.set(key, left)
    else state.counts.delete(key)
  }
}

function isStressed(state: TableState, address: string): boolean {
  const { limits, entries } = state
  const isAboveShare = (count: number, limit: number): boolean => count * 100 >= limit * limits.stressPercent
  if (isAboveShare(entries.size, limits.connections)) return true
  const { isExempt, groups } = createEntry(state, address)
  return !isExempt && groups.some(({ key, limit }) => isAboveShare(countOf(state, key), limit))
}

function createEntry({ limits, isExempt }: TableState, address: string): Entry {
  const { network, allocation } = networksOf(address)
  return {
    isExempt: isExempt(address),
    groups: [
      { key: address, limit: limits.connectionsPerPeer, refusal: 'peerConnections' },
      { key: network, limit: limits.connectionsPerNetwork, refusal: 'networkConnections' },
      ...(allocation === null
        ? []
        : [{ key: allocation, limit: limits.connectionsPerAllocation, refusal: 'allocationConnections' } as const]),
    ],
  }
}

const countOf = ({ counts }: TableState, key: string): number => counts.get(key) ?? 0

/** How many connections the largest network of an entry has; 0 for exempt peers. */
const weightOf = (state: TableState, { groups, isExempt }: Entry): number =>
  isExempt ? 0 : Math.max(...groups.slice(1).map(({ key }) => countOf(state, key)))

/**
 * Evicts one idle connection in favour of a new one. Its network must have more connections than that of the new one, or be the same. Otherwise
 * somebody who opens connections from several networks could displace clients that have only one.
 */
function evictFor(state: TableState, newcomer: Entry): boolean {
  const newcomerWeight = weightOf(state, newcomer)
  let found: { readonly connection: OpenConnection; readonly weight: number; readonly since: number } | null = null
  for (const [connection, entry] of state.entries) {
    const weight = weightOf(state, entry)
    if (weight <= newcomerWeight && !isSameNetwork(entry, newcomer)) continue
    if (found !== null && weight < found.weight) continue
    const since = connection.idleSince()
    if (since === null || (found !== null && weight === found.weight && since >= found.since)) continue
    found = { connection, weight, since }
  }
  if (found === null) return false
  release(state, found.connection)
  found.connection.evict()
  return true
}

/** All exempt peers count as one network. */
const isSameNetwork = (one: Entry, other: Entry): boolean =>
  one.isExempt === other.isExempt && (one.isExempt || one.groups.at(-1)?.key === other.groups.at(-1)?.key)
