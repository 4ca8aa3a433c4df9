/** verp.test - which recipient a VERP address names */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashAddress } from '../../src/correlate/address-hash.ts'
import { parseVerpPattern, readVerpRecipient } from '../../src/correlate/verp-pattern.ts'
import { findVerpReferences, verpAccountOf, normaliseVerpAddress, parseVerpAddress } from '../../src/correlate/verp.ts'

const OWN = [
  ['bounces@rp.example.com', 1],
  ['list-bounces@rp.example.com', 2],
  ['sg-{id}-{id}-{user}={domain}@rp.example.com', 3],
  ['Sympa+{user}==a=={domain}=={id}@rp.example.com', 4],
  ['turned-{domain}={user}@rp.example.com', 5],
  ['{user}_at_{domain}@own.example.com', 6],
].flatMap(([text, account]) => parseVerpAddress(Number(account), String(text)) ?? [])

const cases = [
  // address                                                        account  recipient
  ['bounces+joe=example.org@rp.example.com', 1, 'joe@example.org'],
  ['bounces-joe=example.org@rp.example.com', 1, 'joe@example.org'],
  ['<Bounces+Joe=Example.ORG@RP.example.com>', 1, 'joe@example.org'],
  ['bounces+a-b+c=d=example.org@rp.example.com', 1, 'a-b+c=d@example.org'],
  ['list-bounces+joe=example.org@rp.example.com', 2, 'joe@example.org'],
  ['SRS0=ab12=XY=rp.example.com=bounces+joe=example.org@relay.example.net', 1, 'joe@example.org'],
  ['prvs=3456789abc=bounces+joe=example.org@rp.example.com', 1, 'joe@example.org'],
  ['bounces-joe=example.org-12345@rp.example.com', 1, 'joe@example.org'],
  ['bounces+joe=my-shop.example-12_AB@rp.example.com', 1, 'joe@my-shop.example'],
  ['bounces+joe=example.xn--vermgensberatung-pwb@rp.example.com', 1, 'joe@example.xn--vermgensberatung-pwb'],
  ['sg-1234-ab_9-joe-b=example.org@rp.example.com', 3, 'joe-b@example.org'],
  ['SG-1234-ab_9-JOE=Example.org@RP.example.com', 3, 'joe@example.org'],
  ['sg-1234--joe=example.org@rp.example.com', 0, null],
  ['sg-1234-joe=example.org@rp.example.com', 0, null],
  ['sympa+joe==a==example.org==news@rp.example.com', 4, 'joe@example.org'],
  ['sympa+joe=example.org==news@rp.example.com', 0, null],
  ['turned-example.org=joe=b@rp.example.com', 5, 'joe=b@example.org'],
  ['a_at_b_at_example.org@own.example.com', 6, 'a_at_b@example.org'],
  ['_at_example.org@own.example.com', 0, null],
  ['bounces+joe=localhost@rp.example.com', 0, null],
  ['bounces+İ=example.org@rp.example.com', 1, 'i̇@example.org'],
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
  ['Bounces@RP.example.com', 'bounces@rp.example.com'],
  ['b-{ID}-{User}={domain}@RP.example.com', 'b-{id}-{user}={domain}@rp.example.com'],
  ['bounces', null],
  ['@rp.example.com', null],
  ['b-{user}@rp.example.com', null],
  ['b-{user}{domain}@rp.example.com', null],
  ['b-{user}-{domain}@rp.example.com', null],
  ['b-{user}={user}={domain}@rp.example.com', null],
  ['b-{user}={id}={domain}@rp.example.com', null],
  ['b{id}{id}-{user}={domain}@rp.example.com', null],
  ['b{id}a-{user}={domain}@rp.example.com', null],
  ['{id}{user}={domain}@rp.example.com', null],
  ['{user}={domain}a{id}@rp.example.com', null],
  ['b-{name}-{user}={domain}@rp.example.com', null],
  ['b-(a+)+$-{user}={domain}@rp.example.com', 'b-(a+)+$-{user}={domain}@rp.example.com'],
  [`${'a'.repeat(200)}{user}={domain}@rp.example.com`, null],
  [`${'{id}-'.repeat(30)}{user}={domain}@rp.example.com`, null],
])('a setting %s', (address, want) => expect(normaliseVerpAddress(address)).toBe(want))

test('a pattern reads every recipient that was written with it, and any text in one pass', () => {
  const user = fc.stringMatching(/^[a-z0-9][a-z0-9+=_-]{0,20}[a-z0-9]$/)
  const id = fc.stringMatching(/^[A-Za-z0-9_]{1,20}$/)
  const shapes = ['b-{id}-{user}={domain}', '{user}={domain}-{id}', 'x+{id}.{id}-{domain}={user}', '{id}--{user}=={domain}.{id}'] as const
  fc.assert(
    fc.property(fc.constantFrom(...shapes), user, id, (shape, name, number) => {
      const pattern = parseVerpPattern(shape)
      const local = shape.replaceAll('{id}', number).replace('{user}', name).replace('{domain}', 'mail.example.org')
      expect(pattern && readVerpRecipient(pattern, local)).toBe(`${name}@mail.example.org`)
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ unit: 'binary', maxLength: 300 }), (setting, local) => {
      const pattern = parseVerpPattern(setting)
      const found = pattern && readVerpRecipient(pattern, local)
      expect(found === null || found.includes('@')).toBe(true)
    }),
  )
})

test('the address without a recipient takes reports, and other addresses of its domain do not', () => {
  const recipients = ['Bounces@rp.example.com', 'bounces+joe=example.org@rp.example.com', 'sales@rp.example.com', 'sg@rp.example.com']
  expect(recipients.map((each) => verpAccountOf(each, OWN))).toEqual([OWN[0]?.account, OWN[0]?.account, null, null])
})
