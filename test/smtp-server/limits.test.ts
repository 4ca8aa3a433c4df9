/**
 * limits.test - limits by peer and network, time limits, the memory budget and the table of refusals
 */
import { describe, expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { createByteBudget } from '../../src/net/byte-budget.ts'
import { idleSinceOf, slowPeerReasonOf, type SlowPeerLimits } from '../../src/smtp-server/slow-peer.ts'
import { createAddressMatcher } from '../../src/net/address-matcher.ts'
import { normaliseIp } from '../../src/net/peer-network.ts'
import { hasEnhancedStatus, refusalLineOf, findRefusal, REFUSALS } from '../../src/smtp-server/refusals.ts'
import { SETTINGS_SCHEMA } from '../../src/settings/schema.ts'

const addresses = [
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['::FFFF:192.0.2.7', '192.0.2.7'],
  ['2001:DB8::1', '2001:db8::1'],
  ['', ''],
] as const
test.each(addresses)('normalised %s', (address, want) => expect(normaliseIp(address)).toBe(want))

describe('listed peers', () => {
  const isListed = createAddressMatcher(['192.0.2.7', '198.51.100.0/24', '2001:db8::/32'], 'smtp.proxyPeers')
  const cases = [
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['198.51.100.200', true],
    ['198.51.101.1', false],
    ['2001:db8:ffff::1', true],
    ['2001:db9::1', false],
    ['', false],
    ['mx.example.net', false],
  ] as const
  test.each(cases)('%s: %s', (address, want) => expect(isListed(address)).toBe(want))
  test('an empty list matches no address', () => expect(createAddressMatcher([], 'smtp.proxyPeers')('192.0.2.7')).toBe(false))
  test.each(['lb.example.net', '192.0.2.7/33', '192.0.2.7/', '192.0.2.7/x', '*', ''])('%j is refused at startup', (entry) => {
    expect(() => createAddressMatcher([entry], 'smtp.proxyPeers')).toThrow(Fault)
  })
})

const SLOW_PEER_LIMITS: SlowPeerLimits = {
  commandTimeoutMs: 300_000,
  dataTimeoutMs: 900_000,
  dataGraceMs: 60_000,
  dataBytesPerSecond: 256,
  stressTimeoutMs: 10_000,
}
const slowPeers = [
  // awaiting   seconds  bytes    reason         under stress
  ['command', 10, 0, null, null],
  ['command', 11, 0, null, 'stress'],
  ['command', 300, 0, null, 'stress'],
  ['command', 301, 0, 'slowCommand', 'slowCommand'],
  ['server', 100_000, 0, null, null],
  ['data', 10, 0, null, null],
  ['data', 11, 0, null, 'slowData'],
  ['data', 11, 11 * 256, null, null],
  ['data', 60, 0, null, 'slowData'],
  ['data', 61, 0, 'slowData', 'slowData'],
  ['data', 61, 61 * 256, null, null],
  ['data', 61, 61 * 256 - 1, 'slowData', 'slowData'],
  ['data', 900, 1e9, null, null],
  ['data', 901, 1e9, 'longData', 'longData'],
] as const
test.each(slowPeers)('awaiting %s for %d s, %d bytes received', (awaiting, seconds, bytes, want, wantUnderStress) => {
  const reasons = [false, true].map((isStressed) =>
    slowPeerReasonOf({ awaiting, since: 1_000, bytes }, SLOW_PEER_LIMITS, { now: 1_000 + seconds * 1_000, isStressed }),
  )
  expect(reasons).toEqual([want, wantUnderStress])
})

const idlePeers = [
  // awaiting   seconds  bytes       idle
  ['command', 0, 0, true],
  ['command', 100, 0, true],
  ['server', 100, 0, false],
  ['data', 10, 0, false],
  ['data', 11, 0, true],
  ['data', 11, 11 * 4_096, false],
] as const
test.each(idlePeers)('awaiting %s for %d s with %d bytes: idle %s', (awaiting, seconds, bytes, isIdle) => {
  expect(idleSinceOf({ awaiting, since: 1_000, bytes }, SLOW_PEER_LIMITS, 1_000 + seconds * 1_000)).toBe(isIdle ? 1_000 : null)
})

describe('the memory budget', () => {
  const createFixture = (
    limit: number,
  ): {
    budget: ReturnType<typeof createByteBudget>
    aborted: string[]
    open: (name: string, now: number) => ReturnType<ReturnType<typeof createByteBudget>['open']>
  } => {
    const budget = createByteBudget(limit)
    const aborted: string[] = []
    return { budget, aborted, open: (name, now) => budget.open(() => aborted.push(name), now) }
  }

  test('above half no new body begins; above all of it the largest stalled body is aborted', () => {
    const { budget, aborted, open } = createFixture(100)
    const stalled = open('stalled', 0)
    const smaller = open('smaller', 0)
    const busy = open('busy', 0)
    budget.addBytes(stalled, 30, 0)
    budget.addBytes(smaller, 20, 0)
    expect(budget.isBelowSoftLimit()).toBe(true)
    budget.addBytes(busy, 50, 2_000)
    expect(budget.isBelowSoftLimit()).toBe(false)
    expect(aborted).toEqual([])
    budget.addBytes(busy, 1, 2_000)
    expect(aborted).toEqual(['stalled'])
    expect(budget.usedBytes()).toBe(71)
  })

  test('without a stalled body the largest is aborted', () => {
    const { budget, aborted, open } = createFixture(100)
    budget.addBytes(open('small', 0), 40, 0)
    budget.addBytes(open('large', 0), 61, 0)
    expect(aborted).toEqual(['large'])
  })

  test('a complete body counts and is never aborted', () => {
    const { budget, aborted, open } = createFixture(100)
    const whole = open('whole', 0)
    budget.addBytes(whole, 90, 0)
    budget.markComplete(whole)
    budget.addBytes(open('other', 5_000), 20, 5_000)
    expect(aborted).toEqual(['other'])
    expect(budget.usedBytes()).toBe(90)
    budget.evictLongRunning(60_000)
    expect(budget.usedBytes()).toBe(90)
    budget.release(whole)
    budget.release(whole)
    expect(budget.usedBytes()).toBe(0)
  })

  test('above half, the largest long-running bodies are aborted, no more than needed', () => {
    const { budget, aborted, open } = createFixture(100)
    const sizes = { a: 30, b: 25, c: 20 }
    for (const [name, bytes] of Object.entries(sizes)) budget.addBytes(open(name, 0), bytes, 0)
    budget.evictLongRunning(4_999)
    expect(aborted).toEqual([])
    budget.addBytes(open('fresh', 4_000), 24, 4_000)
    budget.evictLongRunning(5_000)
    expect(aborted).toEqual(['a', 'b'])
    expect(budget.isBelowSoftLimit()).toBe(true)
    budget.evictLongRunning(60_000)
    expect(aborted).toEqual(['a', 'b'])
  })
})

describe('refusals', () => {
  const rows = Object.entries(REFUSALS)
  test.each(rows)('%s is a single line, and its enhanced status matches its code', (_name, { code, status, text }) => {
    expect(status).toMatch(new RegExp(`^${String(code)[0]}\\.\\d\\.\\d$`))
    expect(text).toMatch(/^[\x20-\x7e]+$/)
  })

  test.each(rows)('%s is recognised by its text', (name, { status, text }) => {
    expect(findRefusal(`${status} ${text}`)).toBe(name)
    expect(hasEnhancedStatus(`${status} ${text}`)).toBe(true)
  })

  test('every setting that a refusal names exists', () => {
    const named = rows.flatMap(([, { text }]) => [...text.matchAll(/(?:limits|smtp)\.\w+/g)].map(([name]) => name))
    expect(new Set(named).size).toBeGreaterThan(15)
    const settings = SETTINGS_SCHEMA.parse({})
    const known = [...Object.keys(settings.limits).map((key) => `limits.${key}`), ...Object.keys(settings.smtp).map((key) => `smtp.${key}`)]
    expect(known).toEqual(expect.arrayContaining(named))
  })

  test('a refusal before the session is one line', () => expect(refusalLineOf('connections')).toMatch(/^421 4\.3\.2 [^\r\n]+\r\n$/))
})
