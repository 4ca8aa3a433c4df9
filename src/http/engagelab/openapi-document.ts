/**
 * openapi-document - EngageLab's face as an OpenAPI document, out of a table
 *
 * A test holds the table against the routes that there are. See also: docs/SENDCLOUD.md, http/engagelab/routes, http/server/openapi.
 */

/** Parameters of one operation; `*`: required. */
export const ENGAGELAB_OPERATION_DOCS = [
  ['GET', '/v1/email_status', 'What became of mails', 'send_date* email email_ids api_user label_id status sub_status offset limit'],
  ['GET', '/v1/bounces', 'The bounce list', 'start_date end_date email offset limit'],
  ['GET', '/v1/complaints', 'The complaint list', 'start_date end_date email offset limit'],
  ['DELETE', '/v1/complaints', 'Take off the complaint list', 'email start_date end_date'],
  ['GET', '/v1/unsubscribes', 'Who has unsubscribed', 'start_date end_date email offset limit'],
  ['POST', '/v1/unsubscribes', 'Unsubscribe an address', 'email*'],
  ['DELETE', '/v1/unsubscribes', 'Let an address subscribe again', 'email start_date end_date'],
  ['GET', '/v1/blocks', 'Blocked addresses and domains', 'email_or_domain offset limit'],
  ['POST', '/v1/blocks', 'Block an address or a domain', 'email_or_domain*'],
  ['DELETE', '/v1/blocks', 'Unblock', 'email_or_domain*'],
  ['GET', '/v1/no_interceptions', 'What is let through the bounce list', 'email_or_domain offset limit'],
  ['POST', '/v1/no_interceptions', 'Let an address or a domain through', 'email_or_domain*'],
  ['DELETE', '/v1/no_interceptions', 'Let it through no more', 'email_or_domain*'],
] as const

const LIST_RESPONSE_SCHEMA = {
  type: 'object',
  properties: {
    result: { type: 'array', items: { type: 'object' } },
    count: { type: 'integer' },
    total: { type: 'integer' },
  },
  required: ['result', 'count', 'total'],
} as const

const ERROR_SCHEMA = {
  type: 'object',
  properties: { code: { type: 'integer' }, message: { type: 'string' } },
  required: ['code', 'message'],
} as const

const createJsonResponse = (description: string, schema: object): object => ({ description, content: { 'application/json': { schema } } })

function createOperationObject(method: string, summary: string, parameters: string): object {
  const fields = parameters.split(' ').map((token) => ({ name: token.replace('*', ''), required: token.endsWith('*') }))
  const responses = {
    200: createJsonResponse('What was found, or done', LIST_RESPONSE_SCHEMA),
    default: createJsonResponse('Why not', ERROR_SCHEMA),
  }
  if (method !== 'POST')
    return {
      summary,
      parameters: fields.map(({ name, required }) => ({ name, in: 'query', required, schema: { type: 'string' } })),
      responses,
    }
  const schema = {
    type: 'object',
    properties: Object.fromEntries(fields.map(({ name }) => [name, { type: ['string', 'array'] }])),
    required: fields.flatMap(({ name, required }) => (required ? [name] : [])),
  }
  return { summary, requestBody: { content: { 'application/json': { schema } } }, responses }
}

/** The document. Pure. */
export function createEngageLabDocument(): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const [method, url, summary, parameters] of ENGAGELAB_OPERATION_DOCS)
    paths[url] = { ...paths[url], [method.toLowerCase()]: createOperationObject(method, summary, parameters) }
  return {
    openapi: '3.1.0',
    info: { title: 'bounced: EngageLab’s face', version: '1', description: 'HTTP Basic `api_user:api_key`; JSON.' },
    components: { securitySchemes: { basic: { type: 'http', scheme: 'basic' } } },
    security: [{ basic: [] }],
    paths,
  }
}
