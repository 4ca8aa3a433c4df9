/**
 * admin - the HTTP server for operators: health, readiness with its reason, and metrics
 *
 * It has a listener of its own, on loopback by default, so that monitoring works while strangers fill the public one, and so that the metrics
 * are not public. It has no keys, no account's data and nothing that changes anything.
 *
 * See also: http/app (the public server), daemon/listeners/http-listener (listens), settings/http (http.adminPort).
 */
import type { Telemetry } from '../telemetry.ts'
import { addHealthRoutes, addMetricsRoute } from './server/health.ts'
import { HTTP_LIMITS } from './server/http-limits.ts'
import type { HttpServer } from './server/http-server.ts'
import { createHttpServer } from './server/server.ts'

type AdminAppOptions = { readonly telemetry: Telemetry; readonly findReadinessProblem: () => Promise<string | null> }

/** A probe and a few Prometheus servers need about ten connections. No request has a body. */
const ADMIN_LIMITS = { ...HTTP_LIMITS, connections: 100 }
const ADMIN_BODY_BYTES = 1_024

/** Creates the server with its routes. It does not listen yet. */
export async function createAdminApp({ telemetry, findReadinessProblem }: AdminAppOptions): Promise<HttpServer> {
  const server = await createHttpServer({ telemetry, bodyBytes: ADMIN_BODY_BYTES, trustProxy: false, httpLimits: ADMIN_LIMITS })
  addHealthRoutes(server, { findReadinessProblem, showsReason: true })
  addMetricsRoute(server, telemetry)
  return server
}
