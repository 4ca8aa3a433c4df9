/**
 * proxy-protocol - parses the PROXY protocol header, versions 1 and 2
 *
 * A load balancer sends the header in front of a connection to name the client. The header proves nothing: smtp.proxyPeers decides which
 * peers may send it. A header longer than 4 KiB, or one that violates the grammar, is invalid.
 *
 * Pure, total. The PROXY protocol, haproxy.org, 2020-03-05. See also: smtp-server/accept.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'

export type ProxySource = { readonly address: string; readonly port: number }

/** `incomplete`: valid so far, more bytes are needed. `source` is null for the balancer's own connections (LOCAL, UNKNOWN, a Unix socket). */
type ProxyHeaderResult =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'complete'; readonly length: number; readonly source: ProxySource | null }

const INCOMPLETE = { kind: 'incomplete' } as const
const INVALID = { kind: 'invalid' } as const

const V1_START = Buffer.from('PROXY ')
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/** The longest line that version 1 allows. Bytes, with CR LF. */
const V1_MAX_BYTES = 107
/** The address families of version 1, each with its check. */
const V1_FAMILIES: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['TCP4', isIPv4],
  ['TCP6', isIPv6WithoutZone],
])

/** Version 2 allows 64 KiB of extensions such as certificate names. Load balancers send a few hundred bytes. */
const V2_MAX_BYTES = 4_096
const V2_FIXED_BYTES = 16

/** The address families of version 2 that a TCP listener can meet: the family byte, and the bytes of one address. */
const V2_FAMILIES: Readonly<Record<number, 4 | 16>> = { 0x11: 4, 0x21: 16 }
/** Families without an IP address: unspecified, and Unix stream sockets. */
const V2_FAMILIES_WITHOUT_ADDRESS: readonly number[] = [0x00, 0x31]

/** Returns whether the bytes can be the beginning of a header of either version. */
export function isProxyHeaderPrefix(bytes: Buffer): boolean {
  return bytes.length > 0 && [V1_START, V2_START].some((start) => isPrefix(bytes, start))
}

/** Parses the header at the beginning of `bytes`. Total. */
export function readProxyHeader(bytes: Buffer): ProxyHeaderResult {
  if (isPrefix(bytes, V1_START)) return readVersion1(bytes)
  return isPrefix(bytes, V2_START) ? readVersion2(bytes) : INVALID
}

function isPrefix(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return bytes.subarray(0, length).equals(start.subarray(0, length))
}

function readVersion1(bytes: Buffer): ProxyHeaderResult {
  const head = bytes.subarray(0, V1_MAX_BYTES).toString('latin1')
  const end = head.indexOf('\r\n')
  if (end < 0) return bytes.length < V1_MAX_BYTES && !head.slice(0, -1).includes('\r') && !head.includes('\n') ? INCOMPLETE : INVALID
  const [, family = '', source = '', target = '', sourcePort = '', targetPort = '', ...more] = head.slice(0, end).split(' ')
  if (family === 'UNKNOWN') return { kind: 'complete', length: end + 2, source: null }
  const isAddress = V1_FAMILIES.get(family)
  const ports = [sourcePort, targetPort].map(portOf)
  const [port = null] = ports
  if (isAddress === undefined || !isAddress(source) || !isAddress(target) || port === null || ports.includes(null) || more.length > 0)
    return INVALID
  return { kind: 'complete', length: end + 2, source: { address: canonicalAddress(source), port } }
}

function readVersion2(bytes: Buffer): ProxyHeaderResult {
  if (bytes.length < V2_FIXED_BYTES) return INCOMPLETE
  const command = bytes.readUInt8(12)
  const family = bytes.readUInt8(13)
  const length = V2_FIXED_BYTES + bytes.readUInt16BE(14)
  const size = V2_FAMILIES[family]
  // The high four bits are the version, the low four the command: 0 LOCAL, 1 PROXY.
  if ((command !== 0x20 && command !== 0x21) || length > V2_MAX_BYTES) return INVALID
  const isLocal = command === 0x20 || V2_FAMILIES_WITHOUT_ADDRESS.includes(family)
  if (!isLocal && (size === undefined || length < V2_FIXED_BYTES + size * 2 + 4)) return INVALID
  if (bytes.length < length) return INCOMPLETE
  if (isLocal || size === undefined) return { kind: 'complete', length, source: null }
  const address = addressOf(bytes.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + size))
  return { kind: 'complete', length, source: { address, port: bytes.readUInt16BE(V2_FIXED_BYTES + size * 2) } }
}

function addressOf(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.')
  return canonicalAddress((octets.toString('hex').match(/.{4}/g) ?? []).join(':'))
}

/** Returns one spelling of an address, so that the limits count one peer once. */
function canonicalAddress(address: string): string {
  return isIPv4(address) ? address : new SocketAddress({ address, family: 'ipv6' }).address
}

/** A zone has a meaning on the load balancer's host only. */
function isIPv6WithoutZone(text: string): boolean {
  return isIPv6(text) && !text.includes('%')
}

function portOf(text: string): number | null {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535 ? Number(text) : null
}
