/**
 * trace.test - the trace: filters, cost without listeners, dropped events, masking, and the command that streams it
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { TRACE_COMMANDS } from '../src/commands/trace.ts'
import { startApp } from '../src/daemon/app.ts'
import { COMMANDS_PATH, openSocketAddress } from '../src/net/daemon-socket.ts'
import { loadConfig } from '../src/settings/load.ts'
import { createTelemetry } from '../src/telemetry.ts'
import { createTrace, maskSmtpCommand } from '../src/trace.ts'
import { childEnvironment, startDaemon } from './support/daemon.ts'

const CLI = join(import.meta.dirname, '../src/cli.ts')

const FILTERS = [
  // filter                          subject                                              received
  [{ peer: '192.0.2.1' }, { peer: '192.0.2.1' }, true],
  [{ peer: '192.0.2.1' }, { peer: '192.0.2.10' }, false],
  [{ peer: '192.0.2.1' }, { deliveryId: '192.0.2.1' }, false],
  [{ domain: 'example.com' }, { domains: [null, 'example.com'] }, true],
  [{ domain: 'example.com' }, { domains: ['mail.example.com'] }, false],
  [{ domain: 'example.com' }, {}, false],
  [{ deliveryId: 'abc' }, { deliveryId: 'abc', domains: ['example.com'] }, true],
  [{ deliveryId: 'abc' }, { deliveryId: null }, false],
] as const

test.each(FILTERS)('%j of %j: %s', (filter, subject, isHeard) => {
  const trace = createTrace(() => 7)
  const listener = trace.listen(filter)
  trace.publish('fact', subject, () => ({ n: 1 }))
  expect(listener.take().events).toEqual(isHeard ? [{ at: 7, kind: 'fact', subject, fields: { n: 1 } }] : [])
})

test('fields are made only for a matching listener, and once for all of them', () => {
  const trace = createTrace(() => 7)
  let made = 0
  const publish = (deliveryId: string): void => trace.publish('fact', { deliveryId }, () => ({ made: ++made }))
  publish('abc')
  const listeners = [trace.listen({ deliveryId: 'abc' }), trace.listen({ deliveryId: 'abc' })]
  publish('def')
  expect(made).toBe(0)
  publish('abc')
  expect([made, ...listeners.map((each) => each.take().events.length)]).toEqual([1, 1, 1])
  for (const each of listeners) each.close()
  publish('abc')
  expect(made).toBe(1)
})

test('a slow listener loses events and gets their number', () => {
  const trace = createTrace(() => 7)
  const listener = trace.listen({ deliveryId: 'abc' }, 3)
  for (let n = 0; n < 10; n++) trace.publish('fact', { deliveryId: 'abc' }, () => ({ n }))
  expect(listener.take()).toMatchObject({ events: [{ fields: { n: 0 } }, { fields: { n: 1 } }, { fields: { n: 2 } }], dropped: 7 })
  expect(listener.take()).toEqual({ events: [], dropped: 0 })
})

test('a listener waits for an event or for its end', async () => {
  const trace = createTrace(() => 7)
  const listener = trace.listen({ deliveryId: 'abc' })
  const { signal } = new AbortController()
  const waiting = listener.wait(signal)
  trace.publish('fact', { deliveryId: 'abc' })
  await waiting
  await listener.wait(signal)
  expect(listener.take().events).toHaveLength(1)
  const ended = new AbortController()
  const last = listener.wait(ended.signal)
  ended.abort()
  await last
})

test.each([
  ['MAIL FROM:<a@example.com> SIZE=7', 'MAIL FROM:<a@example.com> SIZE=7'],
  ['quit\r\n', 'quit'],
  ['AUTH PLAIN AGpvZQBzZWNyZXQ=', 'AUTH PLAIN ***'],
  ['auth LOGIN', 'AUTH LOGIN ***'],
  ['c2VjcmV0', '*** (8 characters)'],
  ['', '*** (0 characters)'],
])('the command %j is shown as %j', (line, shown) => expect(maskSmtpCommand(line)).toBe(shown))

const BOUNCE = [
  'From: MAILER-DAEMON@mx.example.net',
  'Subject: failed',
  'Content-Type: text/plain',
  '',
  'BODY-MUST-NOT-SHOW <joe@example.org>: 550 5.1.1 no such user',
]

test('bounced trace streams one session from the running daemon, without secrets and bodies', { timeout: 60_000 }, async () => {
  const daemon = await startDaemon()
  const env = { ...childEnvironment(), BOUNCED_DATA: daemon.data }
  const watcher = spawn(process.execPath, [CLI, 'trace', '--peer', '127.0.0.1', '--json'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const events: Record<string, unknown>[] = []
  let text = ''
  createInterface({ input: watcher.stdout }).on('line', (line) => {
    text += `${line}\n`
    const event: unknown = JSON.parse(line)
    if (typeof event === 'object' && event !== null) events.push({ ...event })
  })
  try {
    const say = async (lines: readonly string[]): Promise<void> => {
      const socket = connect(daemon.smtpPort, '127.0.0.1')
      const replies = createInterface({ input: socket })[Symbol.asyncIterator]()
      for (const line of [null, ...lines]) {
        if (line !== null) socket.write(`${line}\r\n`)
        for (let reply = '-'; /^(?:-|\d{3}-)/.test(reply);) reply = (await replies.next()).value ?? ''
      }
      socket.destroy()
    }
    // The watcher has begun once it shows a session.
    await expect
      .poll(
        async () => {
          await say(['QUIT'])
          return events.length
        },
        { timeout: 20_000 },
      )
      .toBeGreaterThan(0)
    const body = [...BOUNCE, '.'].join('\r\n')
    await say([
      'EHLO mx.example.net',
      'AUTH PLAIN AGpvZQBNVVNULU5PVC1TSE9X',
      'MAIL FROM:<>',
      'RCPT TO:<postmaster@bounce.example.com>',
      'DATA',
      body,
      'QUIT',
    ])
    await expect.poll(() => events.some(({ kind }) => kind === 'report.committed')).toBe(true)
    const lines = events.map(({ line }) => line)
    expect(lines).toEqual(expect.arrayContaining(['EHLO mx.example.net', 'AUTH PLAIN ***', 'MAIL FROM:<>', 'DATA', 'QUIT']))
    expect(events).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'smtp.connected', peer: '127.0.0.1' }),
        expect.objectContaining({ kind: 'smtp.reply', code: 250 }),
        expect.objectContaining({ kind: 'report.received' }),
        expect.objectContaining({ kind: 'report.matched', deliveryId: null }),
        expect.objectContaining({ kind: 'fact', fact: 'inbox' }),
      ]),
    )
    expect(text).not.toMatch(/BODY-MUST-NOT-SHOW|AGpvZQ/)
    watcher.kill('SIGINT')
    await once(watcher, 'exit')
  } finally {
    watcher.kill('SIGKILL')
    await daemon.stop()
  }
})

test('a reader that does not read holds a bounded number of events; the rest is counted and shown', { timeout: 60_000 }, async () => {
  const data = mkdtempSync(join(tmpdir(), 'bounced-trace-'))
  const telemetry = await createTelemetry({ level: 'silent', format: 'json' })
  const env = { BOUNCED_DATA: data, BOUNCED_HOST: '127.0.0.1', BOUNCED_SMTP_PORT: '0', BOUNCED_HTTP_PORT: '0' }
  const keys = { BOUNCED_API_USER: 'tester', BOUNCED_API_KEY: 'k'.repeat(40) }
  const app = await startApp(loadConfig({ ...env, ...keys }).settings, telemetry, { commands: TRACE_COMMANDS })
  const { address, release } = openSocketAddress(data)
  try {
    const watch = httpRequest({ socketPath: address, path: COMMANDS_PATH, method: 'POST' })
    watch.end(JSON.stringify({ command: 'trace', input: { filter: { deliveryId: 'abc' }, json: true, seconds: null } }))
    const [response]: IncomingMessage[] = await once(watch, 'response')
    if (response === undefined) throw new Error('there is no response')
    response.on('error', () => undefined)
    let [published, kept] = [0, 0]
    const publish = (): void => {
      published += 1
      telemetry.trace.publish('fact', { deliveryId: 'abc' }, () => ({ n: ++kept, padding: 'x'.repeat(1_000) }))
    }
    await expect
      .poll(() => {
        publish()
        return kept
      })
      .toBeGreaterThan(0)
    published = kept
    // The command takes each burst out of the buffer as long as its reader lets it.
    for (let burst = 0; burst < 50; burst++) {
      for (let n = 0; n < 2_000; n++) publish()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(kept).toBeLessThan(20_000)
    const shown = await readTrace(response, published)
    expect(shown).toEqual({ events: kept, dropped: published - kept })
    watch.destroy()
  } finally {
    await app.close()
    release()
    rmSync(data, { recursive: true, force: true })
  }
})

/** Reads until the events and the dropped ones are as many as were published. */
async function readTrace(response: IncomingMessage, published: number): Promise<{ readonly events: number; readonly dropped: number }> {
  const shown = { events: 0, dropped: 0 }
  let rest = ''
  const readFrame = (frame: string): void => {
    const { lines } = JSON.parse(frame) as { readonly lines: readonly string[] } // checked cast: a frame of this command has lines
    for (const line of lines) {
      const event: unknown = JSON.parse(line)
      if (typeof event === 'object' && event !== null && 'dropped' in event) shown.dropped += Number(event.dropped)
      else shown.events += 1
    }
  }
  response.setEncoding('utf8').on('data', (chunk: string) => {
    const frames = (rest + chunk).split('\n')
    rest = frames.pop() ?? ''
    for (const frame of frames) readFrame(frame)
  })
  await expect.poll(() => shown.events + shown.dropped).toBe(published)
  return shown
}

test.each([
  [['trace'], 2, /name a --peer/],
  [['trace', '--peer', '192.0.2.1', '--domain', 'example.com'], 2, /name a --peer/],
  [['trace', '--domain', '..'], 2, /--domain takes/],
  [['trace', '--peer', '192.0.2.1', '--for', 'ever'], 2, /--for takes/],
  [['trace', '--peer', '192.0.2.1'], 1, /no daemon runs on the data folder/],
] as const)('bounced %j without a daemon', async (args, status, words) => {
  const env = { ...childEnvironment(), BOUNCED_DATA: join(import.meta.dirname, 'nowhere') }
  const child = spawn(process.execPath, [CLI, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let err = ''
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const [code] = await once(child, 'close')
  expect([code, err]).toEqual([status, expect.stringMatching(words)])
})
