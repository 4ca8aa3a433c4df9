/**
 * hand-over - whether a "sent" line means that the mail was delivered, or only handed to the next program
 *
 * Content filters, LMTP sockets, commands and relays of one's own take a mail and may still refuse it. A delivery to them says nothing about the
 * recipient. The mail goes on under the queue id that their reply names.
 *
 * Pure. See also: mta-log/queue-join, settings/follow (relays).
 */
import ipaddr from 'ipaddr.js'
import type { LogOutcome, LogRelay } from './log-outcome.ts'

/** Whether a relay is one of the operator's own: a host name, a domain that begins with a dot, an address or a network in CIDR notation. */
export type RelayMatcher = (relay: LogRelay) => boolean

/** Reads names and networks. Total: what is neither matches nothing. */
export function createRelayMatcher(relays: readonly string[]): RelayMatcher {
  const names = relays.map((each) => each.toLowerCase())
  const networks = relays.flatMap(parseNetwork)
  return ({ name, ip }) => {
    const isNamed = name !== null && names.some((each) => (each.startsWith('.') ? name.endsWith(each) : name === each))
    const address = ip !== null && ipaddr.isValid(ip) ? ipaddr.process(ip) : null
    return (
      isNamed || (address !== null && networks.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits)))
    )
  }
}

type Network = [address: ReturnType<typeof ipaddr.process>, bits: number]

function parseNetwork(text: string): readonly Network[] {
  if (ipaddr.isValid(text)) {
    const address = ipaddr.process(text)
    return [[address, address.kind() === 'ipv4' ? 32 : 128]]
  }
  return ipaddr.isValidCIDR(text) ? [ipaddr.parseCIDR(text)] : []
}

const LOOPBACK_NAMES = new Set(['localhost', 'localhost.localdomain'])

/** Whether an outcome `sent` is a hand-over. */
export function isPassedOn({ relay, queuedAs }: Pick<LogOutcome, 'relay' | 'queuedAs'>, isOwnRelay: RelayMatcher): boolean {
  if (relay === null) return false
  if (relay.kind === 'local') return queuedAs !== null
  if (relay.kind !== 'host') return true
  return isLoopback(relay) || isOwnRelay(relay)
}

function isLoopback({ name, ip }: LogRelay): boolean {
  if (ip !== null && ipaddr.isValid(ip)) return ipaddr.process(ip).range() === 'loopback'
  return name !== null && LOOPBACK_NAMES.has(name)
}
