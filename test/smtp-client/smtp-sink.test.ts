/** smtp-sink.test - Postfix's smtp-sink as a smart host. Skipped if it is not installed. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { createSmarthostRouter } from '../../src/smtp-client/routing.ts'
import { createSmtpTransport } from '../../src/smtp-client/smtp-transport.ts'
import type { SmtpOutcome, OutgoingMail, Transport } from '../../src/smtp-client/transport.ts'

const SINK = '/usr/sbin/smtp-sink'

const mail: OutgoingMail = {
  egressIp: '',
  domain: 'example.com',
  mailFrom: 'b@bounce.example.com',
  to: 'ann@example.com',
  raw: Buffer.from('Subject: hi\r\n\r\nhello\r\n'),
  isProbe: false,
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // an address of TCP
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe.skipIf(!existsSync(SINK))('smtp-sink', () => {
  const cleanUps: (() => unknown)[] = []
  afterAll(async () => {
    for (const cleanUp of cleanUps) await cleanUp()
  })

  /** Starts a sink with these options, and a transport to it. */
  async function startSink(...options: string[]): Promise<Transport> {
    const port = await freePort()
    const child = spawn(SINK, [...options, `127.0.0.1:${port}`, '100'], { stdio: 'ignore' })
    const transport = createSmtpTransport({
      router: createSmarthostRouter({ host: '127.0.0.1', port, login: null, tls: 'opportunistic', implicitTls: false }),
      addressesOf: () => Promise.resolve({ kind: 'none' }),
      ehloName: 'out.example.com',
      allowPrivate: true,
      timeouts: { commandMs: 2_000, endMs: 2_000 },
    })
    cleanUps.push(transport.close, () => child.kill())
    await expect.poll(async () => short(await transport.send(mail))).not.toBe('connect')
    return transport
  }

  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []

  test.each<[string, string[], string]>([
    // the sink                    its options                        outcome
    ['accepts everything', [], '250 end'],
    ['without ESMTP', ['-e'], '250 end'],
    ['without pipelining', ['-p'], '250 end'],
    ['refuses MAIL', ['-r', 'mail'], '450 mail'],
    ['refuses RCPT permanently', ['-f', 'rcpt'], '500 rcpt'],
    ['refuses the message', ['-r', '.'], '450 end'],
    ['closes at DATA', ['-q', 'data'], 'dropped'],
    ['closes after the message', ['-q', '.'], 'dropped'],
  ])('%s', async (_, options, want) => {
    const transport = await startSink(...user, ...options)
    expect(short(await transport.send(mail))).toBe(want)
  })

  test('a thousand messages over ten connections', async () => {
    const transport = await startSink(...user)
    let remaining = 1_000
    const counts = new Map<string, number>()
    const worker = async (): Promise<void> => {
      while (remaining-- > 0) {
        const outcome = short(await transport.send(mail))
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: 10 }, worker))
    expect([...counts]).toEqual([['250 end', 1_000]])
  })
})

const short = (outcome: SmtpOutcome): string => (outcome.kind === 'reply' ? `${outcome.code} ${outcome.phase}` : outcome.error)
