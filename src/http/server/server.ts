/**
 * server - creates the HTTP server: schema validation, error handling, request IDs, metrics, body limits and security headers
 *
 * An error that a route throws becomes a problem (http/server/problem); the compatible APIs set error handlers of their own. Responses do
 * not reflect input, and must not be framed or sniffed.
 *
 * See also: http/app (adds the routes).
 */
import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { Fault } from '../../errors.ts'
import type { Telemetry } from '../../telemetry.ts'
import { isEngageLabPath } from '../engagelab/paths.ts'
import { addBodyLimits } from './body-limits.ts'
import { addConnectionLimits } from './connection-limits.ts'
import { addFormParser } from './forms.ts'
import { HTTP_LIMITS, type HttpLimits } from './http-limits.ts'
import type { HttpServer } from './http-server.ts'
import { collectMethods } from './methods.ts'
import { describeError, sendProblem } from './problem.ts'
import { addChallengeFilter } from './session-cookie.ts'

export type HttpServerOptions = {
  readonly telemetry: Telemetry
  readonly bodyBytes: number
  readonly trustProxy: boolean
  /** Limits for connections and request bodies; HTTP_LIMITS by default. */
  readonly httpLimits?: HttpLimits
}

/** The headers of every response, which is data for programs. The unsubscribe page and /docs set policies of their own. */
const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'cache-control': 'no-store',
} as const

/** How often Node checks for requests that exceed a timeout. */
const TIMEOUT_CHECK_INTERVAL_MS = 1_000

/** A click link carries its target; links are at most 2,000 characters long. */
const MAX_PARAMETER_LENGTH = 2_048

/** Creates a server without routes. It does not listen yet. */
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
    // Trust one hop: the address that our own proxy saw. Earlier entries come from the client and can be forged.
    trustProxy: options.trustProxy ? (_address: string, hopIndex: number) => hopIndex === 0 : false,
    genReqId: () => randomUUID(),
    // The framework's own messages for errors before routing would quote the URL.
    frameworkErrors: (error, request, reply) => sendProblem(telemetry, error, request, reply.headers(SECURITY_HEADERS)),
    // Close idle keep-alive connections when the server stops.
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH, ignoreTrailingSlash: true },
  }).withTypeProvider<ZodTypeProvider>()
  server.setValidatorCompiler(validatorCompiler)
  server.setSerializerCompiler(serializerCompiler)
  server.setErrorHandler((error, request, reply) => sendProblem(telemetry, error, request, reply))
  const findMethods = collectMethods(server)
  addNotFoundHandler(server, telemetry, findMethods)
  addConnectionLimits(server, { telemetry, limits: httpLimits, isBehindProxy: options.trustProxy, now: () => performance.now() })
  addMetricsHooks(server, telemetry)
  addBodyLimits(server, { telemetry, limits: httpLimits, now: () => performance.now() })
  addChallengeFilter(server)
  await server.register((await import('@fastify/formbody')).default)
  addFormParser(server)
  return server
}

/** The owner of the path decides the form of the error. */
function addNotFoundHandler(server: HttpServer, telemetry: Telemetry, findMethods: ReturnType<typeof collectMethods>): void {
  server.setNotFoundHandler((request, reply) => {
    const methods = findMethods(request.url)
    const fault =
      methods.length === 0
        ? new Fault('not_found', 'no route matches this URL')
        : new Fault('method_not_allowed', `this URL supports ${methods.join(', ')}`)
    if (methods.length > 0) void reply.header('allow', methods.join(', '))
    if (!isEngageLabPath(request.url)) return sendProblem(telemetry, fault, request, reply)
    const { status, detail } = describeError(fault)
    return reply.code(status).send({ code: status, message: detail })
  })
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
