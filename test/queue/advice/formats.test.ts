/** formats.test - advice in the words of each MTA: one table of keys, and what each format makes of it */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { describe, expect, test } from 'vitest'
import type { Advice } from '../../../src/queue/advice/advice.ts'
import { domainLimitsOf } from '../../../src/queue/advice/domain-limits.ts'
import { ADVICE_FORMATS } from '../../../src/queue/advice/formats.ts'

const NOW = Date.parse('2026-11-29T10:00:00Z')
const UNTIL = NOW + 3_600_000

const ANY = { egressIp: null, senderDomain: null, site: null, hosts: null, domain: null }
const BASE: Advice = {
  key: 'ip|192.0.2.1|google',
  class: 'ip-rate',
  scope: { ...ANY, egressIp: '192.0.2.1', site: 'google' },
  domains: ['gmail.com'],
  action: 'stop',
  state: 'paused',
  reason: 'IP reputation',
  n: 1,
  since: NOW,
  until: UNTIL,
  perMinute: null,
  connections: null,
  rule: 'google-ip-rate',
  evidence: [{ at: NOW, mailId: 'm', code: 421, text: "$(reboot) '; rm -rf / #\n[injected]" }],
}
const STOP = BASE
const SLOW: Advice = { ...BASE, action: 'slow', state: 'throttled', until: null, perMinute: 40, domains: ['qq.com', 'foxmail.com'] }
const ONE_CONNECTION: Advice = { ...SLOW, perMinute: null, connections: 1, domains: ['example.org'] }
const OPEN: Advice = { ...BASE, action: 'open', state: 'active', until: null, domains: ['yahoo.com'] }
const ALL = [STOP, SLOW, ONE_CONNECTION, OPEN]
const SOURCES = new Map([['192.0.2.1', 'ip-1']])

const write = (format: keyof typeof ADVICE_FORMATS, advice: readonly Advice[], sources = new Map<string, string>()): readonly string[] =>
  ADVICE_FORMATS[format].write({ advice, sources, now: NOW })

describe('limits of domains', () => {
  test('a rate is shared out among the domains of its key', () => {
    expect(domainLimitsOf([SLOW], new Map()).map(({ domain, perMinute }) => [domain, perMinute])).toEqual([
      ['foxmail.com', 20],
      ['qq.com', 20],
    ])
  })

  const folded = [
    // two keys of one domain                                                what remains
    ['a stop wins over a rate', [STOP, { ...SLOW, domains: ['gmail.com'] }], { action: 'stop', until: UNTIL }],
    ['the longer stop wins', [STOP, { ...STOP, until: UNTIL + 1 }], { until: UNTIL + 1 }],
    ['a stop without an end wins', [{ ...STOP, until: null }, STOP], { until: null }],
    [
      'the lower limits win',
      [
        { ...SLOW, domains: ['a.example'] },
        { ...ONE_CONNECTION, domains: ['a.example'] },
      ],
      { perMinute: 40, connections: 1 },
    ],
    [
      'a limit wins over none',
      [
        { ...OPEN, domains: ['a.example'] },
        { ...ONE_CONNECTION, domains: ['a.example'] },
      ],
      { action: 'slow' },
    ],
  ] as const
  test.each(folded)('%s', (_, advice, want) => expect(domainLimitsOf(advice, new Map())).toMatchObject([want]))

  test('a source is never freer than its domain', () => {
    const whole: Advice = { ...STOP, scope: { ...ANY, senderDomain: 'example.com', site: 'google' } }
    expect(domainLimitsOf([{ ...OPEN, domains: ['gmail.com'] }, whole], SOURCES)).toMatchObject([
      { source: null, action: 'stop' },
      { source: 'ip-1', action: 'stop' },
    ])
  })

  test('what is no domain is left out', () => {
    const domains = ["x'; reboot", 'a\nb.example', '*', '..', 'localhost', '"].x', 'ok.example']
    expect(domainLimitsOf([{ ...STOP, domains }], new Map()).map(({ domain }) => domain)).toEqual(['ok.example'])
  })
})

describe('formats', () => {
  test('kumomta: a suspension for each stopped domain, with its end', () => {
    expect(write('kumomta', ALL).map((line) => JSON.parse(line))).toEqual([
      { domain: 'gmail.com', reason: 'bounced: IP reputation (google-ip-rate)', expires: '2026-11-29T11:00:00.000Z' },
    ])
    expect(write('kumomta', ALL, SOURCES)).toEqual([])
    const [line = ''] = write('kumomta', [{ ...STOP, until: null }])
    expect(Date.parse(JSON.parse(line).expires)).toBeGreaterThan(NOW + 86_400_000)
  })

  test('kumomta-shaping: rates by domain, and a stopped source', () => {
    expect(parse(write('kumomta-shaping', ALL).join('\n'))).toEqual({
      'example.org': { mx_rollup: false, connection_limit: 1 },
      'foxmail.com': { mx_rollup: false, max_message_rate: '20/min' },
      'qq.com': { mx_rollup: false, max_message_rate: '20/min' },
    })
    expect(parse(write('kumomta-shaping', [STOP], SOURCES).join('\n'))).toEqual({
      'gmail.com': { mx_rollup: false, sources: { 'ip-1': { max_message_rate: '1/hour', connection_limit: 1 } } },
    })
  })

  test('powermta: a script that also opens what is over', () => {
    expect(write('powermta', ALL, SOURCES).filter((line) => !line.startsWith('#'))).toEqual([
      "pmta resume queue 'example.org/ip-1'",
      "pmta set queue --mode=backoff 'example.org/ip-1'",
      "pmta resume queue 'foxmail.com/ip-1'",
      "pmta set queue --mode=backoff 'foxmail.com/ip-1'",
      "pmta pause queue 'gmail.com/ip-1'",
      "pmta resume queue 'qq.com/ip-1'",
      "pmta set queue --mode=backoff 'qq.com/ip-1'",
      "pmta resume queue 'yahoo.com/ip-1'",
      "pmta set queue --mode=normal 'yahoo.com/ip-1'",
    ])
    expect(write('powermta', [STOP])).toContain("pmta pause queue 'gmail.com/*'")
    expect(() => execFileSync('/bin/sh', ['-n'], { input: write('powermta', ALL).join('\n') })).not.toThrow()
  })

  const rates = [
    [500, 'slow:'],
    [60, 'slow60:'],
    [40, 'slow10:'],
    [10, 'slow10:'],
    [5, 'slow1:'],
    [1, 'slow1:'],
  ] as const
  test.each(rates)('postfix: %i a minute use %s', (perMinute, transport) => {
    expect(write('postfix', [{ ...SLOW, perMinute, domains: ['a.example'] }])).toEqual([`a.example\t${transport}`])
  })

  test('postfix: stopped domains wait, and open ones have no line', () => {
    expect(write('postfix', ALL, SOURCES)).toEqual([
      'example.org\tslow:',
      'foxmail.com\tslow10:',
      'gmail.com\tretry:4.7.1 IP reputation (google-ip-rate), until 2026-11-29T11:00:00.000Z',
      'qq.com\tslow10:',
    ])
  })

  const hasPostmap = spawnSync('postmap', ['-?']).error === undefined
  test.runIf(hasPostmap)('postfix: postmap reads the map', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'bounced-transport-')), 'transport')
    writeFileSync(file, `${write('postfix', ALL).join('\n')}\n`)
    const look = (domain: string): string => spawnSync('postmap', ['-q', domain, `texthash:${file}`], { encoding: 'utf8' }).stdout.trim()
    expect([look('gmail.com'), look('qq.com'), look('yahoo.com')]).toEqual([expect.stringMatching(/^retry:4\.7\.1 IP/), 'slow10:', ''])
  })

  test('json: a key a line', () => {
    expect(write('json', ALL).map((line) => JSON.parse(line))).toEqual(ALL)
  })

  test.each(['kumomta', 'kumomta-shaping', 'powermta', 'postfix'] as const)('%s has no text of a stranger', (format) => {
    for (const sources of [SOURCES, new Map<string, string>()]) expect(write(format, ALL, sources).join('\n')).not.toContain('reboot')
  })
})
