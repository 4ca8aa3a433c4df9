/**
 * forward.test - mail for the domains of accounts: stored before it is acknowledged, sent whole by webhook, private to its account
 */
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { createMailLinkSigner } from '../../../src/mail-auth/signed-mail-link.ts'
import { readHeaderOnly, type MailContent } from '../../../src/mail-auth/mail-content.ts'
import { createMimeReader } from '../../../src/mail-auth/mime-reader.ts'
import { createHttpClient } from '../../../src/net/http-post.ts'
import { createSsrfGuard } from '../../../src/net/ssrf-guard.ts'
import { createVault } from '../../../src/config/vault.ts'
import { Fault } from '../../../src/errors.ts'
import { findFactsBySubject } from '../../../src/store/facts/facts.ts'
import { listOutbox } from '../../../src/store/webhook/outbox.ts'
import { listForwardedMails, removeOldForwardedMailsForOperator } from '../../../src/store/mail/forwarded-mails.ts'
import { addBlock } from '../../../src/service/admin/blocks.ts'
import { eraseAddress } from '../../../src/service/admin/erase.ts'
import { createNotifier } from '../../../src/service/notify/notifier.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import { createForwardReceiver, type ForwardReceiver } from '../../../src/service/forward/forward-mail.ts'
import { createForwardBodies } from '../../../src/service/forward/forward-body.ts'
import { addForwardDomain, removeForwardDomain } from '../../../src/service/forward/forward-domains.ts'
import type { Context } from '../../../src/service/context.ts'
import type { EndpointConfig } from '../../../src/service/notify/endpoint-changes.ts'
import { createWebhookService } from '../../../src/service/notify/webhooks.ts'
import { engines } from '../../support/engines.ts'
import { startWebhookReceiver } from '../../support/receiver.ts'
import { makeIncomingMail, ndr } from '../../support/reports.ts'
import { makeContext, MASTER, RETURN_PATH, type Clock } from '../../support/context.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const HOUR = 3_600_000

const MAIL = [
  'From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>',
  'To: "Help desk" <help@in.example.com>, other@example.net',
  'Subject: =?utf-8?q?Frage_f=C3=BCr?= euch',
  'Received: one',
  'Received: two',
  'References: <a@example.com> <b@example.com>',
  'MIME-Version: 1.0',
  'Content-Type: multipart/alternative; boundary=b',
  '',
  '--b',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'Gr=C3=BC=C3=9Fe',
  '--b',
  'Content-Type: text/html; charset=utf-8',
  '',
  '<p>Hallo</p><script>x</script>',
  '--b--',
  '',
].join('\r\n')

const configFor = (url: string): EndpointConfig => ({ url, name: 'x', events: ['route'], apiUsers: [], format: 'json', ladder: 'standard' })
const links = createMailLinkSigner(MASTER)

describe.each([...engines])('$kind', ({ open }) => {
  const undo: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const step of undo.splice(0).toReversed()) await step()
  })

  async function bench(): Promise<{
    clock: Clock
    context: Context
    receiver: ForwardReceiver
    take: (raw: string, to?: string) => Promise<boolean>
  }> {
    const { engine } = await open()
    const clock = { now: T0 }
    const context = await makeContext(engine, clock, [{}, {}])
    await addForwardDomain(context, 1, 'In.Example.com')
    const receiver = createForwardReceiver(context)
    const take = (raw: string, to = 'help@in.example.com'): Promise<boolean> =>
      receiver.submit(makeIncomingMail(raw, to, { at: clock.now, receivedAt: clock.now }))
    return { clock, context, receiver, take }
  }
  const kept = ({ context }: { context: Context }, account = 1) =>
    listForwardedMails(context.engine.read, account, { limit: 10, after: null })

  test('a domain belongs to one account, and never to us', async () => {
    const { context, receiver } = await bench()
    expect(await addForwardDomain(context, 1, 'in.example.com.')).toBe(false)
    await expect(addForwardDomain(context, 2, 'in.example.com')).rejects.toMatchObject({ code: 'conflict' })
    await expect(addForwardDomain(context, 2, RETURN_PATH)).rejects.toMatchObject({ code: 'bad_request' })
    await expect(addForwardDomain(context, 2, 'bücher.example')).rejects.toMatchObject({ code: 'bad_request' })
    expect([
      await receiver.accepts('any@IN.example.com'),
      await receiver.accepts('x@sub.in.example.com'),
      await receiver.accepts('nobody'),
    ]).toEqual([true, false, false])
    expect(await removeForwardDomain(context, 'in.example.com')).toBe(true)
    expect(await receiver.accepts('any@in.example.com')).toBe(false)
    expect(await removeForwardDomain(context, 'in.example.com')).toBe(false)
  })

  test('mail of a blocked account is not accepted', async () => {
    const { context, receiver } = await bench()
    await addBlock(context, { kind: 'account', name: '1', actor: 'operator' }, 'a test')
    context.accountCache.invalidate()
    expect(await receiver.accepts('help@in.example.com')).toBe(false)
  })

  test('concurrent mails are stored once each; a bounce is a mail like others', async () => {
    const b = await bench()
    const raws = [MAIL, MAIL, ndr({ recipient: 'joe@example.org' }), '', '\\0'.repeat(100)]
    expect(await Promise.all(raws.map((raw) => b.take(raw)))).toEqual(raws.map(() => true))
    expect(await b.take(MAIL)).toBe(true)
    expect(await b.take(MAIL, 'help@elsewhere.example.com')).toBe(false)
    expect((await kept(b)).length).toBe(4)
    expect(await kept(b, 2)).toEqual([])
    expect((await b.context.engine.read.one('select count(*) as n from inbox'))?.['n']).toBe(0)
  })

  test('the body of a mail to many recipients is read once', async () => {
    const b = await bench()
    const recipients = Array.from({ length: 8 }, (_, n) => `r${n}@in.example.com`)
    for (const to of recipients) expect(await b.take(MAIL, to)).toBe(true)
    expect(await kept(b)).toHaveLength(8)
    const facts = await Promise.all(
      (await kept(b)).map(({ digest }) => findFactsBySubject(b.context.engine.read, [{ account: 1, subject: `mail:${digest}` }])),
    )
    let reads = 0
    const reader = {
      read: (_account: number, raw: Uint8Array) => {
        reads += 1
        return Promise.resolve(readHeaderOnly(raw))
      },
      close: () => Promise.resolve(),
    }
    const bodyOf = createForwardBodies(b.context, { reader, links, rules: { linkHours: 1, rawBytes: 10_000 } })
    const bodies = await Promise.all(facts.flat().flatMap((fact) => (fact.kind === 'route' ? [bodyOf(fact)] : [])))
    expect([reads, new Set(bodies.map((body) => body?.['x_mx_rcptto'])).size]).toEqual([1, 8])
  })

  test('the webhook has every field; its link opens the mail until it expires', async () => {
    const b = await bench()
    const at = await startWebhookReceiver()
    const reader = createMimeReader()
    undo.push(at.close, reader.close)
    const guard = createSsrfGuard({ allowPrivate: true, allowHosts: [] })
    const poster = createHttpClient(guard, { connections: 2 })
    undo.push(poster.close)
    const vault = createVault(MASTER)
    const webhooks = createWebhookService(b.context, { vault, guard, poster })
    const routeBodies = createForwardBodies(b.context, { reader, links, rules: { linkHours: 1, rawBytes: 10_000 } })
    const notifier = createNotifier(b.context, {
      vault,
      poster,
      forwardBodies: routeBodies,
      replayWhenWell: true,
      recordDays: 7,
      recordTries: 3,
    })
    await webhooks.add(1, configFor(at.url))
    const registered = await createRegister(b.context)(
      { account: 1, apiUser: 'ann', ip: '203.0.113.5' },
      {
        from: 'news@example.com',
        subject: 'Hi',
        label: null,
        broadcast: null,
        emailType: 'trigger',
        headers: {},
        recipients: [{ recipient: 'joerg@example.org', contactTypes: null }],
      },
    )
    const [ours] = registered.recipients
    const raw = MAIL.replace('<b@example.com>', ours?.messageIdHeader ?? '')
    expect(await b.take(raw)).toBe(true)
    await notifier.tick()
    await notifier.waitUntilIdle()
    const body = JSON.parse(at.requests[0]?.body ?? '{}')
    expect(body).toMatchObject({
      event: 'route',
      message: 'mx route',
      from: 'joerg@example.org',
      fromname: 'Jörg',
      to: 'help@in.example.com',
      toname: 'Help desk',
      x_mx_mailfrom: '',
      x_mx_rcptto: 'help@in.example.com',
      subject: 'Frage für euch',
      text: 'Grüße',
      raw_message: raw,
      reference: `<a@example.com> ${ours?.messageIdHeader}`,
      emailId: ours?.emailId,
      apiUser: 'ann',
    })
    expect(body.html).toContain('<p>Hallo</p>')
    expect(JSON.parse(body.headers)).toMatchObject({ Received: ['one', 'two'], 'MIME-Version': '1.0' })
    const url = new URL(body.raw_message_url)
    const digest = url.pathname.split('/')[3] ?? ''
    const link = { account: Number(url.searchParams.get('owner')), digest, expires: Number(url.searchParams.get('expires')) }
    const signature = url.searchParams.get('signature') ?? ''
    expect(links.isValid(link, signature, T0 + HOUR - 1)).toBe(true)
    expect(links.isValid(link, signature, T0 + HOUR)).toBe(false)
    expect(links.isValid({ ...link, account: 2 }, signature, T0)).toBe(false)
    expect(links.isValid({ ...link, expires: link.expires + 1 }, signature, T0)).toBe(false)
  })

  test('a mail that cannot be read delays no other event', async () => {
    const b = await bench()
    const at = await startWebhookReceiver()
    undo.push(at.close)
    const poster = createHttpClient(createSsrfGuard({ allowPrivate: true, allowHosts: [] }), { connections: 2 })
    undo.push(poster.close)
    const vault = createVault(MASTER)
    await createWebhookService(b.context, { vault, guard: createSsrfGuard({ allowPrivate: true, allowHosts: [] }), poster }).add(
      1,
      configFor(at.url),
    )
    await b.take(MAIL)
    let asked = 0
    const notifier = createNotifier(b.context, {
      vault,
      poster,
      replayWhenWell: true,
      recordDays: 7,
      recordTries: 3,
      forwardBodies: () => (++asked === 3 ? Promise.reject(new Fault('store_busy', 'not now')) : Promise.resolve({ text: 'x' })),
    })
    const run = async (): Promise<void> => {
      await notifier.tick()
      await notifier.waitUntilIdle()
    }
    await run()
    for (const n of [0, 1, 2]) await b.take(`X: ${n}\r\n${MAIL}`)
    await run()
    expect(at.requests).toHaveLength(3)
    expect(await listOutbox(b.context.engine.read, 1, 1, 10)).toMatchObject([{ state: 'waiting', attempts: 0 }])
    b.clock.now += 10_000
    await run()
    expect(at.requests).toHaveLength(4)
    expect(await listOutbox(b.context.engine.read, 1, 1, 10)).toEqual([])
  })

  test('a mail is removed after some days, or when an address in it is erased', async () => {
    const b = await bench()
    await b.take(MAIL)
    b.clock.now += 1
    await b.take(`X: 1\r\n${MAIL}`)
    expect(await b.context.engine.tx((db) => removeOldForwardedMailsForOperator(db, T0 + 1, 10))).toBe(1)
    expect((await kept(b)).map(({ receivedAt }) => receivedAt)).toEqual([T0 + 1])
    expect((await eraseAddress(b.context, 'nobody@example.org', 'operator')).mails).toBe(0)
    expect((await eraseAddress(b.context, 'joerg@example.org', 'operator')).mails).toBe(1)
    expect(await kept(b)).toEqual([])
  })
})

describe('the MIME reader', () => {
  const reader = createMimeReader()
  const EMPTY: Partial<MailContent> = { from: '', to: '', subject: '', html: '' }
  const DEEP = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n'.repeat(2_000)}`

  test.each([
    ['nothing', '', EMPTY],
    ['no header', '\r\n\r\nhello', { ...EMPTY, text: '\nhello' }],
    ['a group', 'To: undisclosed: a@example.com;\r\n\r\n', { to: 'a@example.com' }],
    ['two senders', 'From: A <a@example.com>, B <b@example.com>\r\n\r\n', { from: 'a@example.com', fromName: 'A' }],
    ['a name of a prototype', '__proto__: x\r\nconstructor: y\r\nFrom: a@example.com\r\n\r\n', { from: 'a@example.com' }],
    ['a charset that there is not', 'Subject: =?x-none?q?a?=\r\nContent-Type: text/plain; charset=x-none\r\n\r\nb', { text: 'b' }],
    ['nesting without end', DEEP, {}],
    ['ten thousand fields', `${'X: y\r\n'.repeat(10_000)}Subject: s\r\n\r\n`, {}],
    ['fields that are long together', `Subject: s\r\n${`X: ${'y'.repeat(8_000)}\r\n`.repeat(400)}\r\n`, { subject: 's' }],
    ['a name without end', `Subject: s\r\n${'y'.repeat(900_000)}: x\r\n\r\n`, { subject: 's' }],
    [
      '64 KiB of spaces in quoted-printable',
      `Subject: s\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${' '.repeat(65_536)}x`,
      { subject: 's', text: `${' '.repeat(256)}x` },
    ],
    ['a long body', `Subject: s\r\n\r\n${'x'.repeat(3_000_000)}`, { subject: 's' }],
  ] as const)('%s', async (_, raw, want) => {
    const read = await reader.read(1, Buffer.from(raw))
    expect(read).toMatchObject(want)
    expect(Math.max(read.text.length, read.html.length)).toBeLessThanOrEqual(1_048_576)
    expect(JSON.stringify(read.headers).length).toBeLessThanOrEqual(270_000)
  })

  test('any bytes give a parsed mail', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2_000 }), async (raw) => {
        expect(Object.keys(await reader.read(1, raw)).toSorted()).toEqual(Object.keys(readHeaderOnly(raw)).toSorted())
      }),
      { numRuns: 50 },
    )
    await reader.close()
  })

  test('a mail that takes too long ends its thread, and only its header is parsed', async () => {
    const impatient = createMimeReader({ timeLimitMs: 1 })
    const found = await impatient.read(1, Buffer.from(`From: "Ann" <ann@example.com>\r\nSubject: s\r\n\r\n${'<p>x</p>'.repeat(300_000)}`))
    expect(found).toMatchObject({ from: 'ann@example.com', fromName: 'Ann', subject: 's', text: '', html: '' })
    await impatient.close()
  })
})
