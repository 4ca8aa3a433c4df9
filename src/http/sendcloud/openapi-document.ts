/**
 * openapi-document - SendCloud's face as an OpenAPI document, out of a table
 *
 * Its routes take query, form and multipart alike and check their parameters by tables of their own, so that no framework's words reach a
 * client: this table says the same for readers. A test holds it against the operations that there are.
 *
 * See also: http/sendcloud/routes, http/server/openapi, docs/SENDCLOUD.md.
 */
import { SENDCLOUD_MESSAGES } from './envelope.ts'

/** Parameters of one operation; `*`: required. */
type OperationDocLine = readonly [operation: string, summary: string, parameters: string]

const WINDOW_PARAMETERS = 'days startDate endDate'
const PAGING_PARAMETERS = 'start limit'

export const SENDCLOUD_OPERATION_DOCS: readonly OperationDocLine[] = [
  [
    'data/emailStatus',
    'What became of mails',
    `email emailIds labelId labelName ${WINDOW_PARAMETERS} apiUserList status subStatus ${PAGING_PARAMETERS}`,
  ],
  [
    'mail/send',
    'Send a mail',
    'from* to subject* html plain fromName cc bcc replyTo labelId labelName headers xsmtpapi sendRequestId respEmailId',
  ],
  ['bounce/list', 'The bounce list', `${WINDOW_PARAMETERS} email ${PAGING_PARAMETERS}`],
  ['bounce/count', 'How many stand on it', WINDOW_PARAMETERS],
  ['bounce/delete', 'Take off the bounce list', `email ${WINDOW_PARAMETERS}`],
  ['complaint/list', 'The complaint list', `${WINDOW_PARAMETERS} email ${PAGING_PARAMETERS}`],
  ['complaint/count', 'How many stand on it', WINDOW_PARAMETERS],
  ['complaint/delete', 'Take off the complaint list', `email ${WINDOW_PARAMETERS}`],
  ['spamreported/list', 'complaint/list by its old name', `${WINDOW_PARAMETERS} email ${PAGING_PARAMETERS}`],
  ['spamreported/count', 'complaint/count by its old name', WINDOW_PARAMETERS],
  ['spamreported/delete', 'complaint/delete by its old name', `email ${WINDOW_PARAMETERS}`],
  ['unsubscribe/list', 'Who has unsubscribed', `${WINDOW_PARAMETERS} email apiUserList labelIdList labelNameList ${PAGING_PARAMETERS}`],
  ['unsubscribe/count', 'How many have', WINDOW_PARAMETERS],
  ['unsubscribe/add', 'Unsubscribe an address', 'email*'],
  ['unsubscribe/delete', 'Let an address subscribe again', `email ${WINDOW_PARAMETERS}`],
  ['block/list', 'Blocked addresses and domains', `apiUserBlock domainName email ${WINDOW_PARAMETERS} ${PAGING_PARAMETERS}`],
  ['block/add', 'Block an address or a domain', 'apiUserBlock email domainName expireTime'],
  ['block/delete', 'Unblock', 'apiUserBlock email domainName'],
  ['unintercept/list', 'What is let through the bounce list', `apiUserName domainName email ${PAGING_PARAMETERS}`],
  ['unintercept/add', 'Let an address or a domain through', 'apiUserName domainName email'],
  ['unintercept/delete', 'Let it through no more', 'apiUserName domainName email'],
  ['statday/list', 'Figures by day', `${WINDOW_PARAMETERS} apiUserList labelIdList labelNameList domainList aggregate`],
  ['stathour/list', 'Figures by hour', `${WINDOW_PARAMETERS} apiUserList labelIdList labelNameList aggregate`],
  ['invalidstat/list', 'Invalid addresses by cause', `${WINDOW_PARAMETERS} apiUserList labelIdList labelNameList domainList aggregate`],
  ['openandclick/list', 'Opens and clicks', `${WINDOW_PARAMETERS} trackType email apiUserList labelId labelName ${PAGING_PARAMETERS}`],
  ['label/list', 'Labels', `query ${PAGING_PARAMETERS}`],
  ['label/get', 'One label', 'labelId*'],
  ['label/add', 'Add a label', 'labelName*'],
  ['label/update', 'Rename a label', 'labelId* labelName*'],
  ['label/delete', 'Remove a label', 'labelId*'],
  ['userinfo/get', 'The account', ''],
  ['webhook/list', 'Webhooks', ''],
  ['webhook/add', 'Add a webhook', 'url* event* categoryName'],
  ['webhook/update', 'Change a webhook', 'webhookId url event categoryName'],
  ['webhook/delete', 'Remove a webhook', 'webhookId url'],
]

const ENVELOPE_SCHEMA = {
  type: 'object',
  properties: {
    result: { type: 'boolean' },
    statusCode: { type: 'integer', description: '200, or why not' },
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
          timeout: { type: ['integer', 'null'], description: 'Seconds; null when running' },
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
    200: { description: 'The envelope, whatever comes', content: { 'application/json': { schema: responseSchema } } },
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

/** The document. Pure. */
export function createSendCloudDocument(): object {
  const credentials = 'apiUser* apiKey*'
  const paths = SENDCLOUD_OPERATION_DOCS.map(([operation, summary, ownParameters]) => {
    const [tag = ''] = operation.split('/')
    return [
      `/api/${operation}`,
      createPathItem({ summary, parameters: `${credentials} ${ownParameters}`, responseSchema: ENVELOPE_SCHEMA, tag }),
    ] as const
  })
  const queue = { summary: 'Where mail waits', parameters: 'api_user* api_key*', responseSchema: QUEUE_STATUS_SCHEMA, tag: 'queue' }
  const codes = Object.entries(SENDCLOUD_MESSAGES).map(([code, message]) => `| ${code} | ${message} |`)
  return {
    openapi: '3.1.0',
    info: {
      title: 'bounced: SendCloud’s face',
      version: '1',
      description: `Every operation answers GET and POST alike, under /api and /apiv2, with HTTP 200; \`statusCode\` says what came of it.\n\n| code | meaning |\n|---|---|\n${codes.join('\n')}`,
    },
    paths: { ...Object.fromEntries(paths), '/webapi/queueStatus.get.json': createPathItem(queue) },
  }
}
