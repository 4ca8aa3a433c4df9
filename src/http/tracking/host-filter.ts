/**
 * host-filter - decides by the Host of a request what it may reach
 *
 * | host                                                     | serves                                     |
 * |----------------------------------------------------------|--------------------------------------------|
 * | `publicUrl`, `http.hosts`, `http.host`, loopback         | everything                                 |
 * | a tracking domain                                        | routes for recipients; anything else is 404 |
 * | any other host                                           | routes for recipients; anything else is 421 |
 *
 * Routes for recipients are the links in mails and the health checks. They answer on every host, because a mail outlives the name in its
 * links. An account chooses its tracking domain, so that name must never show the API or serve as an origin for it; the first row wins,
 * so an account cannot take the API away from its host. Without `publicUrl` and `http.hosts` nothing says what the API is called, and it
 * answers on every host except tracking domains.
 *
 * RFC 9110 §7.2 (Host), §15.5.20 (421). See also: settings/http, settings/tracking, http/app.
 */
import { Fault } from '../../errors.ts'
import { isLoopback } from '../../net/peer-network.ts'
import type { Telemetry } from '../../telemetry.ts'
import type { HttpServer } from '../server/http-server.ts'
import { sendProblem } from '../server/problem.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route is for recipients of mails, or for health checks: it answers on every host. */
    readonly servesEveryHost?: boolean
  }
}

/** Route options of a route for recipients. */
export const EVERY_HOST = { servesEveryHost: true } as const

export type HostFilterOptions = {
  /** The host of `publicUrl`, `http.hosts`, and `http.host` unless it is a wildcard; in any spelling. */
  readonly ownHosts: readonly string[]
  /** Whether only `ownHosts` and loopback serve the API. */
  readonly isClosed: boolean
  /** Takes a normalised name. */
  readonly isTrackingDomain: (host: string) => Promise<boolean>
}

/** Names longer than a domain are no host of ours, and are not looked up. */
const MAX_HOST_LENGTH = 260

/**
 * The host of a Host header without its port, in lower case. Total: text that is no host comes back unchanged or shorter, and equals no name.
 *
 *     normaliseHost('T.Example.com.:8443') → 't.example.com'
 *     normaliseHost('[::1]:8080') → '::1'
 */
function normaliseHost(header: string): string {
  const host = header.slice(0, MAX_HOST_LENGTH).trim().toLowerCase()
  const literal = /^\[([0-9a-f:.]+)\](?::\d{0,5})?$/.exec(host)
  if (literal !== null) return literal[1] ?? ''
  return host.replace(/:\d{0,5}$/, '').replace(/\.$/, '')
}

/** Adds the filter to all routes that are registered afterwards. A refusal is a problem, also for the compatible APIs. */
export function addHostFilter(server: HttpServer, telemetry: Telemetry, { ownHosts, isClosed, isTrackingDomain }: HostFilterOptions): void {
  const own = new Set(ownHosts.map(normaliseHost))
  const refusalOf = async (host: string): Promise<Fault | null> => {
    if (own.has(host) || isLoopback(host)) return null
    if (await isTrackingDomain(host)) return new Fault('not_found', 'no route matches this URL')
    return isClosed ? new Fault('wrong_host', WRONG_HOST) : null
  }
  server.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.servesEveryHost === true) return
    const refusal = await refusalOf(normaliseHost(request.host))
    if (refusal !== null) return sendProblem(telemetry, refusal, request, reply)
  })
}

const WRONG_HOST = 'this host is not served: use the host of publicUrl, or add it to http.hosts (BOUNCED_HTTP_HOSTS)'
