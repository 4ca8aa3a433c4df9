/**
 * clock.test - a daemon whose clock jumps by a day, forward and back: mail and webhooks neither stand still nor leave all at once
 */
import { createServer } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { API_KEY, API_USER, type Daemon, startDaemon } from '../support/daemon.ts'
import { createMachineClock } from '../support/machine-clock.ts'
import { startMailbox } from '../support/mailbox.ts'

const DAY_MS = 86_400_000
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).toReversed()) await cleanUp()
})

type Scene = {
  readonly daemon: Daemon
  readonly clock: ReturnType<typeof createMachineClock>
  /** Attempts to send to a recipient. */
  readonly attempts: Map<string, number>
  readonly accepted: () => number
  /** Recipients in webhook events. */
  readonly notified: Set<string>
  readonly send: (recipient: string) => Promise<void>
}

/** `slow…` is refused for a time and is due in an hour; `soon…` is refused once and is due in a second. */
async function startScene(env: Readonly<Record<string, string>> = {}, shift = 0): Promise<Scene> {
  const attempts = new Map<string, number>()
  const mailbox = await startMailbox((recipient, attempt) => {
    attempts.set(recipient, attempt)
    if (recipient.startsWith('slow')) return { code: 451, text: '4.3.0 try again later' }
    return recipient.startsWith('gone') ? { code: 550, text: '5.1.1 user unknown' } : null
  })
  cleanups.push(mailbox.close)
  const notified = new Set<string>()
  const receiver = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      for (const [recipient] of body.matchAll(/[a-z]+\d@r\.example\.net/g)) notified.add(recipient)
      response.end()
    })
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => receiver.close())
  const clock = createMachineClock()
  clock.set(shift)
  const daemon = await startDaemon({
    env: {
      ...clock.env,
      BOUNCED_DELIVERY_MODE: 'smarthost',
      BOUNCED_DELIVERY_SMARTHOST: `smtp://127.0.0.1:${mailbox.port}`,
      BOUNCED_DELIVERY_TLS: 'off',
      BOUNCED_DELIVERY_RETRY_MINUTES: '60',
      BOUNCED_DELIVERY_POLICY: 'never',
      BOUNCED_WEBHOOKS_ALLOW_PRIVATE: 'true',
      ...env,
    },
  })
  cleanups.push(() => daemon.kill())
  const address = receiver.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`
  await daemon.api('POST', '/v1/webhooks', { url, events: ['request', 'invalid', 'deliver'], format: 'json' })
  return { daemon, clock, attempts, accepted: () => [...mailbox.accepted.values()].length, notified, send: (to) => submit(daemon, to) }
}

async function submit({ httpPort }: Daemon, to: string): Promise<void> {
  const body = new URLSearchParams({ apiUser: API_USER, apiKey: API_KEY, from: 'news@example.com', to, subject: 'x', plain: 'x' })
  const response = await fetch(`http://127.0.0.1:${httpPort}/api/mail/send`, { method: 'POST', body })
  expect(await response.json()).toMatchObject({ result: true })
}

const isAlive = async ({ send, attempts, notified }: Scene, n: number): Promise<void> => {
  const recipient = `gone${n}@r.example.net`
  await send(recipient)
  await expect.poll(() => [attempts.get(recipient), notified.has(recipient)]).toEqual([1, true])
}

test('a running daemon: a day forward, a day back, and right again', async () => {
  const scene = await startScene()
  const { clock, daemon, attempts, send } = scene
  await send('slow1@r.example.net')
  await expect.poll(() => attempts.get('slow1@r.example.net')).toBe(1)
  await isAlive(scene, 1)
  for (const [n, shift] of [DAY_MS, -DAY_MS, 0].entries()) {
    clock.set(shift)
    await expect.poll(async () => (await metricsOf(daemon)).includes(`bounced_clock_offset_seconds ${shift / 1_000}`)).toBe(true)
    await isAlive(scene, n + 2)
    // Due in an hour, whatever the clock says.
    expect(attempts.get('slow1@r.example.net')).toBe(1)
  }
  expect(daemon.output()).toContain('the clock has jumped')
})

/** The metrics, with the seconds of the offset rounded. */
async function metricsOf({ adminPort }: Daemon): Promise<string> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  return text.replace(
    /(bounced_clock_offset_seconds) (\S+)/,
    (_, name: string, seconds: string) => `${name} ${Math.round(Number(seconds))}`,
  )
}

test('a start with a clock that is a day ahead, and a start with the right one after it', async () => {
  const scene = await startScene({}, DAY_MS)
  await scene.send('slow1@r.example.net')
  await expect.poll(() => scene.attempts.get('slow1@r.example.net')).toBe(1)
  await isAlive(scene, 1)
  await scene.daemon.stop()
  scene.clock.set(0)
  const daemon = await startDaemon({ data: scene.daemon.data, env: { ...scene.clock.env, BOUNCED_DELIVERY_MODE: 'off' } })
  cleanups.push(() => daemon.kill())
  const { body } = await daemon.api('GET', '/v1/messages?limit=5')
  expect(JSON.stringify(body)).toContain('gone1@r.example.net')
})
