/**
 * notifier.test - webhooks to receivers that work, fail, answer slowly, redirect or lie: in order, and none lost
 */
import { createHmac } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { afterEach, describe, expect, test } from 'vitest'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import { createHttpClient } from '../../../src/net/http-post.ts'
import { createSsrfGuard, type ResolveHost } from '../../../src/net/ssrf-guard.ts'
import { createVault } from '../../../src/config/vault.ts'
import { WEBHOOK_EVENT_NAMES } from '../../../src/webhook/payload.ts'
import { Fault } from '../../../src/errors.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { listOutbox } from '../../../src/store/webhook/outbox.ts'
import { removeOldWebhookRecordsForOperator, type WebhookRecordFilters } from '../../../src/store/webhook/attempts.ts'
import { createNotifier, CONNECTIONS_PER_ENDPOINT } from '../../../src/service/notify/notifier.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import type { ReplayRequest } from '../../../src/service/notify/webhook-replay.ts'
import type { Context } from '../../../src/service/context.ts'
import type { EndpointConfig } from '../../../src/service/notify/endpoint-changes.ts'
import { createWebhookService, type WebhookService } from '../../../src/service/notify/webhooks.ts'
import { engines } from '../../support/engines.ts'
import { respondWith, startWebhookReceiver, type Responder, type WebhookReceiver } from '../../support/receiver.ts'
import { makeIncomingMail, ndr } from '../../support/reports.ts'
import { makeContext, MASTER, type Clock } from '../../support/context.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const LIMIT_MS = 2_000
const ENGINES = [...engines]

type NotifyOptions = Parameters<typeof createNotifier>[1]
type Notifier = ReturnType<typeof createNotifier>

type Bench = {
  readonly clock: Clock
  readonly context: Context
  readonly webhooks: WebhookService
  readonly make: (over?: Partial<NotifyOptions>, node?: Context) => Notifier
  readonly configOf: (url: string, over?: Partial<EndpointConfig>) => EndpointConfig
  readonly register: (count: number, account?: number) => Promise<readonly string[]>
  readonly bounce: (token: string) => Promise<void>
}

describe.each(ENGINES)('$kind', ({ open }) => {
  const undo: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const step of undo.splice(0).toReversed()) await step()
  })

  async function bench(resolve?: ResolveHost): Promise<Bench> {
    const { engine } = await open()
    const clock = { now: T0 }
    const context = await makeContext(engine, clock, [{}, {}])
    const vault = createVault(MASTER)
    const guard = createSsrfGuard({ allowPrivate: resolve === undefined, allowHosts: [], ...(resolve === undefined ? {} : { resolve }) })
    const poster = createHttpClient(guard, { connections: CONNECTIONS_PER_ENDPOINT, limitMs: LIMIT_MS })
    undo.push(poster.close)
    const registerRecipients = createRegister(context)
    const receive = createReceiver(context, {
      prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS),
      dryRun: false,
      notifyReplays: false,
    })
    return {
      clock,
      context,
      webhooks: createWebhookService(context, { vault, guard, poster }),
      make: (over = {}, node = context) =>
        createNotifier(node, {
          vault,
          poster,
          forwardBodies: () => Promise.resolve(null),
          replayWhenWell: true,
          recordDays: 7,
          recordTries: 3,
          ...over,
        }),
      configOf: (url, over = {}) => ({
        url,
        name: 'all',
        events: WEBHOOK_EVENT_NAMES,
        apiUsers: [],
        format: 'form',
        ladder: 'standard',
        ...over,
      }),
      register: async (count, account = 1) => {
        const recipients = Array.from({ length: count }, (_, n) => ({ recipient: `joe${n}@example.org`, contactTypes: null }))
        const headers = { 'SC-Custom-x': 'y' }
        const call = { from: 'news@example.com', subject: 'Hello', label: 'news', broadcast: null, emailType: 'batch', headers } as const
        const registered = await registerRecipients({ account, apiUser: 'ann', ip: '203.0.113.5' }, { ...call, recipients })
        return registered.recipients.map(({ returnPath }) => (returnPath ?? '').split('@')[0] ?? '')
      },
      bounce: async (token) => {
        const raw = ndr({ token, recipient: 'joe0@example.org' })
        await receive.submit(makeIncomingMail(raw, `${token}@bounce.example.com`, { at: clock.now, receivedAt: clock.now }))
      },
    }
  }
  async function receiver(answer?: Responder): Promise<WebhookReceiver> {
    const made = await startWebhookReceiver(answer)
    undo.push(made.close)
    return made
  }
  const run = async (notifier: Notifier): Promise<void> => {
    await notifier.tick()
    await notifier.waitUntilIdle()
  }
  const waiting = async ({ context }: Bench, endpointId = 1) => listOutbox(context.engine.read, 1, endpointId, 1_000)
  const fields = (body: string): Record<string, string> => Object.fromEntries(new URLSearchParams(body))

  test('a working endpoint gets each event once, in order, with both signatures', async () => {
    const b = await bench()
    const at = await receiver()
    const { secret } = await b.webhooks.add(1, b.configOf(at.url))
    const [token = ''] = await b.register(1)
    await b.bounce(token)
    await run(b.make())
    expect(at.requests.map(({ body }) => fields(body)['event'])).toEqual(['request', 'invalid'])
    const got = at.requests[1]
    const body = fields(got?.body ?? '')
    expect(body).toMatchObject({
      recipient: 'joe0@example.org',
      subStat: '406',
      asynchronousBounce: 'true',
      reason: 'not-exist',
      fault: 'recipient',
      apiUser: 'ann',
      category: 'ann',
      labelName: 'news',
      userHeaders: '{"SC-Custom-x":"y"}',
    })
    expect(body['token']).toHaveLength(50)
    const signed = createHmac('sha256', secret ?? '')
      .update(`${body['timestamp']}${body['token']}`)
      .digest('hex')
    expect(body['signature']).toBe(signed)
    const expected = new Webhook(secret ?? '').sign(String(got?.headers['webhook-id']), new Date(b.clock.now), got?.body ?? '')
    expect(got?.headers['webhook-signature']).toBe(expected)
    expect(await waiting(b)).toEqual([])
  })

  test('JSON, only subscribed events, and both secrets during a rotation', async () => {
    const b = await bench()
    const at = await receiver()
    const first = await b.webhooks.add(1, b.configOf(at.url, { format: 'json', events: ['invalid'] }))
    const second = await b.webhooks.change(1, 1, { rotate: true })
    const [token = ''] = await b.register(1)
    await b.bounce(token)
    await run(b.make())
    expect(at.requests.map(({ body }) => JSON.parse(body))).toMatchObject([{ event: 'invalid', subStat: 406, asynchronousBounce: true }])
    expect(at.requests[0]?.headers['content-type']).toBe('application/json')
    const { body = '', headers } = at.requests[0] ?? {}
    const sign = (secret: string | null) => new Webhook(secret ?? '').sign(String(headers?.['webhook-id']), new Date(b.clock.now), body)
    expect(headers?.['webhook-signature']).toBe(`${sign(second.secret)} ${sign(first.secret)}`)
  })

  const BAD: readonly (readonly [what: string, answer: Responder, error: RegExp])[] = [
    ['a 500', respondWith(500, 'x'.repeat(2_000)), /^HTTP 500 x{512}$/],
    ['a redirect, which is not followed', (_, r) => void r.writeHead(302, { location: '/elsewhere' }).end(), /^HTTP 302/],
    ['silence', () => undefined, /^no response in time$/],
    ['a head that never ends', (_, r) => void r.socket?.write('HTTP/1.1 200 OK\r\nx: '), /^no response in time$/],
    ['a connection that dies', (_, r) => void r.socket?.destroy(), /./],
    ['what is no HTTP', (_, r) => void r.socket?.end('hello\r\n\r\n'), /./],
    ['a head without end', (_, r) => void r.socket?.end(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`), /./],
  ]
  test.each(BAD)('%s: kept, and sent again with the same id', async (_, answer, error) => {
    const b = await bench()
    const at = await receiver(answer)
    await b.webhooks.add(1, b.configOf(at.url))
    await b.register(1)
    const notifier = b.make()
    await run(notifier)
    expect(at.requests).toHaveLength(1)
    expect(await waiting(b)).toMatchObject([{ state: 'waiting', attempts: 1, dueAt: T0 + MINUTE, error: expect.stringMatching(error) }])
    await run(notifier)
    expect(at.requests).toHaveLength(1)
    at.respond = respondWith(204)
    b.clock.now += MINUTE
    await run(notifier)
    expect(at.requests.map(({ headers }) => headers['webhook-id'])).toEqual([
      at.requests[0]?.headers['webhook-id'],
      at.requests[0]?.headers['webhook-id'],
    ])
    expect(await waiting(b)).toEqual([])
  })

  const LYING: readonly (readonly [what: string, answer: Responder])[] = [
    ['a length that is too long', (_, r) => void r.writeHead(200, { 'content-length': '1000' }).write('x', () => r.socket?.destroy())],
    ['a length that is too short', (_, r) => void r.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxyz')],
    ['a body without end', (_, r) => void r.writeHead(200).write('x'.repeat(100_000))],
    ['a body that dawdles', (_, r) => void r.writeHead(200).write('x')],
  ]
  test.each(LYING)('a 200 with %s counts as delivered', async (_, answer) => {
    const b = await bench()
    const at = await receiver(answer)
    await b.webhooks.add(1, b.configOf(at.url))
    await b.register(1)
    await run(b.make())
    expect(await waiting(b)).toEqual([])
  })

  test('410 disables the endpoint and raises an alarm; its pending events are kept, and sent when it is enabled again', async () => {
    const b = await bench()
    const [gone, other] = [await receiver(respondWith(410)), await receiver()]
    await b.webhooks.add(1, b.configOf(gone.url))
    await b.webhooks.add(1, b.configOf(other.url, { events: ['alarm'] }))
    await b.register(1)
    const notifier = b.make()
    await run(notifier)
    expect((await b.webhooks.list(1)).map(({ enabled }) => enabled)).toEqual([false, true])
    await run(notifier)
    expect(other.requests.map(({ body }) => fields(body)['event'])).toEqual(['alarm'])
    expect(await waiting(b)).toMatchObject([{ state: 'waiting', error: 'HTTP 410' }])
    gone.respond = respondWith(200)
    await b.webhooks.change(1, 1, { enabled: true })
    await run(notifier)
    expect(await waiting(b)).toEqual([])
  })

  test('an endpoint that is down opens its circuit breaker, costs no attempts, and gets all events when it recovers', async () => {
    const b = await bench()
    const at = await receiver(respondWith(503))
    await b.webhooks.add(1, b.configOf(at.url))
    await b.register(40)
    const notifier = b.make()
    await run(notifier)
    const asked = at.requests.length
    expect(asked).toBeLessThan(40)
    expect((await waiting(b)).filter(({ attempts }) => attempts > 0)).toHaveLength(asked)
    await run(notifier)
    expect(at.requests).toHaveLength(asked)
    b.clock.now += 15_000
    await run(notifier)
    expect(at.requests).toHaveLength(asked + 1)
    at.respond = respondWith(200)
    b.clock.now += MINUTE
    await run(notifier)
    expect(await waiting(b)).toEqual([])
    expect(new Set(at.requests.filter((__, n) => n > asked).map(({ headers }) => headers['webhook-id'])).size).toBe(40)
  })

  test('SendCloud’s retry schedule ends after half an hour; failed events are kept and sent again after a recovery', async () => {
    const b = await bench()
    const at = await receiver(respondWith(500))
    await b.webhooks.add(1, b.configOf(at.url, { ladder: 'vendor' }))
    const [token = ''] = await b.register(1)
    const notifier = b.make()
    for (const minutes of [0, 1, 2, 4, 8, 16]) {
      b.clock.now += minutes * MINUTE
      await run(notifier)
    }
    expect(await waiting(b)).toMatchObject([{ state: 'failed', attempts: 6, error: 'HTTP 500' }])
    expect(await b.webhooks.replay(1, 1, { until: T0 - 1, events: null, onlyFailed: true })).toEqual({ count: 0, next: null })
    at.respond = respondWith(200)
    b.clock.now += HOUR
    // A later event of the same message is delivered, and the failed one is sent again.
    await b.bounce(token)
    await run(notifier)
    b.clock.now += 1
    await run(notifier)
    expect(at.requests.slice(-2).map(({ body }) => fields(body)['event'])).toEqual(['invalid', 'request'])
    expect(await waiting(b)).toEqual([])
  })

  test('a slow endpoint delays no other', async () => {
    const b = await bench()
    const [slow, quick] = [await receiver(() => undefined), await receiver()]
    await b.webhooks.add(1, b.configOf(slow.url))
    await b.webhooks.add(1, b.configOf(quick.url))
    await b.register(30)
    const notifier = b.make()
    await notifier.tick()
    await expect.poll(() => quick.requests.length).toBe(30)
    await notifier.waitUntilIdle()
    expect(await waiting(b, 2)).toEqual([])
    expect((await waiting(b, 1)).length).toBe(30)
  })

  test('if more endpoints have due events than workers may run, each of them is served', async () => {
    const b = await bench()
    const at = [await receiver(), await receiver(), await receiver()]
    for (const { url } of at) await b.webhooks.add(1, b.configOf(url))
    await b.register(100)
    const notifier = b.make({ maxWorkers: 2 })
    const receivedCounts = () => at.map(({ requests: got }) => new Set(got.map(({ headers }) => headers['webhook-id'])).size)
    await run(notifier)
    expect(receivedCounts()).toEqual([64, 64, 0])
    await run(notifier)
    expect(receivedCounts()).toEqual([100, 64, 64])
    for (let n = 0; n < 2; n++) await run(notifier)
    expect(receivedCounts()).toEqual([100, 100, 100])
  })

  test('an account with many slow endpoints leaves workers to other accounts', async () => {
    const b = await bench()
    const [slow, quick] = [await receiver(() => undefined), await receiver()]
    for (let n = 0; n < 8; n++) await b.webhooks.add(1, b.configOf(`${slow.url}?${n}`))
    await b.webhooks.add(2, b.configOf(quick.url))
    await b.register(1)
    await b.register(3, 2)
    const notifier = b.make({ maxWorkers: 8 })
    await notifier.tick()
    await expect.poll(() => quick.requests.length).toBe(3)
    expect(slow.requests.length).toBeLessThanOrEqual(2)
    await notifier.waitUntilIdle()
  })

  test('a process that dies while sending loses no event', async () => {
    const b = await bench()
    const at = await receiver(() => undefined)
    await b.webhooks.add(1, b.configOf(at.url))
    await b.register(3)
    const dying = b.make()
    await dying.tick()
    await expect.poll(() => at.requests.length).toBe(3)
    // Another node takes over: nothing until the lease expires, then all events.
    at.respond = respondWith(200)
    const next = b.make()
    await run(next)
    expect(at.requests).toHaveLength(3)
    await dying.close()
    b.clock.now += 2 * MINUTE
    await run(next)
    expect(await waiting(b)).toEqual([])
    expect(new Set(at.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(3)
  })

  test('private targets are refused when they are set, and when a name resolves to one later', async () => {
    let address = '93.184.215.14'
    const b = await bench(() => Promise.resolve([{ address, family: 4 }]))
    const at = await receiver()
    const { port } = new URL(at.url)
    await expect(b.webhooks.add(1, b.configOf(at.url))).rejects.toMatchObject({ code: 'bad_request' })
    await b.webhooks.add(1, b.configOf(`http://rebinding.example:${port}/`))
    await expect(b.webhooks.change(1, 1, { url: 'http://[::1]/' })).rejects.toMatchObject({ code: 'bad_request' })
    await b.register(1)
    address = '127.0.0.1'
    await run(b.make())
    expect(at.requests).toEqual([])
    expect(await waiting(b)).toMatchObject([{ state: 'waiting', error: expect.stringMatching(/not public/) }])
    expect(await b.webhooks.isResponding(`http://rebinding.example:${port}/`)).toBe(false)
  })

  test('the last attempts of each event are recorded, and removed after some days', async () => {
    const b = await bench()
    const at = await receiver(respondWith(500, '<b>\u0000'))
    await b.webhooks.add(1, b.configOf(at.url))
    await b.register(1)
    const notifier = b.make()
    for (let n = 0; n < 5; n++) {
      if (n === 4) at.respond = respondWith(200, 'thanks')
      await run(notifier)
      b.clock.now += HOUR
    }
    const [record] = await b.webhooks.records(1, 1, { filters: {}, limit: 10, after: null })
    expect(record).toMatchObject({ event: 'request', state: 'heard', tries: 5, happenedAt: T0, emailId: expect.stringContaining('joe0@') })
    expect(record?.log.map(({ status, answer }) => [status, answer.slice(0, 6)])).toEqual([
      [500, '<b>\u0000'],
      [500, '<b>\u0000'],
      [200, 'thanks'],
    ])
    expect(await b.webhooks.record(1, 1, record?.eventId ?? '')).toEqual(record)
    expect(await b.webhooks.record(2, 1, record?.eventId ?? '')).toBeNull()
    expect(await b.context.engine.tx((db) => removeOldWebhookRecordsForOperator(db, T0, 10))).toBe(0)
    expect(await b.context.engine.tx((db) => removeOldWebhookRecordsForOperator(db, T0 + 1, 10))).toBe(1)
  })

  const FILTERS: readonly (readonly [filters: WebhookRecordFilters, events: readonly string[]])[] = [
    [{}, ['invalid', 'request', 'request']],
    [{ state: 'heard' }, ['invalid', 'request', 'request']],
    [{ state: 'failed' }, []],
    [{ events: ['invalid'] }, ['invalid']],
    [{ events: ['invalid', 'request'], emailId: '0' }, ['invalid', 'request']],
    [{ emailId: 'nobody' }, []],
    [{ from: T0 + 1 }, ['invalid']],
    [{ until: T0 + 1 }, ['request', 'request']],
  ]
  const REPLAYS: readonly (readonly [what: string, request: ReplayRequest, events: readonly string[]])[] = [
    ['all', { events: null, onlyFailed: false }, ['invalid', 'request', 'request']],
    ['what failed: nothing', { events: null, onlyFailed: true }, []],
    ['one event', { events: ['invalid'], onlyFailed: false }, ['invalid']],
    ['a time', { from: T0 + 1, events: null, onlyFailed: false }, ['invalid']],
    ['another time', { until: T0, events: null, onlyFailed: false }, ['request', 'request']],
    ['both', { until: T0, events: ['invalid'], onlyFailed: false }, []],
  ]
  test('records are listed by state, event, time and message, in pages; a delivered event can be resent with its id', async () => {
    const b = await bench()
    const at = await receiver()
    await b.webhooks.add(1, b.configOf(at.url))
    const [token = ''] = await b.register(2)
    b.clock.now += MINUTE
    await b.bounce(token)
    const notifier = b.make()
    await run(notifier)
    const all = await b.webhooks.records(1, 1, { filters: {}, limit: 10, after: null })
    const emailId = all.find(({ event }) => event === 'invalid')?.emailId ?? ''
    for (const [filters, events] of FILTERS) {
      const wanted = filters.emailId === '0' ? { ...filters, emailId } : filters
      const found = await b.webhooks.records(1, 1, { filters: wanted, limit: 10, after: null })
      expect({ filters, events: found.map(({ event }) => event) }).toEqual({ filters, events })
    }
    const second = await b.webhooks.records(1, 1, { filters: {}, limit: 2, after: all[0]?.eventId ?? null })
    expect(second).toEqual(all.slice(1))
    const ids = new Set(at.requests.map(({ headers }) => headers['webhook-id']))
    for (const [what, request, events] of REPLAYS) {
      at.requests.length = 0
      expect({ what, ...(await b.webhooks.replay(1, 1, request)) }).toEqual({ what, count: events.length, next: null })
      b.clock.now += 1
      await run(notifier)
      expect({ what, events: at.requests.map(({ body }) => fields(body)['event'] ?? '').toSorted((x, y) => (x < y ? -1 : 1)) }).toEqual({
        what,
        events,
      })
      expect(at.requests.every(({ headers }) => ids.has(headers['webhook-id']))).toBe(true)
    }
    at.requests.length = 0
    expect(await b.webhooks.resend(1, 1, all[0]?.eventId ?? '')).toBe(true)
    expect(await b.webhooks.resend(1, 1, all[0]?.eventId ?? '')).toBe(false)
    await expect(b.webhooks.resend(2, 1, all[0]?.eventId ?? '')).rejects.toMatchObject({ code: 'not_found' })
    b.clock.now += 1
    await run(notifier)
    expect(at.requests.map(({ body }) => fields(body)['event'])).toEqual(['invalid'])
  })

  test('failed events are replayed by kind', async () => {
    const b = await bench()
    const at = await receiver(respondWith(500))
    await b.webhooks.add(1, b.configOf(at.url, { ladder: 'vendor' }))
    const [token = ''] = await b.register(1)
    await b.bounce(token)
    const notifier = b.make()
    // The second event of a message is sent after the first has failed.
    for (let n = 0; n < 16; n++) {
      await run(notifier)
      b.clock.now += 20 * MINUTE
    }
    expect((await waiting(b)).map(({ state }) => state)).toEqual(['failed', 'failed'])
    expect((await b.webhooks.records(1, 1, { filters: { state: 'failed' }, limit: 10, after: null })).map(({ event }) => event)).toEqual([
      'invalid',
      'request',
    ])
    expect(await b.webhooks.replay(1, 1, { events: ['soft_bounce'], onlyFailed: true })).toEqual({ count: 0, next: null })
    expect(await b.webhooks.replay(1, 1, { events: ['invalid'], onlyFailed: true })).toEqual({ count: 1, next: null })
    expect((await b.webhooks.records(1, 1, { filters: { state: 'waiting' }, limit: 10, after: null })).map(({ event }) => event)).toEqual([
      'invalid',
    ])
  })

  test('an endpoint for some API users gets only events of their messages', async () => {
    const b = await bench()
    const [ann, bob] = [await receiver(), await receiver()]
    await b.webhooks.add(1, b.configOf(ann.url, { apiUsers: ['ann'] }))
    await b.webhooks.add(1, b.configOf(bob.url, { apiUsers: ['bob', 'carl'] }))
    await b.register(2)
    expect(await waiting(b, 2)).toEqual([])
    await run(b.make())
    expect([ann.requests.length, bob.requests.length]).toEqual([2, 0])
  })

  test.each(['cloudevents', 'cloudevents-binary', 'engagelab'] as const)(
    '%s arrives, also with the Standard Webhooks signature',
    async (format) => {
      const b = await bench()
      const at = await receiver()
      const { secret } = await b.webhooks.add(1, b.configOf(at.url, { format }))
      await b.register(1)
      await run(b.make())
      const { headers, body = '' } = at.requests[0] ?? {}
      const signed = new Webhook(secret ?? '').sign(String(headers?.['webhook-id']), new Date(b.clock.now), body)
      expect(headers?.['webhook-signature']).toBe(signed)
      const proof = {
        engagelab: headers?.['x-webhook-signature'],
        cloudevents: body.slice(1, 20),
        'cloudevents-binary': headers?.['ce-type'],
      }[format]
      const mac = createHmac('sha256', secret ?? '')
        .update(String(T0))
        .digest('hex')
      expect(proof).toBe({ engagelab: mac, cloudevents: '"specversion":"1.0"', 'cloudevents-binary': 'bounced.request' }[format])
    },
  )

  test.each([
    ['bounced', (body: string) => JSON.parse(body).event, 'alarm'],
    ['form', (body: string) => new URLSearchParams(body).get('alarm'), 'test'],
    ['ses', (body: string) => JSON.parse(JSON.parse(body).Message).delivery.recipients[0], 'test@example.com'],
    ['sendgrid', (body: string) => JSON.parse(body)[0].email, 'test@example.com'],
    ['postmark', (body: string) => JSON.parse(body).Recipient, 'test@example.com'],
  ] as const)('a test event in the format %s', async (format, read, want) => {
    const b = await bench()
    const at = await receiver()
    const { endpoint, secret } = await b.webhooks.add(1, b.configOf(at.url, { format, events: ['deliver'] }))
    expect(await b.webhooks.test(1, endpoint.endpointId)).toMatchObject({ status: 200 })
    const { headers, body = '' } = at.requests[0] ?? {}
    expect(read(body)).toBe(want)
    expect(headers?.['webhook-signature']).toBe(
      new Webhook(secret ?? '').sign(String(headers?.['webhook-id']), new Date(b.clock.now), body),
    )
    expect(b.webhooks.publicKeyOf(endpoint) === null).toBe(format !== 'sendgrid')
  })

  test('an event that the format has no word for is not queued, and events without any word are refused', async () => {
    const b = await bench()
    const at = await receiver()
    const { endpoint } = await b.webhooks.add(1, b.configOf(at.url, { format: 'postmark' }))
    await b.register(1)
    expect(await waiting(b)).toEqual([])
    const refused = { code: 'bad_request', message: expect.stringMatching(/postmark has no word for these events: request/) }
    await expect(b.webhooks.change(1, endpoint.endpointId, { events: ['request'] })).rejects.toMatchObject(refused)
    await expect(b.webhooks.add(1, b.configOf('http://127.0.0.1/x', { format: 'postmark', events: ['request'] }))).rejects.toMatchObject(
      refused,
    )
    await b.webhooks.change(1, endpoint.endpointId, { enabled: false })
    await b.webhooks.change(1, endpoint.endpointId, { format: 'ses', events: ['request'] })
  })

  test('an account sees only its endpoints, a URL is used once, and there are at most twenty', async () => {
    const b = await bench()
    const { endpoint } = await b.webhooks.add(1, b.configOf('http://127.0.0.1/0'))
    await expect(b.webhooks.add(1, b.configOf('http://127.1/0'))).rejects.toMatchObject({ code: 'conflict' })
    for (const call of [
      () => b.webhooks.change(2, endpoint.endpointId, { enabled: false }),
      () => b.webhooks.replay(2, endpoint.endpointId, { events: null, onlyFailed: false }),
      () => b.webhooks.pending(2, endpoint.endpointId, 10),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'not_found' })
    expect(await b.webhooks.remove(2, endpoint.endpointId)).toBe(false)
    for (let n = 1; n < 20; n++) await b.webhooks.add(1, b.configOf(`http://127.0.0.1/${n}`))
    await expect(b.webhooks.add(1, b.configOf('http://127.0.0.1/20'))).rejects.toMatchObject({ code: 'conflict' })
    expect(await b.webhooks.remove(1, endpoint.endpointId)).toBe(true)
  })

  test('an interrupted removal leaves the endpoint disabled; the next one completes it', async () => {
    const b = await bench()
    const { endpoint } = await b.webhooks.add(1, b.configOf('http://127.0.0.1/0'))
    await b.register(3)
    expect(await waiting(b)).toHaveLength(3)
    let steps = 0
    const tx: Engine['tx'] = (work, options) =>
      ++steps > 2 ? Promise.reject(new Fault('store_busy', 'away')) : b.context.engine.tx(work, options)
    const vault = createVault(MASTER)
    const guard = createSsrfGuard({ allowPrivate: true, allowHosts: [] })
    const poster = createHttpClient(guard, { connections: CONNECTIONS_PER_ENDPOINT, limitMs: LIMIT_MS })
    undo.push(poster.close)
    const broken = createWebhookService({ ...b.context, engine: { ...b.context.engine, tx } }, { vault, guard, poster })
    await expect(broken.remove(1, endpoint.endpointId)).rejects.toMatchObject({ code: 'store_busy' })
    await b.register(2)
    expect([(await b.webhooks.list(1))[0]?.enabled, await waiting(b)]).toEqual([false, []])
    expect([await b.webhooks.remove(1, endpoint.endpointId), await b.webhooks.remove(1, endpoint.endpointId)]).toEqual([true, false])
    expect(await b.webhooks.list(1)).toEqual([])
  })
})
