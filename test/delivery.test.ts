/**
 * delivery.test - delivery settings take effect: DNS lookups, timeouts, kept connections, and queued mail while delivery is off
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startApp } from '../src/daemon/app.ts'
import { loadConfig } from '../src/settings/load.ts'
import { openNetworkEnvironment } from '../src/daemon/delivery/delivery-setup.ts'
import { connectionReuseOf, smtpTimeoutsOf } from '../src/daemon/delivery/smtp-client-limits.ts'
import { createMxResolver } from '../src/net/mx.ts'
import { DEFAULT_POOL_LIMITS } from '../src/smtp-client/connection-pool.ts'
import { DEFAULT_STEP_TIMEOUTS } from '../src/smtp-client/step-timeouts.ts'
import type { Settings } from '../src/settings/schema.ts'
import { createTelemetry } from '../src/telemetry.ts'
import { startMailbox } from './support/mailbox.ts'
import { createZoneLookUp } from './support/zone.ts'

const settingsOf = (delivery: Readonly<Record<string, string>>): Settings =>
  loadConfig({
    BOUNCED_RETURN_PATH_DOMAIN: 'bounce.example.com',
    BOUNCED_FEEDBACK_DOMAIN: 'fbl.example.com',
    BOUNCED_MASTER_KEY: '11'.repeat(32),
    ...delivery,
  }).settings

test.each(['mx', 'off'])('mode %s: a changed MX record is used after five minutes, whatever other DNS caches hold', async (mode) => {
  const zone = { 'MX example.com': [['old.example', '10']] }
  const cached = createZoneLookUp({ ...zone })
  const environment = await openNetworkEnvironment(settingsOf({ BOUNCED_DELIVERY_MODE: mode }), {
    cached,
    uncached: (name, type) => createZoneLookUp(zone)(name, type),
  })
  const clock = { now: 1_000 }
  const mx = createMxResolver({ lookUp: environment.mxLookUp, now: () => clock.now })
  expect(await mx.find('example.com')).toMatchObject({ set: 'old.example' })
  zone['MX example.com'] = [['new.example', '10']]
  clock.now += 299_000
  expect(await mx.find('example.com')).toMatchObject({ set: 'old.example' })
  clock.now += 2_000
  expect(await mx.find('example.com')).toMatchObject({ set: 'new.example' })
  expect(environment.lookUp).toBe(cached)
  await environment.close()
})

test('timeouts and kept connections are settings with the defaults of the transport', () => {
  const { delivery: defaults } = settingsOf({})
  expect([smtpTimeoutsOf(defaults), connectionReuseOf(defaults)]).toEqual([DEFAULT_STEP_TIMEOUTS, DEFAULT_POOL_LIMITS])
  const { delivery: other } = settingsOf({
    BOUNCED_DELIVERY_CONNECT_SECONDS: '1',
    BOUNCED_DELIVERY_GREETING_SECONDS: '2.5',
    BOUNCED_DELIVERY_COMMAND_SECONDS: '3',
    BOUNCED_DELIVERY_BLOCK_SECONDS: '4',
    BOUNCED_DELIVERY_END_SECONDS: '5',
    BOUNCED_DELIVERY_CONNECTION_MAILS: '6',
    BOUNCED_DELIVERY_CONNECTION_IDLE_SECONDS: '7',
    BOUNCED_DELIVERY_IDLE_CONNECTIONS: '8',
  })
  expect(smtpTimeoutsOf(other)).toEqual({ connectMs: 1_000, greetingMs: 2_500, commandMs: 3_000, blockMs: 4_000, endMs: 5_000 })
  expect(connectionReuseOf(other)).toEqual({ mailsPerConnection: 6, idleTimeoutMs: 7_000, maxIdle: 8 })
  expect(() => settingsOf({ BOUNCED_DELIVERY_END_SECONDS: '0' })).toThrow('BOUNCED_DELIVERY_END_SECONDS')
})

test('delivery.greetingSeconds ends a connection to a silent server', async () => {
  const mute = createServer((socket) => socket.on('error', () => undefined))
  await new Promise<void>((resolve) => {
    mute.listen(0, '127.0.0.1', resolve)
  })
  const address = mute.address()
  const data = mkdtempSync(join(tmpdir(), 'bounced-delivery-'))
  const settings = settingsOf({
    BOUNCED_SMTP_PORT: '0',
    BOUNCED_HTTP_PORT: '0',
    BOUNCED_DATA: data,
    BOUNCED_API_USER: 'shop',
    BOUNCED_API_KEY: 'k'.repeat(40),
    BOUNCED_DELIVERY_MODE: 'smarthost',
    BOUNCED_DELIVERY_SMARTHOST: `smtp://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    BOUNCED_DELIVERY_ALLOW_PRIVATE: 'true',
    BOUNCED_DELIVERY_GREETING_SECONDS: '0.1',
  })
  const app = await startApp(settings, await createTelemetry({ level: 'silent', format: 'json' }))
  try {
    const url = `http://127.0.0.1:${app.httpPort}`
    const mail = { apiUser: 'shop', apiKey: 'k'.repeat(40), from: 'news@example.com', to: 'joe@example.net', subject: 'Hi', plain: 'Hi' }
    const body = JSON.stringify(mail)
    await fetch(`${url}/api/mail/send`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const told = async (): Promise<string> => (await fetch(`http://127.0.0.1:${app.adminPort}/metrics`)).text()
    await expect.poll(told).toContain('outcome="unreachable-connect"')
  } finally {
    await app.close()
    mute.close()
    rmSync(data, { recursive: true, force: true })
  }
})

test('delivery.attemptLog has each attempt when the daemon has stopped, and a restart continues it', async () => {
  const mailbox = await startMailbox()
  const data = mkdtempSync(join(tmpdir(), 'bounced-attempts-'))
  const file = join(data, 'logs', 'attempts.jsonl')
  const key = 'k'.repeat(40)
  const settings = settingsOf({
    BOUNCED_SMTP_PORT: '0',
    BOUNCED_HTTP_PORT: '0',
    BOUNCED_DATA: data,
    BOUNCED_API_USER: 'shop',
    BOUNCED_API_KEY: key,
    BOUNCED_DELIVERY_MODE: 'smarthost',
    BOUNCED_DELIVERY_SMARTHOST: `smtp://127.0.0.1:${mailbox.port}`,
    BOUNCED_DELIVERY_EHLO: 'out.example.com',
    BOUNCED_DELIVERY_TLS: 'off',
    BOUNCED_DELIVERY_ATTEMPT_LOG: file,
  })
  const mail = { apiUser: 'shop', apiKey: key, from: 'news@example.com', to: 'joe.secret@example.net', subject: 'Hi', plain: 'Hi' }
  try {
    for (const count of [1, 2]) {
      const app = await startApp(settings, await createTelemetry({ level: 'silent', format: 'json' }))
      const headers = { 'content-type': 'application/json' }
      await fetch(`http://127.0.0.1:${app.httpPort}/api/mail/send`, { method: 'POST', headers, body: JSON.stringify(mail) })
      await expect.poll(() => mailbox.accepted.size).toBe(count)
      await app.close()
    }
    const text = readFileSync(file, 'utf8')
    const lines = text.trim().split('\n')
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject(
      Array(2).fill({ domain: 'example.net', ehlo: 'out.example.com', hostIp: '127.0.0.1', code: 250, outcome: 'delivered', final: true }),
    )
    expect(text).not.toContain('secret')
  } finally {
    await mailbox.close()
    rmSync(data, { recursive: true, force: true })
  }
})

test.each([
  ['BOUNCED_DELIVERY_ATTEMPT_LOG_BYTES', '100'],
  ['BOUNCED_DELIVERY_ATTEMPT_LOG_FILES', '-1'],
  ['BOUNCED_DELIVERY_ATTEMPT_LOG_RECIPIENTS', 'perhaps'],
])('%s = %s is refused by its name', (name, value) => {
  expect(() => settingsOf({ [name]: value })).toThrow(name)
})

test('with delivery off, queued mail is reported at the start: in the log, in the metrics and in the queue’s response', async () => {
  const data = mkdtempSync(join(tmpdir(), 'bounced-off-'))
  const key = 'k'.repeat(40)
  const env = { BOUNCED_SMTP_PORT: '0', BOUNCED_HTTP_PORT: '0', BOUNCED_DATA: data, BOUNCED_API_USER: 'shop', BOUNCED_API_KEY: key }
  const heard: unknown[] = []
  const telemetry = await createTelemetry({ level: 'silent', format: 'json' })
  const warn = (fields: unknown, text: unknown): number => heard.push([fields, text])
  const start = () => startApp(settingsOf(env), { ...telemetry, log: Object.assign(Object.create(telemetry.log), { warn }) })
  const headers = { 'content-type': 'application/json', authorization: `Basic ${Buffer.from(`shop:${key}`).toString('base64')}` }
  const mail = { apiUser: 'shop', apiKey: key, from: 'news@example.com', to: 'joe@example.net', subject: 'Hi', plain: 'Hi' }
  const first = await start()
  await fetch(`http://127.0.0.1:${first.httpPort}/api/mail/send`, { method: 'POST', headers, body: JSON.stringify(mail) })
  await first.close()
  expect(heard).toEqual([])
  const second = await start()
  try {
    await expect.poll(() => heard).toEqual([[{ waiting: 1 }, expect.stringContaining('delivery.mode')]])
    expect((await telemetry.metrics()).text).toMatch(/^bounced_queue_waiting 1$/m)
    const answer: unknown = await (await fetch(`http://127.0.0.1:${second.httpPort}/v1/queue`, { headers })).json()
    expect(answer).toMatchObject({ delivering: false, seenAt: null })
  } finally {
    await second.close()
    rmSync(data, { recursive: true, force: true })
  }
})
