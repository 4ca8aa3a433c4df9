/**
 * body-limits.test - limits of memory and time for request bodies that arrive slowly or never end
 */
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { addBodyLimits } from '../../../src/http/server/body-limits.ts'
import { HTTP_LIMITS, type HttpLimits } from '../../../src/http/server/http-limits.ts'
import { createHttpServer as createHttp } from '../../../src/http/server/server.ts'
import type { HttpServer } from '../../../src/http/server/http-server.ts'
import { createTelemetry } from '../../../src/telemetry.ts'
import { makeBench } from '../bench.ts'

const MIB = 1024 * 1024
const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const end of undo.splice(0).toReversed()) await end()
})

async function listen(server: HttpServer): Promise<number> {
  await server.listen({ host: '127.0.0.1', port: 0 })
  undo.push(() => server.close())
  const address = server.server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

type Client = { readonly socket: Socket; readonly received: () => string; readonly gone: Promise<unknown> }

/** A client that sends the given bytes and then keeps the connection open. */
function dial(port: number, head: string, pieces: readonly Buffer[] = []): Client {
  const socket = connect(port, '127.0.0.1')
  let received = ''
  socket.setEncoding('latin1').on('data', (text: string) => (received += text))
  socket.on('error', () => undefined)
  socket.write(head)
  for (const piece of pieces) socket.write(piece)
  undo.push(() => socket.destroy())
  return { socket, received: () => received, gone: once(socket, 'close').catch(() => undefined) }
}

const post = (url: string, type: string, length: number): string =>
  `POST ${url} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`

async function until(isTrue: () => boolean): Promise<void> {
  await expect.poll(isTrue, { timeout: 10_000, interval: 10 }).toBe(true)
}

/** The whole server with a small body budget, and its metrics. */
async function serve(http: Partial<HttpLimits>): Promise<{ readonly port: number; readonly figure: (name: string) => Promise<number> }> {
  const telemetry = await createTelemetry({ level: 'silent', format: 'json' })
  const { server } = await makeBench({}, { telemetry, httpLimits: { ...HTTP_LIMITS, ...http } })
  const figure = async (name: string): Promise<number> => {
    const { text } = await telemetry.metrics()
    return text
      .split('\n')
      .filter((line) => line.startsWith(name))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }
  return { port: await listen(server), figure }
}

const MANY = 40

test('stalled requests without sign-in share one budget; above it, large bodies are rejected on every route', async () => {
  const { port, figure } = await serve({ bodyBudget: 8 * MIB })
  const clients = Array.from({ length: MANY }, () =>
    dial(port, post('/api/mail/send', 'multipart/form-data; boundary=b', 17 * MIB), [Buffer.alloc(2 * MIB, 65)]),
  )
  await until(() => clients.filter(({ received }) => received().includes('interface frequency limited')).length >= MANY - 8)
  // The gauge is updated once a second.
  await expect.poll(() => figure('bounced_http_body_bytes'), { timeout: 10_000 }).toBeGreaterThan(0)
  expect(await figure('bounced_http_body_bytes')).toBeLessThanOrEqual(8 * MIB)
  expect(await figure('bounced_http_bodies_refused_total')).toBeGreaterThanOrEqual(MANY - 8)
})

const ENDPOINTS = [
  // a new large body above the soft limit                  the response
  ['/v1/messages', 'application/json', 503, '"code":"overloaded"'],
  ['/v1/attempts', 'application/x-www-form-urlencoded', 503, '"code":"overloaded"'],
  ['/api/mail/send', 'application/json', 200, '"statuscode":50000'],
  ['/apiv2/mail/send', 'multipart/form-data; boundary=b', 200, '"statuscode":50000'],
  ['/api/bounce/list', 'multipart/form-data; boundary=b', 200, '"statuscode":50000'],
  ['/webapi/mail.send.json', 'multipart/form-data; boundary=b', 200, 'interface frequency limited'],
  ['/v1/blocks', 'application/json', 429, '"code":50000'],
] as const

test('above the soft limit, each API rejects large bodies in its own format and accepts small ones', async () => {
  const { port } = await serve({ bodyBudget: 8 * MIB, bodyIdleSeconds: 600 })
  // Above the soft limit, a body is ended after five seconds; the requests below take less time.
  dial(port, post('/api/mail/send', 'multipart/form-data; boundary=b', 17 * MIB), [Buffer.alloc(5 * MIB, 65)])
  const largeBody = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify('x'.repeat(99_000)) }
  const statusOfLargeBody = async (): Promise<number> => (await fetch(`http://127.0.0.1:${port}/v1/messages`, largeBody)).status
  await expect.poll(statusOfLargeBody, { interval: 10 }).toBe(503)
  const responses: unknown[] = []
  for (const [url, type, , words] of ENDPOINTS) {
    const client = dial(port, post(url, type, 99_000))
    await client.gone
    responses.push([url, type, Number(client.received().slice(9, 12)), client.received().includes(words) ? words : client.received()])
  }
  expect(responses).toEqual(ENDPOINTS)
  const small = await fetch(`http://127.0.0.1:${port}/api/bounce/list`, { method: 'POST', body: new URLSearchParams({ apiUser: 'alice' }) })
  expect(await small.json()).toMatchObject({ statusCode: 40005 })
})

/** A server with one route and access to its body limiter. */
async function plain(
  limits: Partial<HttpLimits>,
  now: () => number,
): Promise<{ readonly port: number; readonly bodies: ReturnType<typeof addBodyLimits> }> {
  const telemetry = await createTelemetry({ level: 'silent', format: 'json' })
  const http = { ...HTTP_LIMITS, ...limits }
  const server = await createHttp({ telemetry, bodyBytes: 4 * MIB, trustProxy: false, httpLimits: http })
  const bodies = addBodyLimits(server, { telemetry, limits: http, now })
  server.post('/echo', (request) => Promise.resolve({ keys: Object.keys(Object(request.body)).length }))
  return { port: await listen(server), bodies }
}

test('bytes count from their arrival until the response; a client that disconnects releases them', async () => {
  const { port, bodies } = await plain({}, Date.now)
  const client = dial(port, post('/echo', 'application/json', 2 * MIB), [Buffer.alloc(MIB, 32)])
  await until(() => bodies.usedBytes() >= MIB)
  client.socket.destroy()
  await until(() => bodies.usedBytes() === 0)
  const form = new FormData()
  form.set('a', '1')
  form.set('b', 'x'.repeat(MIB))
  const response = await fetch(`http://127.0.0.1:${port}/echo`, { method: 'POST', body: form })
  expect(await response.json()).toEqual({ keys: 2 })
  await until(() => bodies.usedBytes() === 0)
})

test('an idle body is ended with 408', async () => {
  const clock = { now: 1_000_000 }
  const { port, bodies } = await plain({ bodyIdleSeconds: 20 }, () => clock.now)
  const client = dial(port, post('/echo', 'application/json', MIB), [Buffer.alloc(1_000, 32)])
  await until(() => bodies.usedBytes() >= 1_000)
  clock.now += 19_000
  bodies.enforceLimits()
  expect(client.received()).toBe('')
  clock.now += 1_000
  bodies.enforceLimits()
  await client.gone
  expect(client.received()).toMatch(/^HTTP\/1\.1 408 .*"code":"request_timeout"/s)
  expect(bodies.usedBytes()).toBe(0)
})

test('an unread body (415) does not break the connection for the next request', async () => {
  const { port } = await plain({}, Date.now)
  const body = Buffer.alloc(300_000, 65)
  const client = dial(port, post('/echo', 'text/odd', body.length), [body, Buffer.from('GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n')])
  await until(() => client.received().includes('HTTP/1.1 404 ') || client.socket.destroyed)
  expect(client.received()).toMatch(/^HTTP\/1\.1 415 /)
})

test('an incomplete header times out', async () => {
  const { port } = await plain({ headerSeconds: 1 }, Date.now)
  const held = Array.from({ length: 3 }, () => dial(port, 'GET /nowhere HTTP/1.1\r\nHost: x\r\n'))
  await Promise.all(held.map(({ gone }) => gone))
  expect(held.map(({ received }) => received().slice(0, 13))).toEqual(held.map(() => 'HTTP/1.1 408 '))
})
