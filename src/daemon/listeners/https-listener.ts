/**
 * https-listener - the public HTTP server over TLS, with a certificate for each tracking domain
 *
 * A connection that has completed its handshake goes to the plain server, so routes, host names and limits are the same. Its client is at the
 * other end of it: X-Forwarded fields are ignored here, also with http.trustProxy. Handshakes have the limits of connections, so that somebody who
 * begins many and completes none displaces himself.
 *
 * Certificates are read again on SIGHUP, and by themselves within a minute after a file has changed. Files that cannot be read leave the old
 * certificate in force, and are told in the log, the metrics and an alert.
 *
 * RFC 8446. See also: daemon/listeners/http-listener, net/certificate-folder, settings/http, docs/TRACKING.md.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { createServer, TLSSocket, type Server } from 'node:tls'
import type { HttpServer } from '../../http/server/http-server.ts'
import { createAddressMatcher } from '../../net/address-matcher.ts'
import {
  certificateStampOf,
  listCertificateFiles,
  loadCertificates,
  type CertificateFiles,
  type CertificateState,
  type CertificateTable,
} from '../../net/certificate-folder.ts'
import { createConnectionTable } from '../../net/connection-table.ts'
import { listenOptionsOf } from '../../net/listen-backlog.ts'
import { normaliseIp } from '../../net/peer-network.ts'
import type { Settings } from '../../settings/schema.ts'
import type { Telemetry } from '../../telemetry.ts'

export type HttpsListener = {
  readonly port: number
  /** The certificates in force. */
  readonly certificates: () => readonly CertificateState[]
  /** Reads the certificates; the result puts them in force. Faults: config_invalid (the folder cannot be read). */
  readonly prepareReload: () => () => void
  readonly close: () => Promise<void>
}

/** How often the files are compared with those in force. */
const FILE_CHECK_INTERVAL_MS = 60_000
const DAY_MS = 86_400_000

type HttpsOptions = {
  readonly server: HttpServer
  readonly settings: Settings
  readonly telemetry: Telemetry
  readonly now: () => number
  readonly port: number
  /** A socket that listens already, instead of http.tlsHost and the port. */
  readonly descriptor?: number | undefined
  readonly intervalMs?: number
}

/** Listens on http.tlsHost and http.tlsPort. Faults: config_invalid. */
export async function openHttpsListener(options: HttpsOptions): Promise<HttpsListener> {
  const { server, settings, telemetry, now } = options
  let table = loadCertificates(filesOf(settings), null, now())
  reportCertificates(telemetry, table, now())
  const listener = createListener(settings, (host) => table.find(host))
  listener.on('secureConnection', (socket) => void server.server.emit('connection', socket))
  listener.setSecureContext({ ...table.first, minVersion: 'TLSv1.2' })
  limitHandshakes(listener, settings, telemetry)
  server.server.prependListener('request', removeForwardedFields)
  const prepareReload = (): (() => void) => {
    const next = loadCertificates(filesOf(settings), table, now())
    return () => {
      table = next
      listener.setSecureContext({ ...table.first, minVersion: 'TLSv1.2' })
      reportCertificates(telemetry, table, now())
    }
  }
  const stopWatching = watchFiles(settings, {
    telemetry,
    reload: () => prepareReload()(),
    intervalMs: options.intervalMs ?? FILE_CHECK_INTERVAL_MS,
  })
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(listenOptionsOf({ ...options, host: settings.http.tlsHost }), resolve)
  })
  const address = listener.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    certificates: () => statesOf(table),
    prepareReload,
    close: () => {
      stopWatching()
      return new Promise((resolve) => void listener.close(() => resolve()))
    },
  }
}

/** SNI is for clients that name a host; one that names none gets the first certificate. */
function createListener({ http }: Settings, find: CertificateTable['find']): Server {
  return createServer({
    minVersion: 'TLSv1.2',
    handshakeTimeout: http.headerSeconds * 1_000,
    ALPNProtocols: ['http/1.1'],
    SNICallback: (host, done) => done(null, find(host)),
  })
}

function filesOf({ http, tls: { cert, key } }: Settings): readonly CertificateFiles[] {
  const configured = cert === undefined || key === undefined ? [] : [{ name: 'tls.cert', cert, key }]
  return [...configured, ...(http.tlsFolder === undefined ? [] : listCertificateFiles(http.tlsFolder))]
}

const statesOf = ({ certificates, broken }: CertificateTable): readonly CertificateState[] => [
  ...certificates.map(({ name, expiresAt, problem }) => ({ name, expiresAt, problem })),
  // Nothing is served that could end.
  ...broken.map(({ name, problem }) => ({ name, expiresAt: Infinity, problem })),
]

function reportCertificates({ log, setGauge }: Telemetry, table: CertificateTable, now: number): void {
  const problems = statesOf(table).flatMap(({ name, problem }) => (problem === null ? [] : [{ name, problem: problem.text }]))
  for (const each of problems) log.error(each, 'a certificate cannot be read; the one that was read before stays in use')
  const endsFirst = Math.min(...table.certificates.map(({ expiresAt }) => expiresAt))
  setGauge('bounced_certificate_days', (endsFirst - now) / DAY_MS)
  setGauge('bounced_certificate_problems', problems.length)
}

/** A client that names itself in a header is believed behind a proxy only, and no proxy is in front of this listener. */
function removeForwardedFields({ socket, headers }: IncomingMessage): void {
  if (!(socket instanceof TLSSocket)) return
  for (const name of Object.keys(headers)) if (name === 'forwarded' || name.startsWith('x-forwarded-')) delete headers[name]
}

/** Counts connections from their first packet until their handshake is complete; the plain server counts them from then on. */
function limitHandshakes(listener: Server, { http }: Settings, telemetry: Telemetry): void {
  const table = createConnectionTable(http, createAddressMatcher(http.exemptPeers, 'http.exemptPeers'))
  const releases = new Map<string, () => void>()
  const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress}/${remotePort}`
  listener.on('connection', (socket: Socket) => {
    const at = performance.now()
    const handshake = {
      address: normaliseIp(socket.remoteAddress ?? ''),
      idleSince: () => at,
      evict: () => void socket.destroy(),
    }
    if (table.admit(handshake) !== null) {
      telemetry.count('bounced_http_connections_closed_total', { reason: 'handshake' })
      socket.destroy()
      return
    }
    const key = keyOf(socket)
    const release = (): void => {
      releases.delete(key)
      table.release(handshake)
    }
    releases.set(key, release)
    socket.once('close', release)
  })
  listener.on('secureConnection', (socket) => releases.get(keyOf(socket))?.())
  listener.on('tlsClientError', () => telemetry.count('bounced_http_connections_closed_total', { reason: 'handshake' }))
}

type Watch = { readonly telemetry: Telemetry; readonly reload: () => void; readonly intervalMs: number }

/** Reloads when a file has changed, also if it changes while it is read. The result stops it. */
function watchFiles(settings: Settings, { telemetry: { log }, reload, intervalMs }: Watch): () => void {
  const stampOf = (): string => {
    try {
      return certificateStampOf(filesOf(settings))
    } catch {
      return ''
    }
  }
  let stamp = stampOf()
  const timer = setInterval(() => {
    const next = stampOf()
    if (next === stamp) return
    stamp = next
    try {
      reload()
      log.info({ folder: settings.http.tlsFolder }, 'certificates read again')
    } catch (error) {
      log.error({ err: error }, 'certificates could not be read; the previous ones stay in use')
    }
  }, intervalMs).unref()
  return () => clearInterval(timer)
}
