/** token.test - round trips, test vectors, and tokens that must be invalid */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeBase32Number, encodeBase32, encodeBase32Number } from '../../src/correlate/base32.ts'
import { formatDeliveryId, monthOfDelivery, parseDeliveryId, startOfDayNumber } from '../../src/correlate/delivery-id.ts'
import { deriveTokenKey, hkdf, type TokenKeyLookup } from '../../src/correlate/token-keys.ts'
import { isDeliveryIdExpired, mintToken, TOKEN_PURPOSES, type TokenPurpose, parseToken } from '../../src/correlate/token.ts'

const MASTER = Buffer.from(Array.from({ length: 32 }, (_, i) => i))
const keyFor: TokenKeyLookup = (account, index) => deriveTokenKey(MASTER, account, index)
const DOMAIN = 'rp.example.net'
const TOKEN_LENGTH = 30
/** The highest numbers that fit into 3 and 7 characters. */
const MAX_ACCOUNT_NUMBER = 32 ** 3 - 1
const MAX_SEQUENCE = 32 ** 7 - 1

const ids = fc
  .record({ day: fc.nat(32_767), account: fc.nat(MAX_ACCOUNT_NUMBER), sequence: fc.nat(MAX_SEQUENCE) })
  .map((parts) => ({ parts, id: formatDeliveryId(parts) ?? '' }))
const purposes = fc.constantFrom(...(Object.keys(TOKEN_PURPOSES) as TokenPurpose[]))

function mint(id: string, purpose: TokenPurpose = 'return-path', keyIndex = 0, domain = DOMAIN): string {
  const { account } = parseDeliveryId(id) ?? { account: 0 }
  return mintToken({ key: deriveTokenKey(MASTER, account, keyIndex), keyIndex, deliveryId: id, purpose, domain }) ?? ''
}

test('numbers survive a round trip and sort in order', () => {
  fc.assert(fc.property(fc.nat(32 ** 5), (n) => decodeBase32Number(encodeBase32Number(n, 6) ?? '') === n))
  fc.assert(
    fc.property(fc.nat(MAX_ACCOUNT_NUMBER), fc.nat(MAX_ACCOUNT_NUMBER), (a, b) => {
      const [left, right] = [encodeBase32Number(a, 3) ?? '', encodeBase32Number(b, 3) ?? '']
      expect(left < right).toBe(a < b)
    }),
  )
  expect(encodeBase32Number(32, 1)).toBeNull()
  expect(encodeBase32Number(-1, 3)).toBeNull()
  expect(decodeBase32Number('018')).toBeNull()
})

test('bytes are encoded as in RFC 4648', () => {
  expect(encodeBase32(Buffer.from('foobar'))).toBe('mzxw6ytboi')
  expect(encodeBase32(Buffer.from(''))).toBe('')
})

test('hkdf is RFC 5869, test case 1', () => {
  const okm = hkdf(Buffer.alloc(22, 0x0b), Buffer.from('000102030405060708090a0b0c', 'hex'), Buffer.from('f0f1f2f3f4f5f6f7f8f9', 'hex'), 42)
  expect(okm.toString('hex')).toBe('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865')
})

test('an id contains its day, month and account', () => {
  fc.assert(
    fc.property(ids, ({ parts, id }) => {
      expect(parseDeliveryId(id)).toEqual(parts)
    }),
  )
  expect(monthOfDelivery(formatDeliveryId({ day: 31, account: 1, sequence: 0 }) ?? '')).toBe(202002)
  expect(monthOfDelivery('nonsense')).toBe(0)
})

test('a token is read in any letter case', () => {
  fc.assert(
    fc.property(ids, purposes, fc.nat(31), fc.infiniteStream(fc.boolean()), ({ parts, id }, purpose, keyIndex, upper) => {
      const token = mint(id, purpose, keyIndex)
      expect(token).toMatch(/^[a-z2-7]{30}$/)
      const mixed = Array.from(token, (letter) => (upper.next().value ? letter.toUpperCase() : letter)).join('')
      expect(parseToken(mixed, purpose, DOMAIN, keyFor)).toEqual({
        state: 'valid',
        account: parts.account,
        deliveryId: id,
        keyIndex,
        purpose,
      })
    }),
  )
})

test('a token is invalid for another purpose or domain, or with another character', () => {
  fc.assert(
    fc.property(
      ids,
      purposes,
      purposes,
      fc.nat(TOKEN_LENGTH - 1),
      fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz234567'.split('')),
      ({ id }, purpose, other, at, letter) => {
        const token = mint(id, purpose)
        expect(parseToken(token, other, DOMAIN, keyFor).state).toBe(purpose === other ? 'valid' : 'invalid')
        expect(parseToken(token, purpose, 'other.example.net', keyFor).state).toBe('invalid')
        const forged = token.slice(0, at) + letter + token.slice(at + 1)
        expect(parseToken(forged, purpose, DOMAIN, keyFor).state === 'valid').toBe(forged === token)
      },
    ),
  )
})

test('no account can mint for another, and a token without its key is invalid', () => {
  fc.assert(
    fc.property(ids, fc.nat(MAX_ACCOUNT_NUMBER), ({ parts, id }, attacker) => {
      fc.pre(attacker !== parts.account)
      const forged =
        mintToken({ key: deriveTokenKey(MASTER, attacker, 0), keyIndex: 0, deliveryId: id, purpose: 'return-path', domain: DOMAIN }) ?? ''
      expect(parseToken(forged, 'return-path', DOMAIN, keyFor).state).toBe('invalid')
    }),
  )
  const token = mint(formatDeliveryId({ day: 1, account: 1, sequence: 1 }) ?? '')
  expect(parseToken(token, 'return-path', DOMAIN, () => null).state).toBe('invalid')
})

test('a truncated token keeps its id, anything else is none; any text gives a value', () => {
  fc.assert(
    fc.property(ids, fc.integer({ min: 14, max: 29 }), ({ id }, length) => {
      expect(parseToken(mint(id).slice(0, length), 'return-path', DOMAIN, keyFor)).toMatchObject({ state: 'truncated', deliveryId: id })
    }),
  )
  fc.assert(
    fc.property(fc.string({ maxLength: 40, unit: 'binary' }), (text) => {
      expect(parseToken(text, 'feedback', DOMAIN, keyFor).state).not.toBe('valid')
    }),
  )
  expect(parseToken('', 'feedback', DOMAIN, keyFor)).toEqual({ state: 'none' })
  expect(parseToken('a'.repeat(100_000), 'feedback', DOMAIN, keyFor)).toEqual({ state: 'none' })
})

test('an invalid id or key index cannot be signed', () => {
  const key = deriveTokenKey(MASTER, 1, 0)
  expect(mintToken({ key, keyIndex: 0, deliveryId: 'short', purpose: 'feedback', domain: DOMAIN })).toBeNull()
  expect(mintToken({ key, keyIndex: 32, deliveryId: '2222222222222', purpose: 'feedback', domain: DOMAIN })).toBeNull()
})

const DAY = 86_400_000
const ages = [
  // days after the id's day, purpose          expired
  [0, 'return-path', false],
  [30, 'return-path', false],
  [31, 'return-path', true],
  [400, 'feedback', false],
  [401, 'feedback', true],
  [400, 'unsubscribe', false],
] as const

test.each(ages)('a token is %i days old, for %s: expired %s', (days, purpose, expired) => {
  const id = formatDeliveryId({ day: 2_000, account: 7, sequence: 1 }) ?? ''
  expect(isDeliveryIdExpired(id, TOKEN_PURPOSES[purpose].validDays, startOfDayNumber(2_000) + days * DAY + 1)).toBe(expired)
})

const DOCS = join(import.meta.dirname, '../../docs')

test('mints the vectors of docs/TOKEN.md', () => {
  const id = formatDeliveryId({ day: 2_515, account: 7, sequence: 1 }) ?? ''
  const rows = (Object.keys(TOKEN_PURPOSES) as TokenPurpose[]).map((purpose) => `| \`${purpose}\` | \`${mint(id, purpose)}\` |`)
  const key = deriveTokenKey(MASTER, 7, 0).toString('hex')
  const want = [`| account key | \`${key}\` |`, `| deliveryId | \`${id}\` |`, ...rows]
  const lines = readFileSync(join(DOCS, 'TOKEN.md'), 'utf8').split('\n')
  expect(want.filter((line) => !lines.includes(line))).toEqual([])
})

const id = formatDeliveryId({ day: 2_515, account: 7, sequence: 1 }) ?? ''
const key = deriveTokenKey(MASTER, 7, 3).toString('hex')
const minters = [
  ['python3', [join(DOCS, 'mint.py'), key, '3', '7', '1', 'feedback', DOMAIN, '2026-11-20']],
  ['go', ['run', join(DOCS, 'mint.go'), key, '3', id, 'feedback', DOMAIN]],
] as const

test.each(minters)('the reference minter in %s signs as we do', (program, args) => {
  const ran = spawnSync(program, args, { encoding: 'utf8' })
  // Without the language there is nothing to compare.
  expect(ran.error === undefined ? ran.stdout.trim() : mint(id, 'feedback', 3)).toBe(mint(id, 'feedback', 3))
})
