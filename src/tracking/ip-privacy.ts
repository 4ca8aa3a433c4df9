/**
 * ip-privacy - how much of an IP address is stored with an open or a click
 *
 * Pure, total. See also: ledger/account-settings (engagementIp), docs/TRACKING.md.
 */
import ipaddr from 'ipaddr.js'

export const IP_PRIVACY = ['whole', 'network', 'none'] as const
type IpPrivacy = (typeof IP_PRIVACY)[number]

/** A provider gives one household a /56 or /48 of IPv6, and one address or a share of it of IPv4. */
const NETWORK_BYTES = { ipv4: 3, ipv6: 6 } as const

/**
 * The address as it is stored; null: nothing is, or the text is no address.
 *
 *     storedIp('198.51.100.77', 'network') → '198.51.100.0'
 *     storedIp('2001:db8:1:2::9', 'network') → '2001:db8:1::'
 */
export function storedIp(ip: string, privacy: IpPrivacy): string | null {
  if (privacy === 'none' || !ipaddr.isValid(ip)) return null
  const address = ipaddr.process(ip)
  if (privacy === 'whole') return address.toString()
  const bytes = address.toByteArray()
  return ipaddr.fromByteArray(bytes.map((byte, n) => (n < NETWORK_BYTES[address.kind()] ? byte : 0))).toString()
}
