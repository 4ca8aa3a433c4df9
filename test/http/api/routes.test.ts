/**
 * routes.test - every endpoint of our own API: the good, the empty, the limit, the bad and the unauthenticated case
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
const LIFT = { rule: 'r', since: '2026-11-01T00:00:00Z', until: '2026-11-02T00:00:00Z' }
const EXPORT = { kind: 'status', since: '2026-11-01T00:00:00Z' }
const JOB_URL = `/v1/exports/${JOB.exportId}`
const NO_JOB = '/v1/exports/0192f000-0000-7000-8000-0000000000ff'
const RAW = `/v1/inbox/${'ab'.repeat(32)}/raw`
const BAD = Buffer.from('alice:wrong').toString('base64')

const JSON_TYPE = { 'content-type': 'application/json' }

type Case = readonly [what: string, request: TestRequest, status: number, code?: string]

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
  ['metrics are open', { url: '/metrics', auth: null }, 200],
  ['an unknown address', { url: '/nothing' }, 404, 'not_found'],
  // POST /v1/messages
  ['registers', post('/v1/messages', MAIL), 201],
  ['registers by Bearer', post('/v1/messages', MAIL, 'Bearer alice:secret-of-alice'), 201],
  ['registers for an account by the operator', post('/v1/messages?account=alice', MAIL, OPERATOR), 201],
  ['the operator names no account', post('/v1/messages', MAIL, OPERATOR), 400, 'bad_request'],
  ['the operator names nobody', post('/v1/messages?account=mallory', MAIL, OPERATOR), 404, 'not_found'],
  [
    'as many recipients as allowed',
    post('/v1/messages', { ...MAIL, recipients: ['a@example.com', 'b@example.com', 'c@example.com'] }),
    201,
  ],
  ['one recipient too many', post('/v1/messages', { ...MAIL, recipients: ['a@a', 'b@b', 'c@c', 'd@d'] }), 400, 'bad_request'],
  ['no recipients', post('/v1/messages', { ...MAIL, recipients: [] }), 400, 'bad_request'],
  [
    'a contact without an address',
    post('/v1/messages', { ...MAIL, broadcast: 'b', recipients: [{ recipient: null, contactTypes: ['x'] }] }),
    201,
  ],
  ['no from', post('/v1/messages', { ...MAIL, from: undefined }), 400, 'bad_request'],
  [
    'a header that would break a line',
    post('/v1/messages', { ...MAIL, headers: { 'X-A': 'a\r\nBcc: b@example.com' } }),
    400,
    'bad_request',
  ],
  ['a misspelt field', post('/v1/messages', { ...MAIL, broadcst: 'b' }), 400, 'bad_request'],
  ['a misspelt field of a recipient', post('/v1/messages', { ...MAIL, recipients: [{ recipient: 'a@example.com', tokn: 'x' }] }), 400],
  ['a from without an address', post('/v1/messages', { ...MAIL, from: 'news' }), 400, 'bad_request'],
  ['a from with a name', post('/v1/messages', { ...MAIL, from: 'News <news@example.org>' }), 201],
  ['a misspelt parameter', { url: '/v1/messages?recipent=joe@example.com' }, 400, 'bad_request'],
  ['a parameter that nobody reads', { url: `/v1/messages/${EMAIL_ID}?x=1` }, 400, 'bad_request'],
  ['a misspelt field of an attempt', post('/v1/attempts', { ...ATTEMPT, egresIp: '192.0.2.1' }), 400, 'bad_request'],
  ['an address that is not well encoded', { url: '/v1/messages/%zz' }, 400, 'http'],
  ['an address that is too long', { url: `/v1/messages/${'a'.repeat(1_100)}` }, 414, 'http'],
  // brakes and settings
  ['the brakes', { url: '/v1/brakes', auth: OPERATOR }, 200],
  ['the brakes by an account', { url: '/v1/brakes' }, 403, 'forbidden'],
  ['applies', post('/v1/brakes/google/apply', undefined, OPERATOR), 200],
  ['discards', post('/v1/brakes/google/discard', undefined, OPERATOR), 200],
  ['discards by an account', post('/v1/brakes/google/discard', undefined), 403, 'forbidden'],
  ['does what there is not', post('/v1/brakes/google/forget', undefined, OPERATOR), 404, 'not_found'],
  ['settings', { url: '/v1/account/settings' }, 200],
  ['settings by the operator', { url: '/v1/account/settings?account=alice', auth: OPERATOR }, 200],
  ['settings of nobody', { url: '/v1/account/settings', auth: OPERATOR }, 400, 'bad_request'],
  ['nobody reads settings', { url: '/v1/account/settings', auth: null }, 401, 'unauthenticated'],
  ['changes settings', { method: 'PATCH', url: '/v1/account/settings', body: { zone: 'Asia/Shanghai', version: 1 } }, 200],
  ['a setting that there is not', { method: 'PATCH', url: '/v1/account/settings', body: { zon: 'UTC' } }, 400, 'bad_request'],
  ['a header name that is none', post('/v1/messages', { ...MAIL, headers: { 'X A': 'a' } }), 400, 'bad_request'],
  ['an unknown kind of mail', post('/v1/messages', { ...MAIL, emailType: 'bulk' }), 400, 'bad_request'],
  ['no JSON', { method: 'POST', url: '/v1/messages', body: '{', headers: { 'content-type': 'application/json' } }, 400],
  ['an empty body', { method: 'POST', url: '/v1/messages' }, 400],
  ['too much', { method: 'POST', url: '/v1/messages', body: { ...MAIL, subject: 'x'.repeat(200_000) } }, 413],
  ['nobody registers', post('/v1/messages', MAIL, null), 401, 'unauthenticated'],
  ['a wrong key', post('/v1/messages', MAIL, `Basic ${BAD}`), 401, 'unauthenticated'],
  ['a scheme that we do not read', post('/v1/messages', MAIL, 'Digest x'), 401, 'unauthenticated'],
  // GET /v1/messages/:emailId
  ['tells a status', { url: `/v1/messages/${EMAIL_ID}` }, 200],
  ['no such mail', { url: '/v1/messages/none' }, 404, 'not_found'],
  ['the mail of another account', { url: `/v1/messages/${EMAIL_ID}`, auth: `Bearer bob:secret-of-bob` }, 404, 'not_found'],
  ['nobody asks', { url: `/v1/messages/${EMAIL_ID}`, auth: null }, 401, 'unauthenticated'],
  // /v1/alerts
  ['alerts that stand', { url: '/v1/alerts' }, 200],
  ['everybody’s alerts', { url: '/v1/alerts?state=any', auth: OPERATOR }, 200],
  ['a state of alerts that there is not', { url: '/v1/alerts?state=x' }, 400, 'bad_request'],
  ['nobody asks for alerts', { url: '/v1/alerts', auth: null }, 401, 'unauthenticated'],
  ['thresholds', { url: '/v1/alerts/rules' }, 200],
  ['thresholds of nobody', { url: '/v1/alerts/rules', auth: OPERATOR }, 400, 'bad_request'],
  // /v1/route-domains, /v1/route-mails
  ['domains of an account', { url: '/v1/route-domains' }, 200],
  ['everybody’s domains', { url: '/v1/route-domains', auth: OPERATOR }, 200],
  ['nobody asks for domains', { url: '/v1/route-domains', auth: null }, 401, 'unauthenticated'],
  ['an account takes a domain', post('/v1/route-domains', { domain: 'in.example.com' }), 403, 'forbidden'],
  ['the operator gives it', post('/v1/route-domains?account=alice', { domain: 'in.example.com' }, OPERATOR), 200],
  ['to nobody', post('/v1/route-domains', { domain: 'in.example.com' }, OPERATOR), 400, 'bad_request'],
  ['to one that there is not', post('/v1/route-domains?account=carl', { domain: 'in.example.com' }, OPERATOR), 404, 'not_found'],
  ['the operator takes it', { method: 'DELETE', url: '/v1/route-domains/in.example.com', auth: OPERATOR }, 200],
  ['an account gives it back', { method: 'DELETE', url: '/v1/route-domains/in.example.com' }, 403, 'forbidden'],
  ['mails that came', { url: `/v1/route-mails?after=${NOW}-${'cd'.repeat(32)}` }, 200],
  ['a cursor of somebody’s own', { url: '/v1/route-mails?after=1' }, 400, 'bad_request'],
  ['nobody asks for mails', { url: '/v1/route-mails', auth: null }, 401, 'unauthenticated'],
  ['a raw mail', { url: `/v1/route-mails/${'cd'.repeat(32)}/raw` }, 200],
  ['a raw mail that is not there', { url: `/v1/route-mails/${'ab'.repeat(32)}/raw` }, 404, 'not_found'],
  ['a raw mail for nobody', { url: `/v1/route-mails/${'cd'.repeat(32)}/raw`, auth: null }, 401, 'unauthenticated'],
  ['a raw mail by its link', { url: `/v1/route-mails/${'cd'.repeat(32)}/raw?owner=1&expires=1&signature=good`, auth: null }, 200],
  [
    'a link that is not ours',
    { url: `/v1/route-mails/${'cd'.repeat(32)}/raw?owner=1&expires=1&signature=bad`, auth: null },
    403,
    'forbidden',
  ],
  ['another’s link', { url: `/v1/route-mails/${'cd'.repeat(32)}/raw?owner=2&expires=1&signature=good`, auth: null }, 403, 'forbidden'],
  ['half a link', { url: `/v1/route-mails/${'cd'.repeat(32)}/raw?signature=good`, auth: null }, 401, 'unauthenticated'],
  // /v1/webhooks
  ['endpoints', { url: '/v1/webhooks' }, 200],
  ['nobody asks for endpoints', { url: '/v1/webhooks', auth: null }, 401, 'unauthenticated'],
  ['adds an endpoint', post('/v1/webhooks', { url: 'https://good.example/' }), 201],
  ['an endpoint without a URL', post('/v1/webhooks', {}), 400, 'bad_request'],
  ['an event that there is not', post('/v1/webhooks', { url: 'https://good.example/', events: ['x'] }), 400, 'bad_request'],
  ['a field that there is not', post('/v1/webhooks', { url: 'https://good.example/', account: 2 }), 400, 'bad_request'],
  ['nobody adds', post('/v1/webhooks', { url: 'https://good.example/' }, null), 401, 'unauthenticated'],
  ['changes an endpoint', { method: 'PATCH', url: '/v1/webhooks/1', body: { rotate: true } }, 200],
  ['what an endpoint was sent', { url: '/v1/webhooks/1/deliveries?state=heard&event=invalid&since=2026-11-20T00:00:00Z&limit=1' }, 200],
  ['a state that there is not', { url: '/v1/webhooks/1/deliveries?state=x' }, 400, 'bad_request'],
  ['a filter that there is not', { url: '/v1/webhooks/1/deliveries?stat=heard' }, 400, 'bad_request'],
  ['one of them', { url: `/v1/webhooks/1/deliveries/${FAILED.id}` }, 200],
  ['one that is not there', { url: '/v1/webhooks/1/deliveries/0192f000-0000-7000-8000-000000000009' }, 404, 'not_found'],
  ['nobody looks it up', { url: '/v1/webhooks/1/deliveries', auth: null }, 401, 'unauthenticated'],
  [
    'replays a time',
    post('/v1/webhooks/1/replay', { from: '2026-11-20T00:00:00Z', until: '2026-11-21T00:00:00Z', events: ['invalid'] }),
    200,
  ],
  ['replays no time', post('/v1/webhooks/1/replay', { from: 'yesterday' }), 400, 'bad_request'],
  ['replays one', post(`/v1/webhooks/1/deliveries/${FAILED.id}/replay`, undefined), 200],
  ['nobody replays', post('/v1/webhooks/1/replay', {}, null), 401, 'unauthenticated'],
  ['a number that is none', { method: 'PATCH', url: '/v1/webhooks/x', body: {} }, 400, 'bad_request'],
  ['nobody changes', { method: 'PATCH', url: '/v1/webhooks/1', body: {}, auth: null }, 401, 'unauthenticated'],
  ['removes an endpoint', { method: 'DELETE', url: '/v1/webhooks/1' }, 204],
  ['nobody removes', { method: 'DELETE', url: '/v1/webhooks/1', auth: null }, 401, 'unauthenticated'],
  ['replays', post('/v1/webhooks/1/replay', { since: '2026-11-01T00:00:00Z' }), 200],
  ['replays all', { method: 'POST', url: '/v1/webhooks/1/replay' }, 200],
  ['replays since whenever', post('/v1/webhooks/1/replay', { since: 'x' }), 400, 'bad_request'],
  ['nobody replays', post('/v1/webhooks/1/replay', {}, null), 401, 'unauthenticated'],
  ['what waits', { url: '/v1/webhooks/1/outbox' }, 200],
  ['nobody looks', { url: '/v1/webhooks/1/outbox', auth: null }, 401, 'unauthenticated'],
  // GET /v1/messages
  ['finds mails', { url: '/v1/messages?status=4&subStatus=406&emailType=batch&egressIp=192.0.2.1' }, 200],
  ['a status that there is not', { url: '/v1/messages?status=2' }, 400, 'bad_request'],
  ['nobody searches', { url: '/v1/messages', auth: null }, 401, 'unauthenticated'],
  // POST /v1/attempts
  ['an attempt', post('/v1/attempts', ATTEMPT), 200],
  ['no reply came', post('/v1/attempts', { emailId: ROW.emailId, code: null, error: 'timeout' }), 200],
  ['no reply and no reason', post('/v1/attempts', { emailId: ROW.emailId, code: null }), 400, 'bad_request'],
  ['no such mail to attempt', post('/v1/attempts', { ...ATTEMPT, emailId: 'none' }), 404, 'not_found'],
  ['a code that is none', post('/v1/attempts', { ...ATTEMPT, code: 99 }), 400, 'bad_request'],
  ['an address that is no IP', post('/v1/attempts', { ...ATTEMPT, egressIp: 'x' }), 400, 'bad_request'],
  ['nobody attempts', post('/v1/attempts', ATTEMPT, null), 401, 'unauthenticated'],
  // lists
  ['a list', { url: '/v1/suppressions/bounce' }, 200],
  ['a list that is none', { url: '/v1/suppressions/grey' }, 400, 'bad_request'],
  ['the longest page', { url: '/v1/suppressions/bounce?limit=1000' }, 200],
  ['too long a page', { url: '/v1/suppressions/bounce?limit=1001' }, 400, 'bad_request'],
  ['nobody reads a list', { url: '/v1/suppressions/bounce', auth: null }, 401, 'unauthenticated'],
  ['a check', post('/v1/suppressions/check', { addresses: ['joe@example.com', 'b@example.com'] }), 200],
  ['a check of nothing', post('/v1/suppressions/check', { addresses: [] }), 400, 'bad_request'],
  ['nobody checks', post('/v1/suppressions/check', { addresses: ['a@example.com'] }, null), 401, 'unauthenticated'],
  ['a lift', post('/v1/suppressions/lift', { ...LIFT, dryRun: true }), 200],
  ['a lift of everything', post('/v1/suppressions/lift', { since: LIFT.since, until: LIFT.until }), 400, 'bad_request'],
  ['a lift that ends before it begins', post('/v1/suppressions/lift', { ...LIFT, since: '2026-11-03T00:00:00Z' }), 400, 'bad_request'],
  ['a lift of unsubscribes', post('/v1/suppressions/lift', { ...LIFT, list: 'unsubscribe' }), 400, 'bad_request'],
  ['nobody lifts', post('/v1/suppressions/lift', LIFT, null), 401, 'unauthenticated'],
  // exports
  ['an export', post('/v1/exports', EXPORT), 202],
  [
    'an export of everything that it takes',
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
  ['an export for an account by the operator', post('/v1/exports?account=alice', EXPORT, OPERATOR), 202],
  ['an export of what there is not', post('/v1/exports', { ...EXPORT, kind: 'facts' }), 400, 'bad_request'],
  ['an export without a time', post('/v1/exports', { kind: 'status' }), 400, 'bad_request'],
  ['an export with a misspelt filter', post('/v1/exports', { ...EXPORT, filters: { falt: 'recipient' } }), 400, 'bad_request'],
  ['an export in a format that there is not', post('/v1/exports', { ...EXPORT, format: 'xlsx' }), 400, 'bad_request'],
  ['nobody exports', post('/v1/exports', EXPORT, null), 401, 'unauthenticated'],
  ['the exports', { url: '/v1/exports' }, 200],
  ['the longest page of exports', { url: '/v1/exports?limit=1000' }, 200],
  ['too long a page of exports', { url: '/v1/exports?limit=1001' }, 400, 'bad_request'],
  ['nobody lists exports', { url: '/v1/exports', auth: null }, 401, 'unauthenticated'],
  ['one export', { url: JOB_URL }, 200],
  ['another account’s export', { url: JOB_URL, auth: 'Bearer bob:secret-of-bob' }, 404, 'not_found'],
  ['an export whose id is none', { url: '/v1/exports/1' }, 400, 'bad_request'],
  ['nobody looks at an export', { url: JOB_URL, auth: null }, 401, 'unauthenticated'],
  ['its file', { url: `${JOB_URL}/download` }, 200],
  ['another account’s file', { url: `${JOB_URL}/download`, auth: 'Bearer bob:secret-of-bob' }, 404, 'not_found'],
  ['nobody takes a file', { url: `${JOB_URL}/download`, auth: null }, 401, 'unauthenticated'],
  ['a retry of what is done', { method: 'POST', url: `${JOB_URL}/retry` }, 409, 'conflict'],
  ['a retry of nothing', { method: 'POST', url: NO_JOB + '/retry' }, 404, 'not_found'],
  ['nobody tries again', { method: 'POST', url: `${JOB_URL}/retry`, auth: null }, 401, 'unauthenticated'],
  ['deletes an export', { method: 'DELETE', url: JOB_URL }, 204],
  ['deletes no export', { method: 'DELETE', url: NO_JOB }, 404, 'not_found'],
  ['nobody deletes', { method: 'DELETE', url: JOB_URL, auth: null }, 401, 'unauthenticated'],
  // inbox
  ['the inbox', { url: '/v1/inbox' }, 200],
  ['the inbox of everybody', { url: '/v1/inbox', auth: OPERATOR }, 200],
  ['an unknown state', { url: '/v1/inbox?state=lost' }, 400, 'bad_request'],
  ['one of it', { url: RAW.replace('/raw', '') }, 200],
  ['its raw mail', { url: RAW }, 200],
  ['another account’s raw mail', { url: RAW, auth: 'Bearer bob:secret-of-bob' }, 404, 'not_found'],
  ['an id that is none', { url: '/v1/inbox/..%2f..%2fetc' }, 400, 'bad_request'],
  ['nobody reads the inbox', { url: '/v1/inbox', auth: null }, 401, 'unauthenticated'],
  // the document
  ['the document', { url: '/openapi.json', auth: null }, 200],
]

test.each(CASES.map(([what, request, status, code]) => ({ what, request, status, code })))('$what', async ({ request, status, code }) => {
  const answer = await bench.send(request)
  expect({ status: answer.statusCode, body: answer.statusCode === status ? '' : answer.body }).toEqual({ status, body: '' })
  if (status < 400) return
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8')
  expect(answer.json()).toMatchObject({ type: 'about:blank', status, instance: expect.any(String), ...(code ? { code } : {}) })
})

describe('what they answer', () => {
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

  test('what the framework refuses quotes nothing', async () => {
    const { body, headers } = await bench.send({ url: '/v1/messages/%zzSECRET' })
    expect([body.includes('SECRET'), headers['x-content-type-options']]).toEqual([false, 'nosniff'])
  })

  test('a registration names every recipient', async () => {
    const answer = await bench.send({
      method: 'POST',
      url: '/v1/messages',
      body: { ...MAIL, recipients: ['a@example.com', 'b@example.com'] },
    })
    expect(answer.json()).toMatchObject({
      messageId: 'm1x',
      recipients: [{ recipient: 'a@example.com', headers: { 'Feedback-ID': 'x' } }, { emailId: 'm1x1$b@example.com' }],
    })
  })

  test('a mail shows its status and each fact with its evidence', async () => {
    const answer = await bench.send({ url: `/v1/messages/${EMAIL_ID}` })
    expect(answer.json()).toMatchObject({
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
    expect(answer.json().events[0].detail).not.toHaveProperty('verdict')
  })

  test('a check answers in the order of the question', async () => {
    const answer = await bench.send({
      method: 'POST',
      url: '/v1/suppressions/check',
      body: { addresses: ['b@example.com', 'joe@example.com'] },
    })
    expect(answer.json().results).toEqual([
      { address: 'b@example.com', suppressed: false, list: null, until: null, reason: null },
      { address: 'joe@example.com', suppressed: true, list: 'bounce', until: '2026-11-21T12:00:00.000Z', reason: 'not-exist' },
    ])
  })

  test('raw mail is a download, whatever is in it', async () => {
    const { headers, body } = await bench.send({ url: RAW })
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-disposition': expect.stringMatching(/^attachment;/),
    })
    expect(body).toContain('<script>')
  })

  test('a file is a download of the length that was told', async () => {
    const { headers, body } = await bench.send({ url: `${JOB_URL}/download` })
    expect(headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': 'attachment; filename="status-2026-11-19-2026-11-20.csv"',
      'content-length': '12',
    })
    expect(body).toBe('a,b\r\n1,"2"\r\n')
  })

  test('the document names our routes and not the vendor’s', async () => {
    const paths = Object.keys((await bench.send({ url: '/openapi.json', auth: null })).json().paths)
    expect(paths).toContain('/v1/messages/{emailId}')
    expect(paths.filter((path) => path.startsWith('/api'))).toEqual([])
  })
})

describe('one-click unsubscribe (RFC 8058)', () => {
  const GOOD = 'a'.repeat(30)
  const clicks: readonly (readonly [what: string, request: TestRequest, status: number, callCount: number])[] = [
    ['GET shows a page and unsubscribes nobody', { url: `/u/${GOOD}`, auth: null }, 200, 0],
    ['HEAD neither', { url: `/u/${GOOD}?x=1`, auth: null }, 200, 0],
    [
      'a form post',
      {
        method: 'POST',
        url: `/u/${GOOD}`,
        auth: null,
        body: 'List-Unsubscribe=One-Click',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      },
      200,
      1,
    ],
    [
      'a multipart post',
      {
        method: 'POST',
        url: `/u/${GOOD}`,
        auth: null,
        body: '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
        headers: { 'content-type': 'multipart/form-data; boundary=x' },
      },
      200,
      1,
    ],
    [
      'a post of a type nobody knows',
      { method: 'POST', url: `/u/${GOOD}`, auth: null, body: 'x', headers: { 'content-type': 'text/x-odd' } },
      200,
      1,
    ],
    ['a post without a body', { method: 'POST', url: `/u/${GOOD}`, auth: null }, 200, 1],
    ['a token that proves nothing', { method: 'POST', url: `/u/${'b'.repeat(30)}`, auth: null }, 404, 1],
    ['no token at all', { method: 'POST', url: '/u/%3Cscript%3E', auth: null }, 400, 0],
  ]
  test.each(clicks)('%s', async (_what, request, status, callCount) => {
    const { send, calls } = await makeBench()
    const answer = await send(request)
    expect([answer.statusCode, calls.filter(({ name }) => name === 'unsubscribe').length]).toEqual([status, callCount])
    expect(answer.headers).not.toHaveProperty('set-cookie')
    expect(answer.headers).not.toHaveProperty('location')
    expect(answer.body).not.toContain('<script>')
  })
})

describe('troubles of our own', () => {
  test('a store that does not answer is 503, and says nothing of itself', async () => {
    const { send } = await makeBench({ register: () => Promise.reject(new Fault('store_busy', 'postgres at 10.0.0.7 refused')) })
    const answer = await send({ method: 'POST', url: '/v1/messages', body: MAIL })
    expect([answer.statusCode, answer.headers['retry-after'], answer.body.includes('10.0.0.7')]).toEqual([503, '5', false])
  })

  test('a bug is 500, and says nothing of itself', async () => {
    const { send } = await makeBench({ register: () => Promise.reject(new Error('x is undefined')) })
    const answer = await send({ method: 'POST', url: '/v1/messages', body: MAIL })
    expect([answer.statusCode, answer.json().code, answer.body.includes('undefined')]).toEqual([500, 'internal', false])
  })

  test('a store that is away is not ready', async () => {
    const { send } = await makeBench({}, { isReady: () => Promise.reject(new Error('away')) })
    expect((await send({ url: '/readyz', auth: null })).statusCode).toBe(503)
  })
})

describe('limits', () => {
  test('an address that guesses is stopped, and the right key waits with it', async () => {
    const { send } = await makeBench()
    const codes = await Promise.all(
      Array.from({ length: 40 }, async () => (await send({ url: '/v1/inbox', auth: `Basic ${BAD}` })).statusCode),
    )
    expect([codes.filter((code) => code === 401).length, (await send({ url: '/v1/inbox' })).statusCode]).toEqual([30, 429])
  })

  test('an account has so many requests a minute', async () => {
    const { send } = await makeBench(
      {},
      { limits: { bodyBytes: 1_000, requestsPerMinute: 2, recipientsPerRequest: 1, attemptsPerRequest: 1, emailStatusDays: 3 } },
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

test.each(SCOPES)('a block for %j stops alice: %j', async (scope, suppressed) => {
  const { send } = await makeBench({ suppressions: { checkAddresses: () => Promise.resolve([[{ ...ENTRY, list: 'block', scope }]]) } })
  const answer = await send({ method: 'POST', url: '/v1/suppressions/check', body: { addresses: ['joe@example.com'] } })
  expect(answer.json().results[0].suppressed).toBe(suppressed)
})
