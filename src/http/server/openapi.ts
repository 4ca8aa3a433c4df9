/**
 * openapi - the OpenAPI documents: our own API from the schemas of its routes, the compatible APIs from their tables
 *
 * A document is built with the first request. For our own document, the routes are added to a second, internal server that never listens, so that
 * the generator is loaded only when it is needed. Each operation lists its successful responses and one problem response (RFC 9457).
 *
 * OpenAPI 3.1. See also: http/server/docs (the page), http/sendcloud/openapi-document, http/engagelab/openapi-document.
 */
import { z } from 'zod'
import { createEngageLabDocument } from '../engagelab/openapi-document.ts'
import { PROBLEM_TYPE, problemSchema } from './problem.ts'
import type { HttpServer } from './http-server.ts'
import { addOperationNote } from '../openapi/described-operation.ts'
import { createSendCloudDocument } from '../sendcloud/openapi-document.ts'

/** The URL and the name of each document. */
export const DOCUMENTS = [
  { url: '/openapi.json', name: 'bounced' },
  { url: '/openapi/sendcloud.json', name: 'SendCloud-compatible API' },
  { url: '/openapi/engagelab.json', name: 'EngageLab-compatible API' },
] as const

const API_DESCRIPTION = `Times are in ISO 8601, in UTC. Errors are problem+json (RFC 9457) with a \`code\`. To get the next page, pass \`next\` as \`after\`.
Responses to GET have an ETag and support \`If-None-Match\`; settings and webhooks also support \`If-Match\`.
Sign in with HTTP Basic \`apiUser:apiKey\`, or with the operator’s secret as a Bearer token. The operator names an account with \`?account=apiUser\`.`

/** Adds the routes of the documents. `addRoutes` adds the routes to describe. Returns a function that builds the document of our own API. */
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
      components: {
        securitySchemes: { basic: { type: 'http', scheme: 'basic' }, bearer: { type: 'http', scheme: 'bearer' }, session: SESSION_SCHEME },
      },
      security: [{ basic: [] }, { bearer: [] }],
    },
    transform: (route) => addProblemResponse(jsonSchemaTransform(route), toOperationId(route.route.method, route.url)),
  })
  await blankServer.register(async (scope) => addRoutes(scope.withTypeProvider()))
  await blankServer.ready()
  const document = blankServer.swagger()
  await blankServer.close()
  // Checked cast: the generator wrote the document, whose operations have this shape.
  const paths = Object.entries(document.paths ?? {}) as unknown as readonly [string, Parameters<typeof addNotes>[1]][]
  return { ...document, paths: Object.fromEntries(paths.map(([path, methods]) => [path, addNotes(path, methods)])) }
}

const addNotes = (path: string, methods: Readonly<Record<string, Parameters<typeof addOperationNote>[2]>>): object =>
  Object.fromEntries(Object.entries(methods).map(([method, operation]) => [method, addOperationNote(method, path, operation)]))

/** The cookie of a page of the console (http/server/session-cookie). */
const SESSION_SCHEME = { type: 'apiKey', in: 'cookie', name: '__Host-bounced' } as const

/** The tags of routes that need no sign-in. */
const OPEN_TAGS: ReadonlySet<unknown> = new Set(['health', 'unsubscribe', 'esp-events'])

type DescribedRoute = { readonly schema: unknown; readonly url: string }

/**
 * The operation ID, which client generators use as a function name.
 *
 *     toOperationId('GET', '/v1/webhooks/:id/deliveries') → 'getWebhooksByIdDeliveries'
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

/** Adds the operation ID and the problem response, and removes the sign-in from routes that need none. */
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
