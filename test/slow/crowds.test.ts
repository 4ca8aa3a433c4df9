/**
 * crowds.test - strangers with thousands of connections and made-up names against a daemon with its default limits
 *
 * Loopback addresses are the strangers, so loopback is not exempt here. No time is asserted: every step waits for a condition.
 */
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { API_KEY, API_USER, RETURN_PATH_DOMAIN, startDaemon, type Daemon } from '../support/daemon.ts'
import { closeAll, MAIL, openConversation, sendUpToData } from '../support/smtp-listener.ts'

const HALF_OPEN_REQUESTS = 2_000
const IDLE_SMTP_CONNECTIONS = 1_000
/** test/net/sign-in-limit.test.ts tries 100,000 without a server. */
const MADE_UP_NAMES = 5_000

let daemon: Daemon
const sockets: Socket[] = []
beforeAll(async () => {
  const nobody = '192.0.2.1'
  daemon = await startDaemon({
    env: { BOUNCED_LOG_LEVEL: 'error', BOUNCED_HTTP_EXEMPT_PEERS: nobody, BOUNCED_LIMITS_EXEMPT_PEERS: nobody },
  })
})
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  await closeAll()
  await daemon.stop()
})

/** Opens a connection and leaves it alone. */
async function openIdle(port: number, from: string, text: string): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  sockets.push(socket)
  socket.on('error', () => undefined)
  await Promise.race([once(socket, 'connect'), once(socket, 'close')])
  if (socket.writable && text !== '') socket.write(text)
}

/** Resolves to the status of one request of its own address. */
function get(from: string, path: string, user: string, agent: Agent | false = false): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { port: daemon.httpPort, host: '127.0.0.1', localAddress: from, path, auth: user, agent }
    request(options, (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)))
      .on('error', reject)
      .end()
  })
}

test(`${HALF_OPEN_REQUESTS} half-open HTTP requests of one address keep nobody out`, async () => {
  for (let n = 0; n < HALF_OPEN_REQUESTS; n++) await openIdle(daemon.httpPort, '127.1.2.3', 'GET /v1/messages HTTP/1.1\r\nHost: x\r\n')
  expect(await get('127.9.9.9', '/healthz', '')).toBe(200)
  expect(await get('127.9.9.9', '/readyz', '')).toBe(200)
  expect(await get('127.9.9.9', '/v1/messages', `${API_USER}:${API_KEY}`)).toBe(200)
  expect((await fetch(`http://127.0.0.1:${daemon.adminPort}/readyz`)).status).toBe(200)
})

test(`${IDLE_SMTP_CONNECTIONS} idle SMTP connections of four networks keep no mail of a fifth out`, async () => {
  for (let n = 0; n < IDLE_SMTP_CONNECTIONS; n++) await openIdle(daemon.smtpPort, `127.2.${n % 4}.${1 + (n % 20)}`, '')
  for (let n = 0; n < 20; n++) {
    const client = await openConversation(daemon.smtpPort, '127.9.9.9')
    expect(await sendUpToData(client, `postmaster@${RETURN_PATH_DOMAIN}`)).toMatch(/^354 /)
    expect(await client.send(`${MAIL}.`)).toMatch(/^250 /)
    client.socket.destroy()
  }
})

test(`${MADE_UP_NAMES} sign-ins with made-up names lock no user out`, async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 20 })
  const statuses = new Map<number, number>()
  for (let n = 0; n < MADE_UP_NAMES; n += 20) {
    const batch = Array.from({ length: 20 }, (_, k) => get('127.3.2.1', '/v1/messages', `invented-${n + k}:guess`, agent))
    for (const status of await Promise.all(batch)) statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  agent.destroy()
  expect([...statuses.keys()].toSorted((one, other) => one - other)).toEqual([401, 429])
  expect(await get('127.9.9.9', '/v1/messages', `${API_USER}:${API_KEY}`)).toBe(200)
})
