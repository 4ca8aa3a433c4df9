/**
 * openapi-document - the OpenAPI document of the SendCloud API, generated from a table
 *
 * The routes accept query, form and multipart form, and validate their parameters with their own tables, so the framework cannot generate this
 * document. A test compares the table with the operations.
 *
 * See also: http/sendcloud/routes, http/server/openapi, docs/SENDCLOUD.md.
 */
import { SENDCLOUD_MESSAGES } from './envelope.ts'

/** The parameters of one operation; `*` marks a required one. */
type OperationDocLine = readonly [operation: string, summary: string, parameters: string]

const WINDOW_PARAMETERS = 'days startDate endDate'
const PAGING_PARAMETERS = 'start limit'

const SENDCLOUD_OPERATION_DOCS: readonly OperationDocLine[] = [
  [
    'data/emailStatus',
    'List messages with their status',
    `email emailIds labelId labelName ${WINDOW_PARAMETERS} apiUserList status subStatus ${PAGING_PARAMETERS}`,
  ],
  [
    'mail/send',
    'Send an email',
    'from* to subject* html plain fromName cc bcc replyTo labelId labelName headers xsmtpapi useNotification dispositionNotificationTo contentSummary sendRequestId respEmailId',
  ],
  ['bounce/list', 'List the bounce list', `${WINDOW_PARAMETERS} email ${PAGING_PARAMETERS}`],
  ['bounce/count', 'Count the entries', WINDOW_PARAMETERS],
  ['bounce/delete', 'Remove from the bounce list', `email ${WINDOW_PARAMETERS}`],
  ['complaint/list', 'List the complaint list', `${WINDOW_PARAMETERS} email ${PAGING_PARAMETERS}`],
  ['complaint/count', 'Count the entries', WINDOW_PARAMETERS],
  ['complaint/delete', 'Remove from the complaint list', `email ${WINDOW_PARAMETERS}`],
  ['spamreported/list', 'The old name of complaint/list', `${WINDOW_PARAMETERS} email ${PAGING_PARAMETERS}`],
  ['spamreported/count', 'The old name of complaint/count', WINDOW_PARAMETERS],
  ['spamreported/delete', 'The old name of complaint/delete', `email ${WINDOW_PARAMETERS}`],
  ['unsubscribe/list', 'List unsubscribes', `${WINDOW_PARAMETERS} email apiUserList labelIdList labelNameList ${PAGING_PARAMETERS}`],
  ['unsubscribe/count', 'Count unsubscribes', WINDOW_PARAMETERS],
  ['unsubscribe/add', 'Unsubscribe an address', 'email*'],
  ['unsubscribe/delete', 'Remove an unsubscribe', `email ${WINDOW_PARAMETERS}`],
  ['block/list', 'List blocked addresses and domains', `apiUserBlock domainName email ${WINDOW_PARAMETERS} ${PAGING_PARAMETERS}`],
  ['block/add', 'Block an address or a domain', 'apiUserBlock email domainName expireTime'],
  ['block/delete', 'Unblock an address or a domain', 'apiUserBlock email domainName'],
  ['unintercept/list', 'List addresses and domains that bypass the bounce list', `apiUserName domainName email ${PAGING_PARAMETERS}`],
  ['unintercept/add', 'Let an address or a domain bypass the bounce list', 'apiUserName domainName email'],
  ['unintercept/delete', 'Remove a bypass', 'apiUserName domainName email'],
  ['statday/list', 'Statistics by day', `${WINDOW_PARAMETERS} apiUserList labelIdList labelNameList domainList aggregate`],
  ['stathour/list', 'Statistics by hour', `${WINDOW_PARAMETERS} apiUserList labelIdList labelNameList aggregate`],
  ['invalidstat/list', 'Count invalid emails by cause', `${WINDOW_PARAMETERS} apiUserList labelIdList labelNameList domainList aggregate`],
  ['openandclick/list', 'List opens and clicks', `${WINDOW_PARAMETERS} trackType email apiUserList labelId labelName ${PAGING_PARAMETERS}`],
  ['label/list', 'List labels', `query ${PAGING_PARAMETERS}`],
  ['label/get', 'Read a label', 'labelId*'],
  ['label/add', 'Add a label', 'labelName*'],
  ['label/update', 'Rename a label', 'labelId* labelName*'],
  ['label/delete', 'Remove a label', 'labelId*'],
  ['userinfo/get', 'Read the account', ''],
  ['webhook/list', 'List webhooks', 'url categoryName event'],
  ['webhook/add', 'Add a webhook', 'url* event* categoryName'],
  ['webhook/update', 'Change a webhook', 'webhookId url event categoryName newUrl newCategoryName newEvent'],
  ['webhook/delete', 'Remove a webhook', 'webhookId url'],
]

const ENVELOPE_SCHEMA = {
  type: 'object',
  properties: {
    result: { type: 'boolean' },
    statusCode: { type: 'integer', description: '200 for success, or an error code' },
    message: { type: 'string' },
    info: { type: 'object' },
  },
  required: ['result', 'statusCode', 'message', 'info'],
} as const

const QUEUE_STATUS_SCHEMA = {
  type: 'object',
  properties: {
    message: { type: 'string' },
    queueStatus: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          apiUser: { type: 'string' },
          domain: { type: 'string' },
          isStop: { type: 'boolean' },
          reason: { type: 'string' },
          timeout: { type: ['integer', 'null'], description: 'Seconds; null for a running lane' },
          unRequestNum: { type: 'integer' },
        },
      },
    },
  },
  required: ['message'],
} as const

type OperationDoc = { readonly summary: string; readonly parameters: string; readonly responseSchema: object; readonly tag: string }

const readParameterNames = (text: string): readonly { readonly name: string; readonly required: boolean }[] =>
  text
    .split(' ')
    .filter(Boolean)
    .map((token) => ({ name: token.replace('*', ''), required: token.endsWith('*') }))

function createPathItem({ summary, parameters, responseSchema, tag }: OperationDoc): object {
  const fields = readParameterNames(parameters)
  const responses = {
    200: { description: 'The envelope, for success and errors', content: { 'application/json': { schema: responseSchema } } },
  }
  const query = fields.map(({ name, required }) => ({ name, in: 'query', required, schema: { type: 'string' } }))
  const form = {
    type: 'object',
    properties: Object.fromEntries(fields.map(({ name }) => [name, { type: 'string' }])),
    required: fields.flatMap(({ name, required }) => (required ? [name] : [])),
  }
  const content = { 'application/x-www-form-urlencoded': { schema: form }, 'multipart/form-data': { schema: form } }
  return {
    get: { summary, tags: [tag], parameters: query, responses },
    post: { summary, tags: [tag], requestBody: { content }, responses },
  }
}

/** Builds the document. Pure. */
export function createSendCloudDocument(): object {
  const credentials = 'apiUser* apiKey*'
  const paths = SENDCLOUD_OPERATION_DOCS.map(([operation, summary, ownParameters]) => {
    const [tag = ''] = operation.split('/')
    return [
      `/api/${operation}`,
      createPathItem({ summary, parameters: `${credentials} ${ownParameters}`, responseSchema: ENVELOPE_SCHEMA, tag }),
    ] as const
  })
  const queue = { summary: 'Read the queue status', parameters: 'api_user* api_key*', responseSchema: QUEUE_STATUS_SCHEMA, tag: 'queue' }
  const codes = Object.entries(SENDCLOUD_MESSAGES).map(([code, message]) => `| ${code} | ${message} |`)
  return {
    openapi: '3.1.0',
    info: {
      title: 'bounced: SendCloud-compatible API',
      version: '1',
      description: `Every operation accepts GET and POST, under /api and /apiv2. The response is always HTTP 200; \`statusCode\` is the outcome.\n\n| code | meaning |\n|---|---|\n${codes.join('\n')}`,
    },
    paths: { ...Object.fromEntries(paths), '/webapi/queueStatus.get.json': createPathItem(queue) },
  }
}
