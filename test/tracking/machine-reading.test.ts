/**
 * machine-reading.test - opens and clicks of machines and of people, the reading of their clients, and what is stored of their addresses
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readClient } from '../../src/tracking/client-reading.ts'
import { IP_PRIVACY, storedIp } from '../../src/tracking/ip-privacy.ts'
import { machineNetworkOf } from '../../src/tracking/machine-networks.ts'
import { BURST_MS, burstOf, isBot, readMachine, type EngagementSigns } from '../../src/tracking/machine-reading.ts'

const CHROME = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'
const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148'
const GMAIL = 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)'

const PERSON: EngagementSigns = {
  kind: 'open',
  method: 'GET',
  purpose: null,
  userAgent: CHROME,
  isBot: false,
  ip: '198.51.100.7',
  at: 1_000_000,
  deliveredAt: 900_000,
  requestedAt: 890_000,
  isBurst: false,
}

function machineOf(over: Partial<EngagementSigns>): string | null {
  const signs = { ...PERSON, ...over }
  return readMachine({ ...signs, isBot: isBot(signs.userAgent) })
}

describe('a machine', () => {
  test.each([
    ['head', { method: 'HEAD' }],
    ['prefetch', { purpose: 'prefetch;prerender' }],
    ['prefetch', { purpose: 'preview', kind: 'click' }],
    ['apple-proxy', { userAgent: 'Mozilla/5.0' }],
    ['apple-proxy', { ip: '17.58.63.1', userAgent: IPHONE }],
    ['google-proxy', { userAgent: GMAIL, ip: '203.0.113.5' }],
    ['google-proxy', { ip: '66.249.84.1' }],
    ['google-proxy', { ip: '::ffff:66.249.84.1' }],
    ['image-proxy', { userAgent: 'YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html' }],
    ['scanner', { kind: 'click', ip: '148.163.130.9' }],
    ['scanner', { userAgent: 'Mozilla/5.0 (compatible; BarracudaCentral/1.0)' }],
    ['scanner', { userAgent: 'Microsoft Office Existence Discovery' }],
    ['bot', { kind: 'click', userAgent: 'curl/8.6.0' }],
    ['bot', { userAgent: CHROME.replace('Chrome', 'HeadlessChrome') }],
    ['too-soon', { kind: 'click', at: 900_999 }],
    ['too-soon', { kind: 'click', deliveredAt: null, at: 890_500 }],
    ['burst', { kind: 'click', isBurst: true }],
  ] as const)('%s: %j', (sign, over) => {
    expect(machineOf(over)).toBe(sign)
  })
})

describe('a person', () => {
  test.each<Partial<EngagementSigns>>([
    {},
    { kind: 'click' },
    { userAgent: null },
    { userAgent: '' },
    { kind: 'click', ip: '17.58.63.1' },
    { kind: 'click', ip: '66.249.84.1' },
    { kind: 'click', at: 901_000 },
    { at: 900_001 },
    { purpose: 'none' },
    { userAgent: IPHONE },
    { userAgent: 'Mozilla/4.0 (compatible; ms-office; MSOffice 16)' },
    { userAgent: 'Outlook-iOS/709.2226530.prod.iphone (3.24.0)' },
    ...['Foxmail 7', 'QQMail/6.5 (iPhone)', 'NetEase Mail', 'KMail/5', 'Evolution/3.44', 'eM Client/9'].map((userAgent) => ({ userAgent })),
  ])('%j', (over) => {
    expect(machineOf(over)).toBeNull()
  })
})

test.each([
  // at, link                                               part of a burst
  [
    [
      [0, 'a'],
      [10, 'b'],
    ],
    [0, 1],
  ],
  [
    [
      [0, 'a'],
      [10, 'a'],
    ],
    [],
  ],
  [
    [
      [0, 'a'],
      [1_500, 'b'],
    ],
    [],
  ],
  [
    [
      [0, 'a'],
      [2_000, 'b'],
      [4_000, 'c'],
    ],
    [0, 1, 2],
  ],
  [
    [
      [4_000, 'c'],
      [0, 'a'],
      [2_000, 'b'],
    ],
    [0, 1, 2],
  ],
  [
    [
      [0, 'a'],
      [3_000, 'b'],
      [6_000, 'c'],
    ],
    [],
  ],
  [
    [
      [0, 'a'],
      [60_000, 'b'],
      [60_100, 'c'],
    ],
    [1, 2],
  ],
] as const)('of the clicks %j, %j are a burst', (clicks, expected) => {
  const timed = clicks.map(([at, url]) => ({ at, url }))
  const burst = burstOf(timed)
  expect(timed.flatMap((click, n) => (burst.has(click) ? [n] : []))).toEqual(expected)
  expect(BURST_MS).toBe(5_000)
})

test.each([
  [CHROME, 'desktop', 'Chrome', '126.0.0.0', 'Windows', '10.0'],
  [`${CHROME} Edg/126.1`, 'desktop', 'Microsoft Edge', '126.1', 'Windows', '10.0'],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) Version/17.1 Mobile/15E148 Safari/604.1',
    'mobile',
    'Safari',
    '17.1',
    'iOS',
    '17.1',
  ],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.3.1', 'desktop', 'Thunderbird', '115.3.1', 'Linux', null],
  ['Mozilla/5.0', null, null, null, null, null],
  ['<script>alert(1)</script>/1.0 (x)', null, null, null, null, null],
  [null, null, null, null, null, null],
] as const)('reads %j', (text, device, browser, browserVersion, system, systemVersion) => {
  expect(readClient(text)).toEqual({ device, browser, browserVersion, system, systemVersion })
})

test.each([
  ['198.51.100.77', 'whole', '198.51.100.77'],
  ['198.51.100.77', 'network', '198.51.100.0'],
  ['198.51.100.77', 'none', null],
  ['::ffff:198.51.100.77', 'network', '198.51.100.0'],
  ['2001:db8:1:2::9', 'whole', '2001:db8:1:2::9'],
  ['2001:db8:1:2::9', 'network', '2001:db8:1::'],
  ['2001:db8:1:2::9', 'none', null],
  ['no address', 'whole', null],
  ['', 'network', null],
] as const)('of %s, %s stores %s', (ip, privacy, stored) => {
  expect(storedIp(ip, privacy)).toBe(stored)
})

test('any header and any address gives a value, and no word of a header is stored', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 600 }),
    fc.string().map((part) => part.repeat(2_000)),
    fc.constantFrom(CHROME, GMAIL),
  )
  fc.assert(
    fc.property(text, fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), fc.constantFrom(...IP_PRIVACY), (userAgent, ip, privacy) => {
      const reading = Object.values(readClient(userAgent)).filter((value) => value !== null)
      expect(reading.every((value) => /^[\w .()+-]{1,40}$/.test(value))).toBe(true)
      expect(typeof (machineOf({ userAgent, ip, purpose: userAgent }) ?? '')).toBe('string')
      expect([null, 'google-proxy', 'apple-proxy', 'scanner']).toContain(machineNetworkOf(ip))
      const stored = storedIp(ip, privacy)
      expect(stored === null || !stored.includes('%')).toBe(true)
    }),
  )
})
