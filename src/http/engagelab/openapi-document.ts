/**
 * openapi-document - the OpenAPI document of the EngageLab API, generated from a table
 *
 * A test compares the table with the routes. See also: docs/SENDCLOUD.md, http/engagelab/routes, http/server/openapi.
 */

/** The parameters of each operation; `*` marks a required one. */
const ENGAGELAB_OPERATION_DOCS = [
  [
    'GET',
    '/v1/email_status',
    'List messages with their status',
    'send_date* email email_ids api_user label_id status sub_status offset limit',
  ],
  ['POST', '/v1/mail/send', 'Send an email', 'from* to* body* custom_args request_id'],
  ['POST', '/v1/mail/send_mime', 'Send an email that is MIME already', 'body* from to custom_args request_id'],
  ['POST', '/v1/mail/sendtemplate', 'Always refused: templates are not supported', 'body'],
  ['POST', '/v1/mail/sendcalendar', 'Always refused: calendars are not supported', 'body'],
  ['GET', '/v1/labels', 'List labels', 'label_name offset limit'],
  ['POST', '/v1/labels', 'Add a label', 'label_name*'],
  ['GET', '/v1/labels/{label_id}', 'Read a label', 'label_id*'],
  ['PUT', '/v1/labels/{label_id}', 'Rename a label', 'label_id* label_name*'],
  ['DELETE', '/v1/labels/{label_id}', 'Remove a label', 'label_id*'],
  ['GET', '/v1/stats_day', 'Statistics by day', 'start_date* end_date* api_users label_ids domain_names aggregate_by time_zone'],
  ['GET', '/v1/stats_hour', 'Statistics by hour', 'start_date* end_date* api_users label_ids aggregate_by time_zone'],
  ['GET', '/v1/bounces', 'List the bounce list', 'start_date end_date email offset limit'],
  ['GET', '/v1/complaints', 'List the complaint list', 'start_date end_date email offset limit'],
  ['DELETE', '/v1/complaints', 'Remove from the complaint list', 'email start_date end_date'],
  ['GET', '/v1/unsubscribes', 'List unsubscribes', 'start_date end_date email offset limit'],
  ['POST', '/v1/unsubscribes', 'Unsubscribe an address', 'email*'],
  ['DELETE', '/v1/unsubscribes', 'Remove an unsubscribe', 'email start_date end_date'],
  ['GET', '/v1/blocks', 'List blocked addresses and domains', 'email_or_domain offset limit'],
  ['POST', '/v1/blocks', 'Block an address or a domain', 'email_or_domain*'],
  ['DELETE', '/v1/blocks', 'Unblock an address or a domain', 'email_or_domain*'],
  ['GET', '/v1/no_interceptions', 'List addresses and domains that bypass the bounce list', 'email_or_domain offset limit'],
  ['POST', '/v1/no_interceptions', 'Let an address or a domain bypass the bounce list', 'email_or_domain*'],
  ['DELETE', '/v1/no_interceptions', 'Remove a bypass', 'email_or_domain*'],
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

/** Operations that return one object. */
const SINGLE_RESPONSES = /^\/v1\/(?:mail\/|labels\/)/

/** A list, one or more values separated by semicolons, or an object. */
const FIELD_TYPES: Readonly<Record<string, readonly string[]>> = { body: ['object'], custom_args: ['object'] }

function createOperationObject([method, url, summary, parameters]: (typeof ENGAGELAB_OPERATION_DOCS)[number]): object {
  const all = parameters.split(' ').map((token) => ({ name: token.replace('*', ''), required: token.endsWith('*') }))
  const inPath = all.filter(({ name }) => url.includes(`{${name}}`))
  const fields = all.filter((field) => !inPath.includes(field))
  const pathParameters = inPath.map(({ name }) => ({ name, in: 'path', required: true, schema: { type: 'string' } }))
  const responses = {
    200: SINGLE_RESPONSES.test(url)
      ? createJsonResponse('The result', { type: 'object' })
      : createJsonResponse('The matching or changed entries', LIST_RESPONSE_SCHEMA),
    default: createJsonResponse('An error', ERROR_SCHEMA),
  }
  if (method !== 'POST' && method !== 'PUT')
    return {
      summary,
      parameters: [...pathParameters, ...fields.map(({ name, required }) => ({ name, in: 'query', required, schema: { type: 'string' } }))],
      responses,
    }
  const schema = {
    type: 'object',
    properties: Object.fromEntries(fields.map(({ name }) => [name, { type: FIELD_TYPES[name] ?? ['string', 'array'] }])),
    required: fields.flatMap(({ name, required }) => (required ? [name] : [])),
  }
  return { summary, parameters: pathParameters, requestBody: { content: { 'application/json': { schema } } }, responses }
}

/** Builds the document. Pure. */
export function createEngageLabDocument(): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const row of ENGAGELAB_OPERATION_DOCS) paths[row[1]] = { ...paths[row[1]], [row[0].toLowerCase()]: createOperationObject(row) }
  return {
    openapi: '3.1.0',
    info: { title: 'bounced: EngageLab-compatible API', version: '1', description: 'HTTP Basic `api_user:api_key`; JSON.' },
    components: { securitySchemes: { basic: { type: 'http', scheme: 'basic' } } },
    security: [{ basic: [] }],
    paths,
  }
}
