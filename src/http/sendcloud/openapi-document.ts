/**
 * openapi-document - SendCloud's face as an OpenAPI document, out of a table
 *
 * Its routes take query, form and multipart alike and check their parameters by tables of their own, so that no framework's words reach a
 * client: this table says the same for readers. A test holds it against the operations that there are.
 *
 * See also: http/sendcloud/routes, http/server/openapi, docs/SENDCLOUD.md.
 */
import { CODES } from './envelope.ts'

/** Parameters of one operation; `*`: required. */
type Line = readonly [operation: string, summary: string, parameters: string]

const WINDOW = 'days startDate endDate'
const PAGE = 'start limit'

export const LINES: readonly Line[] = [
  ['data/emailStatus', 'What became of mails', `email emailIds labelId labelName ${WINDOW} apiUserList status subStatus ${PAGE}`],
  [
    'mail/send',
    'Send a mail',
    'from* to subject* html plain fromName cc bcc replyTo labelId labelName headers xsmtpapi sendRequestId respEmailId',
  ],
  ['bounce/list', 'The bounce list', `${WINDOW} email ${PAGE}`],
  ['bounce/count', 'How many stand on it', WINDOW],
  ['bounce/delete', 'Take off the bounce list', `email ${WINDOW}`],
  ['complaint/list', 'The complaint list', `${WINDOW} email ${PAGE}`],
  ['complaint/count', 'How many stand on it', WINDOW],
  ['complaint/delete', 'Take off the complaint list', `email ${WINDOW}`],
  ['spamreported/list', 'complaint/list by its old name', `${WINDOW} email ${PAGE}`],
  ['spamreported/count', 'complaint/count by its old name', WINDOW],
  ['spamreported/delete', 'complaint/delete by its old name', `email ${WINDOW}`],
  ['unsubscribe/list', 'Who has unsubscribed', `${WINDOW} email apiUserList labelIdList labelNameList ${PAGE}`],
  ['unsubscribe/count', 'How many have', WINDOW],
  ['unsubscribe/add', 'Unsubscribe an address', 'email*'],
  ['unsubscribe/delete', 'Let an address subscribe again', `email ${WINDOW}`],
  ['block/list', 'Blocked addresses and domains', `apiUserBlock domainName email ${WINDOW} ${PAGE}`],
  ['block/add', 'Block an address or a domain', 'apiUserBlock email domainName expireTime'],
  ['block/delete', 'Unblock', 'apiUserBlock email domainName'],
  ['unintercept/list', 'What is let through the bounce list', `apiUserName domainName email ${PAGE}`],
  ['unintercept/add', 'Let an address or a domain through', 'apiUserName domainName email'],
  ['unintercept/delete', 'Let it through no more', 'apiUserName domainName email'],
  ['statday/list', 'Figures by day', `${WINDOW} apiUserList labelIdList labelNameList domainList aggregate`],
  ['stathour/list', 'Figures by hour', `${WINDOW} apiUserList labelIdList labelNameList aggregate`],
  ['invalidstat/list', 'Invalid addresses by cause', `${WINDOW} apiUserList labelIdList labelNameList domainList aggregate`],
  ['openandclick/list', 'Opens and clicks', `${WINDOW} trackType email apiUserList labelId labelName ${PAGE}`],
  ['label/list', 'Labels', `query ${PAGE}`],
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

const ENVELOPE = {
  type: 'object',
  properties: {
    result: { type: 'boolean' },
    statusCode: { type: 'integer', description: '200, or why not' },
    message: { type: 'string' },
    info: { type: 'object' },
  },
  required: ['result', 'statusCode', 'message', 'info'],
} as const

const QUEUE_STATUS = {
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

type Call = { readonly summary: string; readonly parameters: string; readonly answer: object; readonly tag: string }

const named = (text: string): readonly { readonly name: string; readonly required: boolean }[] =>
  text
    .split(' ')
    .filter(Boolean)
    .map((word) => ({ name: word.replace('*', ''), required: word.endsWith('*') }))

function operationsOf({ summary, parameters, answer, tag }: Call): object {
  const fields = named(parameters)
  const responses = {
    200: { description: 'The envelope, whatever comes', content: { 'application/json': { schema: answer } } },
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
export function vendorDocument(): object {
  const credentials = 'apiUser* apiKey*'
  const paths = LINES.map(([operation, summary, own]) => {
    const [tag = ''] = operation.split('/')
    return [`/api/${operation}`, operationsOf({ summary, parameters: `${credentials} ${own}`, answer: ENVELOPE, tag })] as const
  })
  const queue = { summary: 'Where mail waits', parameters: 'api_user* api_key*', answer: QUEUE_STATUS, tag: 'queue' }
  const codes = Object.entries(CODES).map(([code, words]) => `| ${code} | ${words} |`)
  return {
    openapi: '3.1.0',
    info: {
      title: 'bounced: SendCloud’s face',
      version: '1',
      description: `Every operation answers GET and POST alike, under /api and /apiv2, with HTTP 200; \`statusCode\` says what came of it.\n\n| code | meaning |\n|---|---|\n${codes.join('\n')}`,
    },
    paths: { ...Object.fromEntries(paths), '/webapi/queueStatus.get.json': operationsOf(queue) },
  }
}
