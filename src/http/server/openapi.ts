/**
 * openapi - a document for each face, made when somebody first asks: ours out of the schemas of its routes, the compatible ones out of their tables
 *
 * Our routes are hung a second time on a server that never listens, so that the generator is loaded only then. Every operation names
 * its good answers; that all else is a problem (RFC 9457) is said once for each.
 *
 * OpenAPI 3.1. See also: http/server/docs (the page), http/sendcloud/openapi-document, http/engagelab/openapi-document.
 */
import { z } from 'zod'
import { createEngageLabDocument } from '../engagelab/openapi-document.ts'
import { PROBLEM_TYPE, problemSchema } from './problem.ts'
import type { HttpServer } from './http-server.ts'
import { createSendCloudDocument } from '../sendcloud/openapi-document.ts'

/** Where each document is, and what it is called. */
export const DOCUMENTS = [
  { url: '/openapi.json', name: 'bounced' },
  { url: '/openapi/sendcloud.json', name: 'SendCloud’s face' },
  { url: '/openapi/engagelab.json', name: 'EngageLab’s face' },
] as const

const API_DESCRIPTION = `Times are ISO 8601 in UTC. Errors are problem+json (RFC 9457), told apart by \`code\`. Pages: pass \`next\` as \`after\`.
Answers to GET carry an ETag; \`If-None-Match\` is heeded, and \`If-Match\` where settings and webhooks are changed.
Sign in by HTTP Basic \`apiUser:apiKey\`, or by Bearer with the operator’s secret; the operator names an account by \`?account=apiUser\`.`

/** `addRoutes` hangs the routes that our own document shall describe. The answer gives that document. */
export function addOpenApiRoutes(
  server: HttpServer,
  createBlankServer: () => Promise<HttpServer>,
  addRoutes: (server: HttpServer) => void,
): () => Promise<object> {
  let ownDocument: Promise<object> | null = null
  const getOwnDocument = (): Promise<object> => (ownDocument ??= buildOwnDocument(createBlankServer, addRoutes))
  const builders = [
    getOwnDocument,
    () => Promise.resolve(createSendCloudDocument()),
    () => Promise.resolve(createEngageLabDocument()),
  ] as const
  for (const [at, { url, name }] of DOCUMENTS.entries()) {
    const schema = { summary: `The OpenAPI document of ${name}`, tags: ['health'], hide: true }
    server.get(url, { schema }, async (_request, reply) => reply.type('application/json').send(await builders[at]?.()))
  }
  return getOwnDocument
}

async function buildOwnDocument(createBlankServer: () => Promise<HttpServer>, addRoutes: (server: HttpServer) => void): Promise<object> {
  const [{ default: swagger }, { jsonSchemaTransform }, blankServer] = await Promise.all([
    import('@fastify/swagger'),
    import('fastify-type-provider-zod'),
    createBlankServer(),
  ])
  await blankServer.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'bounced', version: '1', description: API_DESCRIPTION },
      components: { securitySchemes: { basic: { type: 'http', scheme: 'basic' }, bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ basic: [] }, { bearer: [] }],
    },
    transform: (route) => addProblemResponse(jsonSchemaTransform(route), toOperationId(route.route.method, route.url)),
  })
  await blankServer.register(async (scope) => addRoutes(scope.withTypeProvider()))
  await blankServer.ready()
  const document = blankServer.swagger()
  await blankServer.close()
  return document
}

/** Tags whose routes are open to whoever reaches the port. */
const OPEN_TAGS: ReadonlySet<unknown> = new Set(['health', 'unsubscribe'])

type DescribedRoute = { readonly schema: unknown; readonly url: string }

/**
 * The name of an operation, for programs that make clients out of the document.
 *
 *     nameOf('GET', '/v1/webhooks/:id/deliveries') → 'getWebhooksByIdDeliveries'
 */
function toOperationId(method: string | readonly string[], url: string): string {
  const parts = url.replace(/^\/v1/, '').split(/[/._-]/)
  const words = parts
    .filter((part) => part !== '')
    .map((part) => (part.startsWith(':') ? `By${capitalize(part.slice(1))}` : capitalize(part)))
  return [
    ...[method]
      .flat()
      .slice(0, 1)
      .map((each) => each.toLowerCase()),
    ...words,
  ].join('')
}

const capitalize = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1)

/** Adds its name and what every operation may answer, and takes away the sign-in where none is asked. */
function addProblemResponse<T extends DescribedRoute>(route: T, operationId: string): T {
  const schema: unknown = route.schema
  if (typeof schema !== 'object' || schema === null || 'hide' in schema) return route
  const response = 'response' in schema && typeof schema.response === 'object' ? schema.response : {}
  const tags: unknown = 'tags' in schema ? schema.tags : []
  const isOpen = Array.isArray(tags) && tags.some((tag) => OPEN_TAGS.has(tag))
  const problem = { description: 'A problem', content: { [PROBLEM_TYPE.split(';')[0] ?? '']: { schema: PROBLEM_JSON_SCHEMA } } }
  return {
    ...route,
    schema: { operationId, ...schema, ...(isOpen ? { security: [] } : {}), response: { ...response, default: problem } },
  }
}

const PROBLEM_JSON_SCHEMA = z.toJSONSchema(problemSchema)
