/**
 * render-tracking.test - tracked copies: links of their own, valid signatures, and nothing changed where nothing is tracked
 */
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { simpleParser } from 'mailparser'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Composition, TrackingOptions } from '../../../src/compose/composition.ts'
import { ACCOUNT_DEFAULT_TRACKING } from '../../../src/compose/x-smtpapi.ts'
import { dayNumberOf, formatDeliveryId } from '../../../src/correlate/delivery-id.ts'
import { parseToken } from '../../../src/correlate/token.ts'
import { dkimRecord, generateDkimKeyPair, importDkimKey, type DkimSigner } from '../../../src/mail-auth/dkim-sign.ts'
import type { Context } from '../../../src/service/context.ts'
import { createRenderer, type MessageRenderer } from '../../../src/service/deliver/render.ts'
import { readClickPath, readOpenPath } from '../../../src/tracking/tracking-link.ts'
import { FEEDBACK, makeContext } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const deliveryOf = (sequence: number): string => formatDeliveryId({ day: dayNumberOf(T0), account: 1, sequence }) ?? ''
const ON: TrackingOptions = { open: true, click: true, subscription: true }

const body: Composition = {
  from: 'news@mail.example.com',
  fromName: 'News',
  replyTo: [],
  to: null,
  cc: [],
  subject: 'Hello',
  html: `<html><body><p>Grüße</p><a href="https://shop.example.org/?a=1&amp;b=2">Shop</a>${' <b>text</b>'.repeat(200)}</body></html>`,
  plain: 'Hello https://shop.example.org/',
  headers: {},
  attachments: [
    { name: 'page.html', type: 'text/html', content: Buffer.from('<a href="https://a.example/">').toString('base64'), cid: null },
  ],
  sections: {},
  raw: null,
  messageId: null,
  apiUser: 'alice',
  label: null,
  emailType: 'trigger',
  tracking: ON,
}
const copy = (sequence: number, variables: Readonly<Record<string, string>> = {}): Parameters<MessageRenderer>[0] => ({
  account: 1,
  deliveryId: deliveryOf(sequence),
  keyIndex: 0,
  bodyId: 'body',
  recipient: `r${sequence}@example.net`,
  variables,
  acceptedAt: T0,
})

const rawOf = (text: string): string => Buffer.from(text.replaceAll('\n', '\r\n')).toString('base64')
const SENDER_MIME = `From: news@mail.example.com
To: joe@example.org
Subject: Hi
X-First: 1
Content-Type: text/html; charset=utf-8
X-Last: 2

<p>Grüße %name%</p><a href="https://shop.example.org/">Shop</a>
`

describe('a tracked copy', () => {
  const records = new Map<string, string>()
  const signers: DkimSigner[] = []
  let context: Context
  let render: MessageRenderer
  beforeAll(async () => {
    const [sqlite] = engines
    if (sqlite === undefined) throw new Error('no engine')
    context = await makeContext((await sqlite.open()).engine, { now: T0 })
    const { publicKey, privateKey } = await generateDkimKeyPair('ed25519')
    const { name, text } = dkimRecord({ domain: 'mail.example.com', selector: 's1', algorithm: 'ed25519', publicKey })
    records.set(name, text)
    signers.push({ domain: 'mail.example.com', selector: 's1', algorithm: 'ed25519', key: importDkimKey(privateKey) })
    render = createRenderer(context, () => Promise.resolve(signers))
  })
  const isSignedWell = async (raw: Buffer): Promise<boolean> => {
    const { results } = await dkimVerify(raw, { resolver: (name: string) => Promise.resolve([[records.get(name) ?? '']]) })
    return results.length === 1 && results[0]?.status.result === 'pass'
  }
  /** What the links of an HTML text prove. */
  const readLinks = async (html: string): Promise<readonly [string, string | null | undefined][]> => {
    const { keyFor } = await context.accountCache.snapshot()
    return [...html.matchAll(/https:\/\/t\.example\.com\/([ocu])\/([^"\s]+)/g)].map(([, kind = '', rest = '']) => {
      const [token = '', mac = '', target = ''] = rest.split('/')
      if (kind === 'u') {
        const parsed = parseToken(token, 'unsubscribe', FEEDBACK, keyFor)
        return [kind, parsed.state === 'valid' ? parsed.deliveryId : null]
      }
      const reading = kind === 'o' ? readOpenPath(token, FEEDBACK, keyFor) : readClickPath({ token, mac, target }, FEEDBACK, keyFor)
      return [kind, reading.state === 'valid' ? `${reading.deliveryId} ${reading.target ?? ''}`.trim() : null]
    })
  }
  const linksOf = (sequence: number): readonly [string, string][] => [
    ['c', `${deliveryOf(sequence)} https://shop.example.org/?a=1&b=2`],
    ['u', deliveryOf(sequence)],
    ['o', deliveryOf(sequence)],
  ]

  test('has links of its own in shared content, and is signed after they are in', async () => {
    for (const sequence of [1, 2, 3]) {
      const { raw } = await render(copy(sequence), body)
      const parsed = await simpleParser(raw)
      expect(await readLinks(String(parsed.html))).toEqual(linksOf(sequence))
      expect(parsed.text).toMatch(/Unsubscribe: https:\/\/t\.example\.com\/u\/[a-z2-7]{30}\s*$/)
      expect(parsed.attachments[0]?.content.toString()).toBe('<a href="https://a.example/">')
      expect(raw.toString('latin1')).toMatch(/^List-Unsubscribe:\s+<mailto:[^>]*>,\s+<https:\/\/t\.example\.com\/u\//m)
      expect(await isSignedWell(raw)).toBe(true)
    }
    expect(await render(copy(1), body)).toEqual(await render(copy(1), body))
  })

  test('has links from variables, with the links of its recipient', async () => {
    const personal = {
      ...body,
      html: '<a href="https://shop.example.org/%name%">%name%</a>%more%',
      sections: { '%more%': '<a href="https://m.example/">' },
    }
    const { raw } = await render(copy(1, { '%name%': 'joe' }), personal)
    expect((await readLinks(String((await simpleParser(raw)).html))).slice(0, 2)).toEqual([
      ['c', `${deliveryOf(1)} https://shop.example.org/joe`],
      ['c', `${deliveryOf(1)} https://m.example/`],
    ])
    expect(await isSignedWell(raw)).toBe(true)
  })

  test('is the same mail as an untracked one, but for links, image and footer', async () => {
    const [tracked, plain] = await Promise.all([render(copy(1), body), render(copy(1), { ...body, tracking: ACCOUNT_DEFAULT_TRACKING })])
    const htmlOf = async ({ raw }: { readonly raw: Buffer }): Promise<string> => String((await simpleParser(raw)).html)
    const restored = (await htmlOf(tracked))
      .replaceAll(/https:\/\/t\.example\.com\/c\/[^"]+/g, 'https://shop.example.org/?a=1&amp;b=2')
      .replace(/<div style="font[^]*<\/div><img src="[^>]*>/, '')
    expect(restored).toBe(await htmlOf(plain))
    expect(plain.raw.toString('latin1')).not.toMatch(/t\.example\.com\/[co]\//)
  })

  test.each([
    ['no variables', {}],
    ['variables', { '%name%': 'Zoë' }],
  ])('of a sender’s own MIME keeps the order of its fields, with %s', async (_, variables) => {
    const own = { ...body, raw: rawOf(SENDER_MIME) }
    for (const sequence of [1, 2]) {
      const { raw } = await render(copy(sequence, variables), own)
      const parsed = await simpleParser(raw)
      expect((await readLinks(String(parsed.html))).map(([kind]) => kind)).toEqual(['c', 'u', 'o'])
      expect(parsed.html).toContain(`Grüße ${Object.values(variables)[0] ?? '%name%'}`)
      expect(await readLinks(String(parsed.html))).toContainEqual(['o', deliveryOf(sequence)])
      expect(await isSignedWell(raw)).toBe(true)
    }
  })

  test('of a mail that its sender signed is not changed', async () => {
    const own = { ...body, raw: rawOf(`DKIM-Signature: v=1; d=example.com; b=x\n${SENDER_MIME}`) }
    for (const variables of [{}, { '%name%': 'Zoë' }]) {
      const text = (await render(copy(1, variables), own)).raw.toString('latin1')
      expect(text).not.toMatch(/t\.example\.com\/[co]\//)
      expect(text).toContain('https://shop.example.org/')
    }
  })

  test('replaces the placeholder with all switches off, and leaves everything without a base URL', async () => {
    const placed = {
      ...body,
      html: '<a href="%%user_defined_unsubscribe_link%%">out</a>',
      tracking: { open: false, click: false, subscription: false },
    }
    const html = String((await simpleParser((await render(copy(1), placed)).raw)).html)
    expect(await readLinks(html)).toEqual([['u', deliveryOf(1)]])
    const without = createRenderer({ ...context, sharedTrackingBase: null }, () => Promise.resolve(signers))
    const parsed = await simpleParser((await without(copy(1), { ...placed, tracking: ON })).raw)
    expect(parsed.html).toBe(placed.html)
  })

  test('names the account’s own domain as soon as it is verified', async () => {
    const snapshot = await context.accountCache.snapshot()
    const settingsOf: typeof snapshot.settingsOf = (account) => ({ ...snapshot.settingsOf(account), trackingDomain: 'go.shop.example' })
    const renderWith = async (domains: readonly (readonly [string, number])[]): Promise<string> => {
      const changed = { ...snapshot, settingsOf, trackingDomains: new Map(domains) }
      const accountCache = { ...context.accountCache, snapshot: () => Promise.resolve(changed) }
      const own = createRenderer({ ...context, accountCache }, () => Promise.resolve([]))
      return String((await simpleParser((await own(copy(1), body)).raw)).html)
    }
    expect(await renderWith([])).toContain('https://t.example.com/c/')
    expect(await renderWith([['go.shop.example', 2]])).toContain('https://t.example.com/c/')
    expect(await renderWith([['go.shop.example', 1]])).toContain('https://go.shop.example/c/')
  })
})
