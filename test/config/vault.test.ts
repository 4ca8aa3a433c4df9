/**
 * vault.test - a secret is decrypted only with its key and for its purpose; master keys and certificates as files
 */
import { X509Certificate } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadCertificate, createSelfSignedCertificate } from '../../src/net/certificate.ts'
import { fingerprintOf, parseMasterKey } from '../../src/config/master-key.ts'
import { loadMasterKey } from '../../src/config/master-key-file.ts'
import { createVault } from '../../src/config/vault.ts'

const folder = (): string => mkdtempSync(join(tmpdir(), 'bounced-vault-'))
const KEY = Buffer.alloc(32, 1)
const vault = createVault(KEY)
const ENCRYPTED = vault.encrypt(Buffer.from('secret'), 'app-key:1')

test('decrypts what it encrypted', () => expect(vault.decrypt(ENCRYPTED, 'app-key:1').toString()).toBe('secret'))
test('encrypts the same text differently each time', () => expect(vault.encrypt(Buffer.from('secret'), 'app-key:1')).not.toEqual(ENCRYPTED))

const flipped = Buffer.from(ENCRYPTED)
flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
const REFUSED = [
  ['another purpose', () => vault.decrypt(ENCRYPTED, 'app-key:2')],
  ['another key', () => createVault(Buffer.alloc(32, 2)).decrypt(ENCRYPTED, 'app-key:1')],
  ['a flipped bit', () => vault.decrypt(flipped, 'app-key:1')],
  ['truncated bytes', () => vault.decrypt(ENCRYPTED.subarray(0, 20), 'app-key:1')],
  ['no bytes', () => vault.decrypt(Buffer.alloc(0), 'app-key:1')],
  ['another version', () => vault.decrypt(Buffer.concat([Buffer.of(9), ENCRYPTED.subarray(1)]), 'app-key:1')],
] as const
test.each(REFUSED)('refuses %s', (_what, open) => expect(open).toThrow(/secret/))

const KEYS = [
  ['00'.repeat(32), '00'.repeat(32)],
  [' ' + 'AB'.repeat(32) + '\n', 'ab'.repeat(32)],
  [Buffer.alloc(32, 7).toString('base64'), '07'.repeat(32)],
  [Buffer.alloc(32, 7).toString('base64url'), '07'.repeat(32)],
] as const
test.each(KEYS)('the key %j', (text, hex) => expect(parseMasterKey(text).toString('hex')).toBe(hex))
test('hashes any other text to a key', () => expect(parseMasterKey('correct horse battery staple, and more').length).toBe(32))

const options = { configured: null, isEmbedded: true, mayGenerate: true }

test('generates a key once, readable by its owner only', () => {
  const data = folder()
  const first = loadMasterKey({ ...options, folder: data })
  const second = loadMasterKey({ ...options, folder: data, mayGenerate: false })
  expect([first.made, second.made, second.key.equals(first.key), statSync(join(data, 'master.key')).mode & 0o777]).toEqual([
    true,
    false,
    true,
    0o600,
  ])
  expect(fingerprintOf(first.key)).not.toContain(readFileSync(join(data, 'master.key'), 'utf8').trim().slice(0, 8))
})

test('generates no key beside an existing store, and none for PostgreSQL', () => {
  expect(() => loadMasterKey({ ...options, folder: folder(), mayGenerate: false })).toThrow(/restore the file/)
  expect(() => loadMasterKey({ ...options, folder: folder(), isEmbedded: false })).toThrow(/required with PostgreSQL/)
})

test('a self-signed certificate is valid for its host', () => {
  const { cert, key } = createSelfSignedCertificate('mx.example.com', Date.UTC(2026, 10, 20))
  const read = new X509Certificate(cert)
  expect([read.checkHost('mx.example.com'), read.verify(read.publicKey), new Date(read.validTo).getUTCFullYear()]).toEqual([
    'mx.example.com',
    true,
    2036,
  ])
  const data = folder()
  const files = { cert: join(data, 'cert.pem'), key: join(data, 'key.pem') }
  writeFileSync(files.cert, cert)
  writeFileSync(files.key, key)
  expect(loadCertificate(files)).toEqual({ cert, key })
  writeFileSync(files.key, createSelfSignedCertificate('mx.example.com', 0).key)
  expect(() => loadCertificate(files)).toThrow(/not the key of/)
  expect(() => loadCertificate({ ...files, cert: '/nowhere' })).toThrow(/the certificate \/nowhere does not exist/)
})

test.each([
  ['0640', 0o640],
  ['0604', 0o604],
  ['0620', 0o620],
  ['0602', 0o602],
])('a master key of mode %s stops the start, and the message has the command that mends it', (shown, mode) => {
  const data = folder()
  const { key } = loadMasterKey({ ...options, folder: data })
  const file = join(data, 'master.key')
  chmodSync(file, mode)
  expect(() => loadMasterKey({ ...options, folder: data })).toThrow(`(mode ${shown}): run chmod 600 '${file}'`)
  chmodSync(file, 0o600)
  expect(loadMasterKey({ ...options, folder: data }).key.equals(key)).toBe(true)
})
