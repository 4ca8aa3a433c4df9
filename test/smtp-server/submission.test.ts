/**
 * submission.test - SMTP submission: sign-in, accepted mail and refusals, with nodemailer and line by line
 */
import { createTransport } from 'nodemailer'
import { afterEach, describe, expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { startSubmissionListener } from '../../src/smtp-server/submission-session.ts'
import { createTelemetry } from '../../src/telemetry.ts'
import { createSignInLimit } from '../../src/net/sign-in-limit.ts'
import type { Caller } from '../../src/service/caller.ts'
import type { Submission } from '../../src/service/submit/submit.ts'
import { closeAll, openConnection, LIMITS, openConversation, tlsFile, type SmtpConversation } from '../support/smtp-listener.ts'

type Started = { readonly port: number; readonly calls: { readonly by: Caller; readonly call: Submission }[] }

const listeners: { readonly close: () => Promise<void> }[] = []
afterEach(async () => {
  await closeAll()
  for (const listener of listeners.splice(0)) await listener.close()
})

async function start(over: Partial<Parameters<typeof startSubmissionListener>[0]> = {}): Promise<Started> {
  const calls: Started['calls'] = []
  const listener = await startSubmissionListener({
    host: '127.0.0.1',
    port: 0,
    hostname: 'mail.example.com',
    proxyPeers: [],
    tls: { key: tlsFile('key.pem'), cert: tlsFile('cert.pem') },
    limits: { ...LIMITS, recipientsPerMail: 100, mailSize: 200_000, advertisedSize: 200_000 },
    telemetry: await createTelemetry({ level: 'silent', format: 'json' }),
    now: () => 0,
    authenticate: (apiUser, apiKey) => Promise.resolve(apiUser === 'alice' && apiKey === 'secret' ? { account: 1, apiUser } : null),
    signInLimit: createSignInLimit({ failedSignInsPerName: 3, failedSignInsPerClient: 6 }),
    isPlaintextAuthAllowed: false,
    submit: (by, call) => {
      calls.push({ by, call })
      if (call.label !== null && 'id' in call.label && call.label.id !== 7) return Promise.reject(new Fault('not_found', 'no label'))
      return Promise.resolve({ messageId: 'aaabbbcccdddm', recipients: [] })
    },
    ...over,
  })
  listeners.push(listener)
  return { port: listener.port, calls }
}

const plain = (user: string, key: string): string => Buffer.from(`\0${user}\0${key}`).toString('base64')

async function signedIn(port: number, user = 'alice'): Promise<SmtpConversation> {
  const client = await openConversation(port)
  await client.send('EHLO client.example.org')
  expect(await client.send(`AUTH PLAIN ${plain(user, 'secret')}`)).toBe('235 2.7.0 Authentication successful')
  return client
}

async function sendMail(client: SmtpConversation, mail: string, to: readonly string[] = ['joe@example.net']): Promise<string> {
  await client.send('MAIL FROM:<bounce@example.org>')
  for (const each of to) await client.send(`RCPT TO:<${each}>`)
  await client.send('DATA')
  return client.send(`${mail.replaceAll('\n', '\r\n')}\r\n.`)
}

const MAIL = 'From: News <news@example.com>\nSubject: Hi\n\nHello'

describe('signing in', () => {
  test('by LOGIN; the reply to a mail is that of SendCloud', async () => {
    const { port, calls } = await start()
    const client = await openConversation(port)
    await client.send('EHLO client.example.org')
    expect(await client.send('AUTH LOGIN')).toBe('334 VXNlcm5hbWU6')
    await client.send(Buffer.from('alice#7').toString('base64'))
    expect(await client.send(Buffer.from('secret').toString('base64'))).toMatch(/^235 /)
    expect(await sendMail(client, MAIL)).toBe('250 #aaabbbcccdddm#Queued')
    expect(calls[0]?.by).toEqual({ account: 1, apiUser: 'alice', ip: '127.0.0.1' })
    expect(calls[0]?.call.label).toEqual({ id: 7 })
  })

  test('MAIL FROM is refused without it', async () => {
    const { port, calls } = await start()
    const { send } = await openConversation(port)
    await send('EHLO client.example.org')
    expect(await send('MAIL FROM:<a@example.org>')).toMatch(/^530 5\.7\.0 /)
    expect(calls).toEqual([])
  })

  const WRONG = [
    ['alice', 'wrong'],
    ['nobody', 'secret'],
    ['', 'secret'],
    ['alice#x', 'secret'],
  ] as const
  test.each(WRONG)('%j with %j is refused', async (user, key) => {
    const { port } = await start()
    const { send } = await openConversation(port)
    await send('EHLO client.example.org')
    expect(await send(`AUTH PLAIN ${plain(user, key)}`)).toMatch(/^535 5\.7\.8 /)
  })

  test('after too many failures a user is refused from that address, even with the right key; others are not', async () => {
    const { port } = await start({
      authenticate: (apiUser, apiKey) => Promise.resolve(apiKey === 'secret' ? { account: 1, apiUser } : null),
    })
    const { send } = await openConversation(port)
    await send('EHLO client.example.org')
    for (let n = 0; n < 3; n++) expect(await send(`AUTH PLAIN ${plain('alice', 'wrong')}`)).toMatch(/^535 /)
    expect(await send(`AUTH PLAIN ${plain('alice', 'secret')}`)).toMatch(/^421 4\.7\.0 /)
    const other = await openConversation(port)
    await other.send('EHLO client.example.org')
    expect(await other.send(`AUTH PLAIN ${plain('bob', 'secret')}`)).toMatch(/^235 /)
  })

  test('made-up names from one address are refused there, and lock out no other address', async () => {
    const { port } = await start({ proxyPeers: ['127.0.0.1'], isPlaintextAuthAllowed: true })
    const connectFrom = async (address: string): Promise<SmtpConversation> => {
      const client = openConnection(port)
      client.socket.write(`PROXY TCP4 ${address} 192.0.2.1 50000 2587\r\n`)
      await client.receive()
      await client.send('EHLO client.example.org')
      return client
    }
    const guesser = await connectFrom('192.0.2.9')
    for (let n = 0; n < 6; n++) expect(await guesser.send(`AUTH PLAIN ${plain(`invented-${n}`, 'wrong')}`)).toMatch(/^535 /)
    expect(await guesser.send(`AUTH PLAIN ${plain('invented', 'wrong')}`)).toMatch(/^421 4\.7\.0 .*limits\.failedSignInsPerClient/)
    const user = await connectFrom('192.0.2.10')
    expect(await user.send(`AUTH PLAIN ${plain('alice', 'secret')}`)).toMatch(/^235 /)
  })

  test('without TLS it is offered to loopback only, unless a setting allows more', async () => {
    const behindLoadBalancer = { proxyPeers: ['127.0.0.1'] }
    for (const [isPlainAllowed, want] of [
      [false, false],
      [true, true],
    ] as const) {
      const { port } = await start({ ...behindLoadBalancer, isPlaintextAuthAllowed: isPlainAllowed })
      const client = openConnection(port)
      client.socket.write('PROXY TCP4 192.0.2.9 192.0.2.1 50000 2587\r\n')
      await client.receive()
      expect(/AUTH/.test(await client.send('EHLO client.example.org'))).toBe(want)
      expect(await client.send(`AUTH PLAIN ${plain('alice', 'secret')}`)).toMatch(want ? /^235 / : /^500 /)
      expect(await client.send('MAIL FROM:<a@example.org>')).toMatch(want ? /^250 / : /^530 5\.7\.0 /)
    }
    const { port } = await start()
    expect(await (await openConversation(port)).send('EHLO client.example.org')).toMatch(/250-AUTH PLAIN LOGIN/)
  })
})

describe('mails', () => {
  test('nodemailer signs in under TLS and sends one mail to several recipients', async () => {
    const { port, calls } = await start()
    const transport = createTransport({
      host: '127.0.0.1',
      port,
      requireTLS: true,
      tls: { rejectUnauthorized: false },
      auth: { user: 'alice', pass: 'secret' },
    })
    const sent = await transport.sendMail({
      from: 'News <news@example.com>',
      to: ['joe@example.net', 'ann@example.net'],
      bcc: 'hidden@example.net',
      subject: 'Grüße',
      text: 'Zoë',
      headers: { 'SC-Custom-Order': '7', 'X-SMTPAPI': JSON.stringify({ section: { '%s%': 'x' } }) },
    })
    transport.close()
    expect(sent.response).toBe('250 #aaabbbcccdddm#Queued')
    expect(calls[0]?.call).toMatchObject({
      body: { from: 'news@example.com', subject: 'Grüße', sections: { '%s%': 'x' } },
      recipients: ['joe@example.net', 'ann@example.net', 'hidden@example.net'].map((recipient) => ({ recipient, variables: {} })),
      userHeaders: { 'SC-Custom-Order': '7' },
      label: null,
    })
    expect(calls[0]?.call.body.messageId).toBe(sent.messageId.slice(1, -1))
  })

  test('the mail is kept unchanged, with its dots', async () => {
    const { port, calls } = await start()
    const client = await signedIn(port)
    await sendMail(client, `${MAIL}\n..stuffed`)
    const raw = Buffer.from(calls[0]?.call.body.raw ?? '', 'base64').toString()
    expect(raw).toBe(`${MAIL}\n.stuffed\n`.replaceAll('\n', '\r\n'))
  })

  const base64 = (value: object): string =>
    Buffer.from(JSON.stringify(value))
      .toString('base64')
      .replaceAll(/(.{40})/g, '$1\n ')
  const folded = (value: object): string => JSON.stringify(value, null, 1).replaceAll('\n', '\n ')
  const API = { to: ['a@example.net', 'b@example.net'], sub: { '%n%': ['Ann', 'Bob'] } }
  const EXTENSIONS = [
    ['JSON', JSON.stringify(API)],
    ['folded JSON', folded(API)],
    ['folded base64', base64(API)],
  ] as const
  test.each(EXTENSIONS)('X-SMTPAPI as %s names recipients and variables', async (_, text) => {
    const { port, calls } = await start()
    expect(await sendMail(await signedIn(port), `X-SMTPAPI: ${text}\n${MAIL}`)).toMatch(/^250 #/)
    expect(calls[0]?.call.body.to).toBeNull()
    expect(calls[0]?.call.recipients).toEqual([
      { recipient: 'a@example.net', variables: { '%n%': 'Ann' } },
      { recipient: 'b@example.net', variables: { '%n%': 'Bob' } },
    ])
  })

  const many = (count: number): string[] => Array.from({ length: count }, (_, n) => `r${n}@example.net`)
  const REFUSED = [
    // mail                                                                  reply
    ['Subject: no sender\n\nHello', /^554 5\.6\.0 A mail must have one From/],
    ['From: a@example.com\nFrom: b@example.com\n\nHello', /^554 5\.6\.0 A mail must have one From/],
    ['From: a@example.com, b@example.com\n\nHello', /^550 5\.6\.0 Mail programs could read/],
    ['From: b@example.net(<a@example.com>)\n\nHello', /^550 5\.6\.0 Mail programs could read/],
    [`X-SMTPAPI: nonsense!\n${MAIL}`, /^554 5\.6\.0 X-SMTPAPI/],
    [`X-SMTPAPI: {"sub":{"%n%":["Ann","Bob"]}}\n${MAIL}`, /^554 5\.6\.0 X-SMTPAPI/],
    [`X-SMTPAPI: ${folded({ to: many(101) })}\n${MAIL}`, /^554 5\.5\.3 /],
    [`X-A: ${'x'.repeat(900)}\n`.repeat(300) + MAIL, /^5\d\d 5\.3\.4 /],
    [`${MAIL}${'\nlong line'.repeat(30_000)}`, /^552 5\.3\.4 .*submission\.mailBytes/],
  ] as const
  test.each(REFUSED)('refused mail %#', async (mail, want) => {
    const { port, calls } = await start()
    const client = await signedIn(port)
    expect(await sendMail(client, mail)).toMatch(want)
    expect(calls).toEqual([])
    expect(await sendMail(client, MAIL)).toMatch(/^250 #/)
  })

  const RECIPIENTS = [
    ['joe@example.net', /^250 /],
    ['nobody', /^501 5\.1\.3 /],
    ['joe@example..net', /^5\d\d 5\.1\.3 /],
    ['joe@', /^5\d\d /],
    ['joe@exa mple.net', /^5\d\d /],
  ] as const
  test.each(RECIPIENTS)('RCPT TO:<%s>', async (address, want) => {
    const { send } = await signedIn((await start()).port)
    await send('MAIL FROM:<a@example.org>')
    expect(await send(`RCPT TO:<${address}>`)).toMatch(want)
  })

  const FAULTS = [
    [new Fault('store_busy', 'away'), /^451 4\.3\.0 /],
    [new Fault('bad_request', 'grown'), /^554 5\.3\.4 /],
    [new Fault('header_invalid', 'tomorrow'), /^554 5\.6\.0 X-Bounced-Send-At .*submission\.sendAtDays/],
    [new Fault('forbidden', 'not yours'), /^550 5\.7\.1 .*senderDomains/],
    [new Fault('quota_exceeded', 'spent'), /^452 4\.7\.0 /],
    [new Error('a bug'), /^451 4\.3\.0 /],
  ] as const
  test.each(FAULTS)('%s', async (fault, want) => {
    const { port } = await start({ submit: () => Promise.reject(fault) })
    expect(await sendMail(await signedIn(port), MAIL)).toMatch(want)
  })

  test('a label of another account does not exist', async () => {
    const { port } = await start()
    expect(await sendMail(await signedIn(port, 'alice#8'), MAIL)).toMatch(/^554 5\.7\.0 /)
  })

  test('at most 100 recipients', async () => {
    const { port } = await start()
    const client = await signedIn(port)
    await client.send('MAIL FROM:<a@example.org>')
    for (const each of many(100)) expect(await client.send(`RCPT TO:<${each}>`)).toMatch(/^250 /)
    expect(await client.send('RCPT TO:<one@example.net>')).toMatch(/^452 4\.5\.3 /)
  })

  test('a bare LF does not smuggle a second mail', async () => {
    const { port, calls } = await start()
    const client = await signedIn(port)
    await client.send('MAIL FROM:<bounce@example.org>')
    await client.send('RCPT TO:<joe@example.net>')
    await client.send('DATA')
    const mail = MAIL.replaceAll('\n', '\r\n')
    expect(await client.send(`${mail}\r\n.\nMAIL FROM:<evil@example.org>\r\n.`)).toMatch(/^250 #/)
    expect(calls).toHaveLength(1)
    const raw = Buffer.from(calls[0]?.call.body.raw ?? '', 'base64').toString()
    expect(raw).toBe(`${mail}\r\n\r\nMAIL FROM:<evil@example.org>\r\n`)
  })
})
