/**
 * peers - how many connections and mails one peer and one network may have
 *
 * Counts by address and by network (/24 for IPv4, /64 for IPv6); connections are those open now, mails those of the
 * running minute. Refusals name the limit and the setting that raises it. No I/O: the caller gives the time.
 * See also: intake/smtp.
 */

export type PeerLimits = {
  readonly connectionsPerPeer: number
  readonly connectionsPerNetwork: number
  readonly mailsPerPeerMinute: number
}

export type Peers = {
  /** Null when the connection may stay, else the refusal's words. */
  readonly connect: (address: string) => string | null
  readonly disconnect: (address: string) => void
  /** Null when the peer may send one more mail in this minute. */
  readonly mail: (address: string, now: number) => string | null
}

const MINUTE = 60_000

/** The network that an address belongs to, as a key. IPv4 in IPv6 dress counts as IPv4. */
export function networkOf(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address
  if (plain.includes('.')) return plain.split('.').slice(0, 3).join('.')
  const [head = '', tail = ''] = plain.split('::')
  const left = head.split(':').filter((group) => group !== '')
  const right = tail.split(':').filter((group) => group !== '')
  const zeros = plain.includes('::') ? Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0') : []
  return [...left, ...zeros, ...right].slice(0, 4).join(':')
}

/** Makes the counters. Memory is bounded by the open connections and by the peers of one minute. */
export function createPeers(limits: PeerLimits): Peers {
  const byPeer = new Map<string, number>()
  const byNetwork = new Map<string, number>()
  let mails = new Map<string, number>()
  let minute = -1
  const add = (map: Map<string, number>, key: string, by: number): void => {
    const next = (map.get(key) ?? 0) + by
    if (next <= 0) map.delete(key)
    else map.set(key, next)
  }
  return {
    connect: (address) => {
      if ((byPeer.get(address) ?? 0) >= limits.connectionsPerPeer)
        return 'too many connections from your address (limits.connectionsPerPeer)'
      const network = networkOf(address)
      if ((byNetwork.get(network) ?? 0) >= limits.connectionsPerNetwork)
        return 'too many connections from your network (limits.connectionsPerNetwork)'
      add(byPeer, address, 1)
      add(byNetwork, network, 1)
      return null
    },
    disconnect: (address) => {
      if (!byPeer.has(address)) return
      add(byPeer, address, -1)
      add(byNetwork, networkOf(address), -1)
    },
    mail: (address, now) => {
      const current = Math.floor(now / MINUTE)
      if (current !== minute) {
        minute = current
        mails = new Map()
      }
      add(mails, address, 1)
      return (mails.get(address) ?? 0) > limits.mailsPerPeerMinute
        ? 'too many mails from your address in one minute (limits.mailsPerPeerMinute)'
        : null
    },
  }
}
