/**
 * https-listener - the public HTTP server over TLS, with a certificate for each tracking domain
 *
 * A connection that has completed its handshake goes to the plain server, so routes, host names and limits are the same. Certificates are read
 * again on SIGHUP, and by themselves within a minute after a file has changed; a folder that cannot be read leaves the old ones in force.
 *
 * RFC 8446. See also: daemon/listeners/http-listener, net/certificate-folder, settings/http, docs/TRACKING.md.
 */
import { createServer } from 'node:tls'
import type { HttpServer } from '../../http/server/http-server.ts'
import { certificateStampOf, loadCertificates } from '../../net/certificate-folder.ts'
import { loadCertificate, type Certificate } from '../../net/certificate.ts'
import { LISTEN_BACKLOG } from '../../net/listen-backlog.ts'
import type { Settings } from '../../settings/schema.ts'
import type { Telemetry } from '../../telemetry.ts'

export type HttpsListener = {
  readonly port: number
  /** Reads the certificates; the result puts them in force. Faults: config_invalid. */
  readonly prepareReload: () => () => void
  readonly close: () => Promise<void>
}

/** How often the files are compared with those in force. */
const FILE_CHECK_INTERVAL_MS = 60_000

type HttpsOptions = { readonly server: HttpServer; readonly settings: Settings; readonly telemetry: Telemetry; readonly port: number }

/** Listens on http.tlsHost and http.tlsPort. Faults: config_invalid. */
export async function openHttpsListener({ server, settings, telemetry, port }: HttpsOptions): Promise<HttpsListener> {
  const { tlsHost, tlsFolder = null, headerSeconds, connections } = settings.http
  const load = () => loadCertificates(tlsFolder, configuredCertificateOf(settings))
  let certificates = load()
  const options = {
    minVersion: 'TLSv1.2',
    handshakeTimeout: headerSeconds * 1_000,
    ALPNProtocols: ['http/1.1'],
    // Called for a client that names a host; one that names none gets the first certificate.
    SNICallback: (host: string, done: (error: null, context: ReturnType<typeof certificates.find>) => void) =>
      done(null, certificates.find(host)),
  } as const
  const listener = createServer(options, (socket) => void server.server.emit('connection', socket))
  listener.maxConnections = connections
  listener.on('tlsClientError', () => telemetry.count('bounced_http_connections_closed_total', { reason: 'handshake' }))
  const prepareReload = (): (() => void) => {
    const next = load()
    return () => {
      certificates = next
    }
  }
  const stopWatching = watchFolder(tlsFolder, telemetry, () => prepareReload()())
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen({ host: tlsHost, port, backlog: LISTEN_BACKLOG }, resolve)
  })
  const address = listener.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    prepareReload,
    close: () => {
      stopWatching()
      return new Promise((resolve) => void listener.close(() => resolve()))
    },
  }
}

function configuredCertificateOf({ tls: { cert, key } }: Settings): Certificate | null {
  return cert === undefined || key === undefined ? null : loadCertificate({ cert, key })
}

/** Reloads when a file has changed, also if it changes while it is read. The result stops it. */
function watchFolder(folder: string | null, { log }: Telemetry, reload: () => void): () => void {
  if (folder === null) return () => undefined
  let stamp = certificateStampOf(folder)
  const timer = setInterval(() => {
    const next = certificateStampOf(folder)
    if (next === stamp) return
    stamp = next
    try {
      reload()
      log.info({ folder }, 'certificates reloaded')
    } catch (error) {
      log.error({ folder, err: error }, 'certificates could not be reloaded; the previous ones stay in use')
    }
  }, FILE_CHECK_INTERVAL_MS).unref()
  return () => clearInterval(timer)
}
