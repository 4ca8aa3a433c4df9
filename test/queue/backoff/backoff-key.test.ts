/** backoff-key.test - the stored form of a key is final: writing and reading are inverse, and any other text is no key */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type BackoffKey, formatKey, keyKindOf, keyReasonOf, parseKey } from '../../../src/queue/backoff/backoff-key.ts'

const part: fc.Arbitrary<string> = fc.string({ maxLength: 20 }).filter((text) => !text.includes('|'))
const domain = part.filter((text) => text !== '*')
const account = fc.nat()

/** A row for each kind: a forgotten one does not compile. */
const KEYS: { readonly [K in BackoffKey['kind']]: fc.Arbitrary<Extract<BackoffKey, { readonly kind: K }>> | fc.Arbitrary<BackoffKey> } = {
  ip: fc.record({ kind: fc.constant('ip' as const), egressIp: part, site: part }),
  connection: fc.record({ kind: fc.constant('connection' as const), egressIp: part, site: part }),
  warmup: fc.record({ kind: fc.constant('warmup' as const), egressIp: part, site: part }),
  site: fc.record({ kind: fc.constant('site' as const), site: part }),
  own: fc.record({ kind: fc.constant('own' as const), egressIp: part }),
  'sender-domain': fc.record({ kind: fc.constant('sender-domain' as const), senderDomain: part, site: part }),
  network: fc.record({ kind: fc.constant('network' as const), scope: fc.constantFrom('dns', 'mx', 'path', 'site'), name: part }),
  account: fc.record({ kind: fc.constant('account' as const), account, site: fc.option(part, { nil: null }) }),
  manual: fc.record({
    kind: fc.constant('manual' as const),
    account,
    domain: fc.option(domain, { nil: null }),
    label: fc.option(account, { nil: null }),
  }),
  lane: fc.record({ kind: fc.constant('lane' as const), account, domain: part }),
  slots: fc.record({ kind: fc.constant('slots' as const), holder: fc.constantFrom('hosts', 'account', 'unproven'), name: part }),
}
const keys: fc.Arbitrary<BackoffKey> = fc.oneof(...(Object.values(KEYS) as fc.Arbitrary<BackoffKey>[]))

test('a key is the same after it was written and read', () => {
  fc.assert(
    fc.property(keys, (key) => {
      expect(parseKey(formatKey(key))).toEqual(key)
    }),
  )
})

test('reading is total, and what is read is written as the same text', () => {
  const word = fc.constantFrom('ip', 'account', 'manual', '7', '*', 'mx', '')
  const texts = fc.oneof(
    fc.string(),
    fc.array(word, { maxLength: 4 }).map((parts) => parts.join('|')),
  )
  fc.assert(
    fc.property(texts, (text) => {
      const key = parseKey(text)
      expect(key === null ? null : [formatKey(key), key.kind]).toEqual(key === null ? null : [text, keyKindOf(text)])
    }),
  )
})

const STORED = [
  // as released stores hold it           the key
  ['ip|192.0.2.1|google', { kind: 'ip', egressIp: '192.0.2.1', site: 'google' }],
  ['connection|2001:db8::1|google', { kind: 'connection', egressIp: '2001:db8::1', site: 'google' }],
  ['warmup|192.0.2.1|google', { kind: 'warmup', egressIp: '192.0.2.1', site: 'google' }],
  ['sender-domain|example.com|google', { kind: 'sender-domain', senderDomain: 'example.com', site: 'google' }],
  ['network|dns|example.net', { kind: 'network', scope: 'dns', name: 'example.net' }],
  ['network|mx|a.example.net,b.example.net', { kind: 'network', scope: 'mx', name: 'a.example.net,b.example.net' }],
  ['network|path|2001:db8::1 a.example.net', { kind: 'network', scope: 'path', name: '2001:db8::1 a.example.net' }],
  ['own|2001:db8::1', { kind: 'own', egressIp: '2001:db8::1' }],
  ['network|site|google', { kind: 'network', scope: 'site', name: 'google' }],
  ['account|7', { kind: 'account', account: 7, site: null }],
  ['account|7|google', { kind: 'account', account: 7, site: 'google' }],
  ['manual|7|*', { kind: 'manual', account: 7, domain: null, label: null }],
  ['manual|7|example.org', { kind: 'manual', account: 7, domain: 'example.org', label: null }],
  ['manual|7|*|12', { kind: 'manual', account: 7, domain: null, label: 12 }],
  ['manual|7|example.org|12', { kind: 'manual', account: 7, domain: 'example.org', label: 12 }],
  ['lane|7|example.org', { kind: 'lane', account: 7, domain: 'example.org' }],
] as const

test.each(STORED)('%s', (text, key) => {
  expect([parseKey(text), formatKey(key)]).toEqual([key, text])
})

test.each([
  '',
  'ip',
  'ip|',
  'ip|a',
  'ip|a|b|c',
  'account|x',
  'account|07',
  'manual|7',
  'manual|7|*|x',
  'manual|7|*|012',
  'manual|7|*|12|1',
  'lane|7|a|12',
  'network|tcp|a',
  'toString|a|b',
  'gate|a',
])('%j is no key', (text) => expect(parseKey(text)).toBeNull())

test('a separator in a name from outside becomes an underscore', () => {
  const id = formatKey({ kind: 'lane', account: 7, domain: 'a|b' })
  expect(parseKey(id)).toEqual({ kind: 'lane', account: 7, domain: 'a_b' })
})

test.each([
  ['account|7', 'List quality'],
  ['manual|7|*', 'Paused by user'],
  ['slots|hosts|mx.example.net', null],
  ['192.0.2.1', null],
] as const)('the user reads about %s: %j', (id, reason) => expect(keyReasonOf(id)).toBe(reason))
