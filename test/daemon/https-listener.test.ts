/**
 * https-listener.test - HTTPS with a certificate for each name, and new files without a restart
 */
import { X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openHttpsListener } from '../../src/daemon/listeners/https-listener.ts'
import { EVERY_HOST } from '../../src/http/tracking/host-filter.ts'
import { openPublicListener, type PublicListener } from '../../src/daemon/listeners/http-listener.ts'
import type { HttpServer } from '../../src/http/server/http-server.ts'
import { createSelfSignedCertificate } from '../../src/net/certificate.ts'
import { SETTINGS_SCHEMA, type Settings } from '../../src/settings/schema.ts'
import { createTelemetry } from '../../src/telemetry.ts'
import { makeBench } from '../http/bench.ts'

let folder: string
let opened: PublicListener[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bounced-tls-'))
  opened = []
})
afterEach(async () => {
  for (const each of opened) await each.close()
  rmSync(folder, { recursive: true, force: true })
})

function writeCertificate(name: string, host = name): string {
  const { cert, key } = createSelfSignedCertificate(host, Date.now())
  mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, name, 'fullchain.pem'), cert)
  writeFileSync(join(folder, name, 'privkey.pem'), key)
  return new X509Certificate(cert).fingerprint256
}

const settingsOf = (http: object): Settings => SETTINGS_SCHEMA.parse({ http: { port: 0, tlsPort: 0, tlsHost: '127.0.0.1', ...http } })

async function open(http: object = {}, server?: HttpServer): Promise<{ listener: PublicListener; port: number }> {
  const listener = await openPublicListener(server ?? (await makeBench()).server, settingsOf({ tlsFolder: folder, ...http }), {
    telemetry: await createTelemetry({ level: 'silent', format: 'json' }),
    now: Date.now,
  })
  opened.push(listener)
  return { listener, port: listener.https?.port ?? 0 }
}

/** The fingerprint of the certificate that a client gets which asks for a name. */
const fingerprintFor = (port: number, servername: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '')
      socket.destroy()
    })
    socket.on('error', reject)
  })

const statusOf = (port: number, host: string, path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, servername: host, rejectUnauthorized: false, headers: { host }, agent: false }
    request(options, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
      .on('error', reject)
      .end()
  })

const bodyOf = (port: number, host: string, path: string, headers: Readonly<Record<string, string>>): Promise<string> =>
  new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      path,
      servername: host,
      rejectUnauthorized: false,
      headers: { host, ...headers },
      agent: false,
    }
    request(options, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString())).on('end', () => resolve(body))
    })
      .on('error', reject)
      .end()
  })

describe('the HTTPS listener', () => {
  test('serves each name with its certificate, a wildcard, and any other with the first', async () => {
    const first = writeCertificate('a.example.com')
    const second = writeCertificate('b.example.com')
    const wildcard = writeCertificate('wild', '*.shop.example')
    const { port } = await open()
    expect(await fingerprintFor(port, 'a.example.com')).toBe(first)
    expect(await fingerprintFor(port, 'B.Example.com')).toBe(second)
    expect(await fingerprintFor(port, 'go.shop.example')).toBe(wildcard)
    expect(await fingerprintFor(port, 'x.go.shop.example')).toBe(first)
    expect(await fingerprintFor(port, 'unknown.example')).toBe(first)
  })

  test('has the routes and the host names of the plain listener', async () => {
    writeCertificate('t.example.com')
    const hostFilter = { ownHosts: [], isClosed: true, isTrackingDomain: (host: string) => Promise.resolve(host === 't.example.com') }
    const { server } = await makeBench({}, { hostFilter })
    const { port } = await open({}, server)
    const statuses = await Promise.all(
      ['/healthz', `/o/${'a'.repeat(30)}.gif`, `/u/${'a'.repeat(30)}`, '/v1/messages'].map((path) => statusOf(port, 't.example.com', path)),
    )
    expect(statuses).toEqual([200, 200, 200, 404])
  })

  test('a reload takes new files, and keeps the old ones of a pair that is broken, while the others are renewed', async () => {
    const before = writeCertificate('t.example.com')
    writeCertificate('u.example.com')
    const { listener, port } = await open()
    const after = writeCertificate('t.example.com')
    expect(await fingerprintFor(port, 't.example.com')).toBe(before)
    listener.https?.prepareReload()()
    expect(await fingerprintFor(port, 't.example.com')).toBe(after)
    writeFileSync(join(folder, 't.example.com', 'privkey.pem'), 'broken')
    const other = writeCertificate('u.example.com')
    writeCertificate('v.example.com')
    writeFileSync(join(folder, 'v.example.com', 'privkey.pem'), 'never right')
    listener.https?.prepareReload()()
    expect([await fingerprintFor(port, 't.example.com'), await fingerprintFor(port, 'u.example.com')]).toEqual([after, other])
    const stateOf = (name: string) => listener.https?.certificates().find((each) => each.name === name)
    expect(stateOf('t.example.com')).toMatchObject({
      problem: { text: expect.stringContaining('is not a private key'), since: expect.any(Number) },
    })
    expect([stateOf('u.example.com')?.problem, stateOf('v.example.com')?.problem?.text]).toEqual([
      null,
      expect.stringContaining('v.example.com'),
    ])
    const since = stateOf('t.example.com')?.problem?.since
    listener.https?.prepareReload()()
    expect(stateOf('t.example.com')?.problem?.since).toBe(since)
    const mended = writeCertificate('t.example.com')
    listener.https?.prepareReload()()
    expect([await fingerprintFor(port, 't.example.com'), stateOf('t.example.com')?.problem]).toEqual([mended, null])
  })

  test.each([
    ['written in place', (name: string) => void writeCertificate(name)],
    [
      'renamed over the old ones',
      (name: string) => {
        writeCertificate('.new', name)
        renameSync(join(folder, name), join(folder, '.old'))
        renameSync(join(folder, '.new'), join(folder, name))
      },
    ],
    [
      'linked as certbot links them',
      (name: string) => {
        writeCertificate('../archive', name)
        for (const file of ['fullchain.pem', 'privkey.pem']) {
          rmSync(join(folder, name, file))
          symlinkSync(join(folder, '../archive', file), join(folder, name, file))
        }
      },
    ],
  ])('changed files are noticed without a signal: %s', async (_title, replace) => {
    folder = join(folder, 'live')
    const before = writeCertificate('t.example.com')
    const telemetry = await createTelemetry({ level: 'silent', format: 'json' })
    const { server } = await makeBench()
    const listener = await openHttpsListener({
      server,
      settings: settingsOf({ tlsFolder: folder }),
      telemetry,
      now: Date.now,
      port: 0,
      intervalMs: 5,
    })
    try {
      expect(await fingerprintFor(listener.port, 't.example.com')).toBe(before)
      replace('t.example.com')
      await expect.poll(() => fingerprintFor(listener.port, 't.example.com')).not.toBe(before)
    } finally {
      await listener.close()
    }
  })

  test('a client that trusts only this certificate is connected, under its names only', async () => {
    writeCertificate('t.example.com')
    const { port } = await open()
    const ca = readFileSync(join(folder, 't.example.com', 'fullchain.pem'))
    const verify = (servername: string): Promise<boolean> =>
      new Promise((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port, servername, ca }, () => {
          resolve(socket.authorized)
          socket.destroy()
        })
        socket.on('error', reject)
      })
    expect(await verify('t.example.com')).toBe(true)
    await expect(verify('u.example.com')).rejects.toThrow(/altnames/)
  })

  test('a client that names no host gets the first certificate', async () => {
    const first = writeCertificate('a.example.com')
    writeCertificate('b.example.com')
    const { listener, port } = await open()
    expect(await fingerprintFor(port, '')).toBe(first)
    const renewed = writeCertificate('a.example.com')
    listener.https?.prepareReload()()
    expect(await fingerprintFor(port, '')).toBe(renewed)
  })

  test('X-Forwarded fields are ignored over TLS, also with trustProxy, and believed from the proxy', async () => {
    writeCertificate('t.example.com')
    const { server } = await makeBench({}, { trustProxy: true })
    server.get('/peer', { config: EVERY_HOST }, (request) => Promise.resolve({ ip: request.ip, host: request.host }))
    const { listener, port } = await open({}, server)
    const forged = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-host': 'api.example.com', 'x-forwarded-proto': 'http' }
    const overTls = await bodyOf(port, 't.example.com', '/peer', forged)
    expect(JSON.parse(overTls)).toEqual({ ip: '127.0.0.1', host: 't.example.com' })
    const plain = await fetch(`http://127.0.0.1:${listener.port}/peer`, { headers: forged })
    expect(await plain.json()).toEqual({ ip: '203.0.113.9', host: 'api.example.com' })
  })

  test('handshakes that never end displace each other, not a client', async () => {
    writeCertificate('t.example.com')
    const { port } = await open({ connections: 8, exemptPeers: [] })
    const silent = Array.from({ length: 40 }, () => connectPlain({ host: '127.0.0.1', port }).on('error', () => undefined))
    await Promise.all(silent.map((socket) => new Promise((resolve) => void socket.once('connect', resolve).once('close', resolve))))
    expect(await statusOf(port, 't.example.com', '/healthz')).toBe(200)
    for (const socket of silent) socket.destroy()
  })

  test('a client that speaks no TLS is disconnected, and nobody else notices', async () => {
    writeCertificate('t.example.com')
    const { port } = await open()
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow(/fetch failed/)
    expect(await statusOf(port, 't.example.com', '/healthz')).toBe(200)
  })

  test.each([
    ['a folder without certificates', {}, /needs a certificate/],
    ['a folder that does not exist', { tlsFolder: '/nonexistent' }, /http\.tlsFolder \/nonexistent does not exist/],
  ])('%s is refused', async (_title, http, message) => {
    await expect(open(http)).rejects.toThrow(message)
  })

  test('a key that belongs to another certificate is refused', async () => {
    writeCertificate('t.example.com')
    writeFileSync(join(folder, 't.example.com', 'privkey.pem'), createSelfSignedCertificate('x', Date.now()).key)
    await expect(open()).rejects.toThrow(/is not the key of/)
  })
})
