/** conventions.test - HTTP conventions of our own API: ETags, conditional requests, methods, media types, problems */
import { beforeAll, describe, expect, test } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { BASIC, makeBench, type TestRequest, type Bench } from '../bench.ts'
import { ENDPOINT, ROW } from '../sample-rows.ts'

let bench: Bench
beforeAll(async () => {
  bench = await makeBench()
})

const PROBLEM = 'application/problem+json; charset=utf-8'
const EMAIL = `/v1/messages/${encodeURIComponent(ROW.emailId ?? '')}`
const json = { 'content-type': 'application/json' }

test.each([
  ['an unknown path', { url: '/v1/nothing' }, 404, 'not_found', null],
  ['an unknown path below a known one', { url: '/v1/queue/pause/x' }, 404, 'not_found', null],
  ['an unsupported method', { method: 'DELETE', url: '/v1/messages' }, 405, 'method_not_allowed', 'GET, HEAD, POST'],
  ['an unsupported method with a query', { method: 'POST', url: `${EMAIL}?x=1` }, 405, 'method_not_allowed', 'GET, HEAD'],
  [
    'an unsupported method of a path with a parameter',
    { method: 'PATCH', url: '/v1/suppressions/check' },
    405,
    'method_not_allowed',
    'GET, HEAD, POST',
  ],
  ['a request for XML', { url: '/v1/messages', headers: { accept: 'application/xml' } }, 406, 'not_acceptable', null],
  ['a request that excludes JSON', { url: '/v1/messages', headers: { accept: '*/*, application/json;q=0' } }, 406, 'not_acceptable', null],
  ['a body that is too large', { method: 'POST', url: '/v1/messages', body: `"${'x'.repeat(100_001)}"`, headers: json }, 413, 'http', null],
  ['an XML body', { method: 'POST', url: '/v1/messages', body: '<a/>', headers: { 'content-type': 'application/xml' } }, 415, 'http', null],
  ['invalid JSON', { method: 'POST', url: '/v1/messages', body: '{', headers: json }, 400, 'http', null],
  ['a request without sign-in', { url: '/v1/messages', auth: null }, 401, 'unauthenticated', null],
] as const satisfies readonly (readonly [string, TestRequest, number, string, string | null])[])(
  '%s is a problem',
  async (_title, request, status, code, allow) => {
    const response = await bench.send(request)
    expect([response.statusCode, response.headers['content-type'], response.json().code]).toEqual([status, PROBLEM, code])
    expect(response.headers['allow'] ?? null).toBe(allow)
    expect(response.json()).toMatchObject({ type: 'about:blank', status, instance: expect.any(String), detail: expect.any(String) })
  },
)

describe('If-None-Match', () => {
  test.each(['/v1/messages', '/v1/queue', '/v1/webhooks', '/v1/account/settings', '/v1/webhooks/1'])('%s', async (url) => {
    const first = await bench.send({ url })
    const tag = String(first.headers['etag'])
    expect(first.headers['cache-control']).toBe('private, no-cache')
    for (const condition of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const again = await bench.send({ url, headers: { 'if-none-match': condition } })
      expect([again.statusCode, again.body, again.headers['etag']]).toEqual([304, '', tag])
    }
    for (const other of ['"other"', '', tag.replaceAll('"', '')])
      expect((await bench.send({ url, headers: { 'if-none-match': other } })).statusCode).toBe(200)
  })

  test('errors and responses to POST have no ETag', async () => {
    const refused = await bench.send({ url: '/v1/messages/none', headers: { 'if-none-match': '*' } })
    const posted = await bench.send({ method: 'POST', url: '/v1/suppressions/check', body: { addresses: ['a@example.com'] } })
    expect([refused.statusCode, refused.headers['etag'], posted.statusCode, posted.headers['etag']]).toEqual([
      404,
      undefined,
      200,
      undefined,
    ])
  })
})

describe('If-Match', () => {
  const settings: TestRequest = { method: 'PATCH', url: '/v1/account/settings', body: { zone: 'Asia/Shanghai' } }
  const endpoint: TestRequest = { method: 'PATCH', url: '/v1/webhooks/1', body: { enabled: false } }
  const removal: TestRequest = { method: 'DELETE', url: '/v1/webhooks/1' }
  const tag = `"v${ENDPOINT.updatedAt}"`
  test.each([
    [settings, '"v1"', 200],
    [settings, '"v0", "v1"', 200],
    [settings, '*', 200],
    [settings, 'W/"v1"', 412],
    [settings, '"v2"', 412],
    [settings, 'v1', 412],
    [endpoint, tag, 200],
    [endpoint, '"v1"', 412],
    [removal, tag, 204],
    [removal, '"v1"', 412],
    [{ ...endpoint, url: '/v1/webhooks/9' }, tag, 404],
  ] as const)('%j If-Match %s: %i', async (request, match, status) => {
    expect((await bench.send({ ...request, headers: { 'if-match': match } })).statusCode).toBe(status)
  })

  test('a concurrent change is a failed precondition with If-Match, and a conflict without', async () => {
    const { send } = await makeBench({ accounts: { changeSettings: () => Promise.reject(new Fault('conflict', 'version 2 by now')) } })
    expect((await send({ ...settings, headers: { 'if-match': '"v1"' } })).statusCode).toBe(412)
    expect((await send(settings)).statusCode).toBe(409)
  })
})

test.each([
  [undefined, true],
  ['', true],
  ['*/*', true],
  ['application/*;q=0.1', true],
  ['text/html, application/json;q=0.9', true],
  ['text/html,application/xhtml+xml,*/*;q=0.8', true],
  ['text/html', false],
  ['*/*;q=0', false],
  ['application/json;q=0, */*', false],
  ['application/json;q=0.0', false],
  [',,;;=', false],
] as const)('accept %j: %s', async (header, want) => {
  const { statusCode } = await bench.send({ url: '/v1/messages', headers: header === undefined ? {} : { accept: header } })
  expect(statusCode).toBe(want ? 200 : 406)
})

test('an ETag of another account gives no access', async () => {
  const bob = `Basic ${Buffer.from('bob:secret-of-bob').toString('base64')}`
  const tag = String((await bench.send({ url: EMAIL, auth: BASIC })).headers['etag'])
  expect((await bench.send({ url: EMAIL, auth: bob, headers: { 'if-none-match': tag } })).statusCode).toBe(404)
})
