/** known-peers.test - who is greeted at once: within the time, until forgotten, and never more peers than the bound */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createKnownPeers } from '../../src/net/known-peers.ts'

const HOUR = 3_600_000

test('a peer is known from its mail until the time is over, which each mail starts anew', () => {
  const peers = createKnownPeers(HOUR)
  expect(peers.isKnown('192.0.2.1', 0)).toBe(false)
  peers.remember('192.0.2.1', 1_000)
  expect([999 + HOUR, 1_000 + HOUR].map((now) => peers.isKnown('192.0.2.1', now))).toEqual([true, false])
  peers.remember('192.0.2.1', HOUR)
  expect(peers.isKnown('192.0.2.1', 1_000 + HOUR)).toBe(true)
  expect(peers.isKnown('192.0.2.2', HOUR)).toBe(false)
})

test('with 0 nobody is known', () => {
  const peers = createKnownPeers(0)
  peers.remember('192.0.2.1', 1_000)
  expect(peers.isKnown('192.0.2.1', 1_000)).toBe(false)
})

test('after any sequence, the known peers are those that were remembered last and not forgotten', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('remember', 'forget'), fc.integer({ min: 0, max: 6 })), { maxLength: 60 })
  fc.assert(
    fc.property(steps, (taken) => {
      const peers = createKnownPeers(HOUR, 3)
      let model: string[] = []
      for (const [action, n] of taken) {
        const address = `192.0.2.${n}`
        model = model.filter((each) => each !== address)
        if (action === 'forget') peers.forget(address)
        else {
          peers.remember(address, 0)
          model = [...model, address].slice(-3)
        }
      }
      const known = Array.from({ length: 7 }, (_, n) => `192.0.2.${n}`).filter((address) => peers.isKnown(address, 1))
      expect(known.toSorted()).toEqual(model.toSorted())
    }),
  )
})
