/**
 * peer-network - the address of a client and the networks that it belongs to, as keys for limits
 *
 * One customer usually controls a whole IPv6 /64, often a /48 (RFC 6177), and sometimes an IPv4 /24. A limit that counts single addresses only
 * does not stop such a client, so limits also count its networks.
 *
 * Pure. See also: net/rate-limit, net/sign-in-limit, net/connection-table.
 */
import { isIPv4 } from 'node:net'

/** Returns one spelling of an IP address: lower case, IPv4-mapped IPv6 as IPv4. Total. */
export function normaliseIp(address: string): string {
  const lower = address.toLowerCase()
  return lower.startsWith('::ffff:') && lower.includes('.') ? lower.slice(7) : lower
}

/** Returns whether an address to bind to, or the address of a client, is on this machine only. Total. */
export function isLoopback(address: string): boolean {
  const normalised = normaliseIp(address)
  return normalised === 'localhost' || normalised === '::1' || (isIPv4(normalised) && normalised.startsWith('127.'))
}

/**
 * Returns the smallest block of addresses that one client controls: an IPv4 address, or an IPv6 /64. Total.
 *
 *     clientBlockOf('2001:db8:1:2:3:4:5:6') → '2001:db8:1:2::/64'
 */
export function clientBlockOf(address: string): string {
  const normalised = normaliseIp(address)
  return normalised.includes(':') ? ipv6Prefix(normalised, 4) : normalised
}

/** The networks of an address: `network` is the /24 or the /64; `allocation` is the IPv6 /48, null for IPv4. Total. */
export function networksOf(address: string): { readonly network: string; readonly allocation: string | null } {
  const normalised = normaliseIp(address)
  if (isIPv4(normalised)) return { network: `${normalised.split('.').slice(0, 3).join('.')}.0/24`, allocation: null }
  return { network: ipv6Prefix(normalised, 4), allocation: ipv6Prefix(normalised, 3) }
}

/** The first `groups` groups of 16 bits, without leading zeros. */
function ipv6Prefix(address: string, groups: number): string {
  const [head = '', tail = ''] = address.split('::')
  const left = head.split(':').filter((group) => group !== '')
  const right = tail.split(':').filter((group) => group !== '')
  const zeros = address.includes('::') ? Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0') : []
  const prefix = [...left, ...zeros, ...right].slice(0, groups).map((group) => group.replace(/^0+(?=.)/, ''))
  return `${prefix.join(':')}::/${groups * 16}`
}
