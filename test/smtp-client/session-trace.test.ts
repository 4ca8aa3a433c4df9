/**
 * session-trace.test - sessions of the SMTP client in the trace: connection, TLS, commands, replies, reuse, timeouts and close, without secrets and bodies
 */
import { afterEach, expect, test } from 'vitest'
import { createSmtpTransport } from '../../src/smtp-client/smtp-transport.ts'
import type { NextHop, OutgoingMail, Transport } from '../../src/smtp-client/transport.ts'
import { createTrace, type Trace, type TraceEvent, type TraceFilter } from '../../src/trace.ts'
import { startScriptedPeer, type PeerScript } from '../support/peer.ts'

const cleanUps: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

const mailOf = (deliveryId: string, domain = 'example.com'): OutgoingMail => ({
  egressIp: '127.0.0.1',
  domain,
  mailFrom: 'b@bounce.example.com',
  to: `ann@${domain}`,
  raw: Buffer.from('Subject: hi\r\n\r\nBODY-MUST-NOT-SHOW\r\n'),
  isProbe: false,
  deliveryId,
})

const HOP: NextHop = { name: 'mx.example', address: '127.0.0.1', port: 0, tls: 'off', implicitTls: false, login: null, proxy: false }

const TIMEOUTS = { connectMs: 60_000, greetingMs: 60_000, commandMs: 60_000, blockMs: 60_000, endMs: 60_000 }

type Options = { readonly hop?: Partial<NextHop>; readonly commandMs?: number }

async function transportTo(trace: Trace, script: PeerScript, { hop = {}, commandMs = 60_000 }: Options = {}): Promise<Transport> {
  const peer = await startScriptedPeer(script)
  const transport = createSmtpTransport({
    addressesOf: () => Promise.resolve({ kind: 'none' }),
    router: () => Promise.resolve({ kind: 'route', nextHops: [{ ...HOP, port: peer.port, ...hop }] }),
    ehloName: 'out.example.com',
    allowPrivate: true,
    timeouts: { ...TIMEOUTS, commandMs },
    trace,
  })
  cleanUps.push(transport.close, peer.close)
  return transport
}

/** Returns the lines that a listener has received so far. */
function listenTo(trace: Trace, filter: TraceFilter): () => readonly string[] {
  const listener = trace.listen(filter)
  const lines: string[] = []
  return () => {
    lines.push(...listener.take().events.map(formatEvent))
    return lines
  }
}

const SHOWN_FIELDS = ['mx', 'egressIp', 'carried', 'step', 'command', 'bytes', 'line', 'text'] as const

const formatEvent = ({ kind, fields }: TraceEvent): string =>
  [kind.replace('client.', ''), ...SHOWN_FIELDS.flatMap((name) => fields[name] ?? [])].join(' ')

const TRANSACTION = (domain: string): readonly string[] => [
  'command MAIL FROM:<b@bounce.example.com>',
  'reply MAIL 250 2.1.0 ok',
  `command RCPT TO:<ann@${domain}>`,
  'reply RCPT 250 2.1.5 ok',
  'command DATA',
  'reply DATA 354 go ahead',
  'message 35',
  'reply the message 250 2.0.0 queued',
]

test('a delivery shows its own part of a session, the next one the reuse of the connection, the peer and the domain the close too', async () => {
  const trace = createTrace(() => 7)
  const [first, byPeer, byDomain, other] = [
    listenTo(trace, { deliveryId: 'first' }),
    listenTo(trace, { peer: '127.0.0.1' }),
    listenTo(trace, { domain: 'example.net' }),
    listenTo(trace, { deliveryId: 'other' }),
  ]
  const transport = await transportTo(trace, {})
  await transport.send(mailOf('first'))
  await expect
    .poll(async () => {
      await transport.send(mailOf('later', 'example.net'))
      return byPeer().some((line) => line.startsWith('reused'))
    })
    .toBe(true)
  await transport.close()
  await expect.poll(() => byDomain().some((line) => line.startsWith('closed mx.example'))).toBe(true)
  expect(first()).toEqual([
    'connected mx.example 127.0.0.1',
    'reply greeting 220 mx.example ESMTP',
    'command EHLO out.example.com',
    'reply EHLO 250-mx.example\n250 8BITMIME',
    ...TRANSACTION('example.com'),
  ])
  expect(byDomain()).toEqual(expect.arrayContaining(['reused mx.example 127.0.0.1 1', ...TRANSACTION('example.net')]))
  expect(byPeer()).toEqual(expect.arrayContaining([...first(), ...byDomain()]))
  expect(other()).toEqual([])
  expect(byPeer().join('\n')).not.toContain('BODY-MUST-NOT-SHOW')
})

test.each([
  ['AUTH PLAIN', {}, ['command AUTH PLAIN ***', 'reply AUTH 235 2.7.0 ok']],
  ['AUTH LOGIN', { AUTH: '334 VXNlcm5hbWU6' }, ['command AUTH LOGIN ***', 'reply AUTH 334 ***', 'command ***']],
] as const)('%s is masked', async (mechanism, script, expected) => {
  const trace = createTrace(() => 7)
  const lines = listenTo(trace, { deliveryId: 'first' })
  const EHLO = `250-mx.example\r\n250 ${mechanism}`
  const login = { user: 'QUIT', pass: 'SECRET' }
  const transport = await transportTo(trace, { EHLO, ...script }, { hop: { login } })
  await transport.send(mailOf('first'))
  expect(lines()).toEqual(expect.arrayContaining([...expected]))
  for (const secret of ['SECRET', 'QUIT', Buffer.from('SECRET').toString('base64'), Buffer.from('QUIT').toString('base64')])
    expect(lines().join('\n')).not.toContain(secret)
})

test('TLS shows its protocol; a step without a reply shows its time limit and the close', async () => {
  const trace = createTrace(() => 7)
  const listener = trace.listen({ deliveryId: 'first' })
  const script = { EHLO: '250-mx.example\r\n250 STARTTLS', STARTTLS: '220 go', RCPT: null }
  const transport = await transportTo(trace, script, { hop: { tls: 'required' }, commandMs: 2_000 })
  await transport.send(mailOf('first'))
  const { events } = listener.take()
  expect(events.map(({ kind }) => kind)).toContain('client.secured')
  expect(events.find(({ kind }) => kind === 'client.secured')?.fields).toMatchObject({ protocol: 'TLSv1.3', isVerified: false })
  expect(events.slice(-3).map(formatEvent)).toEqual([
    'command RCPT TO:<ann@example.com>',
    'timeout command no reply to RCPT within 2 s',
    'closed mx.example no reply to RCPT within 2 s',
  ])
})

test('a host that does not listen is shown with the reason', async () => {
  const trace = createTrace(() => 7)
  const lines = listenTo(trace, { peer: '127.0.0.1' })
  const peer = await startScriptedPeer({})
  await peer.close()
  const transport = await transportTo(trace, {}, { hop: { port: peer.port } })
  await transport.send(mailOf('first'))
  expect(lines()).toEqual([expect.stringMatching(/^unreachable mx\.example 127\.0\.0\.1 connect ECONNREFUSED/)])
})

test('a reply of any length takes a bounded part of the buffer', async () => {
  const trace = createTrace(() => 7)
  const lines = listenTo(trace, { deliveryId: 'first' })
  const transport = await transportTo(trace, { RCPT: `550 ${'x'.repeat(50_000)}` })
  await transport.send(mailOf('first'))
  expect(Math.max(...lines().map((line) => line.length))).toBeLessThan(2_100)
})
