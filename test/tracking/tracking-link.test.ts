/** tracking-link.test - links that round trip, and links that must be invalid */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDeliveryId } from '../../src/correlate/delivery-id.ts'
import { deriveTokenKey, type TokenKeyLookup } from '../../src/correlate/token-keys.ts'
import { mintToken, type TokenPurpose } from '../../src/correlate/token.ts'
import { clickTargetOf } from '../../src/tracking/click-target.ts'
import { clickUrl, openUrl, readClickPath, readOpenPath, unsubscribeUrl } from '../../src/tracking/tracking-link.ts'

const MASTER = Buffer.alloc(32, 7)
const ACCOUNT = 5
const DOMAIN = 'fb.example.net'
const BASE = 'https://t.example.com'
const KEY = deriveTokenKey(MASTER, ACCOUNT, 0)
const keyFor: TokenKeyLookup = (account, index) => (index === 0 ? deriveTokenKey(MASTER, account, index) : null)
const deliveryId = formatDeliveryId({ day: 2_500, account: ACCOUNT, sequence: 77 }) ?? ''

function token(purpose: TokenPurpose = 'tracking', domain = DOMAIN): string {
  return mintToken({ key: KEY, keyIndex: 0, deliveryId, purpose, domain }) ?? ''
}

function segmentsOf(url: string | null): { token: string; mac: string; target: string } {
  const [, , , , signed = '', mac = '', target = ''] = (url ?? '').split('/')
  return { token: signed, mac, target }
}

const link = (target: string): string | null => clickUrl({ base: BASE, token: token(), key: KEY, target })

test('an open link names its delivery, with and without .gif, in either case', () => {
  const url = openUrl({ base: BASE, token: token() })
  expect(url).toBe(`${BASE}/o/${token()}.gif`)
  const valid = { state: 'valid', account: ACCOUNT, deliveryId, target: null }
  for (const segment of [`${token()}.gif`, token(), token().toUpperCase(), `${token().toUpperCase()}.GIF`])
    expect(readOpenPath(segment, DOMAIN, keyFor)).toEqual(valid)
})

test.each([
  ['a token of another purpose', `${token('unsubscribe')}.gif`],
  ['a token of another domain', `${token('tracking', 'other.example')}.gif`],
  ['a token that was cut', `${token().slice(0, 29)}.gif`],
  ['a longer token', `${token()}a.gif`],
  ['nothing', ''],
  ['only .gif', '.gif'],
  ['text', '../../etc/passwd'],
  ['NUL', '\0'.repeat(30)],
])('an open link with %s is invalid', (_, segment) => {
  expect(readOpenPath(segment, DOMAIN, keyFor)).toEqual({ state: 'invalid', account: 0, deliveryId: '', target: null })
})

test('a click link carries its target', () => {
  const targets = fc.webUrl({ withQueryParameters: true, withFragments: true }).filter((url) => clickTargetOf(url) === url)
  fc.assert(
    fc.property(targets, (target) => {
      const url = link(target)
      if (url === null) return target.length > 1_300
      expect(url).toMatch(/^[A-Za-z0-9:/._-]+$/)
      expect(readClickPath(segmentsOf(url), DOMAIN, keyFor)).toEqual({ state: 'valid', account: ACCOUNT, deliveryId, target })
      return true
    }),
  )
})

test('a click link with any other character is invalid', () => {
  const path = segmentsOf(link('https://shop.example.org/sale?id=1&ref=news'))
  const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ234567-_.%='
  fc.assert(
    fc.property(fc.constantFrom('mac', 'target'), fc.nat(), fc.nat(alphabet.length - 1), (part, at, chosen) => {
      const character = alphabet.charAt(chosen)
      const text = path[part]
      const index = at % text.length
      if (text[index] === character) return
      const changed = { ...path, [part]: `${text.slice(0, index)}${character}${text.slice(index + 1)}` }
      expect(readClickPath(changed, DOMAIN, keyFor).state).toBe('invalid')
    }),
  )
})

test.each([
  [
    'the token of another mail',
    {
      token:
        mintToken({
          key: KEY,
          keyIndex: 0,
          deliveryId: formatDeliveryId({ day: 1, account: ACCOUNT, sequence: 1 }) ?? '',
          purpose: 'tracking',
          domain: DOMAIN,
        }) ?? '',
    },
  ],
  ['a token of another purpose', { token: token('unsubscribe') }],
  ['padding', { target: `${segmentsOf(link('https://a.example/')).target}=` }],
  ['no MAC', { mac: '' }],
  ['a MAC beyond ASCII', { mac: 'é'.repeat(16) }],
  ['no target', { target: '' }],
  ['a target of another link', { target: segmentsOf(link('https://b.example/')).target }],
])('a click link with %s is invalid', (_, changed) => {
  const path = { ...segmentsOf(link('https://a.example/')), ...changed }
  expect(readClickPath(path, DOMAIN, keyFor)).toEqual({ state: 'invalid', account: 0, deliveryId: '', target: null })
})

test('a key that is no longer in use makes a link invalid', () => {
  expect(readClickPath(segmentsOf(link('https://a.example/')), DOMAIN, () => null).state).toBe('invalid')
})

test('reading is total', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (signed, mac, target) => {
      expect(readClickPath({ token: signed, mac, target }, DOMAIN, keyFor).state).toBe('invalid')
      expect(readOpenPath(signed, DOMAIN, keyFor).state).toBe('invalid')
    }),
  )
})

test('the link of docs/TOKEN.md', () => {
  const docs = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'TOKEN.md'), 'utf8')
  const vector = (item: string): string => new RegExp(`^\\| ${item} \\| \`([a-z2-7]+)\` \\|$`, 'm').exec(docs)?.[1] ?? ''
  const target = 'https://shop.example.com/?id=1'
  const key = deriveTokenKey(Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 7, 0)
  const url = clickUrl({ base: BASE, token: vector('`tracking`'), key, target })
  expect(url?.split('/').slice(3, 6)).toEqual(['c', vector('`tracking`'), vector(`MAC of a click on \`${RegExp.escape(target)}\``)])
})

test('a link has at most 2,000 characters', () => {
  const target = (length: number): string => `https://a.example/${'x'.repeat(length - 18)}`
  const longest = Array.from({ length: 1_600 }, (_, i) => i + 100).findLast((length) => link(target(length)) !== null) ?? 0
  expect(link(target(longest))?.length).toBeGreaterThan(1_990)
  expect(link(target(longest))?.length).toBeLessThanOrEqual(2_000)
  expect(link(target(longest + 2))).toBeNull()
})

test.each([
  // href                                            target
  ['https://example.com/a?b=c#d', 'https://example.com/a?b=c#d'],
  ['HTTP://EXAMPLE.com/A', 'HTTP://EXAMPLE.com/A'],
  ['  https://example.com/\n', 'https://example.com/'],
  ['https://example.com/a b', 'https://example.com/a%20b'],
  ['https://例え.example/道?q=é', 'https://xn--r8jz45g.example/%E9%81%93?q=%C3%A9'],
  ['https://user:secret@example.com:8443/', 'https://user:secret@example.com:8443/'],
  ['https://example.com/%E4%BD%A0', 'https://example.com/%E4%BD%A0'],
  ['mailto:joe@example.com', null],
  ['tel:+15550100', null],
  ['sms:+15550100', null],
  ['javascript:alert(1)', null],
  ['data:text/html,hi', null],
  ['cid:part1@example.com', null],
  ['ftp://example.com/', null],
  ['#top', null],
  ['', null],
  ['/relative', null],
  ['//example.com/', null],
  ['https:example.com', null],
  ['https://', null],
  ['https://exa mple.com/', null],
  ['https://example.com/\r\nSet-Cookie: a=b', null],
  ['https://example.com/\u0000', 'https://example.com/'],
  ['https://example.com/a\u0000b', null],
  [`${' '.repeat(5_000)}https://example.com/`, null],
  ['https://example.com/{{user_id}}', null],
  ['{{unsubscribe}}', null],
  ['%%user_defined_unsubscribe_link%%', null],
  ['https://example.com/?u=%%id%%', null],
  ['*|UNSUB|*', null],
  ['https://example.com/*|ID|*', null],
  ['[[unsubscribe]]', null],
  ['<%= url %>', null],
  ['https://example.com/${id}', null],
])('the target of %j is %j', (href, target) => {
  expect(clickTargetOf(href)).toBe(target)
})

test.each(['javascript:alert(1)', 'https://a.example/\r\nX: 1', 'https://a.example/é', '//a.example', 'data:,x', '', 'https://'])(
  'no link redirects to %j',
  (target) => expect(link(target)).toBeNull(),
)

test('the unsubscribe link is the page of its token', () => {
  expect(unsubscribeUrl({ base: BASE, token: token('unsubscribe') })).toBe(`${BASE}/u/${token('unsubscribe')}`)
})
