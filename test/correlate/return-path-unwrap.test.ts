/** return-path-unwrap.test - the forms in which relays wrap a Return-Path */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { unwrapReturnPath } from '../../src/correlate/return-path-unwrap.ts'

const TOKEN = 'a22222222222abcdefghijklmnop22'
const AT = `${TOKEN}@rp.example.net`

const cases = [
  // address                                                                    innermost
  [AT, AT],
  [`<${AT}>`, AT],
  [`SRS0=ab12=XY=rp.example.net=${TOKEN}@relay.example.org`, AT],
  [`srs0+ab12=xy=rp.example.net=${TOKEN}@relay.example.org`, AT],
  [`SRS0-ab12=XY=rp.example.net=${TOKEN}@relay.example.org`, AT],
  [`SRS1=cd34=relay.example.org==ab12=XY=rp.example.net=${TOKEN}@second.example.com`, AT],
  [`SRS1=cd34=relay.example.org=+ab12=XY=rp.example.net=${TOKEN}@second.example.com`, AT],
  [`bounces+SRS=ab12=XY=rp.example.net=${TOKEN}@tenant.example.org`, AT],
  [`prvs=3456789abc=${TOKEN}@rp.example.net`, AT],
  [`prvs=${TOKEN}/3456789abc@rp.example.net`, AT],
  [`prvs=${TOKEN}=3456789abc@rp.example.net`, AT],
  [`btv1==3456789abc==${TOKEN}@rp.example.net`, AT],
  [`msprvs1=20001xyz=${TOKEN}@rp.example.net`, AT],
  [`SRS0=ab12=XY=rp.example.net=prvs=3456789abc=${TOKEN}@relay.example.org`, AT],
  [`prvs=3456789abc=SRS0=ab12=XY=rp.example.net=${TOKEN}@relay.example.org`, AT],
  [`list-bounces+${TOKEN}=rp.example.net@lists.example.org`, AT],
  [`list-return-12-${TOKEN}=rp.example.net@lists.example.org`, AT],
  ['SRS0=broken@relay.example.org', 'SRS0=broken@relay.example.org'],
  ['joe@example.com', 'joe@example.com'],
  ['', undefined],
] as const

test.each(cases)('unwrap %s', (address, innermost) => {
  expect(unwrapReturnPath(address).at(-1)).toBe(innermost)
})

test('unwrapping is total and bounded', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 600, unit: 'binary' }), (text) => {
      expect(unwrapReturnPath(text).length).toBeLessThanOrEqual(6)
    }),
  )
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('SRS0=', 'SRS1=', '==', '=', '+SRS=', 'prvs=', 'a', '@', 'x.example', '-', '/'), { maxLength: 80 }),
      (parts) => {
        expect(unwrapReturnPath(parts.join('')).length).toBeLessThanOrEqual(6)
      },
    ),
  )
  expect(unwrapReturnPath('SRS0='.repeat(50_000))).toEqual([])
})
