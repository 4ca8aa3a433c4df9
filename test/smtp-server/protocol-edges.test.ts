/**
 * protocol-edges.test - known attacks on SMTP servers, over real sockets
 */
import { createHash } from 'node:crypto'
import { X509Certificate } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { createSelfSignedCertificate } from '../../src/net/certificate.ts'
import {
  closeAll,
  openConnection,
  MAIL,
  upgradeToTls,
  sendRaw,
  startListener,
  openConversation,
  tlsFile,
  sendUpToData,
  type SmtpConversation,
} from '../support/smtp-listener.ts'
import { split } from './chunks.ts'
import { VARIANTS } from './smuggling.ts'

afterEach(closeAll)

/** Writes each piece as a TCP segment of its own. */
async function writeApart({ socket }: SmtpConversation, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    await new Promise((resolve) => socket.write(piece, resolve))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

describe('smuggling a second mail', () => {
  const second = 'MAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@bounce.example.com>\r\nDATA\r\nSubject: forged\r\n\r\nforged\r\n.\r\n'
  const harmless = VARIANTS.filter(({ ends }) => !ends)

  test.each(harmless)('after $name: one mail, which contains the second as text', async ({ bytes }) => {
    const { listener, received } = await startListener()
    const peer = await openConversation(listener.port)
    const wire = Buffer.from(`${MAIL}x${bytes}${second}`)
    for (const points of [[], [wire.indexOf('x') + 2], Array.from({ length: 20 }, (_, n) => MAIL.length + n)]) {
      expect(await sendUpToData(peer)).toMatch(/^354/)
      await writeApart(peer, split(wire, points))
      expect(await peer.receive()).toMatch(/^250 2\.6\.0/)
      await peer.send('RSET')
    }
    expect(received.map(({ envelope }) => envelope)).toEqual(
      Array.from({ length: 3 }, () => ({ from: '', to: 'token@bounce.example.com' })),
    )
    expect(new Set(received.map(({ dataDigest }) => dataDigest)).size).toBe(1)
    for (const { raw } of received) {
      const text = Buffer.from(raw).toString('latin1')
      expect(text).toContain('MAIL FROM:<evil@example.net>')
      expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
    }
  })

  test('the digest covers the bytes as they arrived; the stored mail has CR LF', async () => {
    const { listener, received } = await startListener()
    const peer = await openConversation(listener.port)
    const body = 'Subject: x\n\nhello\rworld\r\n'
    await sendUpToData(peer)
    expect(await peer.send(`${body}.`)).toMatch(/^250/)
    expect(Buffer.from(received[0]?.raw ?? []).toString()).toBe('Subject: x\r\n\r\nhello\r\nworld\r\n')
    expect(received[0]).toMatchObject({ size: body.length, dataDigest: createHash('sha256').update(body).digest('hex') })
  })

  test('BDAT is refused, and its payload is never read as commands', async () => {
    const { listener, received, refusedCount } = await startListener()
    const peer = await openConversation(listener.port)
    expect(await peer.send('EHLO mx.example.net')).not.toContain('CHUNKING')
    await peer.send('MAIL FROM:<>')
    await peer.send('RCPT TO:<token@bounce.example.com>')
    peer.socket.write(`BDAT 30 LAST\r\nRSET\r\n${second}`)
    expect(await peer.receiveAll()).toEqual([expect.stringMatching(/^502 5\.5\.1/)])
    expect(received).toEqual([])
    expect(await refusedCount('bdat')).toBe(1)
  })

  test('a mail sent after a refused DATA is not read as commands', async () => {
    const { listener, received } = await startListener()
    const peer = await openConversation(listener.port)
    await peer.send('EHLO mx.example.net')
    peer.socket.write(`MAIL FROM:<>\r\nRCPT TO:<joe@example.org>\r\nDATA\r\n${second}`)
    const replies = await peer.receiveAll()
    expect(replies.map((reply) => reply.slice(0, 3))).toEqual(['250', '550', '503', '554'])
    expect(received).toEqual([])
  })

  test('8-bit text, lines of 100,000 bytes and NULs arrive unchanged', async () => {
    const { listener, received } = await startListener()
    const peer = await openConversation(listener.port)
    const body = Buffer.concat([Buffer.from('Subject: Grüße\r\n\r\n'), Buffer.alloc(100_000, 0xfc), Buffer.from('\r\n\0\r\n')])
    await sendUpToData(peer)
    peer.socket.write(body)
    expect(await peer.send('.')).toMatch(/^250/)
    expect(Buffer.from(received[0]?.raw ?? []).equals(body)).toBe(true)
  })

  test('a mail of dot-stuffed lines alone arrives', async () => {
    const { listener, received } = await startListener()
    const peer = await openConversation(listener.port)
    await sendUpToData(peer)
    expect(await peer.send(`${'..\r\n'.repeat(300_000)}.`)).toMatch(/^250/)
    expect(received[0]?.size).toBe(900_000)
  })
})

describe('splitting a command', () => {
  const malformed = [
    'RSET\nQUIT',
    'RSET\rQUIT',
    'RSET\r\rQUIT',
    'RSET\n\rQUIT',
    'RSET\0',
    'NOOP\nMAIL FROM:<evil@example.net>',
    'MAIL FROM:<a@example.net>\nRCPT TO:<b@bounce.example.com>',
    'EHLO x\nSTARTTLS',
    '\nQUIT',
    '\rQUIT',
  ]
  test.each(malformed)('%j is one malformed command', async (line) => {
    const { listener, refusedCount } = await startListener({ tls: true })
    const peer = await openConversation(listener.port)
    expect(await peer.send('EHLO mx.example.net')).toMatch(/^250/)
    peer.socket.write(`${line}\r\nVRFY x\r\n`)
    expect(await peer.receive()).toMatch(/^500 5\.5\.2 .*CR LF/)
    expect(await peer.receive()).toMatch(/^252/)
    expect(await refusedCount('bare')).toBe(1)
    expect(await peer.send('MAIL FROM:<>')).toMatch(/^250/)
  })

  test('a client that ends its lines with LF is refused at once', async () => {
    const { listener } = await startListener()
    const peer = await openConversation(listener.port)
    peer.socket.write('EHLO mx.example.net\n')
    expect(await peer.receive()).toMatch(/^500 5\.5\.2/)
  })

  test('a command over the limit is skipped whole, however it is split', async () => {
    const { listener, refusedCount } = await startListener({ limits: { commandLength: 1_000 } })
    const peer = await openConversation(listener.port)
    await peer.send('EHLO mx.example.net')
    await writeApart(peer, split(Buffer.from(`NOOP ${'x'.repeat(5_000)} MAIL FROM:<>\r\nVRFY x\r\n`), [10, 999, 1_000, 1_001, 4_000]))
    expect(await peer.receive()).toMatch(/^500 5\.5\.2 .*limits\.commandLength/)
    expect(await peer.receive()).toMatch(/^252/)
    expect(await refusedCount('long')).toBe(1)
  })

  test('a command without a line ending is not executed', async () => {
    const { listener, received } = await startListener()
    const peer = await openConversation(listener.port)
    await peer.send('EHLO mx.example.net')
    peer.socket.end('MAIL FROM:<>')
    expect(await peer.receiveAll()).toEqual([])
    expect(received).toEqual([])
  })
})

describe('early data', () => {
  test.each(['EHLO mx.example.net\r\n', 'E', '\0', 'GET / HTTP/1.1\r\n'])('%j before the greeting', async (bytes) => {
    const { listener, refusedCount } = await startListener()
    const peer = openConnection(listener.port)
    peer.socket.write(bytes)
    expect(await peer.receiveAll()).toEqual([expect.stringMatching(/^554 5\.5\.0/)])
    expect(await refusedCount('early')).toBe(1)
  })

  test.each(['EHLO mx.example.net\r\nMAIL FROM:<>\r\n', 'HELO mx.example.net\r\nQ'])('%j: data before the reply to EHLO', async (bytes) => {
    const { listener, refusedCount } = await startListener()
    const peer = await openConversation(listener.port)
    peer.socket.write(bytes)
    expect(await peer.receiveAll()).toEqual([expect.stringMatching(/^554 5\.5\.0/)])
    expect(await refusedCount('earlyPipelining')).toBe(1)
  })

  test('an HTTP request', async () => {
    const { listener } = await startListener()
    const peer = await openConversation(listener.port)
    peer.socket.write('POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<>\r\n')
    expect(await peer.receiveAll()).toEqual([expect.stringMatching(/^554 5\.5\.0/)])
  })
})

describe('STARTTLS', () => {
  test('commands sent unencrypted after it are discarded', async () => {
    const { listener, received } = await startListener({ tls: true })
    const peer = await openConversation(listener.port)
    await peer.send('EHLO mx.example.net')
    peer.socket.write(
      `STARTTLS\r\nEHLO evil.example.net\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<token@bounce.example.com>\r\n${'NOOP\r\n'.repeat(300)}`,
    )
    expect(await peer.receive()).toMatch(/^220/)
    const { send } = await upgradeToTls(peer)
    expect(await send('VRFY x')).toMatch(/^252/)
    expect(await send('RCPT TO:<token@bounce.example.com>')).toMatch(/^503/)
    expect(await send('EHLO mx.example.net')).toMatch(/^250/)
    expect(await sendRaw(send, MAIL)).toMatch(/^250/)
    expect(received.map(({ envelope, helo }) => [envelope.from, helo])).toEqual([['', 'mx.example.net']])
  })

  test('the state of the session before it is discarded', async () => {
    const { listener } = await startListener({ tls: true })
    const peer = await openConversation(listener.port)
    await peer.send('EHLO mx.example.net')
    await peer.send('MAIL FROM:<>')
    await peer.send('STARTTLS')
    const { send } = await upgradeToTls(peer)
    expect(await send('RCPT TO:<token@bounce.example.com>')).toMatch(/^503/)
    expect(await send('MAIL FROM:<>')).toMatch(/^503/)
  })

  test('the rules for line endings apply under TLS', async () => {
    const { listener, received } = await startListener({ tls: true })
    const plain = await openConversation(listener.port)
    await plain.send('STARTTLS')
    const peer = await upgradeToTls(plain)
    await peer.send('EHLO mx.example.net')
    expect(await peer.send('NOOP\nQUIT')).toMatch(/^500/)
    expect(await sendRaw(peer.send, `${MAIL}x\n.\nQUIT\n`)).toMatch(/^250/)
    expect(received.length).toBe(1)
  })

  test('new sessions get a new certificate, running sessions keep theirs', async () => {
    const { listener, received } = await startListener({ tls: true })
    const upgrade = async (): ReturnType<typeof upgradeToTls> => {
      const plain = await openConversation(listener.port)
      await plain.send('STARTTLS')
      return upgradeToTls(plain)
    }
    const running = await upgrade()
    expect(running.fingerprint).toBe(new X509Certificate(tlsFile('cert.pem')).fingerprint256)
    const waiting = await openConversation(listener.port)
    const fresh = createSelfSignedCertificate('bounce.example.com', Date.now())
    listener.reloadTls(fresh)
    const want = new X509Certificate(fresh.cert).fingerprint256
    expect((await upgrade()).fingerprint).toBe(want)
    await waiting.send('STARTTLS')
    expect((await upgradeToTls(waiting)).fingerprint).toBe(want)
    await running.send('EHLO mx.example.net')
    expect(await sendRaw(running.send, MAIL)).toMatch(/^250/)
    expect(received.length).toBe(1)
  })
})

describe('the PROXY protocol', () => {
  const V1 = Buffer.from('PROXY TCP4 203.0.113.9 127.0.0.1 4711 25\r\n')
  const V2 = Buffer.concat([
    Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    Buffer.of(0x21, 0x11, 0, 12, 203, 0, 113, 9, 127, 0, 0, 1, 0x12, 0x67, 0, 25),
  ])
  const V2_LOCAL = Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), Buffer.of(0x20, 0, 0, 0)])

  const headers = [
    ['version 1', V1, '203.0.113.9'],
    ['version 2', V2, '203.0.113.9'],
    ['version 2, connection of the load balancer itself', V2_LOCAL, '127.0.0.1'],
  ] as const
  test.each(headers)('%s from a listed peer, however it is split: the peer of the mail is the client', async (_name, header, client) => {
    const { listener, received } = await startListener({ proxyPeers: ['127.0.0.1'] })
    for (const points of [[], [1], [12, 16, 20]]) {
      const peer = openConnection(listener.port)
      await writeApart(peer, split(header, points))
      expect(await peer.receive()).toMatch(/^220/)
      await peer.send('EHLO mx.example.net')
      expect(await sendRaw(peer.send, MAIL)).toMatch(/^250/)
    }
    expect(received.map(({ peer }) => peer)).toEqual([client, client, client])
  })

  test.each(headers)('%s from an unlisted peer ends the session', async (_name, header) => {
    const { listener, received, refusedCount } = await startListener({ proxyPeers: ['192.0.2.1'] })
    const peer = openConnection(listener.port)
    peer.socket.write(header)
    expect(await peer.receiveAll()).toEqual([expect.stringMatching(/^554 5\.7\.1 .*smtp\.proxyPeers/)])
    expect(await refusedCount('proxy')).toBe(1)
    expect(received).toEqual([])
  })

  test('as a command after the greeting it ends the session', async () => {
    const { listener } = await startListener()
    const peer = await openConversation(listener.port)
    peer.socket.write(V1)
    expect(await peer.receiveAll()).toEqual([expect.stringMatching(/^554 5\.7\.1 .*smtp\.proxyPeers/)])
  })

  test.each(['EHLO mx.example.net\r\n', 'PROXY TCP4 evil 127.0.0.1 1 2\r\n'])(
    'a listed peer that begins with %j is refused',
    async (bytes) => {
      const { listener, refusedCount } = await startListener({ proxyPeers: ['127.0.0.1'] })
      const peer = openConnection(listener.port)
      peer.socket.write(bytes)
      expect(await peer.receiveAll()).toEqual([expect.stringMatching(/^554 5\.7\.1/)])
      expect(await refusedCount('badProxy')).toBe(1)
    },
  )

  test('early data of a client behind a load balancer is refused', async () => {
    const { listener, refusedCount } = await startListener({ proxyPeers: ['127.0.0.0/8'] })
    const peer = openConnection(listener.port)
    peer.socket.write(Buffer.concat([V2, Buffer.from('EHLO x\r\n')]))
    expect(await peer.receiveAll()).toEqual([expect.stringMatching(/^554 5\.5\.0/)])
    expect(await refusedCount('early')).toBe(1)
  })

  test('limits count the client, not the load balancer', async () => {
    const { listener } = await startListener({ proxyPeers: ['127.0.0.1'], limits: { connectionsPerPeer: 1 } })
    const from = (client: string): SmtpConversation => {
      const peer = openConnection(listener.port)
      peer.socket.write(`PROXY TCP4 ${client} 127.0.0.1 4711 25\r\n`)
      return peer
    }
    expect(await from('203.0.113.9').receive()).toMatch(/^220/)
    expect(await from('203.0.113.10').receive()).toMatch(/^220/)
    expect(await from('203.0.113.9').receive()).toMatch(/^421 .*limits\.connectionsPerPeer/)
  })
})

describe('resource limits', () => {
  test('connections in total: an idle one gives way', async () => {
    const { listener, refusedCount } = await startListener({
      limits: { connectionsPerPeer: 2, connectionsPerNetwork: 3, connections: 4 },
    })
    for (const from of ['127.0.0.1', '127.0.0.1', '127.0.0.2', '127.0.1.1'])
      expect(await openConnection(listener.port, from).receive()).toMatch(/^220/)
    expect(await openConnection(listener.port, '127.0.2.1').receive()).toMatch(/^220 /)
    expect(await refusedCount('evicted')).toBe(1)
  })

  const nextConnections = [
    ['127.0.0.1', /^421 .*limits\.connectionsPerPeer/],
    ['127.0.0.3', /^421 .*limits\.connectionsPerNetwork/],
    ['127.0.1.1', /^220/],
  ] as const
  test.each(nextConnections)('the next connection from %s', async (from, want) => {
    const { listener } = await startListener({ limits: { connectionsPerPeer: 2, connectionsPerNetwork: 3 } })
    for (const each of ['127.0.0.1', '127.0.0.1', '127.0.0.2']) await openConversation(listener.port, each)
    expect(await openConnection(listener.port, from).receive()).toMatch(want)
  })

  test('mails in one session', async () => {
    const { listener, received } = await startListener({ limits: { mailsPerConnection: 2 } })
    const { send, receive } = await openConversation(listener.port)
    await send('EHLO mx.example.net')
    for (const _ of [1, 2]) expect(await sendRaw(send, MAIL)).toMatch(/^250/)
    expect(await send('MAIL FROM:<>')).toMatch(/^421 .*limits\.mailsPerConnection/)
    expect(await receive()).toBe('gone')
    expect(received.length).toBe(2)
  })

  test('recipients of one mail', async () => {
    const { listener, refusedCount } = await startListener({ limits: { recipientsPerMail: 2 } })
    const { send } = await openConversation(listener.port)
    await send('EHLO mx.example.net')
    await send('MAIL FROM:<>')
    for (const n of [1, 2]) expect(await send(`RCPT TO:<t${n}@bounce.example.com>`)).toMatch(/^250/)
    expect(await send('RCPT TO:<t3@bounce.example.com>')).toMatch(/^452 4\.5\.3 .*limits\.recipientsPerMail/)
    expect(await refusedCount('recipients')).toBe(1)
  })

  test('a dictionary attack on recipients', async () => {
    const { listener, refusedCount } = await startListener({ limits: { errorsPerConnection: 3 } })
    const peer = await openConversation(listener.port)
    await peer.send('EHLO mx.example.net')
    await peer.send('MAIL FROM:<>')
    peer.socket.write(Array.from({ length: 10 }, (_, n) => `RCPT TO:<user${n}@example.org>\r\n`).join(''))
    expect((await peer.receiveAll()).map((reply) => reply.slice(0, 3))).toEqual(['550', '550', '550', '550', '421'])
    expect(await refusedCount('relay')).toBe(4)
    expect(await refusedCount('errors')).toBe(1)
  })

  test('commands without a mail', async () => {
    const { listener } = await startListener({ limits: { commandsBetweenMails: 5 } })
    const peer = await openConversation(listener.port)
    await peer.send('EHLO mx.example.net')
    expect(await sendRaw(peer.send, MAIL)).toMatch(/^250/)
    peer.socket.write('NOOP\r\n'.repeat(20))
    const replies = await peer.receiveAll()
    expect(replies.length).toBe(6)
    expect(replies.at(-1)).toMatch(/^421 .*limits\.commandsBetweenMails/)
  })

  test('a mail over SIZE names its limit', async () => {
    const { listener, refusedCount } = await startListener({ limits: { advertisedSize: 10_000 } })
    const { send } = await openConversation(listener.port)
    await send('EHLO mx.example.net')
    expect(await send('MAIL FROM:<> SIZE=10001')).toMatch(/^552 5\.3\.4 .*limits\.advertisedSize/)
    expect(await refusedCount('size')).toBe(1)
  })
})

describe('slow peers', () => {
  /** Sends single bytes until the connection ends. */
  async function drip({ socket }: SmtpConversation, byte: string): Promise<void> {
    while (!socket.destroyed && socket.writable) {
      socket.write(byte)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  test('a command byte by byte', async () => {
    const { listener, refusedCount } = await startListener({ limits: { commandTimeoutMs: 1_500 } })
    const peer = await openConversation(listener.port)
    void drip(peer, 'N')
    expect(await peer.receive()).toMatch(/^421 4\.4\.2 .*limits\.commandSeconds/)
    expect(await refusedCount('slowCommand')).toBe(1)
  })

  const mails = [
    [{ dataTimeoutMs: 1_500 }, /^421 4\.4\.2 .*limits\.dataSeconds/],
    [{ dataGraceMs: 1_500, dataBytesPerSecond: 1_000 }, /^421 4\.4\.2 .*limits\.dataBytesPerSecond/],
  ] as const
  test.each(mails)('a mail byte by byte, with %j', async (limits, want) => {
    const { listener, received } = await startListener({ limits })
    const peer = await openConversation(listener.port)
    await sendUpToData(peer)
    void drip(peer, 'x')
    expect(await peer.receive()).toMatch(want)
    expect(received).toEqual([])
  })

  test('an idle connection', async () => {
    const { listener } = await startListener({ limits: { idleTimeoutMs: 1_500 } })
    const peer = await openConversation(listener.port)
    expect(await peer.receive()).toMatch(/^421 4\.4\.2 .*limits\.idleSeconds/)
  })

  test('a TLS handshake that never completes', async () => {
    const { listener } = await startListener({ tls: true, limits: { commandTimeoutMs: 1_500 } })
    const peer = await openConversation(listener.port)
    await peer.send('EHLO mx.example.net')
    await peer.send('STARTTLS')
    void drip(peer, '\x16')
    expect(await peer.receive()).toBe('gone')
  })

  test('a slow store does not count against the peer', async () => {
    const { listener } = await startListener({
      limits: { commandTimeoutMs: 1_500, idleTimeoutMs: 1_500, dataTimeoutMs: 1_500 },
      submit: () => new Promise((resolve) => setTimeout(resolve, 3_500)),
    })
    const peer = await openConversation(listener.port)
    await sendUpToData(peer)
    expect(await peer.send(`${MAIL}.`)).toMatch(/^250/)
  })
})
