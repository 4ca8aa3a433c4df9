/**
 * mmdb - the bytes of a small MaxMind database: one record for every address
 *
 * The MaxMind DB file format, version 2.0: a search tree, 16 zero bytes, the data, a marker, and the metadata.
 */
const MARKER = Buffer.concat([Buffer.from([0xab, 0xcd, 0xef]), Buffer.from('MaxMind.com')])

/** Types of the format; those above 7 take a byte of their own. */
const STRING = 2
const UINT16 = 5
const UINT32 = 6
const MAP = 7
const UINT64 = 9
const ARRAY = 11

function control(type: number, size: number): Buffer {
  const extended = type > 7
  const first = (extended ? 0 : type) << 5
  const kind = extended ? [type - 7] : []
  if (size < 29) return Buffer.from([first | size, ...kind])
  if (size < 285) return Buffer.from([first | 29, ...kind, size - 29])
  const rest = size - 285
  return Buffer.from([first | 30, ...kind, rest >> 8, rest & 255])
}

function encode(value: unknown): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(STRING, Buffer.byteLength(value)), Buffer.from(value)])
  if (typeof value === 'number') return encodeNumber(UINT32, value, 4)
  if (Array.isArray(value)) return Buffer.concat([control(ARRAY, value.length), ...value.map(encode)])
  if (typeof value !== 'object' || value === null) throw new Error('not a value of the format')
  const entries = Object.entries(value)
  return Buffer.concat([control(MAP, entries.length), ...entries.flatMap(([name, each]) => [encode(name), encode(each)])])
}

function encodeNumber(type: number, value: number, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  bytes.writeUIntBE(value, size - Math.min(size, 6), Math.min(size, 6))
  return Buffer.concat([control(type, size), bytes])
}

/** A database of IPv6 and IPv4 in which every address has this record. */
export function mmdb(record: object): Buffer {
  // One node: both sides point to the first byte of the data.
  const pointer = 1 + 16
  const node = Buffer.from([0, 0, pointer, 0, 0, pointer])
  const metadata = {
    node_count: encodeNumber(UINT32, 1, 4),
    record_size: encodeNumber(UINT16, 24, 2),
    ip_version: encodeNumber(UINT16, 6, 2),
    database_type: encode('Test-City'),
    languages: encode(['en']),
    binary_format_major_version: encodeNumber(UINT16, 2, 2),
    binary_format_minor_version: encodeNumber(UINT16, 0, 2),
    build_epoch: encodeNumber(UINT64, 1_700_000_000, 8),
    description: encode({ en: 'test' }),
  }
  const fields = Object.entries(metadata)
  const map = Buffer.concat([control(MAP, fields.length), ...fields.flatMap(([name, value]) => [encode(name), value])])
  return Buffer.concat([node, Buffer.alloc(16), encode(record), MARKER, map])
}
