/**
 * engagelab.test - the EngageLab API: HTTP Basic, lists as { result, count, total }, errors as { code, message }
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { listEngageLabRoutes } from '../compatible-routes.ts'
import { makeBench, OPERATOR, type TestRequest, type Bench } from '../bench.ts'

let bench: Bench
beforeAll(async () => {
  bench = await makeBench()
})

const CASES: readonly (readonly [NonNullable<TestRequest['method']>, string, number, number | string | null, object?])[] = [
  // method  address                                                          HTTP  code    body
  ['GET', '/v1/email_status?send_date=2026-11-20', 200, null],
  ['GET', '/v1/email_status?send_date=2026-11-20&status=4&sub_status=406;409&label_id=7&api_user=alice&domain_name=example.com', 200, null],
  ['GET', '/v1/email_status?send_date=2026-11-20&offset=0&limit=100&email_ids=a;b&unknown=1', 200, null],
  ['GET', '/v1/email_status', 400, 40007],
  ['GET', '/v1/email_status?send_date=20.11.2026', 400, 40007],
  ['GET', '/v1/email_status?send_date=2026-11-20&limit=101', 400, 40004],
  ['GET', '/v1/email_status?send_date=2026-11-20&offset=x', 400, 40002],
  ['GET', '/v1/email_status?send_date=2026-11-20&offset=', 400, 40001],
  ['GET', '/v1/email_status?send_date=2026-11-20&email=nobody', 400, 40012],
  ['GET', '/v1/email_status?send_date=2026-11-20&label_id=x', 400, 40015],
  ['GET', '/v1/bounces?offset=0&limit=30', 200, null],
  ['GET', '/v1/bounces?start_date=2026-11-01&end_date=2026-11-20', 200, null],
  ['GET', '/v1/bounces?start_date=2026-11-01', 400, 40008],
  ['GET', '/v1/bounces?start_date=2026-01-01&end_date=2026-11-20', 400, 40008],
  ['GET', '/v1/bounces?email=joe@example.com&start_date=x', 200, null],
  ['GET', '/v1/bounces?limit=x', 400, 40004],
  ['DELETE', '/v1/bounces?email=joe@example.com', 405, 405],
  ['GET', '/v1/mail/send', 405, 405],
  ['PUT', '/v1/mail/send_mime', 405, 405],
  ['GET', '/v1/labels?label_name=ne&offset=0&limit=10', 200, null],
  ['GET', '/v1/labels?limit=101', 400, 40004],
  ['GET', '/v1/stats_day?start_date=2026-11-01&end_date=2026-11-20&api_users=alice;bob&label_ids=7&domain_names=example.com', 200, null],
  ['GET', '/v1/stats_day?start_date=2026-11-01&end_date=2026-11-20&time_zone=%2B8', 200, null],
  ['GET', '/v1/stats_day?start_date=2026-11-01&end_date=2026-11-20&time_zone=moon', 400, 400],
  ['GET', '/v1/stats_day', 400, 40006],
  ['GET', '/v1/stats_hour?start_date=2026-11-20&end_date=2026-11-20', 200, null],
  ['GET', '/v1/stats_hour?start_date=2026-01-01&end_date=2026-11-20', 400, 40008],
  ['DELETE', '/v1/labels/7', 200, null],
  ['DELETE', '/v1/labels/8', 404, 404],
  ['GET', '/v1/labels/8', 404, 404],
  ['GET', '/v1/labels/x', 400, 40015],
  ['POST', '/v1/labels', 400, 30_104, {}],
  ['POST', '/v1/labels', 400, 30_113, { label_name: 'taken' }],
  ['PUT', '/v1/labels/8', 404, 404, { label_name: 'spring' }],
  ['GET', '/v1/complaints?offset=0&limit=90', 200, null],
  ['DELETE', '/v1/complaints?email=joe@example.com', 200, null],
  ['DELETE', '/v1/complaints', 200, null, { email: 'joe@example.com' }],
  ['DELETE', '/v1/complaints?start_date=2026-11-01&end_date=2026-11-20', 200, null],
  ['DELETE', '/v1/complaints', 400, 40011],
  ['GET', '/v1/unsubscribes?api_user=alice', 200, null],
  ['GET', '/v1/unsubscribes?api_user=', 400, 40010],
  ['POST', '/v1/unsubscribes', 200, null, { email: 'joe@example.com' }],
  ['POST', '/v1/unsubscribes', 200, null, { email: ['joe@example.com', 'ann@example.com'] }],
  ['POST', '/v1/unsubscribes', 400, 40012, { email: 'nobody' }],
  ['POST', '/v1/unsubscribes', 400, 40011, {}],
  ['DELETE', '/v1/unsubscribes?email=joe@example.com', 200, null],
  ['DELETE', '/v1/unsubscribes', 400, 40011],
  ['GET', '/v1/blocks?offset=0&limit=1', 200, null],
  ['GET', '/v1/blocks?email_or_domain=example.com&api_user=all', 200, null],
  ['GET', '/v1/blocks?email_or_domain=joe@', 400, 40012],
  ['POST', '/v1/blocks', 200, null, { email_or_domain: ['joe@example.com', 'example.net'], expire_time: '2026-12-01 00:00:00' }],
  ['POST', '/v1/blocks', 200, null, { email_or_domain: 'example.net', expire_time: '2026-12-01T00:00:00+0800' }],
  ['POST', '/v1/blocks', 400, 40008, { email_or_domain: 'example.net', expire_time: '2026-11-20T12:00:00+0100' }],
  ['POST', '/v1/blocks', 400, 40008, { email_or_domain: 'example.net', expire_time: '2026-11-01 00:00:00' }],
  ['POST', '/v1/blocks', 400, 40016, { email_or_domain: 'example.net', api_user: 'mallory' }],
  ['POST', '/v1/blocks', 400, 40011, {}],
  ['DELETE', '/v1/blocks?email_or_domain=example.net', 200, null],
  ['DELETE', '/v1/blocks', 400, 40011],
  ['GET', '/v1/no_interceptions', 200, null],
  ['POST', '/v1/no_interceptions', 200, null, { email_or_domain: 'example.net', api_user: 'alice' }],
  ['DELETE', '/v1/no_interceptions?email_or_domain=example.net', 200, null],
  ['DELETE', '/v1/no_interceptions?email_or_domain=-', 400, 40012],
]

/** Null for a complete list response; otherwise the code of the error. */
function codeOf(body: Readonly<Record<string, unknown>>): unknown {
  return Object.keys(body).toSorted().join() === 'count,result,total' && Array.isArray(body['result']) ? null : body['code']
}

test.each(CASES.map(([method, url, status, code, body]) => [method, url, status, code, body] as const))(
  '%s %s is %i %j',
  async (method, url, status, code, body) => {
    const response = await bench.send({ method, url, ...(body === undefined ? {} : { body }) })
    expect([response.statusCode, codeOf(response.json())]).toEqual([status, code])
  },
)

describe('authentication', async () => {
  test.each(await listEngageLabRoutes())('$method $url requires an account', async ({ method, url }) => {
    const responses = await Promise.all([bench.send({ method, url, auth: null }), bench.send({ method, url, auth: OPERATOR })])
    expect(responses.map((response) => [response.statusCode, response.json().code])).toEqual([
      [401, 30_000],
      [401, 30_000],
    ])
  })
})

test('rows have EngageLab’s fields', async () => {
  const result = async (url: string): Promise<unknown> => (await bench.send({ url })).json().result[0]
  expect(await result('/v1/bounces')).toEqual({
    email: 'joe@example.com',
    reason: '550 5.1.1 No such user',
    bounce_time: '2026-11-20T11:59:59+0000',
    expire_time: '2026-11-21T12:00:00+0000',
  })
  expect(await result('/v1/blocks')).toEqual({
    block_id: expect.any(Number),
    api_user: 'all',
    email_or_domain: 'joe@example.com',
    create_time: '2026-11-20T11:59:59+0000',
    expire_time: '2026-11-21T12:00:00+0000',
  })
  expect(await result('/v1/email_status?send_date=2026-11-20')).toEqual({
    email_id: 'm1x0$joe@example.com',
    api_user: 'alice',
    email: 'joe@example.com',
    label_id: 7,
    status: 4,
    status_desc: 'invalid email',
    sub_status: 406,
    sub_status_desc: 'Address Does Not Exist',
    send_log: '550 5.1.1 No such user',
    request_time: '2026-11-20T11:59:00+0000',
    modified_time: '2026-11-20T12:00:00+0000',
  })
})

test('sub_status overrides status, and days are in the time zone of the account', async () => {
  const { send, calls } = await makeBench()
  await send({ url: '/v1/email_status?send_date=2026-11-20&status=1&sub_status=406' })
  expect(calls.find(({ name }) => name === 'messages.list')?.args[1]).toMatchObject({
    status: null,
    subStatuses: [406],
    from: Date.UTC(2026, 10, 20),
  })
})

test('the total includes rows beyond the page', async () => {
  const { send } = await makeBench({
    suppressions: { count: () => Promise.resolve(41) },
  })
  expect((await send({ url: '/v1/complaints?limit=1' })).json()).toMatchObject({ count: 1, total: 41 })
})

const BODIES = [
  [
    'an empty JSON body is accepted',
    { method: 'DELETE', url: '/v1/complaints?email=joe@example.com', headers: { 'content-type': 'application/json' } },
    200,
  ],
  [
    'an invalid JSON body is rejected',
    { method: 'POST', url: '/v1/unsubscribes', body: '{', headers: { 'content-type': 'application/json' } },
    400,
  ],
  [
    'another content type is rejected',
    { method: 'POST', url: '/v1/unsubscribes', body: '<x/>', headers: { 'content-type': 'text/xml' } },
    415,
  ],
] as const

test.each(BODIES)('%s', async (_, request, status) => {
  const response = await bench.send(request)
  expect([response.statusCode, codeOf(response.json())]).toEqual([status, status === 200 ? null : status])
})

test('an unreachable store gives 500, too many requests give 429', async () => {
  const unreachable = await makeBench({ suppressions: { list: () => Promise.reject(new Fault('store_busy', 'away')) } })
  expect(await unreachable.send({ url: '/v1/bounces' }).then((response) => [response.statusCode, response.json().code])).toEqual([500, 501])
  const limits = {
    bodyBytes: 1_000,
    requestsPerMinute: 1,
    recipientsPerRequest: 1,
    attemptsPerRequest: 1,
    classificationsPerRequest: 1,
    emailStatusDays: 3,
  }
  const busy = await makeBench({}, { limits })
  await busy.send({ url: '/v1/bounces' })
  const response = await busy.send({ url: '/v1/bounces' })
  expect([response.statusCode, response.json()]).toEqual([429, { code: 50_000, message: 'interface frequency limited' }])
})

test('labels have EngageLab’s fields', async () => {
  const row = { label_id: 7, label_name: 'news', create_time: '2026-11-20T12:00:00+0000', update_time: '2026-11-20T12:00:00+0000' }
  expect((await bench.send({ url: '/v1/labels' })).json()).toEqual({ result: [row], count: 1, total: 1 })
  expect((await bench.send({ url: '/v1/labels/7' })).json()).toEqual(row)
  expect((await bench.send({ method: 'PUT', url: '/v1/labels/7', body: { label_name: 'spring' } })).json()).toMatchObject({
    label_name: 'spring',
  })
})

test('aggregated statistics are one object', async () => {
  const { result } = (await bench.send({ url: '/v1/stats_day?start_date=2026-11-20&end_date=2026-11-20&aggregate_by=1' })).json()
  expect(result).toMatchObject({ targets: 0, sent: 0, delivered_percent: 0, total_opens: 0, opens: 0, report_spam: 0, unsubscribe: 0 })
})

test('time_zone moves the days', async () => {
  const { send, calls } = await makeBench()
  await send({ url: '/v1/stats_day?start_date=2026-11-20&end_date=2026-11-20&time_zone=+8' })
  const query = calls.find(({ name }) => name === 'statistics.sumCounters')?.args[1]
  expect(JSON.stringify(query)).toContain(String(Date.UTC(2026, 10, 19, 16)))
})

test('a block_id is the same in every answer, and another for another API user', async () => {
  const ids = async (): Promise<unknown> => (await bench.send({ url: '/v1/blocks' })).json().result[0].block_id
  expect(await ids()).toBe(await ids())
})
