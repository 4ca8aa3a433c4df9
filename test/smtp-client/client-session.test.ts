/** client-session.test - whatever bytes a server sends, and however it splits them, opening and sending give one outcome in bounded time. */
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSmtpSession } from '../../src/smtp-client/client-session.ts'
import { createSessionTrace } from '../../src/smtp-client/session-trace.ts'
import type { NextHop, OutgoingMail, SmtpOutcome } from '../../src/smtp-client/transport.ts'

/** What the server writes each time it receives something; the first is its greeting. */
type ServerWrites = readonly (Buffer | 'close')[]

const reply = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('250 ok\r\n', '250 ok\r\n250 ok\r\n354 go\r\n', '220 hi\r\n', '354 go\r\n', '235 ok\r\n') },
  {
    weight: 3,
    arbitrary: fc.constantFrom('250-mx\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-AUTH LOGIN CRAM-MD5\r\n250 DSN\r\n', '334 VXNl\r\n'),
  },
  { weight: 2, arbitrary: fc.constantFrom('421 bye\r\n', '550-no\r\n', '550 no', '25', '\n\n\n', '2\r250 ok\r', '999 what\r\n') },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
)
const serverWrites: fc.Arbitrary<ServerWrites> = fc.array(
  fc.oneof({ weight: 12, arbitrary: reply.map((each) => Buffer.from(each)) }, { weight: 1, arbitrary: fc.constant('close' as const) }),
  { maxLength: 12 },
)

let writes: ServerWrites = []
const server = createServer((socket) => {
  const rest = [...writes]
  const next = (): void => {
    const write = rest.shift()
    if (write === 'close') socket.end()
    else if (write !== undefined && !socket.destroyed) socket.write(write)
  }
  socket.on('error', () => undefined)
  socket.on('data', next)
  next()
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => new Promise((resolve) => server.close(resolve)))

const connected = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => resolve(socket))
    socket.once('error', reject)
  })

const timeouts = { connectMs: 20, greetingMs: 20, commandMs: 20, blockMs: 20, endMs: 20 }
const mail: OutgoingMail = {
  egressIp: '',
  domain: 'example.com',
  mailFrom: 'b@bounce.example.com',
  to: 'ann@example.com',
  raw: Buffer.from('Subject: hi\r\n\r\nhello\r\n'),
  isProbe: false,
}
const hop: Omit<NextHop, 'port' | 'tls' | 'login'> = { name: 'mx.example', address: '127.0.0.1', implicitTls: false, proxy: false }

const isOutcome = (outcome: SmtpOutcome): boolean =>
  outcome.kind === 'error'
    ? outcome.text.length > 0
    : outcome.code >= 200 && outcome.code < 600 && !(outcome.code >= 300 && outcome.code < 400)

test('any bytes of a server give outcomes, and the session says that it is closed once it is', async () => {
  const { port } = server.address() as AddressInfo // an address of TCP
  const policy = fc.constantFrom('off', 'opportunistic', 'required', 'verified')
  await fc.assert(
    fc.asyncProperty(serverWrites, policy, fc.boolean(), async (script, tls, hasLogin) => {
      writes = script
      const login = hasLogin ? { user: 'u', pass: 'p' } : null
      const socket = await connected(port)
      const opened = await openSmtpSession({
        nextHop: { ...hop, port, tls, login },
        socket,
        ehlo: 'out.example.com',
        timeouts,
        trace: createSessionTrace(undefined, { sessionId: 'client-1', peer: '127.0.0.1', mail }),
        isWithoutTls: false,
      })
      const outcomes: SmtpOutcome[] = []
      if (opened.kind === 'failed') outcomes.push(opened.outcome)
      else {
        const { session } = opened
        do outcomes.push(await session.send(mail))
        while ((await session.reset()) && outcomes.length < 3)
        session.close()
        outcomes.push(await session.send(mail))
      }
      expect(outcomes.filter((outcome) => !isOutcome(outcome))).toEqual([])
      expect([opened.kind === 'open' && opened.session.isOpen(), socket.destroyed]).toEqual([false, true])
    }),
    { numRuns: 300 },
  )
}, 120_000)
