/**
 * crowds.test - strangers who fill the HTTP server with connections, and the clients that are served even so
 */
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createHttpServer } from '../../../src/http/server/server.ts'
import { HTTP_LIMITS, type HttpLimits } from '../../../src/http/server/http-limits.ts'
import { createTelemetry } from '../../../src/telemetry.ts'

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const end of undo.splice(0).toReversed()) await end()
})

type Started = { readonly port: number; readonly closedCount: (reason: string) => Promise<number> }

/** A server with a short answer, a long one and one that takes a body. Loopback is a stranger here. */
async function serve(limits: Partial<HttpLimits>, trustProxy = false): Promise<Started> {
  const telemetry = await createTelemetry({ level: 'silent', format: 'json' })
  const httpLimits = { ...HTTP_LIMITS, exemptPeers: [], ...limits }
  const server = await createHttpServer({ telemetry, bodyBytes: 1_000_000, trustProxy, httpLimits })
  server.get('/short', () => Promise.resolve('ok'))
  server.get('/long', () => Promise.resolve(Buffer.alloc(64 * 1024 * 1024)))
  server.post('/body', () => Promise.resolve('ok'))
  await server.listen({ host: '127.0.0.1', port: 0 })
  undo.push(() => server.close())
  const closedCount = async (reason: string): Promise<number> => {
    const { text } = await telemetry.metrics()
    return Number(new RegExp(`bounced_http_connections_closed_total\\{reason="${reason}"\\} (\\d+)`).exec(text)?.[1] ?? 0)
  }
  const address = server.server.address()
  return { port: address !== null && typeof address === 'object' ? address.port : 0, closedCount }
}

function open(port: number, from: string, text: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  socket.on('error', () => undefined)
  socket.write(text)
  undo.push(() => socket.destroy())
  return socket
}

const HALF = 'GET /short HTTP/1.1\r\nHost: x\r\n'

async function connected(sockets: readonly Socket[]): Promise<void> {
  await expect.poll(() => sockets.every((socket) => !socket.connecting)).toBe(true)
}

/** A client of its own address and connection. Resolves to the status, or to the code of the error. */
const get = (port: number, from: string): Promise<number | string> =>
  new Promise((resolve) => {
    const sent = request({ port, host: '127.0.0.1', localAddress: from, path: '/short', agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', (error) => resolve('code' in error ? String(error.code) : error.message)).end()
  })

test('half-open requests of one address keep nobody else out', async () => {
  const { port, closedCount } = await serve({ connections: 60, connectionsPerPeer: 20 })
  await connected(Array.from({ length: 200 }, () => open(port, '127.1.2.3', HALF)))
  await expect.poll(() => closedCount('peerConnections')).toBe(180)
  for (let n = 0; n < 10; n++) expect(await get(port, '127.9.9.9')).toBe(200)
  expect(await get(port, '127.1.2.3')).toBe('ECONNRESET')
  expect(await closedCount('evicted')).toBe(0)
})

const FILLERS = [
  // what four networks send and then leave alone
  ['half a header', HALF],
  ['nothing', ''],
  ['a request, and keep the connection', `${HALF}\r\n`],
] as const
test.each(FILLERS)('four networks that send %s fill the server; a fifth is served', async (_what, text) => {
  const { port, closedCount } = await serve({ connections: 60, connectionsPerPeer: 5, connectionsPerNetwork: 15 })
  await connected(Array.from({ length: 60 }, (_, n) => open(port, `127.1.${n % 4}.${1 + (n % 12)}`, text)))
  for (let n = 0; n < 10; n++) expect(await get(port, '127.9.9.9')).toBe(200)
  expect(await closedCount('connections')).toBe(0)
  expect(await closedCount('evicted')).toBeGreaterThan(0)
})

const STALLED = [
  // what a client sends before it does nothing more, and what its connection is closed for
  ['half a header', HALF],
  ['half a body', 'POST /body HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nx'],
  ['a request for a response that it does not read', 'GET /long HTTP/1.1\r\nHost: x\r\n\r\n'],
] as const
test.each(STALLED)('under stress, a client that sends %s is disconnected after stressSeconds', async (_what, text) => {
  // One connection is stress, so that it does not end before the last of them is disconnected.
  const { port, closedCount } = await serve({ connections: 10, stressPercent: 10, stressSeconds: 1 })
  for (let n = 0; n < 4; n++) open(port, `127.1.2.${n + 1}`, text)
  await expect.poll(() => closedCount('stress'), { timeout: 10_000 }).toBe(4)
  expect(await get(port, '127.9.9.9')).toBe(200)
})

test('a client that takes no byte of its response is disconnected without stress too', async () => {
  const { port, closedCount } = await serve({ responseIdleSeconds: 1 })
  open(port, '127.1.2.3', 'GET /long HTTP/1.1\r\nHost: x\r\n\r\n')
  await expect.poll(() => closedCount('responseIdle'), { timeout: 10_000 }).toBe(1)
})

test('behind a proxy there are no limits by peer; half-open requests that it passes on give way to new ones', async () => {
  const { port, closedCount } = await serve({ connections: 30, connectionsPerPeer: 5 }, true)
  await connected(Array.from({ length: 30 }, () => open(port, '127.1.2.3', HALF)))
  for (let n = 0; n < 5; n++) expect(await get(port, '127.1.2.3')).toBe(200)
  expect([await closedCount('peerConnections'), await closedCount('connections')]).toEqual([0, 0])
  expect(await closedCount('evicted')).toBeGreaterThan(0)
})
