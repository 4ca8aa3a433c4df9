/**
 * requests - one valid request for every operation of our own OpenAPI document, for the tests that call all of them
 *
 * A new route fails in those tests until its request is added here, if it needs a body or other credentials.
 */
import { csrfTokenOf } from '../../src/http/server/session-cookie.ts'
import { SESSION_ID } from './fake-services.ts'
import { OPERATOR, type TestRequest, type Bench } from './bench.ts'
import { DKIM, ITEM, JOB, LABEL, MAIL_HEAD, NOW, ORDER, RECLASSIFICATION, RECORD, ROW } from './sample-rows.ts'

type Response = { readonly content?: Readonly<Record<string, { readonly schema: Record<string, unknown> }>> }
export type Operation = {
  readonly responses: Readonly<Record<string, Response>>
  readonly operationId?: string
  readonly security?: readonly unknown[]
  readonly description?: string
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly example?: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example?: unknown }>> }
}
export type Document = { readonly openapi: string; readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> }

export type Named = { readonly name: string; readonly operation: Operation }

/** Every operation of our own document as `METHOD /path`. */
export async function operationsOf(bench: Bench): Promise<{ readonly document: Document; readonly operations: readonly Named[] }> {
  const document: Document = (await bench.send({ url: '/openapi.json', auth: null })).json()
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
  )
  return { document, operations }
}

const past = new Date(NOW - 3_600_000).toISOString()
const now = new Date(NOW).toISOString()

/** The values of path parameters by name. `idFor` gives the value of `{id}` by path. */
const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  emailId: encodeURIComponent(ROW.emailId ?? ''),
  token: 'abc',
  file: 'own.toml',
  version: '0123456789ab',
  list: 'bounce',
  domain: DKIM.domain,
  selector: 'seen',
  site: 'google',
  address: 'joe@example.com',
  apiUser: 'alice',
  event: RECORD.eventId,
  name: 'ann',
  digest: ITEM.digest,
}
const idFor = (path: string): string => {
  if (path.includes('/inbox/')) return ITEM.digest
  if (path.includes('/orders/')) return ORDER.commandId
  if (path.includes('/route-mails/')) return MAIL_HEAD.digest
  if (path.includes('/reclassifications/')) return RECLASSIFICATION.jobId
  if (path.includes('/exports/')) return JOB.exportId
  if (path.includes('/labels/')) return String(LABEL.labelId)
  if (path.includes('/broadcasts/')) return 'spring'
  return path.includes('/rules/') ? 'aliyun-unknown-user' : '1'
}

/** The session of the fake services. */
const SESSION_HEADERS = { cookie: `bounced-session=${SESSION_ID}`, 'x-csrf-token': csrfTokenOf(SESSION_ID) }

const MAIL = { from: 'news@example.org', subject: 'Hello', recipients: ['joe@example.com'] }

/** Bodies, queries and credentials of the operations that need them. */
const REQUESTS: Readonly<Record<string, Partial<TestRequest> & { readonly query?: string }>> = {
  'POST /v1/messages': { body: MAIL },
  'POST /v1/track/html': { body: { emailId: ROW.emailId, html: '<p>Hi</p>', tracking: { open: true } } },
  'POST /v1/attempts': { body: { emailId: ROW.emailId, code: 550, text: '550 5.1.1 No such user' } },
  'POST /v1/suppressions/check': { body: { addresses: ['joe@example.com', 'no address'] } },
  'GET /v1/suppressions': { query: '?address=joe@example.com' },
  'POST /v1/suppressions/{list}/add': { body: { addresses: ['joe@example.com'], note: 'by phone' } },
  'POST /v1/suppressions/{list}/remove': { body: { domains: ['example.com'] } },
  'PUT /v1/suppressions/{list}/{address}': { body: { note: 'by phone' } },
  'GET /v1/status': { auth: OPERATOR },
  'POST /v1/suppressions/lift': { body: { rule: 'r', since: past, until: now } },
  'POST /v1/inbox/{id}/link': { body: { emailId: ROW.emailId } },
  'PATCH /v1/account/settings': { body: { zone: 'Asia/Shanghai' } },
  'POST /v1/account/labels': { body: { name: 'spring' } },
  'PATCH /v1/account/labels/{id}': { body: { name: 'summer' } },
  'GET /v1/cuts': { auth: OPERATOR },
  'POST /v1/cuts': { auth: OPERATOR, body: { peer: '192.0.2.1', reason: 'a flood' } },
  'DELETE /v1/cuts': { auth: OPERATOR, query: '?kind=peer&name=192.0.2.1' },
  'GET /v1/brakes': { auth: OPERATOR },
  'POST /v1/brakes/{site}/apply': { auth: OPERATOR },
  'POST /v1/brakes/{site}/discard': { auth: OPERATOR },
  'DELETE /v1/addresses/{address}': { auth: OPERATOR },
  'POST /v1/rules/check': { auth: OPERATOR, body: { rules: [] } },
  'GET /v1/rules/files': { auth: OPERATOR },
  'GET /v1/rules/files/{file}': { auth: OPERATOR },
  'PUT /v1/rules/files/{file}': { auth: OPERATOR, body: { text: 'provider = "common"' } },
  'DELETE /v1/rules/files/{file}': { auth: OPERATOR },
  'GET /v1/rules/files/{file}/versions': { auth: OPERATOR },
  'GET /v1/rules/files/{file}/versions/{version}': { auth: OPERATOR },
  'GET /v1/rules/other': { auth: OPERATOR },
  'POST /v1/rules/proposal': { auth: OPERATOR, body: { reply: '550 5.1.1 No such user' } },
  'POST /v1/explain': { body: { reply: '550 5.1.1 No such user' } },
  'POST /v1/classify': { body: { reply: '550 5.1.1 No such user' } },
  'GET /v1/reclassifications': { auth: OPERATOR },
  'POST /v1/reclassifications': { auth: OPERATOR, body: {} },
  'GET /v1/reclassifications/{id}': { auth: OPERATOR },
  'POST /v1/reclassifications/{id}/apply': { auth: OPERATOR, body: { lists: 'remove' } },
  'POST /v1/reclassifications/{id}/undo': { auth: OPERATOR },
  'POST /v1/reclassifications/{id}/cancel': { auth: OPERATOR },
  'POST /v1/webhooks': { body: { url: 'https://good.example/hook' } },
  'PATCH /v1/webhooks/{id}': { body: { enabled: false } },
  'POST /v1/queue/pause': { body: {} },
  'POST /v1/queue/recover': { body: {} },
  'POST /v1/queue/rate': { body: { domain: 'qq.com', perMinute: 60 } },
  'POST /v1/queue/delete': { body: { domain: 'qq.com' } },
  'POST /v1/queue/warm-up': { auth: OPERATOR, body: { egressIp: '192.0.2.1' } },
  'POST /v1/advice/recover': { body: { key: 'ip|192.0.2.1|qq' } },
  'POST /v1/queue/recover-key': { auth: OPERATOR, body: { key: 'ip|192.0.2.1|qq' } },
  'POST /v1/route-domains': { auth: OPERATOR, query: '?account=alice', body: { domain: 'in.example.com' } },
  'DELETE /v1/route-domains/{domain}': { auth: OPERATOR },
  'POST /v1/dkim': { body: { domain: 'mail.example.com' } },
  'POST /v1/dkim/{domain}/rotate': { body: {} },
  'POST /v1/dkim/{domain}/{selector}/activate': { body: {} },
  'POST /in/kumomta': { body: { type: 'Delivery', id: 'd1' } },
  'POST /v1/event-sources': { body: { esp: 'postmark' } },
  ...Object.fromEntries(
    ['ses', 'sendgrid', 'mailgun', 'postmark', 'sparkpost'].map((esp) => [`POST /in/${esp}`, { auth: null, query: '?source=0', body: {} }]),
  ),
  'POST /v1/session': { body: { name: 'ann', password: 'secret-of-ann' }, headers: { 'x-csrf-token': 'none' } },
  'DELETE /v1/session': { auth: null, headers: SESSION_HEADERS },
  'POST /v1/session/password': { auth: null, headers: SESSION_HEADERS, body: { present: 'secret-of-ann', password: 'another secret' } },
  'POST /v1/session/link': { body: { token: 't' }, headers: { 'x-csrf-token': 'none' } },
  'POST /v1/accounts': { auth: OPERATOR, body: { apiUser: 'shop' } },
  'POST /v1/accounts/{apiUser}/key': { auth: OPERATOR },
  'GET /v1/reporters': { auth: OPERATOR },
  'GET /v1/shaping': { auth: OPERATOR },
  'GET /v1/tls-reports': { auth: OPERATOR },
  'GET /v1/settings': { auth: OPERATOR },
  'GET /v1/users': { auth: OPERATOR },
  'POST /v1/users': { auth: OPERATOR, body: { name: 'bob', role: 'viewer' } },
  'PATCH /v1/users/{name}': { auth: OPERATOR, body: { disabled: true } },
  'DELETE /v1/users/{name}': { auth: OPERATOR },
  'POST /v1/users/{name}/link': { auth: OPERATOR },
  'DELETE /v1/users/{name}/sessions': { auth: OPERATOR },
  'POST /v1/exports': { body: { kind: 'status', since: past, until: now } },
}

/** A valid request of an operation. */
export function requestOf(name: string): TestRequest {
  const [method = 'GET', path = ''] = name.split(' ')
  const { query = '', ...rest } = REQUESTS[name] ?? {}
  const url = path.replaceAll(/\{(\w+)\}/g, (_, word: string) => PATH_PARAMETERS[word] ?? idFor(path))
  // Checked cast: the methods in the document are those of our routes.
  return { method: method as NonNullable<TestRequest['method']>, url: `${url}${query}`, ...rest }
}
