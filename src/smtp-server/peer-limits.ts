/**
 * peer-limits - limits the connections and mails of one peer and the connections of one network
 *
 * Counts open connections by address and by network (/24 for IPv4, /64 for IPv6), and mails by address in the current minute. A refusal is a
 * name of smtp-server/refusals. Behind a load balancer the peer is the client that the PROXY header names.
 *
 * No I/O: the caller passes the time. See also: smtp-server/accept.
 */
import { BlockList, isIP, isIPv6 } from 'node:net'
import { Fault } from '../errors.ts'
import { networksOf } from '../net/peer-network.ts'
import type { RefusalName } from './refusals.ts'

export type PeerLimits = {
  readonly connectionsPerPeer: number
  readonly connectionsPerNetwork: number
  readonly mailsPerPeerMinute: number
}

export type PeerCounters = {
  /** Returns null when the connection is admitted and counted, otherwise the refusal. */
  readonly admitConnection: (address: string) => RefusalName | null
  readonly releaseConnection: (address: string) => void
  /** Returns null when the peer may send one more mail in this minute, otherwise the refusal. */
  readonly admitMail: (address: string, now: number) => RefusalName | null
}

const MINUTE_MS = 60_000

/**
 * Creates a test for addresses in `entries` (addresses, or networks such as 192.0.2.0/24) of a setting. Faults: config_invalid (an entry is
 * neither).
 */
export function createAddressMatcher(entries: readonly string[], settingName: string): (address: string) => boolean {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    const longest = family === 'ipv6' ? 128 : 32
    const length = prefix === undefined ? longest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1
    if (isIP(address) === 0 || length < 0 || length > longest)
      throw new Fault('config_invalid', `${settingName}: ${entry} is neither an address nor a network`)
    list.addSubnet(address, length, family)
  }
  return (address) => isIP(address) !== 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/** Creates the counters. Memory is bounded by the open connections and by the peers of one minute. */
export function createPeerCounters(limits: PeerLimits): PeerCounters {
  const connectionsByPeer = new Map<string, number>()
  const connectionsByNetwork = new Map<string, number>()
  let mailsByPeer = new Map<string, number>()
  let countedMinute = -1
  const add = (map: Map<string, number>, key: string, by: number): void => {
    const next = (map.get(key) ?? 0) + by
    if (next <= 0) map.delete(key)
    else map.set(key, next)
  }
  return {
    admitConnection: (address) => {
      if ((connectionsByPeer.get(address) ?? 0) >= limits.connectionsPerPeer) return 'peerConnections'
      const network = networksOf(address).network
      if ((connectionsByNetwork.get(network) ?? 0) >= limits.connectionsPerNetwork) return 'networkConnections'
      add(connectionsByPeer, address, 1)
      add(connectionsByNetwork, network, 1)
      return null
    },
    releaseConnection: (address) => {
      if (!connectionsByPeer.has(address)) return
      add(connectionsByPeer, address, -1)
      add(connectionsByNetwork, networksOf(address).network, -1)
    },
    admitMail: (address, now) => {
      const current = Math.floor(now / MINUTE_MS)
      if (current !== countedMinute) {
        countedMinute = current
        mailsByPeer = new Map()
      }
      add(mailsByPeer, address, 1)
      return (mailsByPeer.get(address) ?? 0) > limits.mailsPerPeerMinute ? 'peerMails' : null
    },
  }
}
