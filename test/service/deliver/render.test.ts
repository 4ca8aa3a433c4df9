/**
 * render.test - the message that one recipient gets: variables, tracking headers, signatures; the same names at each attempt
 */
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { simpleParser } from 'mailparser'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Composition } from '../../../src/compose/composition.ts'
import { ACCOUNT_DEFAULT_TRACKING } from '../../../src/compose/x-smtpapi.ts'
import { formatMessageId } from '../../../src/correlate/api-handle.ts'
import { dayNumberOf, formatDeliveryId } from '../../../src/correlate/delivery-id.ts'
import { deriveTokenKey } from '../../../src/correlate/token-keys.ts'
import { mintToken, parseToken } from '../../../src/correlate/token.ts'
import { dkimRecord, generateDkimKeyPair, importDkimKey, type DkimSigner } from '../../../src/mail-auth/dkim-sign.ts'
import { decodeEncodedWords } from '../../../src/mail/mime/encoded-word.ts'
import { createRenderer, type MessageRenderer } from '../../../src/service/deliver/render.ts'
import type { Context } from '../../../src/service/context.ts'
import { addTokenKey } from '../../../src/store/account/token-keys.ts'
import { engines } from '../../support/engines.ts'
import { FEEDBACK, makeContext, MASTER, RETURN_PATH, type Clock } from '../../support/context.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const DELIVERY = formatDeliveryId({ day: dayNumberOf(T0), account: 1, sequence: 7 }) ?? ''

const body: Composition = {
  from: 'news@mail.example.com',
  fromName: 'News %name%',
  replyTo: ['desk@example.com'],
  to: null,
  cc: [],
  subject: 'Hello %name%',
  html: '<p>%greet%</p>',
  plain: 'Hello %name%',
  headers: { 'X-Campaign': '%name%' },
  attachments: [{ name: 'Liste ü.txt', type: 'text/plain', content: Buffer.from('one\ntwo').toString('base64'), cid: null }],
  sections: { '%greet%': 'Dear %name%' },
  raw: null,
  messageId: null,
  apiUser: 'alice',
  label: 'weekly',
  emailType: 'batch',
  tracking: ACCOUNT_DEFAULT_TRACKING,
}
const mail: Parameters<MessageRenderer>[0] = {
  account: 1,
  deliveryId: DELIVERY,
  keyIndex: 0,
  bodyId: 'body',
  recipient: 'joe@example.net',
  variables: { '%name%': 'Zoë' },
  acceptedAt: T0 - 60_000,
}

/** The left part of our Message-ID, signed with the key of this index. */
const messageIdToken = (keyIndex: number): string =>
  mintToken({
    key: deriveTokenKey(MASTER, 1, keyIndex),
    keyIndex,
    deliveryId: DELIVERY,
    purpose: 'message-id',
    domain: 'mail.example.com',
  }) ?? ''

describe('render', () => {
  const clock: Clock = { now: T0 }
  const records = new Map<string, string>()
  const signers: DkimSigner[] = []
  let context: Context
  let render: MessageRenderer
  beforeAll(async () => {
    const [sqlite] = engines
    if (sqlite === undefined) throw new Error('no engine')
    context = await makeContext((await sqlite.open()).engine, clock)
    const { publicKey, privateKey } = await generateDkimKeyPair('ed25519')
    const { name, text } = dkimRecord({ domain: 'mail.example.com', selector: 's1', algorithm: 'ed25519', publicKey })
    records.set(name, text)
    signers.push({ domain: 'mail.example.com', selector: 's1', algorithm: 'ed25519', key: importDkimKey(privateKey) })
    render = createRenderer(context, (_, domain) => Promise.resolve(domain === 'mail.example.com' ? signers : []))
  })
  const resolver = (name: string): Promise<string[][]> => Promise.resolve([[records.get(name) ?? '']])

  test('has the recipient’s variables, our tracking headers, a date, and a valid signature', async () => {
    const { from, to, raw } = await render(mail, body)
    expect([to, from.endsWith(`@${RETURN_PATH}`)]).toEqual(['joe@example.net', true])
    const snapshot = await context.accountCache.snapshot()
    expect(parseToken(from.split('@')[0] ?? '', 'return-path', RETURN_PATH, snapshot.keyFor)).toMatchObject({
      state: 'valid',
      deliveryId: DELIVERY,
      keyIndex: 0,
    })
    const parsed = await simpleParser(raw)
    expect(parsed.subject).toBe('Hello Zoë')
    expect(parsed.from?.value).toEqual([{ name: 'News Zoë', address: 'news@mail.example.com' }])
    expect(parsed.html).toContain('Dear Zoë')
    expect(parsed.text).toContain('Hello Zoë')
    expect(parsed.attachments.map(({ filename, content }) => [filename, content.toString()])).toEqual([['Liste ü.txt', 'one\ntwo']])
    expect(parsed.messageId).toBe(`<${messageIdToken(0)}@mail.example.com>`)
    expect(parsed.date?.getTime()).toBe(T0 - 60_000)
    expect(parsed.headerLines.map(({ key }) => key)).toEqual(
      expect.arrayContaining([
        'cfbl-address',
        'cfbl-feedback-id',
        'feedback-id',
        'list-unsubscribe',
        'list-unsubscribe-post',
        'mime-version',
        'reply-to',
      ]),
    )
    expect(parsed.headers.get('feedback-id')).toBe('weekly::batch:alice')
    const campaign = parsed.headers.get('x-campaign')
    expect(typeof campaign === 'string' ? decodeEncodedWords(campaign) : null).toBe('Zoë')
    const { results } = await dkimVerify(raw, { resolver })
    expect(results.map(({ status }) => status.result)).toEqual(['pass'])
    const feedback = parsed.headers.get('cfbl-feedback-id')
    expect(parseToken(typeof feedback === 'string' ? feedback : '', 'feedback', FEEDBACK, snapshot.keyFor).state).toBe('valid')
  })

  test('is the same, byte for byte, at the next attempt', async () => {
    expect(await render(mail, body)).toEqual(await render(mail, body))
  })

  test('keeps its names when the key is rotated after it was queued', async () => {
    const names = async (keyIndex: number | null): Promise<readonly (string | undefined)[]> => {
      const { from, raw } = await render({ ...mail, keyIndex }, body)
      return [from, (await simpleParser(raw)).messageId]
    }
    const before = await names(0)
    await context.engine.tx((db) =>
      addTokenKey(db, { account: 0, index: 1, sealed: Buffer.from('sealed'), createdAt: T0, retiredAt: null }),
    )
    context.accountCache.invalidate()
    expect(await names(0)).toEqual(before)
    expect(await names(1)).not.toEqual(before)
    // Queued before Message-IDs were signed, or under a key that is retired: it is sent, under the current key.
    expect((await names(null))[1]).toBe(`<${DELIVERY}@mail.example.com>`)
    expect((await names(7))[1]).toBe(`<${messageIdToken(1)}@mail.example.com>`)
  })

  test('contains no name of the API', async () => {
    const handle = formatMessageId(T0, Buffer.alloc(10, 5))
    const { raw } = await render({ ...mail, bodyId: handle }, body)
    expect(raw.toString('latin1')).toMatch(/boundary=/)
    expect(raw.toString('latin1')).not.toContain(handle.slice(0, -1))
  })

  test('shows a shared To, the Cc, and no blind copy', async () => {
    const { raw } = await render(
      { ...mail, recipient: 'hidden@example.net' },
      { ...body, to: ['a@example.net', 'b@example.net'], cc: ['c@example.net'] },
    )
    expect(raw.toString('latin1')).not.toContain('hidden')
    const parsed = await simpleParser(raw)
    expect([parsed.to, parsed.cc].map((each) => (Array.isArray(each) ? null : each?.text))).toEqual([
      'a@example.net, b@example.net',
      'c@example.net',
    ])
  })

  const HOSTILE = [
    // field                                                   value
    ['subject', { subject: 'Hi %name%' }],
    ['a header', { headers: { 'X-A': 'Hi %name%' } }],
    ['the sender’s name', { fromName: '%name%' }],
  ] as const
  test.each(HOSTILE)('a variable cannot begin a field out of %s', async (_, over) => {
    const { raw } = await render({ ...mail, variables: { '%name%': 'x\r\nBcc: evil@example.org\r\n\r\nevil body' } }, { ...body, ...over })
    const parsed = await simpleParser(raw)
    expect(parsed.bcc).toBeUndefined()
    expect(raw.toString('latin1').split('\r\n\r\n')[0]).not.toMatch(/^(?:Bcc|evil)/m)
  })

  test('the sender’s own Message-ID and List-Unsubscribe are kept; with subscription false there is no List-Unsubscribe', async () => {
    const own = await simpleParser(
      (await render(mail, { ...body, messageId: 'his@example.com', headers: { 'List-Unsubscribe': '<https://example.com/off>' } })).raw,
    )
    expect(own.messageId).toBe('<his@example.com>')
    expect(own.headerLines.filter(({ key }) => key.startsWith('list-unsubscribe')).map(({ line }) => line)).toEqual([
      'List-Unsubscribe: <https://example.com/off>',
    ])
    const none = await render(mail, { ...body, tracking: { ...ACCOUNT_DEFAULT_TRACKING, subscription: false } })
    expect(none.raw.toString('latin1')).not.toMatch(/^List-Unsubscribe/m)
  })

  const POST_ONLY = { 'list-unsubscribe-post': 'x' }
  const OFF = { 'list-unsubscribe': '<https://example.com/off>', 'List-Unsubscribe-POST': 'List-Unsubscribe=One-Click' }
  const UNSUBSCRIBE = [
    // headers  subscription  the unsubscribe fields, by name
    [POST_ONLY, null, ['List-Unsubscribe', 'List-Unsubscribe-Post: List-Unsubscribe=One-Click']],
    [POST_ONLY, false, []],
    [OFF, null, ['List-Unsubscribe: <https://example.com/off>', 'List-Unsubscribe-Post: List-Unsubscribe=One-Click']],
  ] as const
  test.each(UNSUBSCRIBE)(
    'the sender’s List-Unsubscribe-Post is kept only with the sender’s List-Unsubscribe: %j %j',
    async (headers, subscription, want) => {
      const mime = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
      const raw = Buffer.from(`From: news@mail.example.com\r\n${mime.join('')}\r\nHello\r\n`).toString('base64')
      const unsubscribe = Object.entries(headers).filter(([name]) => name === 'list-unsubscribe')
      for (const over of [{ headers }, { raw, headers: Object.fromEntries(unsubscribe) }]) {
        const made = await render(mail, { ...body, ...over, tracking: { ...ACCOUNT_DEFAULT_TRACKING, subscription } })
        const found = (await simpleParser(made.raw)).headerLines
          .filter(({ key }) => key.startsWith('list-unsubscribe'))
          .map(({ line }) => line.toLowerCase())
        expect(found.length).toBe(want.length)
        for (const each of want) expect(found.filter((line) => line.startsWith(each.toLowerCase())).length).toBeGreaterThan(0)
      }
    },
  )

  test('copies without variables in the body share it, and each is complete and signed', async () => {
    const plain = { ...body, html: '<p>Zoë</p>', plain: 'Zoë' }
    const bodyOf = (raw: Buffer): string => raw.toString('latin1').slice(raw.indexOf('\r\n\r\n'))
    const first = await render(mail, plain)
    const second = await render({ ...mail, recipient: 'ann@example.net', variables: { '%name%': 'Ann' } }, plain)
    expect(bodyOf(first.raw)).toBe(bodyOf(second.raw))
    expect((await render(mail, { ...plain })).raw).toEqual(first.raw)
    const parsed = await simpleParser(second.raw)
    expect([parsed.subject, parsed.text, parsed.html, parsed.attachments.length]).toEqual(['Hello Ann', 'Zoë', '<p>Zoë</p>', 1])
    expect(parsed.to).toMatchObject({ text: 'ann@example.net' })
    for (const { raw } of [first, second])
      expect((await dkimVerify(raw, { resolver })).results.map(({ status }) => status.result)).toEqual(['pass'])
  })

  test('no file and no URL in a text is fetched', async () => {
    const { raw } = await render(mail, { ...body, html: '<img src="file:///etc/passwd"><img src="http://127.0.0.1:1/x">', attachments: [] })
    expect(raw.toString('latin1')).not.toContain('root:')
  })

  test('long lines are wrapped at 998 octets', async () => {
    const { raw } = await render(mail, { ...body, subject: 'x'.repeat(998), html: `<p>${'y'.repeat(5_000)}</p>`, plain: 'z'.repeat(5_000) })
    expect(
      Math.max(
        ...raw
          .toString('latin1')
          .split('\r\n')
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(998)
  })

  test('a raw message of the sender gets the same', async () => {
    const text =
      'From: News <news@mail.example.com>\r\nTo: %name% <joe@example.net>\r\nBcc: hidden@example.net\r\nX-SMTPAPI: {}\r\nSubject: Hi %name%\r\n\r\nHello %name%\r\n'
    const { raw } = await render(mail, { ...body, raw: Buffer.from(text).toString('base64'), headers: {} })
    const parsed = await simpleParser(raw)
    expect([parsed.subject, parsed.text?.trim(), parsed.messageId]).toEqual([
      'Hi Zoë',
      'Hello Zoë',
      `<${messageIdToken(0)}@mail.example.com>`,
    ])
    expect(raw.toString('latin1')).not.toMatch(/hidden|x-smtpapi/i)
    expect(raw.toString('latin1')).toMatch(/^List-Unsubscribe-Post: List-Unsubscribe=One-Click\r$/m)
    expect((await dkimVerify(raw, { resolver })).results.map(({ status }) => status.result)).toEqual(['pass'])
  })

  test('of a raw message, separate recipients see only themselves; shared ones see To and Cc as the sender wrote them', async () => {
    const raw = Buffer.from(
      'From: news@mail.example.com\r\nTo: joe@example.net, ann@example.net\r\nCc: eve@example.net\r\n\r\nHello\r\n',
    ).toString('base64')
    const shown = async (to: Composition['to']): Promise<readonly (string | null | undefined)[]> => {
      const parsed = await simpleParser((await render({ ...mail, recipient: 'ann@example.net' }, { ...body, headers: {}, raw, to })).raw)
      return [parsed.to, parsed.cc].map((each) => (Array.isArray(each) ? null : each?.text))
    }
    expect(await shown(null)).toEqual(['ann@example.net', undefined])
    expect(await shown([])).toEqual(['joe@example.net, ann@example.net', 'eve@example.net'])
  })

  test('a domain without keys is sent unsigned', async () => {
    const { raw } = await render(mail, { ...body, from: 'news@example.org' })
    expect(raw.toString('latin1')).not.toContain('DKIM-Signature')
  })
})
