/**
 * proxy-protocol.test - PROXY headers of both versions: complete, invalid and incomplete
 */
import { describe, expect, test } from 'vitest'
import { isProxyHeaderPrefix, readProxyHeader } from '../../src/smtp-server/proxy-protocol.ts'
import { fc, holds } from './chunks.ts'

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n'
const COMMANDS = { local: 0x20, proxy: 0x21 } as const

type Version2 = { readonly command?: number; readonly family: number; readonly body: Buffer; readonly length?: number }

function version2({ command = COMMANDS.proxy, family, body, length = body.length }: Version2): Buffer {
  return Buffer.concat([Buffer.from(SIGNATURE, 'latin1'), Buffer.of(command, family, length >> 8, length & 0xff), body])
}

const V4 = Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0, 25])
const V6 = Buffer.concat([Buffer.from('20010db8000000000000000000000001', 'hex'), Buffer.alloc(16), Buffer.from([0x30, 0x39, 0, 25])])

const complete = [
  // header                                                        source
  ['PROXY TCP4 192.0.2.7 198.51.100.1 12345 25\r\n', { address: '192.0.2.7', port: 12_345 }],
  ['PROXY TCP4 192.0.2.7 198.51.100.1 0 65535\r\n', { address: '192.0.2.7', port: 0 }],
  ['PROXY TCP6 2001:0DB8::0001 2001:db8::2 12345 25\r\n', { address: '2001:db8::1', port: 12_345 }],
  ['PROXY UNKNOWN\r\n', null],
  ['PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n', null],
] as const
test.each(complete)('version 1: %j', (header, source) => {
  const bytes = Buffer.from(`${header}EHLO x\r\n`)
  expect(readProxyHeader(bytes)).toEqual({ kind: 'complete', length: header.length, source })
  for (let at = 0; at < header.length; at++) expect(readProxyHeader(bytes.subarray(0, at)).kind).toBe('incomplete')
})

const binary = [
  // name                              header                                                            source
  ['TCP over IPv4', version2({ family: 0x11, body: V4 }), { address: '192.0.2.7', port: 12_345 }],
  ['TCP over IPv6', version2({ family: 0x21, body: V6 }), { address: '2001:db8::1', port: 12_345 }],
  [
    'with extensions after the addresses',
    version2({ family: 0x11, body: Buffer.concat([V4, Buffer.alloc(100, 7)]) }),
    { address: '192.0.2.7', port: 12_345 },
  ],
  ['a health check of the load balancer', version2({ command: COMMANDS.local, family: 0, body: Buffer.alloc(0) }), null],
  ['a health check with an address, which is ignored', version2({ command: COMMANDS.local, family: 0x11, body: V4 }), null],
  ['no family', version2({ family: 0, body: Buffer.alloc(0) }), null],
  ['a Unix socket', version2({ family: 0x31, body: Buffer.alloc(216) }), null],
] as const
test.each(binary)('version 2: %s', (_name, header, source) => {
  const bytes = Buffer.concat([header, Buffer.from('EHLO x\r\n')])
  expect(readProxyHeader(bytes)).toEqual({ kind: 'complete', length: header.length, source })
  for (let at = 0; at < header.length; at++) expect(readProxyHeader(bytes.subarray(0, at)).kind).toBe('incomplete')
})

const invalid = [
  ['no header', Buffer.from('EHLO mx.example.net\r\n')],
  ['lower case', Buffer.from('proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n')],
  ['a bare LF', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n')],
  ['a bare CR', Buffer.from('PROXY TCP4 192.0.2.7\r198.51.100.1 1 2\r\n')],
  ['two spaces', Buffer.from('PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n')],
  ['one field too many', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n')],
  ['one field too few', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n')],
  ['an unknown family', Buffer.from('PROXY constructor 192.0.2.7 198.51.100.1 1 2\r\n')],
  ['IPv6 as TCP4', Buffer.from('PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n')],
  ['IPv4 as TCP6', Buffer.from('PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n')],
  ['a host name', Buffer.from('PROXY TCP4 mx.example.net 198.51.100.1 1 2\r\n')],
  ['an octal address', Buffer.from('PROXY TCP4 0300.0.2.7 198.51.100.1 1 2\r\n')],
  ['a zone', Buffer.from('PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n')],
  ['a port above 65535', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n')],
  ['a port with a leading zero', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 025 25\r\n')],
  ['a line without a line ending', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(200)}`)],
  ['version 3', version2({ command: 0x31, family: 0x11, body: V4 })],
  ['an unknown command', version2({ command: 0x22, family: 0x11, body: V4 })],
  ['UDP', version2({ family: 0x12, body: V4 })],
  ['a truncated address', version2({ family: 0x11, body: V4.subarray(0, 11) })],
  ['an IPv6 address of four bytes', version2({ family: 0x21, body: V4 })],
  ['extensions of 64 KiB', version2({ family: 0x11, body: V4, length: 65_535 })],
] as const
test.each(invalid)('invalid: %s', (_name, bytes) => expect(readProxyHeader(bytes)).toEqual({ kind: 'invalid' }))

describe('any bytes', () => {
  const parts = fc.array(
    fc.constantFrom('PROXY', ' ', 'TCP4', 'TCP6', 'UNKNOWN', '192.0.2.7', '::1', '25', '\r\n', '\n', SIGNATURE, '\x21\x11\0\x0c', '\0\0\0'),
  )
  test('the parser is total, and a complete header lies within the bytes', () =>
    holds([parts, fc.uint8Array({ maxLength: 300 })], (text, bytes) => {
      for (const each of [
        Buffer.from(text.join(''), 'latin1'),
        Buffer.from(bytes),
        version2({ family: bytes[0] ?? 0x11, body: Buffer.from(bytes) }),
      ]) {
        const header = readProxyHeader(each)
        if (header.kind !== 'complete') continue
        expect(header.length).toBeLessThanOrEqual(each.length)
        expect(isProxyHeaderPrefix(each)).toBe(true)
      }
    }))

  test('the bytes after a header do not change it', () =>
    holds([fc.ipV4(), fc.nat(65_535), fc.string()], (address, port, rest) => {
      const header = `PROXY TCP4 ${address} 192.0.2.1 ${port} 25\r\n`
      const want = { kind: 'complete', length: header.length, source: { address, port } }
      expect(readProxyHeader(Buffer.from(header))).toEqual(want)
      expect(readProxyHeader(Buffer.from(header + rest))).toEqual(want)
    }))

  test('an address written in version 2 is read back', () =>
    holds([fc.ipV4(), fc.nat(65_535)], (address, port) => {
      const octets = address.split('.').map(Number)
      const body = Buffer.from([...octets, 192, 0, 2, 1, port >> 8, port & 0xff, 0, 25])
      expect(readProxyHeader(version2({ family: 0x11, body }))).toMatchObject({ source: { address, port } })
    }))
})
