/** transport.test - a send resolves exactly once, whatever the server does; pooled connections; TLS, DSN, addresses. */
import { afterEach, expect, test } from 'vitest'
import type { AddressResult } from '../../src/net/mx.ts'
import { createSmarthostRouter } from '../../src/smtp-client/routing.ts'
import { createSmtpTransport } from '../../src/smtp-client/smtp-transport.ts'
import type { AttemptConnection, SmtpOutcome, OutgoingMail, RoutingResult, NextHop, Transport } from '../../src/smtp-client/transport.ts'
import { CLOSE, type ScriptedPeer, type PeerScript, startScriptedPeer } from '../support/peer.ts'

const cleanUps: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

const mail: OutgoingMail = {
  egressIp: '',
  domain: 'example.com',
  mailFrom: 'b@bounce.example.com',
  to: 'ann@example.com',
  raw: Buffer.from('Subject: hi\r\n\r\n.dot\r\nhello\r\n'),
  isProbe: false,
}

async function peerOf(script: PeerScript | ((connection: number) => PeerScript)): Promise<ScriptedPeer> {
  const peer = await startScriptedPeer(script)
  cleanUps.push(peer.close)
  return peer
}

const hopAt = (port: number, more: Partial<NextHop> = {}): NextHop => ({
  name: 'mx.example',
  address: '127.0.0.1',
  port,
  tls: 'opportunistic',
  implicitTls: false,
  login: null,
  proxy: false,
  ...more,
})

type Timeouts = Parameters<typeof createSmtpTransport>[0]['timeouts']
const SHORT = { connectMs: 500, greetingMs: 300, commandMs: 300, blockMs: 300, endMs: 300 }
/** For servers that reply: no test waits for them, and a busy machine does not reach them. */
const LONG = { connectMs: 30_000, greetingMs: 30_000, commandMs: 30_000, blockMs: 30_000, endMs: 30_000 }
type PoolLimits = NonNullable<Parameters<typeof createSmtpTransport>[0]['poolLimits']>

function transportTo(nextHops: readonly NextHop[], poolLimits: PoolLimits = {}, timeouts: Timeouts = LONG): Transport {
  const route: RoutingResult = { kind: 'route', nextHops }
  return transportBy({ router: () => Promise.resolve(route), poolLimits, timeouts })
}

function transportBy(
  options: Pick<Parameters<typeof createSmtpTransport>[0], 'router'> & {
    poolLimits?: PoolLimits
    found?: AddressResult | ((family: 4 | 6 | null) => AddressResult)
    timeouts?: Timeouts
  },
): Transport {
  const found = options.found ?? { kind: 'none' }
  const transport = createSmtpTransport({
    addressesOf: (_, family) => Promise.resolve(typeof found === 'function' ? found(family) : found),
    ehloName: 'out.example.com',
    allowPrivate: true,
    timeouts: options.timeouts ?? LONG,
    poolLimits: options.poolLimits ?? {},
    router: options.router,
  })
  cleanUps.push(transport.close)
  return transport
}

/** `code phase`, or `error`. */
const short = (outcome: SmtpOutcome): string => (outcome.kind === 'reply' ? `${outcome.code} ${outcome.phase}` : outcome.error)

const drip = (socket: { write: (text: string) => unknown; destroyed: boolean }): void => {
  const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write('2')), 20)
}
const endless = (socket: { write: (text: string) => unknown }): void => void socket.write('2'.repeat(200_000))
const endlessLines = (socket: { write: (text: string) => unknown }): void => void socket.write('250-more\r\n'.repeat(20_000))
const pipelining = { EHLO: '250-mx.example\r\n250 PIPELINING' }

test.each<[string, PeerScript, string]>([
  // the server                             script                                             outcome
  ['accepts', {}, '250 end'],
  ['accepts, pipelined', pipelining, '250 end'],
  ['greets with 4xx', { greeting: '421 4.7.0 too many connections' }, '421 greeting'],
  ['greets with 5xx and closes', { greeting: ['554 5.7.1 go away', CLOSE] }, '554 greeting'],
  ['greets with many lines', { greeting: '554-a\r\n554-b\r\n554 c' }, '554 greeting'],
  ['greets with garbage', { greeting: 'SSH-2.0-OpenSSH' }, 'connect'],
  ['greets with 250', { greeting: '250 hello' }, 'connect'],
  ['sends no greeting', { greeting: null }, 'timeout'],
  ['closes at once', { greeting: CLOSE }, 'connect'],
  ['sends its greeting byte by byte', { greeting: drip }, 'timeout'],
  ['sends a greeting without end', { greeting: endless }, 'connect'],
  ['closes at EHLO', { EHLO: CLOSE }, 'connect'],
  ['421 at EHLO', { EHLO: '421 4.3.2 shutting down' }, '421 ehlo'],
  ['supports only HELO', { EHLO: '502 what' }, '250 end'],
  ['refuses EHLO and HELO', { EHLO: '550 5.7.1 no', HELO: '550 5.7.1 still no' }, '550 ehlo'],
  ['sends an EHLO reply without end', { EHLO: endlessLines }, 'connect'],
  ['does not reply to EHLO', { EHLO: null }, 'timeout'],
  ['4xx at MAIL', { MAIL: '451 4.7.1 later' }, '451 mail'],
  ['5xx at MAIL, pipelined', { ...pipelining, MAIL: '550 5.7.1 no' }, '550 mail'],
  ['5xx at MAIL and closes, pipelined', { ...pipelining, MAIL: ['550 5.7.1 no', CLOSE] }, '550 mail'],
  ['421 at MAIL and closes', { MAIL: ['421 4.7.0 [TSS04]', CLOSE] }, '421 mail'],
  ['garbage at MAIL', { MAIL: 'Beeblebrox' }, 'dropped'],
  ['an invalid code at MAIL', { MAIL: '999 ok' }, 'dropped'],
  ['354 at MAIL', { MAIL: '354 go on' }, 'dropped'],
  ['closes at MAIL', { MAIL: CLOSE }, 'dropped'],
  ['does not reply to MAIL', { MAIL: null }, 'timeout'],
  ['replies to MAIL byte by byte', { MAIL: drip }, 'timeout'],
  ['550 at RCPT', { RCPT: '550 5.1.1 no such user' }, '550 rcpt'],
  ['550 at RCPT, pipelined', { ...pipelining, RCPT: '550 5.1.1 no such user', DATA: '503 5.5.1 no rcpt' }, '550 rcpt'],
  ['550 at RCPT, pipelined, but accepts DATA', { ...pipelining, RCPT: '550 5.1.1 no such user' }, '550 rcpt'],
  ['closes at RCPT', { RCPT: CLOSE }, 'dropped'],
  ['does not reply to RCPT', { RCPT: null }, 'timeout'],
  ['closes at DATA', { DATA: CLOSE }, 'dropped'],
  ['451 at DATA', { DATA: '451 4.3.0 later' }, '451 data'],
  ['does not reply to DATA', { DATA: null }, 'timeout'],
  ['554 after the message', { end: '554 5.7.1 spam' }, '554 end'],
  ['closes after the message', { end: CLOSE }, 'dropped'],
  ['does not reply to the message', { end: null }, 'timeout'],
  ['3xx after the message', { end: '354 more' }, 'dropped'],
  ['250 and closes', { end: ['250 ok', CLOSE] }, '250 end'],
  ['250 twice', { end: '250 ok\r\n250 ok' }, '250 end'],
  ['NUL bytes', { RCPT: '550 5.1.1 no\0such\0user' }, '550 rcpt'],
  ['offers TLS and refuses it', { EHLO: '250-mx\r\n250 STARTTLS', STARTTLS: '454 4.7.0 not now' }, '250 end'],
  ['offers TLS and sends garbage', { EHLO: '250-mx\r\n250 STARTTLS', STARTTLS: ['220 ok', 'nonsense'] }, '250 end'],
  ['offers TLS and closes', { EHLO: '250-mx\r\n250 STARTTLS', STARTTLS: ['220 ok', CLOSE] }, '250 end'],
  ['offers TLS and never answers the handshake', { EHLO: '250-mx\r\n250 STARTTLS', STARTTLS: '220 ok' }, '250 end'],
  ['speaks TLS', { EHLO: '250-mx\r\n250 STARTTLS', STARTTLS: '220 go' }, '250 end'],
])('a server: %s', async (what, script, want) => {
  const peer = await peerOf(script)
  const isWaitedFor = want === 'timeout' || what.includes('never answers')
  const transport = transportTo([hopAt(peer.port)], {}, isWaitedFor ? SHORT : LONG)
  expect(short(await transport.send(mail))).toBe(want)
  // The transport kept no connection that disturbs the next message.
  expect(short(await transport.send(mail))).toBe(want)
})

test('a success that is reported before the message was sent is not believed', async () => {
  const peer = await peerOf({ MAIL: ['250 ok', '250 ok', '354 go', '250 ok'] })
  expect(short(await transportTo([hopAt(peer.port)]).send({ ...mail, raw: Buffer.alloc(8_000_000, 'x') }))).toBe('dropped')
})

test('the whole reply is kept, with control characters replaced, up to 2,048 characters', async () => {
  const lines = ['550-5.7.1 first', '550-5.7.1 \u0001second', `550 5.7.1 ${'x'.repeat(5_000)}`]
  const peer = await peerOf({ RCPT: lines.join('\r\n') })
  const outcome = await transportTo([hopAt(peer.port)]).send(mail)
  expect(outcome.text).toMatch(/^550-5\.7\.1 first\n550-5\.7\.1 \ufffdsecond\n550 5\.7\.1 x+$/)
  expect(outcome.text.length).toBe(2_048)
})

test('a message arrives byte for byte, with dots stuffed', async () => {
  const peer = await peerOf({})
  await transportTo([hopAt(peer.port)]).send(mail)
  expect(peer.mails).toEqual(['Subject: hi\r\n\r\n..dot\r\nhello'])
  expect(peer.receivedLines[0]?.slice(0, 3)).toEqual([
    'EHLO out.example.com',
    'MAIL FROM:<b@bounce.example.com>',
    'RCPT TO:<ann@example.com>',
  ])
})

test('a connection is reused, also after a refusal; a probe has its own; the message limit ends it', async () => {
  const peer = await peerOf({ RCPT: '550 5.1.1 no' })
  const transport = transportTo([hopAt(peer.port)], { mailsPerConnection: 3 })
  for (const _ of [1, 2, 3, 4]) await settled(peer, transport.send(mail))
  expect(peer.receivedLines.length).toBe(2)
  expect(peer.receivedLines[0]?.filter((line) => line === 'RSET').length).toBe(3)
  await settled(peer, transport.send({ ...mail, isProbe: true }))
  expect(peer.receivedLines.length).toBe(3)
})

/**
 * Waits until the pool has the connection back: the outcome is returned before the connection is reset. The reply to RSET is read within a few
 * rounds of the event loop, because the peer is in this process.
 */
async function settled(peer: ScriptedPeer, sent: Promise<SmtpOutcome>): Promise<void> {
  await sent
  await expect.poll(() => peer.receivedLines.every((lines) => /^(?:RSET|QUIT)$/.test(lines.at(-1) ?? ''))).toBe(true)
  for (let round = 0; round < 10; round++) await new Promise((resolve) => setImmediate(resolve))
}

test('a pooled connection that has died costs no attempt', async () => {
  const peer = await peerOf((n) =>
    n === 1 ? { MAIL: (socket) => (peerFirst++ === 0 ? socket.write('250 ok\r\n') : socket.destroy()) } : {},
  )
  let peerFirst = 0
  const transport = transportTo([hopAt(peer.port)])
  await settled(peer, transport.send(mail))
  expect(short(await transport.send(mail))).toBe('250 end')
  expect(peer.receivedLines.length).toBe(2)
})

test('idle connections are closed', async () => {
  const peer = await peerOf({})
  const transport = transportTo([hopAt(peer.port)], { idleTimeoutMs: 20 })
  await transport.send(mail)
  await expect.poll(() => peer.receivedLines[0]?.at(-1)).toBe('QUIT')
})

test('an unreachable host is skipped; the first reply is the outcome', async () => {
  const gone = await peerOf({})
  await gone.close()
  const good = await peerOf({})
  const busy = await peerOf({ greeting: '421 4.7.0 later' })
  const outcome = await transportTo([hopAt(gone.port), hopAt(good.port, { name: 'mx2.example' })]).send(mail)
  expect(outcome).toMatchObject({ kind: 'reply', code: 250, mx: 'mx2.example' })
  expect(short(await transportTo([hopAt(busy.port), hopAt(good.port)]).send(mail))).toBe('421 greeting')
  expect(short(await transportTo([hopAt(gone.port)]).send(mail))).toBe('connect')
})

test.each<[string, Partial<NextHop>, PeerScript, string]>([
  ['required, not offered', { tls: 'required' }, {}, 'tls'],
  ['required, offered', { tls: 'required' }, { EHLO: '250-mx\r\n250 STARTTLS', STARTTLS: '220 go' }, '250 end'],
  ['required, refused for now', { tls: 'required' }, { EHLO: '250-mx\r\n250 STARTTLS', STARTTLS: '454 4.7.0 not now' }, '454 starttls'],
  ['required, broken', { tls: 'required' }, { EHLO: '250-mx\r\n250 STARTTLS', STARTTLS: ['220 ok', 'nonsense'] }, 'tls'],
  ['verified, self-signed', { tls: 'verified' }, { EHLO: '250-mx\r\n250 STARTTLS', STARTTLS: '220 go' }, 'tls'],
  ['off', { tls: 'off' }, { EHLO: '250-mx\r\n250 STARTTLS', STARTTLS: CLOSE }, '250 end'],
  ['a password in the clear', { login: { user: 'u', pass: 'p' } }, { EHLO: '250-mx\r\n250 AUTH PLAIN' }, 'connect'],
  ['a password in the clear, allowed', { tls: 'off', login: { user: 'u', pass: 'p' } }, { EHLO: '250-mx\r\n250 AUTH PLAIN' }, '250 end'],
  [
    'a wrong password',
    { tls: 'off', login: { user: 'u', pass: 'p' } },
    { EHLO: '250-mx\r\n250 AUTH PLAIN', AUTH: '535 5.7.8 no' },
    'connect',
  ],
])('TLS and login: %s', async (_, more, script, want) => {
  const peer = await peerOf(script)
  expect(short(await transportTo([hopAt(peer.port, more)]).send(mail))).toBe(want)
})

test('the connection of an attempt is reported: unreachable, encrypted, reused', async () => {
  const [gone, good] = [await peerOf({}), await peerOf({ EHLO: '250-mx\r\n250 STARTTLS', STARTTLS: '220 go', RCPT: '550 5.1.1 no' })]
  await gone.close()
  const transport = transportTo([hopAt(gone.port), hopAt(good.port, { name: 'mx2.example' })])
  const connections: AttemptConnection[] = []
  const onConnection = (connection: AttemptConnection): void => void connections.push(connection)
  await settled(good, transport.send({ ...mail, onConnection }))
  await transport.send({ ...mail, onConnection })
  const address = '127.0.0.1'
  const encrypted = {
    host: 'mx2.example',
    address,
    ehlo: 'out.example.com',
    tls: { version: 'TLSv1.3', cipher: expect.stringMatching(/^TLS_/), verified: false },
  }
  expect(connections).toEqual([
    { host: 'mx.example', address, ehlo: null, tls: null, isReused: false, connectMs: expect.any(Number) },
    { ...encrypted, isReused: false, connectMs: expect.any(Number) },
    { ...encrypted, isReused: true, connectMs: null },
  ])
})

test('a host that must not be used is left out; without any other, nothing is sent', async () => {
  const [first, second] = [await peerOf({}), await peerOf({})]
  const hops = [hopAt(first.port, { name: 'mx1.example' }), hopAt(second.port, { name: 'mx2.example' })]
  const mayUse = (host: string): boolean => host === 'mx2.example'
  expect(await transportTo(hops).send({ ...mail, mayUse })).toMatchObject({ kind: 'reply', code: 250, mx: 'mx2.example' })
  expect(await transportTo(hops).send({ ...mail, mayUse: () => false })).toMatchObject({ kind: 'error', error: 'dropped' })
  expect([first.receivedLines.length, second.receivedLines.length]).toEqual([0, 1])
})

test('a site can allow fewer mails a connection; a limit of new connections spaces them, and closing ends the wait', async () => {
  const peer = await peerOf({ RCPT: '550 5.1.1 no' })
  const transport = transportTo([hopAt(peer.port)])
  const limits = { site: 'a', mails: 2, newPerMinute: 6_000 }
  for (const _ of [1, 2, 3, 4]) await settled(peer, transport.send({ ...mail, limits }))
  expect(peer.receivedLines).toHaveLength(2)
  const slow = { ...mail, isProbe: true, limits: { site: 'b', mails: null, newPerMinute: 0.01 } }
  expect(await transport.send(slow)).toMatchObject({ kind: 'reply', code: 550 })
  const waiting = transport.send(slow)
  await transport.close()
  expect(await waiting).toMatchObject({ kind: 'error', error: 'dropped' })
})

test('envelope: null sender, A-labels, 8BITMIME, DSN, SMTPUTF8 only if the server supports it', async () => {
  const peer = await peerOf({ EHLO: '250-mx\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8' })
  const transport = transportTo([hopAt(peer.port)])
  await transport.send({ ...mail, mailFrom: '', to: 'ann@müller.example' })
  await transport.send({ ...mail, isProbe: true, raw: Buffer.from('\r\ngrüße\r\n'), envelopeId: 'A+B 1' })
  await transport.send({ ...mail, isProbe: true, to: 'jörg@example.com' })
  const commands = peer.receivedLines.map((lines) => lines.slice(1, 3))
  expect(commands).toEqual([
    ['MAIL FROM:<>', 'RCPT TO:<ann@xn--mller-kva.example>'],
    [
      'MAIL FROM:<b@bounce.example.com> BODY=8BITMIME RET=HDRS ENVID=A+2BB+201',
      'RCPT TO:<ann@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;ann@example.com',
    ],
    [
      'MAIL FROM:<b@bounce.example.com> SMTPUTF8 RET=HDRS',
      `RCPT TO:<${Buffer.from('jörg').toString('latin1')}@example.com> NOTIFY=FAILURE,DELAY`,
    ],
  ])
  const plain = await peerOf({})
  const outcome = await transportTo([hopAt(plain.port)]).send({ ...mail, to: 'jörg@example.com' })
  expect(outcome).toMatchObject({ kind: 'reply', code: 550, phase: 'rcpt' })
  expect(outcome.text).toContain('5.6.7')
})

test('no route: permanent, temporary, without an address, with a private address only', async () => {
  const refused: RoutingResult = { kind: 'refused', code: 556, text: '556 5.1.10 Recipient address has null MX' }
  expect(await transportBy({ router: () => Promise.resolve(refused) }).send(mail)).toEqual({
    kind: 'reply',
    code: 556,
    text: refused.text,
    mx: null,
    phase: 'route',
  })
  expect(short(await transportBy({ router: () => Promise.resolve({ kind: 'failed', text: 'ESERVFAIL' }) }).send(mail))).toBe('dns')
  const named: RoutingResult = { kind: 'route', nextHops: [hopAt(1, { address: null })] }
  expect(short(await transportBy({ router: () => Promise.resolve(named) }).send(mail))).toBe('connect')
  expect(short(await transportBy({ router: () => Promise.resolve(named), found: { kind: 'failed', text: 'x' } }).send(mail))).toBe('dns')
  const peer = await peerOf({})
  const guarded = createSmtpTransport({
    router: () => Promise.resolve({ kind: 'route', nextHops: [hopAt(peer.port, { address: null })] }),
    addressesOf: () => Promise.resolve({ kind: 'addresses', addresses: ['127.0.0.1'] }),
    ehloName: 'out.example.com',
    allowPrivate: false,
  })
  cleanUps.push(guarded.close)
  expect(short(await guarded.send(mail))).toBe('connect')
  expect(peer.receivedLines.length).toBe(0)
})

test('a message leaves by its egress IP; an address that is not ours cannot be used', async () => {
  const peer = await peerOf({})
  const transport = transportTo([hopAt(peer.port)])
  expect(short(await transport.send({ ...mail, egressIp: '127.0.0.9' }))).toBe('250 end')
  expect(peer.remoteAddresses).toEqual(['127.0.0.9'])
  expect(short(await transport.send({ ...mail, egressIp: '192.0.2.1' }))).toBe('connect')
})

test('a smart host by name and by address; a name that does not resolve is a temporary failure', async () => {
  const peer = await peerOf({})
  const host = { port: peer.port, login: null, tls: 'off', implicitTls: false } as const
  const found = [{ address: '127.0.0.1', family: 4 }]
  const byName = createSmarthostRouter({ ...host, host: 'relay.example' }, () => Promise.resolve(found))
  expect(short(await transportBy({ router: byName }).send(mail))).toBe('250 end')
  expect(short(await transportBy({ router: createSmarthostRouter({ ...host, host: '127.0.0.1' }) }).send(mail))).toBe('250 end')
  const gone = createSmarthostRouter({ ...host, host: 'relay.example' }, () => Promise.reject(new Error('ENOTFOUND')))
  expect(short(await transportBy({ router: gone }).send(mail))).toBe('dns')
})

test('closing with messages in flight: each has one outcome', async () => {
  const peer = await peerOf({ end: null })
  const transport = transportTo([hopAt(peer.port)])
  const sent = [1, 2, 3].map(() => transport.send(mail))
  await expect.poll(() => peer.mails.length).toBe(3)
  await transport.close()
  expect((await Promise.all(sent)).map(short)).toEqual(['dropped', 'dropped', 'dropped'])
  expect(short(await transport.send(mail))).toBe('dropped')
})

const noAddress: NextHop = hopAt(25, { address: null })
const byFamily =
  (addresses: Readonly<Record<4 | 6, readonly string[]>>) =>
  (family: 4 | 6 | null): AddressResult => {
    const found = family === null ? [...addresses[4], ...addresses[6]] : addresses[family]
    return found.length === 0 ? { kind: 'none' } : { kind: 'addresses', addresses: found }
  }

test.each<[string, string, AddressResult | ((family: 4 | 6 | null) => AddressResult), string | undefined]>([
  // what is wrong                            egress IP       addresses                              whose fault
  ['the egress IP is not of this host', '192.0.2.77', byFamily({ 4: ['127.0.0.1'], 6: [] }), 'egress'],
  ['no host has an IPv6 address', '2001:db8::1', byFamily({ 4: ['127.0.0.1'], 6: [] }), 'no-family'],
  ['no host has an IPv4 address', '127.0.0.1', byFamily({ 4: [], 6: ['::1'] }), 'no-family'],
  ['no host has an address', '127.0.0.1', { kind: 'none' }, undefined],
  ['the look-up fails', '127.0.0.1', { kind: 'failed', text: 'SERVFAIL' }, undefined],
])('%s', async (_, egressIp, found, ownFault) => {
  const transport = transportBy({ router: () => Promise.resolve({ kind: 'route', nextHops: [noAddress] }), found })
  const outcome = await transport.send({ ...mail, egressIp })
  expect(outcome.kind === 'error' ? outcome.ownFault : outcome).toBe(ownFault)
})

test('a refused connection is the fault of the destination', async () => {
  const peer = await startScriptedPeer({})
  await peer.close()
  const outcome = await transportTo([hopAt(peer.port)]).send({ ...mail, egressIp: '127.0.0.1' })
  expect(outcome).toMatchObject({ kind: 'error', error: 'connect' })
  expect(outcome).not.toHaveProperty('ownFault')
})
