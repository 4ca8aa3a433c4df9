/**
 * routes.test - the status and problem code of many requests to our own API, valid and invalid, and selected responses
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { BASIC, makeBench, OPERATOR, type TestRequest, type Bench } from '../bench.ts'
import { ENTRY, FAILED, JOB, NOW, ROW } from '../sample-rows.ts'

let bench: Bench
beforeAll(async () => {
  bench = await makeBench()
})

const EMAIL_ID = encodeURIComponent(ROW.emailId ?? '')
const MAIL = { from: 'news@example.org', subject: 'Hello', recipients: ['joe@example.com'] }
const ATTEMPT = { emailId: ROW.emailId, code: 550, text: '550 5.1.1 No such user' }
const REACTIVATION = { rule: 'r', since: '2026-11-01T00:00:00Z', until: '2026-11-02T00:00:00Z' }
const EXPORT = { kind: 'status', since: '2026-11-01T00:00:00Z' }
const JOB_URL = `/v1/exports/${JOB.exportId}`
const NO_JOB = '/v1/exports/0192f000-0000-7000-8000-0000000000ff'
const RAW = `/v1/inbox/${'ab'.repeat(32)}/raw`
const BAD = Buffer.from('alice:wrong').toString('base64')

const JSON_TYPE = { 'content-type': 'application/json' }

type Case = readonly [title: string, request: TestRequest, status: number, code?: string]

const post = (url: string, body: unknown, auth?: string | null): TestRequest => ({
  method: 'POST',
  url,
  body,
  ...(auth === undefined ? {} : { auth }),
})

const CASES: readonly Case[] = [
  // health
  ['health is open', { url: '/healthz', auth: null }, 200],
  ['readiness is open', { url: '/readyz', auth: null }, 200],
  ['metrics are not public', { url: '/metrics', auth: null }, 404],
  ['an unknown path', { url: '/nothing' }, 404, 'not_found'],
  // POST /v1/messages
  ['a registration', post('/v1/messages', MAIL), 201],
  ['a registration with a Bearer token', post('/v1/messages', MAIL, 'Bearer alice:secret-of-alice'), 201],
  ['a registration by the operator for an account', post('/v1/messages?account=alice', MAIL, OPERATOR), 201],
  ['a registration by the operator without an account', post('/v1/messages', MAIL, OPERATOR), 400, 'bad_request'],
  ['a registration by the operator for an unknown account', post('/v1/messages?account=mallory', MAIL, OPERATOR), 404, 'not_found'],
  [
    'the maximum number of recipients',
    post('/v1/messages', { ...MAIL, recipients: ['a@example.com', 'b@example.com', 'c@example.com'] }),
    201,
  ],
  ['one recipient too many', post('/v1/messages', { ...MAIL, recipients: ['a@a', 'b@b', 'c@c', 'd@d'] }), 400, 'bad_request'],
  ['no recipients', post('/v1/messages', { ...MAIL, recipients: [] }), 400, 'bad_request'],
  [
    'a recipient without an address',
    post('/v1/messages', { ...MAIL, broadcast: 'b', recipients: [{ recipient: null, contactTypes: ['x'] }] }),
    201,
  ],
  ['no from', post('/v1/messages', { ...MAIL, from: undefined }), 400, 'bad_request'],
  ['a header with a line break', post('/v1/messages', { ...MAIL, headers: { 'X-A': 'a\r\nBcc: b@example.com' } }), 400, 'bad_request'],
  ['a misspelled field', post('/v1/messages', { ...MAIL, broadcst: 'b' }), 400, 'bad_request'],
  ['a misspelled field of a recipient', post('/v1/messages', { ...MAIL, recipients: [{ recipient: 'a@example.com', tokn: 'x' }] }), 400],
  ['a from without an address', post('/v1/messages', { ...MAIL, from: 'news' }), 400, 'bad_request'],
  ['a from with a name', post('/v1/messages', { ...MAIL, from: 'News <news@example.org>' }), 201],
  ['a registration with content', post('/v1/messages', { ...MAIL, html: '<p>Hi</p>', plain: 'Hi', tracking: { click: false } }), 201],
  ['content that no mail can have', post('/v1/messages', { ...MAIL, html: '\ud800' }), 400, 'bad_request'],
  ['an unknown switch', post('/v1/messages', { ...MAIL, html: 'x', tracking: { clicks: true } }), 400, 'bad_request'],
  // GET /v1/engagement
  ['opens and clicks', { url: '/v1/engagement?kind=click&recipient=joe@example.com&since=2026-11-01T00:00:00Z&limit=5' }, 200],
  ['opens and clicks of another kind', { url: '/v1/engagement?kind=unsubscribe' }, 400, 'bad_request'],
  ['opens and clicks after no cursor of ours', { url: '/v1/engagement?after=x' }, 400, 'bad_request'],
  // POST /v1/track/html
  ['content of a mail', post('/v1/track/html', { emailId: decodeURIComponent(EMAIL_ID), html: '<p>Hi</p>' }), 200],
  ['content of a mail without content', post('/v1/track/html', { emailId: decodeURIComponent(EMAIL_ID) }), 200],
  ['content of an unknown mail', post('/v1/track/html', { emailId: 'm1x9$x@example.com', html: 'x' }), 404, 'not_found'],
  ['content without a mail', post('/v1/track/html', { html: 'x' }), 400, 'bad_request'],
  ['a misspelled parameter', { url: '/v1/messages?recipent=joe@example.com' }, 400, 'bad_request'],
  ['an unknown parameter', { url: `/v1/messages/${EMAIL_ID}?x=1` }, 400, 'bad_request'],
  ['a misspelled field of an attempt', post('/v1/attempts', { ...ATTEMPT, egresIp: '192.0.2.1' }), 400, 'bad_request'],
  ['a URL with invalid encoding', { url: '/v1/messages/%zz' }, 400, 'http'],
  ['a URL that is too long', { url: `/v1/messages/${'a'.repeat(2_100)}` }, 414, 'http'],
  // mass-bounce reviews and settings
  ['mass-bounce reviews', { url: '/v1/brakes', auth: OPERATOR }, 200],
  ['mass-bounce reviews for an account', { url: '/v1/brakes' }, 403, 'forbidden'],
  ['applying held entries', post('/v1/brakes/google/apply', undefined, OPERATOR), 200],
  ['discarding held entries', post('/v1/brakes/google/discard', undefined, OPERATOR), 200],
  ['discarding held entries by an account', post('/v1/brakes/google/discard', undefined), 403, 'forbidden'],
  ['an unknown action on held entries', post('/v1/brakes/google/forget', undefined, OPERATOR), 404, 'not_found'],
  ['settings', { url: '/v1/account/settings' }, 200],
  ['settings read by the operator', { url: '/v1/account/settings?account=alice', auth: OPERATOR }, 200],
  ['settings read by the operator without an account', { url: '/v1/account/settings', auth: OPERATOR }, 400, 'bad_request'],
  ['settings without sign-in', { url: '/v1/account/settings', auth: null }, 401, 'unauthenticated'],
  ['a change of settings', { method: 'PATCH', url: '/v1/account/settings', body: { zone: 'Asia/Shanghai', version: 1 } }, 200],
  ['an unknown setting', { method: 'PATCH', url: '/v1/account/settings', body: { zon: 'UTC' } }, 400, 'bad_request'],
  ['an invalid header name', post('/v1/messages', { ...MAIL, headers: { 'X A': 'a' } }), 400, 'bad_request'],
  ['an unknown email type', post('/v1/messages', { ...MAIL, emailType: 'bulk' }), 400, 'bad_request'],
  ['invalid JSON', { method: 'POST', url: '/v1/messages', body: '{', headers: { 'content-type': 'application/json' } }, 400],
  ['an empty body', { method: 'POST', url: '/v1/messages' }, 400],
  ['a body that is too large', { method: 'POST', url: '/v1/messages', body: { ...MAIL, subject: 'x'.repeat(200_000) } }, 413],
  ['a registration without sign-in', post('/v1/messages', MAIL, null), 401, 'unauthenticated'],
  ['a wrong key', post('/v1/messages', MAIL, `Basic ${BAD}`), 401, 'unauthenticated'],
  ['an unknown authentication scheme', post('/v1/messages', MAIL, 'Digest x'), 401, 'unauthenticated'],
  // GET /v1/messages/:emailId
  ['the status of a message', { url: `/v1/messages/${EMAIL_ID}` }, 200],
  ['an unknown message', { url: '/v1/messages/none' }, 404, 'not_found'],
  ['the message of another account', { url: `/v1/messages/${EMAIL_ID}`, auth: `Bearer bob:secret-of-bob` }, 404, 'not_found'],
  ['a message without sign-in', { url: `/v1/messages/${EMAIL_ID}`, auth: null }, 401, 'unauthenticated'],
  // /v1/alerts
  ['raised alerts', { url: '/v1/alerts' }, 200],
  ['the alerts of all accounts', { url: '/v1/alerts?state=any', auth: OPERATOR }, 200],
  ['an unknown alert state', { url: '/v1/alerts?state=x' }, 400, 'bad_request'],
  ['alerts without sign-in', { url: '/v1/alerts', auth: null }, 401, 'unauthenticated'],
  ['thresholds', { url: '/v1/alerts/rules' }, 200],
  ['thresholds read by the operator without an account', { url: '/v1/alerts/rules', auth: OPERATOR }, 400, 'bad_request'],
  // /v1/route-domains, /v1/route-mails
  ['the inbound domains of an account', { url: '/v1/route-domains' }, 200],
  ['the inbound domains of all accounts', { url: '/v1/route-domains', auth: OPERATOR }, 200],
  ['inbound domains without sign-in', { url: '/v1/route-domains', auth: null }, 401, 'unauthenticated'],
  ['a domain assigned by an account', post('/v1/route-domains', { domain: 'in.example.com' }), 403, 'forbidden'],
  ['a domain assigned by the operator', post('/v1/route-domains?account=alice', { domain: 'in.example.com' }, OPERATOR), 200],
  ['a domain assigned without an account', post('/v1/route-domains', { domain: 'in.example.com' }, OPERATOR), 400, 'bad_request'],
  [
    'a domain assigned to an unknown account',
    post('/v1/route-domains?account=carl', { domain: 'in.example.com' }, OPERATOR),
    404,
    'not_found',
  ],
  ['a domain removed by the operator', { method: 'DELETE', url: '/v1/route-domains/in.example.com', auth: OPERATOR }, 200],
  ['a domain removed by an account', { method: 'DELETE', url: '/v1/route-domains/in.example.com' }, 403, 'forbidden'],
  ['received mails', { url: `/v1/route-mails?after=${NOW}-${'cd'.repeat(32)}` }, 200],
  ['an invalid cursor', { url: '/v1/route-mails?after=1' }, 400, 'bad_request'],
  ['received mails without sign-in', { url: '/v1/route-mails', auth: null }, 401, 'unauthenticated'],
  ['a raw mail', { url: `/v1/route-mails/${'cd'.repeat(32)}/raw` }, 200],
  ['an unknown raw mail', { url: `/v1/route-mails/${'ab'.repeat(32)}/raw` }, 404, 'not_found'],
  ['a raw mail without sign-in', { url: `/v1/route-mails/${'cd'.repeat(32)}/raw`, auth: null }, 401, 'unauthenticated'],
  ['a raw mail by its signed link', { url: `/v1/route-mails/${'cd'.repeat(32)}/raw?owner=1&expires=1&signature=good`, auth: null }, 200],
  [
    'a link with a wrong signature',
    { url: `/v1/route-mails/${'cd'.repeat(32)}/raw?owner=1&expires=1&signature=bad`, auth: null },
    403,
    'forbidden',
  ],
  [
    'a link for another account',
    { url: `/v1/route-mails/${'cd'.repeat(32)}/raw?owner=2&expires=1&signature=good`, auth: null },
    403,
    'forbidden',
  ],
  ['an incomplete link', { url: `/v1/route-mails/${'cd'.repeat(32)}/raw?signature=good`, auth: null }, 401, 'unauthenticated'],
  // /v1/webhooks
  ['webhook endpoints', { url: '/v1/webhooks' }, 200],
  ['webhook endpoints without sign-in', { url: '/v1/webhooks', auth: null }, 401, 'unauthenticated'],
  ['a new endpoint', post('/v1/webhooks', { url: 'https://good.example/' }), 201],
  ['an endpoint without a URL', post('/v1/webhooks', {}), 400, 'bad_request'],
  ['an endpoint for an unknown event', post('/v1/webhooks', { url: 'https://good.example/', events: ['x'] }), 400, 'bad_request'],
  ['an endpoint with an unknown field', post('/v1/webhooks', { url: 'https://good.example/', account: 2 }), 400, 'bad_request'],
  ['a new endpoint without sign-in', post('/v1/webhooks', { url: 'https://good.example/' }, null), 401, 'unauthenticated'],
  ['a change of an endpoint', { method: 'PATCH', url: '/v1/webhooks/1', body: { rotate: true } }, 200],
  ['the deliveries to an endpoint', { url: '/v1/webhooks/1/deliveries?state=heard&event=invalid&since=2026-11-20T00:00:00Z&limit=1' }, 200],
  ['an unknown delivery state', { url: '/v1/webhooks/1/deliveries?state=x' }, 400, 'bad_request'],
  ['an unknown delivery filter', { url: '/v1/webhooks/1/deliveries?stat=heard' }, 400, 'bad_request'],
  ['one delivery', { url: `/v1/webhooks/1/deliveries/${FAILED.id}` }, 200],
  ['an unknown delivery', { url: '/v1/webhooks/1/deliveries/0192f000-0000-7000-8000-000000000009' }, 404, 'not_found'],
  ['deliveries without sign-in', { url: '/v1/webhooks/1/deliveries', auth: null }, 401, 'unauthenticated'],
  [
    'a replay of a period',
    post('/v1/webhooks/1/replay', { from: '2026-11-20T00:00:00Z', until: '2026-11-21T00:00:00Z', events: ['invalid'] }),
    200,
  ],
  ['a replay with an invalid time', post('/v1/webhooks/1/replay', { from: 'yesterday' }), 400, 'bad_request'],
  ['a replay of one event', post(`/v1/webhooks/1/deliveries/${FAILED.id}/replay`, undefined), 200],
  ['a replay without sign-in', post('/v1/webhooks/1/replay', {}, null), 401, 'unauthenticated'],
  ['an invalid endpoint id', { method: 'PATCH', url: '/v1/webhooks/x', body: {} }, 400, 'bad_request'],
  ['a change of an endpoint without sign-in', { method: 'PATCH', url: '/v1/webhooks/1', body: {}, auth: null }, 401, 'unauthenticated'],
  ['a removal of an endpoint', { method: 'DELETE', url: '/v1/webhooks/1' }, 204],
  ['a removal of an endpoint without sign-in', { method: 'DELETE', url: '/v1/webhooks/1', auth: null }, 401, 'unauthenticated'],
  ['a replay since a time', post('/v1/webhooks/1/replay', { since: '2026-11-01T00:00:00Z' }), 200],
  ['a replay of all failed events', { method: 'POST', url: '/v1/webhooks/1/replay' }, 200],
  ['a replay since an invalid time', post('/v1/webhooks/1/replay', { since: 'x' }), 400, 'bad_request'],
  ['a replay without sign-in', post('/v1/webhooks/1/replay', {}, null), 401, 'unauthenticated'],
  ['the outbox of an endpoint', { url: '/v1/webhooks/1/outbox' }, 200],
  ['an outbox without sign-in', { url: '/v1/webhooks/1/outbox', auth: null }, 401, 'unauthenticated'],
  // GET /v1/messages
  ['a search', { url: '/v1/messages?status=4&subStatus=406&emailType=batch&egressIp=192.0.2.1' }, 200],
  ['a search by the name of a status', { url: '/v1/messages?status=soft-bounce' }, 200],
  ['a search by an unknown status', { url: '/v1/messages?status=2' }, 400, 'bad_request'],
  ['a search without sign-in', { url: '/v1/messages', auth: null }, 401, 'unauthenticated'],
  // POST /v1/attempts
  ['an attempt', post('/v1/attempts', ATTEMPT), 200],
  ['an attempt without a reply', post('/v1/attempts', { emailId: ROW.emailId, code: null, error: 'timeout' }), 200],
  ['an attempt without a reply and without an error', post('/v1/attempts', { emailId: ROW.emailId, code: null }), 400, 'bad_request'],
  ['an attempt for an unknown message', post('/v1/attempts', { ...ATTEMPT, emailId: 'none' }), 404, 'not_found'],
  ['an attempt with an invalid code', post('/v1/attempts', { ...ATTEMPT, code: 99 }), 400, 'bad_request'],
  ['an attempt with an invalid egress IP', post('/v1/attempts', { ...ATTEMPT, egressIp: 'x' }), 400, 'bad_request'],
  ['an attempt without sign-in', post('/v1/attempts', ATTEMPT, null), 401, 'unauthenticated'],
  // POST /in/kumomta
  ['a log record', post('/in/kumomta', { type: 'Bounce', id: '71', sender: 's@example.com' }), 200],
  ['log records', post('/in/kumomta', [{ type: 'Delivery', id: '71' }]), 200],
  ['a log record without an id', post('/in/kumomta', { type: 'Delivery' }), 400, 'bad_request'],
  ['no log records', post('/in/kumomta', []), 400, 'bad_request'],
  ['a log record without sign-in', post('/in/kumomta', { type: 'Bounce', id: '71' }, null), 401, 'unauthenticated'],
  // suppression lists
  ['a suppression list', { url: '/v1/suppressions/bounce' }, 200],
  ['a suppression list by proof', { url: '/v1/suppressions/complaint?proof=signed' }, 200],
  ['a suppression list by no proof', { url: '/v1/suppressions/complaint?proof=hearsay' }, 400, 'bad_request'],
  ['an unknown suppression list', { url: '/v1/suppressions/grey' }, 400, 'bad_request'],
  ['the largest page', { url: '/v1/suppressions/bounce?limit=1000' }, 200],
  ['a page that is too large', { url: '/v1/suppressions/bounce?limit=1001' }, 400, 'bad_request'],
  ['a suppression list without sign-in', { url: '/v1/suppressions/bounce', auth: null }, 401, 'unauthenticated'],
  ['a check of addresses', post('/v1/suppressions/check', { addresses: ['joe@example.com', 'b@example.com'] }), 200],
  ['a check without addresses', post('/v1/suppressions/check', { addresses: [] }), 400, 'bad_request'],
  ['a check without sign-in', post('/v1/suppressions/check', { addresses: ['a@example.com'] }, null), 401, 'unauthenticated'],
  ['a reactivation', post('/v1/suppressions/lift', { ...REACTIVATION, dryRun: true }), 200],
  [
    'a reactivation without a site or a rule',
    post('/v1/suppressions/lift', { since: REACTIVATION.since, until: REACTIVATION.until }),
    400,
    'bad_request',
  ],
  [
    'a reactivation of a period that ends before it starts',
    post('/v1/suppressions/lift', { ...REACTIVATION, since: '2026-11-03T00:00:00Z' }),
    400,
    'bad_request',
  ],
  ['a reactivation of unsubscribes', post('/v1/suppressions/lift', { ...REACTIVATION, list: 'unsubscribe' }), 400, 'bad_request'],
  ['a reactivation without sign-in', post('/v1/suppressions/lift', REACTIVATION, null), 401, 'unauthenticated'],
  ['the account itself', { url: '/v1/accounts/alice' }, 200],
  ['another account', { url: '/v1/accounts/bob' }, 404, 'not_found'],
  ['an account without sign-in', { url: '/v1/accounts/alice', auth: null }, 401, 'unauthenticated'],
  ['one address on a list', { url: '/v1/suppressions/bounce/joe@example.com' }, 200],
  ['an address that is not on the list', { url: '/v1/suppressions/bounce/ann@example.com' }, 404, 'not_found'],
  ['an address on a list that does not exist', { url: '/v1/suppressions/bouncing/joe@example.com' }, 400, 'bad_request'],
  ['an address put on a list without a body', { method: 'PUT', url: '/v1/suppressions/bounce/joe@example.com' }, 200],
  [
    'an address put on a list with a note of two lines',
    { method: 'PUT', url: '/v1/suppressions/bounce/joe@example.com', body: { note: 'a\nb' } },
    400,
    'bad_request',
  ],
  [
    'an address put on a list until a time that is over',
    { method: 'PUT', url: '/v1/suppressions/bounce/joe@example.com', body: { until: '2020-01-01T00:00:00Z' } },
    400,
    'bad_request',
  ],
  ['an address taken off a list', { method: 'DELETE', url: '/v1/suppressions/bounce/joe%40example.com?note=asked' }, 204],
  ['an address taken off a list that it is not on', { method: 'DELETE', url: '/v1/suppressions/block/joe@example.com' }, 404, 'not_found'],
  [
    'an address taken off without sign-in',
    { method: 'DELETE', url: '/v1/suppressions/bounce/joe@example.com', auth: null },
    401,
    'unauthenticated',
  ],
  // exports
  ['an export', post('/v1/exports', EXPORT), 202],
  [
    'an export with every option',
    post('/v1/exports', {
      ...EXPORT,
      format: 'ndjson',
      gzip: true,
      bom: true,
      until: '2026-11-20T00:00:00Z',
      filters: { fault: 'recipient', status: 4 },
    }),
    202,
  ],
  ['an export by the operator for an account', post('/v1/exports?account=alice', EXPORT, OPERATOR), 202],
  ['an export of an unknown kind', post('/v1/exports', { ...EXPORT, kind: 'facts' }), 400, 'bad_request'],
  ['an export without a period', post('/v1/exports', { kind: 'status' }), 400, 'bad_request'],
  ['an export with a misspelt filter', post('/v1/exports', { ...EXPORT, filters: { falt: 'recipient' } }), 400, 'bad_request'],
  ['an export in an unknown format', post('/v1/exports', { ...EXPORT, format: 'xlsx' }), 400, 'bad_request'],
  ['an export without sign-in', post('/v1/exports', EXPORT, null), 401, 'unauthenticated'],
  ['the export jobs', { url: '/v1/exports' }, 200],
  ['the largest page of export jobs', { url: '/v1/exports?limit=1000' }, 200],
  ['a page of export jobs that is too large', { url: '/v1/exports?limit=1001' }, 400, 'bad_request'],
  ['export jobs without sign-in', { url: '/v1/exports', auth: null }, 401, 'unauthenticated'],
  ['one export job', { url: JOB_URL }, 200],
  ['the export job of another account', { url: JOB_URL, auth: 'Bearer bob:secret-of-bob' }, 404, 'not_found'],
  ['an invalid export id', { url: '/v1/exports/1' }, 400, 'bad_request'],
  ['an export job without sign-in', { url: JOB_URL, auth: null }, 401, 'unauthenticated'],
  ['an export file', { url: `${JOB_URL}/download` }, 200],
  ['the export file of another account', { url: `${JOB_URL}/download`, auth: 'Bearer bob:secret-of-bob' }, 404, 'not_found'],
  ['an export file without sign-in', { url: `${JOB_URL}/download`, auth: null }, 401, 'unauthenticated'],
  ['a retry of a job that is done', { method: 'POST', url: `${JOB_URL}/retry` }, 409, 'conflict'],
  ['a retry of an unknown job', { method: 'POST', url: NO_JOB + '/retry' }, 404, 'not_found'],
  ['a retry without sign-in', { method: 'POST', url: `${JOB_URL}/retry`, auth: null }, 401, 'unauthenticated'],
  ['a deletion of an export job', { method: 'DELETE', url: JOB_URL }, 204],
  ['a deletion of an unknown export job', { method: 'DELETE', url: NO_JOB }, 404, 'not_found'],
  ['a deletion without sign-in', { method: 'DELETE', url: JOB_URL, auth: null }, 401, 'unauthenticated'],
  // inbox
  ['the inbox', { url: '/v1/inbox' }, 200],
  ['the inbox of all accounts', { url: '/v1/inbox', auth: OPERATOR }, 200],
  ['an unknown inbox state', { url: '/v1/inbox?state=lost' }, 400, 'bad_request'],
  ['one inbox item', { url: RAW.replace('/raw', '') }, 200],
  ['the raw mail of an inbox item', { url: RAW }, 200],
  ['the raw mail of an item of another account', { url: RAW, auth: 'Bearer bob:secret-of-bob' }, 404, 'not_found'],
  ['an accepted inbox item', { method: 'POST', url: RAW.replace('raw', 'accept') }, 200],
  ['an accepted inbox item with force', { method: 'POST', url: RAW.replace('raw', 'accept'), body: { force: true } }, 200],
  ['a force that is no boolean', { method: 'POST', url: RAW.replace('raw', 'accept'), body: { force: 'yes' } }, 400, 'bad_request'],
  ['a linked inbox item with force', { method: 'POST', url: RAW.replace('raw', 'link'), body: { emailId: 'x', force: true } }, 200],
  ['an invalid inbox id', { url: '/v1/inbox/..%2f..%2fetc' }, 400, 'bad_request'],
  ['the inbox without sign-in', { url: '/v1/inbox', auth: null }, 401, 'unauthenticated'],
  // TLS reports
  ['the TLS reports', { url: '/v1/tls-reports', auth: OPERATOR }, 200],
  ['the TLS reports read by an account', { url: '/v1/tls-reports' }, 403, 'forbidden'],
  ['the TLS reports without sign-in', { url: '/v1/tls-reports', auth: null }, 401, 'unauthenticated'],
  ['too many TLS reports', { url: '/v1/tls-reports?limit=1001', auth: OPERATOR }, 400, 'bad_request'],
  // the OpenAPI document
  ['the OpenAPI document', { url: '/openapi.json', auth: null }, 200],
]

test.each(CASES.map(([title, request, status, code]) => ({ title, request, status, code })))(
  '$title',
  async ({ request, status, code }) => {
    const response = await bench.send(request)
    expect({ status: response.statusCode, body: response.statusCode === status ? '' : response.body }).toEqual({ status, body: '' })
    if (status < 400) return
    expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8')
    expect(response.json()).toMatchObject({ type: 'about:blank', status, instance: expect.any(String), ...(code ? { code } : {}) })
  },
)

describe('responses', () => {
  test.each([
    [post('/v1/messages', { ...MAIL, broadcst: 'b' }), 'unknown field "broadcst"; the nearest known field is "broadcast"'],
    [post('/v1/messages', { ...MAIL, recipients: [{ recipient: 'a@example.com', tokn: 'x' }] }), 'the nearest known field is "token"'],
    [post('/v1/attempts', { ...ATTEMPT, egresIp: '192.0.2.1' }), 'the nearest known field is "egressIp"'],
    [
      { ...post('/v1/attempts', JSON.stringify([{ ...ATTEMPT, egresIp: 'x' }])), headers: JSON_TYPE },
      'the nearest known field is "egressIp"',
    ],
    [{ url: '/v1/messages?next=abc' }, 'the nearest known field is "after"'],
    [{ url: '/v1/brakes?x=1', auth: OPERATOR }, 'no fields are allowed here'],
  ] as const)('an unknown field suggests the nearest known one: %j', async (request, detail) => {
    expect((await bench.send(request)).json().detail).toContain(detail)
  })

  test('the response to a framework error does not quote the request', async () => {
    const { body, headers } = await bench.send({ url: '/v1/messages/%zzSECRET' })
    expect([body.includes('SECRET'), headers['x-content-type-options']]).toEqual([false, 'nosniff'])
  })

  test('a registration returns every recipient', async () => {
    const response = await bench.send({
      method: 'POST',
      url: '/v1/messages',
      body: { ...MAIL, recipients: ['a@example.com', 'b@example.com'] },
    })
    expect(response.json()).toMatchObject({
      messageId: 'm1x',
      recipients: [{ recipient: 'a@example.com', headers: { 'Feedback-ID': 'x' } }, { emailId: 'm1x1$b@example.com' }],
    })
  })

  test('a message has its status and each fact with its evidence', async () => {
    const response = await bench.send({ url: `/v1/messages/${EMAIL_ID}` })
    expect(response.json()).toMatchObject({
      emailId: ROW.emailId,
      status: 4,
      subStatus: 406,
      asynchronousBounce: true,
      reason: 'not-exist',
      fault: 'recipient',
      billable: true,
      events: [
        {
          kind: 'failed',
          status: 4,
          at: '2026-11-20T12:00:00.000Z',
          evidence: { rule: 'google-not-exist', matched: ['no such user'] },
          detail: { remoteMta: 'mx.example.com' },
        },
      ],
    })
    expect(response.json().events[0].detail).not.toHaveProperty('verdict')
  })

  test('a check returns the results in the order of the addresses', async () => {
    const response = await bench.send({
      method: 'POST',
      url: '/v1/suppressions/check',
      body: { addresses: ['b@example.com', 'joe@example.com'] },
    })
    expect(response.json().results).toEqual([
      { address: 'b@example.com', suppressed: false, list: null, until: null, reason: null },
      { address: 'joe@example.com', suppressed: true, list: 'bounce', until: '2026-11-21T12:00:00.000Z', reason: 'not-exist' },
    ])
  })

  test('a raw mail is sent as a download, whatever it contains', async () => {
    const { headers, body } = await bench.send({ url: RAW })
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-disposition': expect.stringMatching(/^attachment;/),
    })
    expect(body).toContain('<script>')
  })

  test('an export file is a download with its length', async () => {
    const { headers, body } = await bench.send({ url: `${JOB_URL}/download` })
    expect(headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': 'attachment; filename="status-2026-11-19-2026-11-20.csv"',
      'content-length': '12',
    })
    expect(body).toBe('a,b\r\n1,"2"\r\n')
  })

  test('the document contains our own routes and not those of SendCloud', async () => {
    const paths = Object.keys((await bench.send({ url: '/openapi.json', auth: null })).json().paths)
    expect(paths).toContain('/v1/messages/{emailId}')
    expect(paths.filter((path) => path.startsWith('/api'))).toEqual([])
  })
})

describe('internal errors', () => {
  test('an unreachable store gives 503 without details', async () => {
    const { send } = await makeBench({ register: () => Promise.reject(new Fault('store_busy', 'postgres at 10.0.0.7 refused')) })
    const response = await send({ method: 'POST', url: '/v1/messages', body: MAIL })
    expect([response.statusCode, response.headers['retry-after'], response.body.includes('10.0.0.7')]).toEqual([503, '5', false])
  })

  test('a bug gives 500 without details', async () => {
    const { send } = await makeBench({ register: () => Promise.reject(new Error('x is undefined')) })
    const response = await send({ method: 'POST', url: '/v1/messages', body: MAIL })
    expect([response.statusCode, response.json().code, response.body.includes('undefined')]).toEqual([500, 'internal', false])
  })

  test('an unreachable store is not ready', async () => {
    const { send } = await makeBench({}, { findReadinessProblem: () => Promise.resolve('/data/bounced.db was removed') })
    const response = await send({ url: '/readyz', auth: null })
    expect([response.statusCode, response.json()]).toEqual([503, { status: 'unavailable' }])
  })
})

describe('limits', () => {
  test('after too many failed sign-ins, an address is blocked, also with the right key', async () => {
    const { send } = await makeBench()
    const codes = await Promise.all(
      Array.from({ length: 40 }, async () => (await send({ url: '/v1/inbox', auth: `Basic ${BAD}` })).statusCode),
    )
    expect([codes.filter((code) => code === 401).length, (await send({ url: '/v1/inbox' })).statusCode]).toEqual([30, 429])
  })

  test('the requests of an account per minute are limited', async () => {
    const { send } = await makeBench(
      {},
      {
        limits: {
          bodyBytes: 1_000,
          requestsPerMinute: 2,
          recipientsPerRequest: 1,
          attemptsPerRequest: 1,
          classificationsPerRequest: 1,
          emailStatusDays: 3,
        },
      },
    )
    const codes: number[] = []
    for (let n = 0; n < 3; n++) codes.push((await send({ url: '/v1/inbox', auth: BASIC })).statusCode)
    expect(codes).toEqual([200, 200, 429])
  })
})

const SCOPES = [
  ['', true],
  ['alice', true],
  ['alice-batch', false],
] as const

test.each(SCOPES)('a block entry with the scope %j suppresses for alice: %j', async (scope, suppressed) => {
  const { send } = await makeBench({ suppressions: { checkAddresses: () => Promise.resolve([[{ ...ENTRY, list: 'block', scope }]]) } })
  const response = await send({ method: 'POST', url: '/v1/suppressions/check', body: { addresses: ['joe@example.com'] } })
  expect(response.json().results[0].suppressed).toBe(suppressed)
})
