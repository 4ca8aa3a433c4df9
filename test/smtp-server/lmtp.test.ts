/**
 * lmtp.test - the LMTP listener: one reply for each recipient, any number of tokens, and who may connect
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import {
  closeAll,
  MAIL,
  openConnection,
  openConversation,
  openUnixConversation,
  startListener,
  type ListenerOverrides,
  type SmtpConversation,
  type StartedListener,
} from '../support/smtp-listener.ts'

afterEach(closeAll)

const LIMITS = { recipientsPerMail: 100 }

type Opened = StartedListener & { readonly session: SmtpConversation }

async function open(options: ListenerOverrides = {}): Promise<Opened> {
  const started = await startListener({ lmtp: true, ...options, limits: { ...LIMITS, ...options.limits } })
  const session = await openConversation(started.listener.port)
  await session.send('LHLO mail.example.com')
  return { ...started, session }
}

/** Sends one mail. Resolves to the replies to RCPT TO, and to the replies after its data. */
async function deliver({ send, receive }: SmtpConversation, recipients: readonly string[], body = MAIL): Promise<[string[], string[]]> {
  await send('MAIL FROM:<>')
  const accepted: string[] = []
  for (const recipient of recipients) accepted.push(await send(`RCPT TO:<${recipient}>`))
  expect(await send('DATA')).toMatch(/^354/)
  const replies = [await send(`${body}\r\n.`)]
  while (replies.length < accepted.filter((reply) => reply.startsWith('250')).length) replies.push(await receive())
  return [accepted.map((reply) => reply.slice(0, 9)), replies]
}

const addresses = (count: number): string[] => Array.from({ length: count }, (_, n) => `token${n}@bounce.example.com`)

describe('replies', () => {
  test('each recipient has its own, and one that fails does not defer the others', async () => {
    const { session, received } = await open({
      submit: ({ envelope }) =>
        envelope.to.startsWith('token1@') ? Promise.reject(new Fault('store_busy', 'the store is locked')) : Promise.resolve(),
    })
    const [accepted, replies] = await deliver(session, addresses(3))
    expect(accepted).toEqual(Array.from({ length: 3 }, () => '250 2.1.5'))
    expect(replies.map((reply) => reply.slice(0, 9))).toEqual(['250 2.6.0', '451 4.3.0', '250 2.6.0'])
    expect(received.map(({ envelope, source, peer, helo }) => [envelope.to, source, peer, helo])).toEqual(
      ['token0@bounce.example.com', 'token2@bounce.example.com'].map((to) => [to, 'lmtp', null, null]),
    )
    expect(await session.send('NOOP')).toMatch(/^250/)
  })

  test('a null sender may have many tokens, and a refused recipient has no reply after DATA', async () => {
    const { session, received } = await open()
    const [accepted, replies] = await deliver(session, [...addresses(60), 'joe@example.org'])
    expect(accepted.at(-1)).toBe('550 5.7.1')
    expect(replies).toHaveLength(60)
    expect(received).toHaveLength(60)
    expect(new Set(received.map(({ raw }) => raw)).size).toBe(1)
    expect(await session.send('NOOP')).toMatch(/^250/)
  })

  test('a recipient that is named twice gets 452, because there would be one reply for two', async () => {
    const { session, received, refusedCount } = await open()
    const [accepted, replies] = await deliver(session, ['a@bounce.example.com', 'A@bounce.example.com', 'b@bounce.example.com'])
    expect(accepted).toEqual(['250 2.1.5', '452 4.5.3', '250 2.1.5'])
    expect(replies).toHaveLength(2)
    expect(received).toHaveLength(2)
    expect(await refusedCount('repeated')).toBe(1)
    expect(await session.send('NOOP')).toMatch(/^250/)
  })

  test('a mail above SIZE is refused for each recipient', async () => {
    const { session, received } = await open({ limits: { advertisedSize: 10_000, mailSize: 10_000 } })
    const [, replies] = await deliver(session, addresses(2), 'x'.repeat(20_000))
    expect(replies.map((reply) => reply.slice(0, 9))).toEqual(['552 5.3.4', '552 5.3.4'])
    expect(received).toHaveLength(0)
    expect(await session.send('NOOP')).toMatch(/^250/)
  })

  test('HELO and EHLO belong to SMTP, LHLO to LMTP (RFC 2033)', async () => {
    const { session } = await open()
    expect(await session.send('EHLO mail.example.com')).toMatch(/^500/)
    expect(await session.send('HELO mail.example.com')).toMatch(/^500/)
    expect(await session.send('LHLO mail.example.com')).toMatch(/^250-[^]*250[ -]/)
    const smtp = await startListener()
    const client = await openConversation(smtp.listener.port)
    expect(await client.send('LHLO mail.example.com')).toMatch(/^500/)
  })

  test('pipelined commands of two mails are answered in their order', async () => {
    const { session, received } = await open()
    const mail = (to: string): string => `MAIL FROM:<>\r\nRCPT TO:<${to}>\r\nDATA\r\n`
    session.socket.write(mail('a@bounce.example.com'))
    for (const want of ['250', '250', '354']) expect((await session.receive()).slice(0, 3)).toBe(want)
    session.socket.write(`${MAIL}\r\n.\r\n${mail('b@bounce.example.com')}`)
    for (const want of ['250', '250', '250', '354']) expect((await session.receive()).slice(0, 3)).toBe(want)
    expect(await session.send(`${MAIL}\r\n.`)).toMatch(/^250 2\.6\.0/)
    expect(received.map(({ envelope }) => envelope.to)).toEqual(['a@bounce.example.com', 'b@bounce.example.com'])
  })

  test('LF alone ends neither a command nor a mail', async () => {
    const { session, received } = await open()
    const [, replies] = await deliver(session, ['a@bounce.example.com'], 'Subject: x\r\n\r\nx\n.\nMAIL FROM:<a@example.org>\n')
    expect(replies).toHaveLength(1)
    expect(received).toHaveLength(1)
  })
})

describe('clients', () => {
  test('a Unix socket takes mail like a port', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'bounced-lmtp-')), 'lmtp.sock')
    const { received } = await startListener({ lmtp: path, limits: LIMITS })
    const session = await openUnixConversation(path)
    await session.send('LHLO mail.example.com')
    const [, replies] = await deliver(session, addresses(2))
    expect(replies.map((reply) => reply.slice(0, 9))).toEqual(['250 2.6.0', '250 2.6.0'])
    expect(received).toHaveLength(2)
  })

  test.each([
    // client          trusted relays      greeting
    ['192.0.2.7', [], /^554 5\.7\.1/],
    ['192.0.2.7', ['192.0.2.0/24'], /^220/],
  ] as const)('%s with the trusted relays %j', async (client, trustedRelays, greeting) => {
    const { listener } = await startListener({ lmtp: true, trustedRelays, proxyPeers: ['127.0.0.1'] })
    const opened = openConnection(listener.port)
    opened.socket.write(`PROXY TCP4 ${client} 198.51.100.1 12345 24\r\n`)
    expect(await opened.receive()).toMatch(greeting)
  })
})
