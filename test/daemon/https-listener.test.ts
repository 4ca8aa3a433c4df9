/**
 * https-listener.test - HTTPS with a certificate for each name, and new files without a restart
 */
import { X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
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
  const listener = await openPublicListener(
    server ?? (await makeBench()).server,
    settingsOf({ tlsFolder: folder, ...http }),
    await createTelemetry({ level: 'silent', format: 'json' }),
  )
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

  test('a reload takes new files, and keeps the old ones if a file is broken', async () => {
    const before = writeCertificate('t.example.com')
    const { listener, port } = await open()
    const after = writeCertificate('t.example.com')
    expect(await fingerprintFor(port, 't.example.com')).toBe(before)
    listener.https?.prepareReload()()
    expect(await fingerprintFor(port, 't.example.com')).toBe(after)
    writeFileSync(join(folder, 't.example.com', 'privkey.pem'), 'broken')
    expect(() => listener.https?.prepareReload()).toThrow(/cannot be read/)
    expect(await fingerprintFor(port, 't.example.com')).toBe(after)
  })

  test('a client that speaks no TLS is disconnected, and nobody else notices', async () => {
    writeCertificate('t.example.com')
    const { port } = await open()
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow(/fetch failed/)
    expect(await statusOf(port, 't.example.com', '/healthz')).toBe(200)
  })

  test.each([
    ['a folder without certificates', {}, /needs a certificate/],
    ['a folder that does not exist', { tlsFolder: '/nonexistent' }, /cannot be read/],
  ])('%s is refused', async (_title, http, message) => {
    await expect(open(http)).rejects.toThrow(message)
  })

  test('a key that belongs to another certificate is refused', async () => {
    writeCertificate('t.example.com')
    writeFileSync(join(folder, 't.example.com', 'privkey.pem'), createSelfSignedCertificate('x', Date.now()).key)
    await expect(open()).rejects.toThrow(/is not the key of/)
  })
})
