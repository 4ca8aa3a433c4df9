/** shaping-file.test - what a shaping file may contain, the line of each mistake, and which table an option comes from */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadShaping, parseShapingFile } from '../../../src/config/shaping-files.ts'
import { buildShapingTable } from '../../../src/queue/shaping/shaping-table.ts'
import { perMinuteOf } from '../../../src/queue/shaping/rate-text.ts'

test.each([
  ['100/s', 6_000],
  ['1/min', 1],
  ['10,000/hour', 10_000 / 60],
  ['1_440/day', 1],
  ['5 / hr', 5 / 60],
  ['2/minutes', 2],
  ['0/s', null],
  ['100', null],
  ['100/week', null],
  ['-1/s', null],
  ['', null],
])('the rate %j is %j a minute', (text, want) => expect(perMinuteOf(text)).toBe(want))

test('any text is a rate above 0 or none', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(perMinuteOf(text) ?? 1).toBeGreaterThan(0)
    }),
  )
})

test.each([
  // file                                                              the problem, with its line
  ['[site.a]\nconnections = 0', 'own.toml: line 2: site.a.connections'],
  ['[site.a]\n\nmessages = "many"', 'own.toml: line 3: site.a.messages: "many" is not a rate'],
  ['[site.a]\ncolour = 1', 'own.toml: line 1: site.a: Unrecognized key'],
  ['[site.a]\ntls = "maybe"', 'own.toml: line 2: site.a.tls'],
  ['[site."A B"]\nconnections = 1', 'own.toml: line 1: site.A B'],
  ['[site.a]\n[site.a.class.nothing]\nbase_minutes = 1', 'own.toml: line 2: site.a.class.nothing: no such backoff class'],
  ['[site.a]\nip."1.2.3".connections = 1', 'own.toml: line 2: site.a.ip.1.2.3'],
  ['[site.a\nconnections = 1', 'own.toml: line 1: '],
  ['[sites.a]', 'own.toml: line 1: Unrecognized key'],
])('%j is refused: %s', (text, problem) => {
  expect(() => parseShapingFile('own.toml', text)).toThrow(problem)
})

test('every problem of a file is named at once', () => {
  expect(() => parseShapingFile('own.toml', '[site.a]\nconnections = 0\n[site.b]\nmessages = "x"')).toThrow(/line 2: .*\n.*line 4: /)
})

const table = buildShapingTable({
  shipped: parseShapingFile(
    'shipped.toml',
    '[default]\nconnections = 10\n[site.google]\nsource = "https://example.com/"\nconnections = 5\nmails_per_connection = 50',
  ),
  own: parseShapingFile(
    'own.toml',
    [
      '[default]',
      'connections = 7',
      '[site."*.example.net"]',
      'connections = 3',
      '[site."*.mx.example.net"]',
      'connections = 2',
      '[site.google]',
      'mails_per_connection = 20',
      'ip."192.0.2.1".connections = 1',
      'ip."192.0.2.1".messages = "1/s"',
    ].join('\n'),
  ),
})

test.each([
  // site                        egress IP      connections, file, line
  ['elsewhere.example', null, 7, 'own.toml', 2],
  ['(mx1,mx2).example.net', null, 3, 'own.toml', 4],
  ['example.net', null, 3, 'own.toml', 4],
  ['a.mx.example.net', '192.0.2.1', 2, 'own.toml', 6],
  ['notexample.net', null, 7, 'own.toml', 2],
  ['google', null, 5, 'shipped.toml', 5],
  ['google', '192.0.2.2', 5, 'shipped.toml', 5],
  ['google', '192.0.2.1', 1, 'own.toml', 9],
])('at %s from %s: %d connections, by %s:%d', (site, egressIp, connections, file, line) => {
  const { options, origins } = table.siteShaping(site, egressIp)
  expect(options.connections).toBe(connections)
  expect(origins.connections).toMatchObject({ file, line, isOperators: file === 'own.toml' })
})

test('tables for the same site are merged, the operator in front', () => {
  expect(table.siteShaping('google', null).options).toEqual({ connections: 5, mails_per_connection: 20 })
  expect(table.siteShaping('google', null).origins.mails_per_connection?.line).toBe(8)
})

test('the shipped file names a source for each site', () => {
  const shipped = loadShaping(null)
  const withoutSource = shipped.sites.filter((site) =>
    Object.values(shipped.siteShaping(site, null).origins).some(
      ({ sources }) => !sources.every((source) => URL.canParse(source)) || sources.length === 0,
    ),
  )
  expect(withoutSource).toEqual([])
  expect(shipped.sites).toEqual(
    expect.arrayContaining([
      'google',
      'yahoo',
      'outlook',
      'microsoft-365',
      'apple',
      'tencent',
      'netease',
      'comcast',
      'orange',
      'gmx',
      'mail-ru',
    ]),
  )
})
