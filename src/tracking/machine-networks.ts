/**
 * machine-networks - networks from which machines fetch the images and follow the links of mails
 *
 * The networks that vendors publish for allow-lists and in their SPF records. A security service that works from a cloud's addresses is not
 * here: machine-reading recognises it by what it does.
 *
 * Pure. See also: tracking/machine-reading.
 */
import ipaddr from 'ipaddr.js'

/** `proxy`: fetches images for readers. `scanner`: opens mails and links to test them. */
type NetworkUse = 'google-proxy' | 'apple-proxy' | 'scanner'

const NETWORKS: readonly (readonly [NetworkUse, readonly string[]])[] = [
  ['google-proxy', ['64.233.160.0/19', '66.102.0.0/20', '66.249.80.0/20', '72.14.192.0/18', '74.125.0.0/16', '209.85.128.0/17']],
  ['apple-proxy', ['17.0.0.0/8']],
  // Barracuda
  ['scanner', ['64.235.144.0/20', '209.222.80.0/21']],
  // Cisco Secure Email
  ['scanner', ['68.232.128.0/19', '184.94.240.0/20', '216.71.128.0/19']],
  // Mimecast
  [
    'scanner',
    ['63.128.21.0/24', '91.220.42.0/24', '146.101.78.0/24', '185.58.84.0/22', '195.130.217.0/24', '205.139.110.0/23', '207.211.30.0/23'],
  ],
  // Proofpoint
  ['scanner', ['67.231.144.0/20', '148.163.128.0/19', '185.132.180.0/22', '205.220.160.0/20', '208.84.64.0/22', '208.86.200.0/22']],
  // Symantec Email Security
  ['scanner', ['67.219.240.0/20', '85.158.136.0/21', '193.109.254.0/23', '194.106.220.0/23', '195.245.230.0/23', '216.82.240.0/20']],
  // Trend Micro
  ['scanner', ['150.70.0.0/16', '216.104.0.0/19']],
]

type Subnet = { readonly use: NetworkUse; readonly network: [ipaddr.IPv4, number] }

/** By the first byte, so that an address is compared with a few of them. */
const BY_FIRST_BYTE: ReadonlyMap<number, readonly Subnet[]> = Map.groupBy(
  NETWORKS.flatMap(([use, cidrs]) => cidrs.map((cidr): Subnet => ({ use, network: ipaddr.IPv4.parseCIDR(cidr) }))),
  ({ network: [address] }) => address.octets[0] ?? 0,
)

/** The use of the network that an address is in; null: none of the table, or the text is no address. Total. */
export function machineNetworkOf(ip: string): NetworkUse | null {
  if (!ipaddr.isValid(ip)) return null
  const address = ipaddr.process(ip)
  if (!(address instanceof ipaddr.IPv4)) return null
  return BY_FIRST_BYTE.get(address.octets[0] ?? 0)?.find(({ network }) => address.match(network))?.use ?? null
}
