/**
 * openapi - the document of our own API, made from the schemas of the routes when somebody first asks
 *
 * The routes are hung a second time on a server that never listens, so that the generator is loaded only then.
 */
import type { Web } from './server.ts'

/** `addRoutes` hangs the routes that the document shall describe. */
export function addOpenApi(server: Web, makeServer: () => Promise<Web>, addRoutes: (server: Web) => void): void {
  let made: Promise<object> | null = null
  server.get('/openapi.json', { schema: { summary: 'This document', tags: ['health'] } }, async (_request, reply) => {
    made ??= describe(await makeServer(), addRoutes)
    return reply.type('application/json').send(await made)
  })
}

async function describe(blank: Web, addRoutes: (server: Web) => void): Promise<object> {
  const [{ default: swagger }, { jsonSchemaTransform }] = await Promise.all([
    import('@fastify/swagger'),
    import('fastify-type-provider-zod'),
  ])
  await blank.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'bounced', version: '1', description: 'Times are ISO 8601. Errors are problem+json (RFC 9457).' },
      components: { securitySchemes: { basic: { type: 'http', scheme: 'basic' }, bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ basic: [] }, { bearer: [] }],
    },
    transform: jsonSchemaTransform,
  })
  await blank.register(async (scope) => addRoutes(scope.withTypeProvider()))
  await blank.ready()
  return blank.swagger()
}
