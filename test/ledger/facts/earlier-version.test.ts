/** earlier-version.test - facts of an earlier release fold and show as they did then */
import { expect, test } from 'vitest'
import { toCurrentVersion } from '../../../src/ledger/facts/earlier-version.ts'
import type { Fact } from '../../../src/ledger/facts/fact.ts'
import { foldDeliveryFacts } from '../../../src/ledger/project/delivery.ts'
import { openFact, sampleFact } from '../../store/sample.ts'
import { engagementData } from '../given.ts'

const AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.3.1'
/** As the first release with opens stored it. */
const VERSION_1 = { ...openFact(1), v: 1, data: { requestId: 'q1', url: null, ip: '192.0.2.7', userAgent: AGENT } }

test('an open of version 1 counts as a person, and its user agent is read', () => {
  // Checked cast: the payload of version 1 is what this is about.
  const fact = toCurrentVersion(VERSION_1 as unknown as Fact)
  const client = { device: 'desktop', browser: 'Thunderbird', browserVersion: '115.3.1', system: 'Linux' }
  const data = engagementData({ requestId: 'q1', ip: '192.0.2.7', userAgent: AGENT, ...client })
  expect(fact).toEqual({ ...VERSION_1, v: 2, data })
  expect(foldDeliveryFacts([fact])).toMatchObject({ opens: 1, machineOpens: 0, openedAt: fact.at })
  expect(toCurrentVersion(fact)).toBe(fact)
})

test('an unsubscribe of version 1 has the reading of its user agent', () => {
  const data = { how: 'page', type: 0, scope: '', change: 1, ip: null, userAgent: AGENT, digest: null, settingsVersion: 1 }
  // Checked cast: the payload of version 1 is what this is about.
  const fact = toCurrentVersion({ ...VERSION_1, kind: 'unsubscribe', data } as unknown as Fact)
  expect(fact).toMatchObject({ v: 2, data: { ...data, browser: 'Thunderbird', system: 'Linux' } })
})

test('an erased fact of version 1, which was stored again with the current payload, stays erased', () => {
  const data = engagementData({ requestId: 'q1', machine: 'bot', counted: false })
  const erased = { ...sampleFact<'open'>({ n: 1, kind: 'open', data }), v: 1 }
  expect(toCurrentVersion(erased)).toEqual({ ...erased, v: 2 })
})

test('a change of a list of version 1 has no note', () => {
  const data = { list: 'bounce', scope: '', change: 1, action: 'remove', actor: 'operator' }
  // Checked cast: the payload of version 1 is what this is about.
  const fact = toCurrentVersion({ ...VERSION_1, kind: 'list', data } as unknown as Fact)
  expect(fact).toMatchObject({ v: 2, data: { ...data, note: null } })
  // Checked cast: an erasure stores the current payload under the version that was stored.
  const stored = { ...VERSION_1, kind: 'list', data: { ...data, note: 'by phone' } } as unknown as Fact
  expect(toCurrentVersion(stored)).toMatchObject({ data: { note: 'by phone' } })
})
