/**
 * http-listener - opens the HTTP listeners of the daemon: the public one, and the one for operators
 *
 * See also: daemon/app (opens and closes them), http/app, http/admin, daemon/listeners/smtp-listeners.
 */
import type { HttpServer } from '../../http/server/http-server.ts'
import type { ActivatedSockets } from '../../net/activated-sockets.ts'
import { LISTEN_BACKLOG } from '../../net/listen-backlog.ts'
import type { Settings } from '../../settings/schema.ts'
import type { Context } from '../../service/context.ts'
import { openHttpsListener, type HttpsListener } from './https-listener.ts'
import { explainListenErrors } from './listen-errors.ts'

/** A listener that is open, and the port that it has. */
export type HttpListener = { readonly port: number; readonly close: () => Promise<void> }

/** `https`: null where http.tlsPort is not set. */
export type PublicListener = HttpListener & { readonly https: HttpsListener | null }

/** What a listener tells its node, and the sockets that systemd opened. */
type ListeningNode = Pick<Context, 'telemetry' | 'certificates' | 'now'> & { readonly sockets?: ActivatedSockets }

/** Listens on http.host and http.port, and for HTTPS on the socket of systemd, or on http.tlsHost and http.tlsPort if it is set. Faults: config_invalid (certificates), conflict. */
export async function openPublicListener(server: HttpServer, settings: Settings, node: ListeningNode): Promise<PublicListener> {
  const { http } = settings
  const [host, port, { tlsPort, tlsHost }] = [bindAddressOf(http.host), http.port, http]
  const plain = await explainListenErrors({ host, port, variables: 'BOUNCED_HTTP_PORT or BOUNCED_HTTP_HOST' }, () =>
    listen(server, host, port),
  )
  try {
    const where = { host: tlsHost, port: tlsPort ?? 0, descriptor: node.sockets?.get('https') }
    const { telemetry, now } = node
    const https =
      tlsPort === undefined && where.descriptor === undefined
        ? null
        : await explainListenErrors({ ...where, variables: 'BOUNCED_HTTP_TLS_PORT or BOUNCED_HTTP_TLS_HOST' }, () =>
            openHttpsListener({ server, settings, telemetry, now, ...where }),
          )
    if (https !== null && node.certificates !== undefined) node.certificates.current = https.certificates
    return { port: plain.port, https, close: async () => void (await Promise.all([https?.close(), plain.close()])) }
  } catch (error) {
    await plain.close()
    throw error
  }
}

/** Listens on http.adminHost and http.adminPort. Faults: conflict. */
export function openAdminListener(server: HttpServer, { http }: Settings): Promise<HttpListener> {
  const [host, port] = [bindAddressOf(http.adminHost), adminPortOf(http)]
  return explainListenErrors({ host, port, variables: 'BOUNCED_HTTP_ADMIN_PORT or BOUNCED_HTTP_ADMIN_HOST' }, () =>
    listen(server, host, port),
  )
}

async function listen(server: HttpServer, host: string, port: number): Promise<HttpListener> {
  await server.listen({ host, port, backlog: LISTEN_BACKLOG })
  const address = server.server.address()
  return { port: address !== null && typeof address === 'object' ? address.port : 0, close: async () => server.close() }
}

/** The default is the next port, so that several daemons on one machine need no further setting. */
const adminPortOf = ({ port, adminPort }: Settings['http']): number => adminPort ?? (port === 0 || port === 65_535 ? 0 : port + 1)

/** Fastify opens a second server for the name `localhost`, without our limits. */
const bindAddressOf = (host: string): string => (host === 'localhost' ? '127.0.0.1' : host)
