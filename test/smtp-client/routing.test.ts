/** routing.test - the next hops of a domain, and the TLS policy by provider. */
import { expect, test } from 'vitest'
import { createMxResolver } from '../../src/net/mx.ts'
import { tlsPolicyFor } from '../../src/queue/shaping/tls-policy.ts'
import { createMxRouter } from '../../src/smtp-client/routing.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import { createZoneLookUp } from '../support/zone.ts'

const table = loadRules()

test.each([
  // setting          host                              policy
  ['opportunistic', 'gmail-smtp-in.l.google.com', 'required'],
  ['opportunistic', 'outlook-com.olc.protection.outlook.com', 'required'],
  ['opportunistic', 'mta7.am0.yahoodns.net', 'required'],
  ['opportunistic', 'mx.example.net', 'opportunistic'],
  ['verified', 'gmail-smtp-in.l.google.com', 'verified'],
  ['required', 'mx.example.net', 'required'],
  ['off', 'gmail-smtp-in.l.google.com', 'off'],
] as const)('TLS %s at %s: %s', (setting, host, want) => {
  expect(tlsPolicyFor(table, { setting, host, shaped: null })).toBe(want)
})

test('next hops by preference; a permanent refusal; a temporary failure', async () => {
  const lookUp = createZoneLookUp({
    'MX example.com': [
      ['b.example.com', '20'],
      ['a.example.com', '10'],
    ],
    'MX null.example': [['', '0']],
    'MX away.example': 'ETIMEOUT',
  })
  const route = createMxRouter({ mx: createMxResolver({ lookUp }), tlsOf: async () => 'opportunistic', random: () => 0.5 })
  const found = await route('example.com')
  expect(found.kind === 'route' ? found.nextHops.map(({ name, port }) => `${name}:${port}`) : found).toEqual([
    'a.example.com:25',
    'b.example.com:25',
  ])
  expect(await route('null.example')).toEqual({ kind: 'refused', code: 556, text: '556 5.1.10 Recipient address has null MX' })
  expect(await route('away.example')).toMatchObject({ kind: 'failed' })
})

test.each([
  // setting, host, the shaping of its site                                                    policy
  ['opportunistic', 'mx.example.net', { tls: 'required', isOperators: false }, 'required'],
  ['verified', 'mx.example.net', { tls: 'required', isOperators: false }, 'verified'],
  ['off', 'mx.example.net', { tls: 'required', isOperators: false }, 'off'],
  ['required', 'mx.example.net', { tls: 'off', isOperators: true }, 'off'],
  ['off', 'mx.example.net', { tls: 'verified', isOperators: true }, 'verified'],
  ['opportunistic', 'gmail-smtp-in.l.google.com', { tls: 'opportunistic', isOperators: true }, 'opportunistic'],
] as const)('TLS %s at %s with %j: %s', (setting, host, shaped, want) => {
  expect(tlsPolicyFor(table, { setting, host, shaped })).toBe(want)
})

test('a host that the policy of the domain forbids is left out; without any other, the route fails for now', async () => {
  const lookUp = createZoneLookUp({
    'MX example.com': [
      ['a.example.com', '10'],
      ['b.example.com', '20'],
    ],
  })
  const routeBy = (allowed: readonly string[]) =>
    createMxRouter({
      mx: createMxResolver({ lookUp }),
      tlsOf: async (host) => (allowed.includes(host) ? 'verified' : null),
      random: () => 0.5,
    })('example.com')
  const found = await routeBy(['b.example.com'])
  expect(found.kind === 'route' ? found.nextHops.map(({ name, tls }) => [name, tls]) : found).toEqual([['b.example.com', 'verified']])
  expect(await routeBy([])).toMatchObject({ kind: 'failed', text: expect.stringContaining('MTA-STS') as string })
})
