/** kumomta-import.test - each option and automation of KumoMTA has a counterpart or is listed; nothing is dropped in silence, whatever the file */
import fc from 'fast-check'
import { parse } from 'smol-toml'
import { expect, test } from 'vitest'
import { importKumomta } from '../../../src/queue/shaping/kumomta-import.ts'

const names: Parameters<typeof importKumomta>[1] = {
  ofDomain: (domain) => (domain === 'known.example' ? { site: 'known', provider: 'known' } : null),
  ofHosts: (suffix) => (suffix === 'known.example' ? { site: 'known', provider: 'known' } : { site: `*.${suffix}`, provider: null }),
}
const importText = (text: string) => importKumomta(parse(text), names)

test.each([
  // option of KumoMTA                           option here                      or why it is listed
  ['connection_limit = 3', { connections: 3 }, null],
  ['connection_limit = "local:1,000"', { connections: 1_000 }, null],
  ['connection_limit = "many"', null, 'is not a whole number above 0'],
  ['provider_connection_limit = 5', { connections_all: 5 }, null],
  ['max_deliveries_per_connection = 20', { mails_per_connection: 20 }, null],
  ['max_connection_rate = "100/min"', { new_connections: '100/min' }, null],
  ['max_message_rate = "100/s,max_burst=10"', { messages: '100/s' }, null],
  ['provider_max_message_rate = "1/h"', { messages_all: '1/h' }, null],
  ['max_message_rate = 7', null, 'is not a rate'],
  ['enable_tls = "Disabled"', { tls: 'off' }, null],
  ['enable_tls = "OpportunisticInsecure"', { tls: 'opportunistic' }, null],
  ['enable_tls = "Required"', { tls: 'verified' }, null],
  ['enable_tls = "RequiredInsecure"', { tls: 'required' }, null],
  ['enable_tls = "Never"', null, 'is not a TLS policy'],
  ['enable_mta_sts = true', { tls: 'mta-sts' }, null],
  ['enable_mta_sts = false', null, 'is the default here'],
  ['enable_dane = true', null, 'DANE is not supported'],
  ['mx_rollup = false', null, 'sites are always those of the MX hosts'],
  ['idle_timeout = "60s"', null, 'delivery.connectionIdleSeconds'],
  ['consecutive_connection_failures_before_delay = 5', null, 'a host set pauses'],
  ['zorgle = 1', null, 'is not known here'],
] as const)('%s', (line, want, why) => {
  const { shaping, notTaken } = importText(`["known.example"]\n${line}`)
  expect(shaping.site).toEqual(want === null ? {} : { known: want })
  expect(notTaken.map((line) => why !== null && line.includes(why))).toEqual(why === null ? [] : [true])
})

test.each([
  // expression                                                       code   phrase
  ['Messages from \\\\d+\\\\.\\\\d+\\\\.\\\\d+\\\\.\\\\d+ deferred', undefined, 'messages from * deferred'],
  ['\\\\[BS02\\\\] Temporary server error.', undefined, '[bs02] temporary server error'],
  ['550 Sender frequency limited.*', [550], 'sender frequency limited'],
  ['421 4\\\\.7\\\\.0 \\\\[ABC04\\\\]', [421], '[abc04]'],
  ['part of.*is on our list', undefined, 'part of*is on our list'],
  ['\\\\[TS?S04\\\\]', undefined, null],
  ['sent|delivered', undefined, null],
  ['[a-z]+', undefined, null],
  ['.*', undefined, null],
])('the expression %j with code %j is the phrase %j', (regex, code, phrase) => {
  const { rules, notTaken } = importText(
    `[provider.x]\nmatch = [{MXSuffix = ".known.example"}]\n[[provider.x.automation]]\nregex = "${regex}"\naction = "Suspend"\nduration = "1h"`,
  )
  expect(rules.map(({ rule }) => [rule.code, rule.says])).toEqual(phrase === null ? [] : [[code, [phrase]]])
  expect(notTaken).toHaveLength(1)
})

test('classes by action; actions without a counterpart, sources with names, and sections without hosts are listed', () => {
  const automation = (action: string): string => `[["default".automation]]\nregex = "too many of them"\naction = ${action}\n`
  const { rules, notTaken } = importText(
    [
      automation('{SetConfig = {name = "max_message_rate", value = "1/min"}}'),
      automation('[{SetConfig = {name = "zorgle", value = 1}}, {SetConfig = {name = "connection_limit", value = 1}}]'),
      automation('{SetConfig = {name = "max_deliveries_per_connection", value = 2}}'),
      automation('"SuspendTenant"'),
      '["known.example".sources."192.0.2.1"]\nconnection_limit = 2\nenable_tls = "Disabled"',
      '["known.example".sources."mine"]\nconnection_limit = 2',
      '["unknown.example"]\nconnection_limit = 2',
      '[provider.without]\nconnection_limit = 2',
    ].join('\n'),
  )
  expect(rules.map(({ rule }) => rule.pause)).toEqual(['ip-rate', 'connection-frequency', 'session-limit'])
  for (const text of [
    'SuspendTenant',
    '192.0.2.1": tls cannot differ',
    'sources."mine"',
    '"unknown.example": its MX hosts',
    'provider."without"',
  ])
    expect(notTaken.join('\n')).toContain(text)
})

test('any table is read without a fault, and each option is taken or listed', () => {
  const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant([]), fc.dictionary(fc.string(), fc.integer()))
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z_]{1,12}$/), value, { maxKeys: 6 }), (section) => {
      const { shaping, notTaken } = importKumomta({ 'known.example': section }, names)
      const options = Object.keys(section).filter((name) => !['automation', 'sources', 'match'].includes(name))
      expect(Object.keys(shaping.site['known'] ?? {}).length + notTaken.length).toBeGreaterThanOrEqual(options.length)
    }),
  )
})
