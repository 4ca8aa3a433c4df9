/**
 * docs - the page that shows every document of the API, and tries it
 *
 * Swagger UI out of its package: no other host is asked. It is loaded at the first look, on a server that never listens. The page may load
 * its own scripts and styles and speak to this daemon, and nothing else.
 *
 * See also: http/server/openapi.
 */
import type { FastifyReply } from 'fastify'
import { DOCUMENTS } from './openapi.ts'
import type { Web } from './server.ts'

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  // One rule of its own that the page writes into itself, by its digest.
  "style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='",
  // Its icons are in its styles.
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

/** A new release of the package is a new release of ours. */
const STATIC_CACHE = 'public, max-age=3600'

/** `document` gives our own document. */
export function addDocs(server: Web, makeServer: () => Promise<Web>, document: () => Promise<object>): void {
  let page: Promise<Web> | null = null
  const show = async (url: string, reply: FastifyReply): Promise<FastifyReply> => {
    page ??= makePage(makeServer, document)
    const answer = await (await page).inject({ method: 'GET', url })
    const type = answer.headers['content-type']
    if (url.includes('/static/')) void reply.header('cache-control', STATIC_CACHE)
    const { location } = answer.headers
    if (typeof location === 'string') void reply.header('location', location)
    return reply
      .code(answer.statusCode)
      .header('content-security-policy', POLICY)
      .type(typeof type === 'string' ? type : 'application/octet-stream')
      .send(answer.rawPayload)
  }
  const schema = { hide: true }
  server.get('/docs', { schema }, (_request, reply) => show('/docs', reply))
  server.get('/docs/*', { schema }, (request, reply) => show(request.url, reply))
}

async function makePage(makeServer: () => Promise<Web>, document: () => Promise<object>): Promise<Web> {
  const [{ default: swagger }, { default: swaggerUi }, blank, own] = await Promise.all([
    import('@fastify/swagger'),
    import('@fastify/swagger-ui'),
    makeServer(),
    document(),
  ])
  await blank.register(swagger, { mode: 'static', specification: { document: { openapi: '3.1.0', info: TITLE, paths: {}, ...own } } })
  await blank.register(swaggerUi, {
    routePrefix: '/docs',
    theme: { title: 'bounced: API' },
    logo: { type: 'image/svg+xml', content: Buffer.from(LOGO) },
    uiConfig: { urls: DOCUMENTS.map((each) => ({ ...each })), docExpansion: 'list', deepLinking: true, tryItOutEnabled: false },
  })
  await blank.ready()
  return blank
}

const LOGO =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 130 40"><text x="0" y="28" fill="#fff" font-family="sans-serif" font-size="26" font-weight="bold">bounced</text></svg>'

const TITLE = { title: 'bounced', version: '1' }
