/**
 * server - the HTTP server's skeleton: schemas, errors, ids, metrics, and the faces that hang on it
 *
 * A route is a schema and a few lines. Whatever it throws becomes a problem (http/server/problem); the vendor's face has an envelope of its own.
 * Answers carry no cookie, reflect nothing, and may not be framed or sniffed.
 *
 * See also: web/routes (the table of routes), http/sendcloud/routes.
 */
import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { Fault } from '../../errors.ts'
import type { Telemetry } from '../../telemetry.ts'
import { addBodyLimits, HTTP_LIMITS, type HttpLimits } from './body-limits.ts'
import { addFormParser } from './forms.ts'
import type { HttpServer } from './http-server.ts'
import { collectMethods } from './methods.ts'
import { sendProblem } from './problem.ts'

export type HttpServerOptions = {
  readonly telemetry: Telemetry
  readonly bodyBytes: number
  readonly trustProxy: boolean
  /** What strangers may hold; the defaults where nothing is said. */
  readonly httpLimits?: HttpLimits
}

/** What every answer carries: it is data for programs. The one page has a policy of its own (http/api/unsubscribe). */
const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'cache-control': 'no-store',
} as const

/** How often Node looks for requests that are late. */
const TIMEOUT_CHECK_INTERVAL_MS = 1_000

/** A server without routes, not yet listening. */
export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { telemetry, httpLimits = HTTP_LIMITS } = options
  const server = Fastify({
    requestTimeout: httpLimits.requestSeconds * 1_000,
    http: {
      headersTimeout: Math.min(httpLimits.headerSeconds, httpLimits.requestSeconds) * 1_000,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
    },
    logger: false,
    bodyLimit: options.bodyBytes,
    // One hop: the address that our own proxy saw. What a client wrote before it is a claim.
    trustProxy: options.trustProxy ? (_address: string, hopIndex: number) => hopIndex === 0 : false,
    genReqId: () => randomUUID(),
    // What fails before a route is found would quote the address.
    frameworkErrors: (error, request, reply) => sendProblem(telemetry, error, request, reply.headers(SECURITY_HEADERS)),
    // Idle connections of keep-alive clients end with us at a stop.
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 1_024, ignoreTrailingSlash: true },
  }).withTypeProvider<ZodTypeProvider>()
  server.setValidatorCompiler(validatorCompiler)
  server.setSerializerCompiler(serializerCompiler)
  server.setErrorHandler((error, request, reply) => sendProblem(telemetry, error, request, reply))
  const findMethods = collectMethods(server)
  server.setNotFoundHandler((request, reply) => {
    const methods = findMethods(request.url)
    const fault =
      methods.length === 0
        ? new Fault('not_found', 'there is nothing at this address')
        : new Fault('method_not_allowed', `this address knows ${methods.join(', ')}`)
    if (methods.length > 0) void reply.header('allow', methods.join(', '))
    return sendProblem(telemetry, fault, request, reply)
  })
  server.server.maxConnections = httpLimits.connections
  addMetricsHooks(server, telemetry)
  addBodyLimits(server, { telemetry, limits: httpLimits, now: Date.now })
  await server.register((await import('@fastify/formbody')).default)
  addFormParser(server)
  return server
}

function addMetricsHooks(server: HttpServer, telemetry: Telemetry): void {
  server.addHook('onRequest', async (_request, reply) => {
    void reply.headers(SECURITY_HEADERS)
  })
  server.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none'
    telemetry.count('bounced_http_requests_total', { route, status: reply.statusCode })
    telemetry.observe('bounced_http_seconds', reply.elapsedTime / 1_000, { route })
    telemetry.log.debug({ requestId: request.id, method: request.method, route, status: reply.statusCode }, 'http request')
  })
}
