/**
 * proxy-protocol - the PROXY protocol header, versions 1 and 2, as values
 *
 * A balancer that takes the connection for us says in front of it who really connects. The header is a bare claim: who may make it is decided
 * elsewhere (smtp.proxyPeers). Neither version is longer than a page here; what is longer, or strays from the grammar by a byte, is bad.
 *
 * Pure, total. The PROXY protocol, haproxy.org, 2020-03-05. See also: smtp-server/accept.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'

export type ProxySource = { readonly address: string; readonly port: number }

/** `more`: so far so good, the header goes on. `source` is null where the balancer speaks for itself (LOCAL, UNKNOWN, a Unix socket). */
export type ProxyHeaderResult =
  | { readonly kind: 'more' }
  | { readonly kind: 'bad' }
  | { readonly kind: 'whole'; readonly length: number; readonly source: ProxySource | null }

const INCOMPLETE = { kind: 'more' } as const
const INVALID = { kind: 'bad' } as const

const V1_START = Buffer.from('PROXY ')
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/** Bytes with CR LF: the longest line that version 1 allows. */
const V1_MAX_BYTES = 107
/** The families of version 1 that carry addresses. */
const V1_FAMILIES: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['TCP4', isIPv4],
  ['TCP6', isIPv6WithoutZone],
])

/** Version 2 allows 64 KiB of extras (names of certificates); balancers send some hundred bytes. */
const V2_MAX_BYTES = 4_096
const V2_FIXED_BYTES = 16

/** The families of version 2 that a TCP listener can meet: low byte of the header, bytes of one address. */
const V2_FAMILIES: Readonly<Record<number, 4 | 16>> = { 0x11: 4, 0x21: 16 }
/** Unspecified, and Unix stream sockets. */
const V2_FAMILIES_WITHOUT_ADDRESS: readonly number[] = [0x00, 0x31]

/** Whether bytes begin, as far as they go, as a header of either version does. */
export function isProxyHeaderPrefix(bytes: Buffer): boolean {
  return bytes.length > 0 && [V1_START, V2_START].some((start) => isPrefix(bytes, start))
}

/** Reads a header at the beginning of `bytes`. */
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
  if (family === 'UNKNOWN') return { kind: 'whole', length: end + 2, source: null }
  const isAddress = V1_FAMILIES.get(family)
  const ports = [sourcePort, targetPort].map(portOf)
  const [port = null] = ports
  if (isAddress === undefined || !isAddress(source) || !isAddress(target) || port === null || ports.includes(null) || more.length > 0)
    return INVALID
  return { kind: 'whole', length: end + 2, source: { address: canonicalAddress(source), port } }
}

function readVersion2(bytes: Buffer): ProxyHeaderResult {
  if (bytes.length < V2_FIXED_BYTES) return INCOMPLETE
  const command = bytes.readUInt8(12)
  const family = bytes.readUInt8(13)
  const length = V2_FIXED_BYTES + bytes.readUInt16BE(14)
  const size = V2_FAMILIES[family]
  // The high half is the version, the low half the command: 0 LOCAL, 1 PROXY.
  if ((command !== 0x20 && command !== 0x21) || length > V2_MAX_BYTES) return INVALID
  const isLocal = command === 0x20 || V2_FAMILIES_WITHOUT_ADDRESS.includes(family)
  if (!isLocal && (size === undefined || length < V2_FIXED_BYTES + size * 2 + 4)) return INVALID
  if (bytes.length < length) return INCOMPLETE
  if (isLocal || size === undefined) return { kind: 'whole', length, source: null }
  const address = addressOf(bytes.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + size))
  return { kind: 'whole', length, source: { address, port: bytes.readUInt16BE(V2_FIXED_BYTES + size * 2) } }
}

function addressOf(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.')
  return canonicalAddress((octets.toString('hex').match(/.{4}/g) ?? []).join(':'))
}

/** One spelling of an address, so that limits by peer count one peer once. */
function canonicalAddress(address: string): string {
  return isIPv4(address) ? address : new SocketAddress({ address, family: 'ipv6' }).address
}

/** Without a zone: a zone is the balancer's own affair. */
function isIPv6WithoutZone(text: string): boolean {
  return isIPv6(text) && !text.includes('%')
}

function portOf(text: string): number | null {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535 ? Number(text) : null
}
