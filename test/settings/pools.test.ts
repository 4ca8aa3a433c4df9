/** pools.test - the EHLO name of each egress IP, and what the setting refuses */
import { expect, test } from 'vitest'
import { deliverySettings } from '../../src/settings/delivery.ts'
import { ehloNamesOf } from '../../src/settings/pools.ts'

test('an egress IP has its own EHLO name, or the one of all', () => {
  const settings = deliverySettings.parse({ egressEhlo: ['192.0.2.1=out1.example.com', '2001:DB8::1=out2.example.com'] })
  const nameOf = ehloNamesOf(settings, 'out.example.com')
  expect(['192.0.2.1', '2001:db8::1', '192.0.2.9', ''].map(nameOf)).toEqual([
    'out1.example.com',
    'out2.example.com',
    'out.example.com',
    'out.example.com',
  ])
})

test.each(['192.0.2.1', '192.0.2.1=', '=out.example.com', '192.0.2.1=out example', '192.0.2.1=out\r\nMAIL'])('%j is refused', (entry) => {
  expect(deliverySettings.safeParse({ egressEhlo: [entry] }).success).toBe(false)
})
