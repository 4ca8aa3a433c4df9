/**
 * docs - the page `/docs`, which shows the OpenAPI documents with Swagger UI
 *
 * Swagger UI is served from its package, so no other host is contacted. It is loaded with the first request, on an internal server that never
 * listens. The page may load its own scripts and styles and call this daemon, and nothing else.
 *
 * See also: http/server/openapi.
 */
import type { FastifyReply } from 'fastify'
import { DOCUMENTS } from './openapi.ts'
import type { HttpServer } from './http-server.ts'

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  // The digest of the one style rule that the page adds to itself.
  "style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='",
  // The icons are data URLs in its styles.
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

/** The files change only with a release of this daemon. */
const STATIC_CACHE = 'public, max-age=3600'

/** Adds the page. `buildDocument` returns the document of our own API. */
export function addDocsRoutes(
  server: HttpServer,
  createBlankServer: () => Promise<HttpServer>,
  buildDocument: () => Promise<object>,
): void {
  let docsServer: Promise<HttpServer> | null = null
  const serve = async (url: string, reply: FastifyReply): Promise<FastifyReply> => {
    docsServer ??= createDocsServer(createBlankServer, buildDocument)
    const response = await (await docsServer).inject({ method: 'GET', url })
    const type = response.headers['content-type']
    if (url.includes('/static/')) void reply.header('cache-control', STATIC_CACHE)
    const { location } = response.headers
    if (typeof location === 'string') void reply.header('location', location)
    return reply
      .code(response.statusCode)
      .header('content-security-policy', CONTENT_SECURITY_POLICY)
      .type(typeof type === 'string' ? type : 'application/octet-stream')
      .send(response.rawPayload)
  }
  const schema = { hide: true }
  server.get('/docs', { schema }, (_request, reply) => serve('/docs', reply))
  server.get('/docs/*', { schema }, (request, reply) => serve(request.url, reply))
}

async function createDocsServer(createBlankServer: () => Promise<HttpServer>, buildDocument: () => Promise<object>): Promise<HttpServer> {
  const [{ default: swagger }, { default: swaggerUi }, blankServer, ownDocument] = await Promise.all([
    import('@fastify/swagger'),
    import('@fastify/swagger-ui'),
    createBlankServer(),
    buildDocument(),
  ])
  await blankServer.register(swagger, {
    mode: 'static',
    specification: { document: { openapi: '3.1.0', info: DOCUMENT_INFO, paths: {}, ...ownDocument } },
  })
  await blankServer.register(swaggerUi, {
    routePrefix: '/docs',
    theme: { title: 'bounced: API' },
    logo: { type: 'image/svg+xml', content: Buffer.from(LOGO) },
    uiConfig: { urls: DOCUMENTS.map((each) => ({ ...each })), docExpansion: 'list', deepLinking: true, tryItOutEnabled: false },
  })
  await blankServer.ready()
  return blankServer
}

const LOGO =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 130 40"><text x="0" y="28" fill="#fff" font-family="sans-serif" font-size="26" font-weight="bold">bounced</text></svg>'

const DOCUMENT_INFO = { title: 'bounced', version: '1' }
