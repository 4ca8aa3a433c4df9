/** verp.test - which recipient a VERP address names */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashAddress } from '../../src/correlate/address-hash.ts'
import { findVerpReferences, parseVerpAddress } from '../../src/correlate/verp.ts'

const OWN = [
  { account: 1, local: 'bounces', domain: 'rp.example.com' },
  { account: 2, local: 'list-bounces', domain: 'rp.example.com' },
]

const cases = [
  // address                                                        account  recipient
  ['bounces+joe=example.org@rp.example.com', 1, 'joe@example.org'],
  ['bounces-joe=example.org@rp.example.com', 1, 'joe@example.org'],
  ['<Bounces+Joe=Example.ORG@RP.example.com>', 1, 'joe@example.org'],
  ['bounces+a-b+c=d=example.org@rp.example.com', 1, 'a-b+c=d@example.org'],
  ['list-bounces+joe=example.org@rp.example.com', 2, 'joe@example.org'],
  ['SRS0=ab12=XY=rp.example.com=bounces+joe=example.org@relay.example.net', 1, 'joe@example.org'],
  ['prvs=3456789abc=bounces+joe=example.org@rp.example.com', 1, 'joe@example.org'],
  ['bounces+joe=example.org@other.example.com', 0, null],
  ['bounces@rp.example.com', 0, null],
  ['bounces+@rp.example.com', 0, null],
  ['bounces+=@rp.example.com', 0, null],
  ['bounces=example.org@rp.example.com', 0, null],
  ['xbounces+joe=example.org@rp.example.com', 0, null],
  ['bouncesjoe=example.org@rp.example.com', 0, null],
] as const

test.each(cases)('%s', (address, account, recipient) => {
  const want = recipient === null ? [] : [{ via: 'verp', account, addressHash: hashAddress(recipient) }]
  expect(findVerpReferences([address], OWN)).toEqual(want)
})

test('an account and recipient that two addresses name are one reference', () => {
  const [first] = cases
  expect(findVerpReferences([first[0], `<${first[0].toUpperCase()}>`], OWN)).toHaveLength(1)
})

test('any text names at most two recipients, and every recipient that is written is read', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 400 }), { maxLength: 4 }), (texts) => {
      expect(findVerpReferences([...texts, ...texts.map((text) => `bounces+${text}@rp.example.com`)], OWN).length).toBeLessThanOrEqual(2)
    }),
  )
  const local = fc.stringMatching(/^[a-z0-9][a-z0-9+=_-]{0,20}[a-z0-9]$/)
  fc.assert(
    fc.property(local, fc.constantFrom('+', '-'), (name, separator) => {
      const found = findVerpReferences([`bounces${separator}${name}=example.org@rp.example.com`], OWN)
      expect(found).toContainEqual({ via: 'verp', account: 1, addressHash: hashAddress(`${name}@example.org`) })
    }),
  )
})

test.each([
  ['Bounces@RP.example.com', { account: 7, local: 'bounces', domain: 'rp.example.com' }],
  ['bounces', null],
])('a setting %s', (address, want) => expect(parseVerpAddress(7, address)).toEqual(want))
