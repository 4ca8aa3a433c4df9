/**
 * attacks.test - common attacks on the HTTP server
 */
import { expect, test } from 'vitest'
import { BASIC, makeBench, OPERATOR } from '../bench.ts'
import { ITEM, ROW } from '../sample-rows.ts'

const HOSTILE = '<script>alert(1)</script>"\'><img src=x onerror=alert(1)>\u001b]0;x\u0007'

test('password guessing: an address with too many failures is rejected, also with a correct secret, and other addresses are not', async () => {
  const { server } = await makeBench()
  const statusOf = async (auth: string, remoteAddress: string): Promise<number> =>
    (await server.inject({ url: '/v1/messages', headers: { authorization: auth }, remoteAddress })).statusCode
  const wrong = `Basic ${Buffer.from('alice:guess').toString('base64')}`
  const codes: number[] = []
  for (let n = 0; n < 40; n++) codes.push(await statusOf(wrong, '192.0.2.66'))
  expect([codes[0], codes[29], codes[30], codes[39]]).toEqual([401, 401, 429, 429])
  expect([await statusOf(BASIC, '192.0.2.66'), await statusOf(BASIC, '192.0.2.1')]).toEqual([429, 200])
})

test('made-up names from one address are rejected after a while, and lock out no other address', async () => {
  const { server } = await makeBench()
  const statusOf = async (user: string, remoteAddress: string): Promise<number> => {
    const authorization = user === 'alice' ? BASIC : `Basic ${Buffer.from(`${user}:guess`).toString('base64')}`
    return (await server.inject({ url: '/v1/messages', headers: { authorization }, remoteAddress })).statusCode
  }
  const codes: number[] = []
  for (let n = 0; n < 302; n++) codes.push(await statusOf(`invented-${n}`, '192.0.2.66'))
  expect([codes[0], codes[299], codes[300], codes[301]]).toEqual([401, 401, 429, 429])
  expect([await statusOf('alice', '192.0.2.66'), await statusOf('alice', '192.0.2.1')]).toEqual([429, 200])
})

test('password guessing with a forged X-Forwarded-For counts for the real peer', async () => {
  const { server } = await makeBench()
  const codes: number[] = []
  for (let n = 0; n < 32; n++) {
    const headers = { authorization: 'Bearer guess', 'x-forwarded-for': `198.51.100.${n}` }
    codes.push((await server.inject({ url: '/v1/messages', headers, remoteAddress: '192.0.2.67' })).statusCode)
  }
  expect(codes.at(-1)).toBe(429)
})

test('password guessing through the SendCloud API counts too', async () => {
  const { server } = await makeBench()
  const sendGuess = async (): Promise<string> =>
    (await server.inject({ method: 'POST', url: '/api/bounce/list?apiUser=alice&apiKey=guess', remoteAddress: '192.0.2.68' })).body
  const responses: string[] = []
  for (let n = 0; n < 35; n++) responses.push(await sendGuess())
  expect(responses.at(-1)).not.toBe(responses[0])
})

const PATHS = [
  // URLs whose text could be reflected
  ['GET', `/nowhere/${encodeURIComponent(HOSTILE)}`],
  ['GET', `/v1/messages/${encodeURIComponent(HOSTILE)}`],
  ['GET', `/v1/messages?recipient=${encodeURIComponent(HOSTILE)}&status=${encodeURIComponent(HOSTILE)}`],
  ['GET', `/v1/suppressions/${encodeURIComponent(HOSTILE)}`],
  ['GET', `/v1/inbox?state=${encodeURIComponent(HOSTILE)}`],
  ['GET', `/u/${encodeURIComponent(HOSTILE)}`],
  ['POST', `/u/${encodeURIComponent(HOSTILE)}`],
  ['GET', '/v1/messages?after=%3Cscript%3E'],
] as const

test.each(PATHS)('reflection: %s %s', async (method, url) => {
  const { send } = await makeBench()
  const response = await send({ method, url })
  expect(response.body).not.toMatch(/<script|onerror/)
  expect(response.headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'content-security-policy': expect.stringContaining("default-src 'none'"),
  })
  expect(response.headers['set-cookie']).toBeUndefined()
})

test.each([
  ['invalid JSON', { 'content-type': 'application/json' }, `{"${HOSTILE}`],
  ['an invented content type', { 'content-type': `text/${encodeURIComponent(HOSTILE)}` }, 'x'],
  ['prototype pollution', { 'content-type': 'application/json' }, '{"__proto__":{"admin":true},"from":"a@example.com","recipients":[]}'],
])('reflection: %s', async (_what, headers, body) => {
  const { send, calls } = await makeBench()
  const response = await send({ method: 'POST', url: '/v1/messages', headers, body })
  expect(response.statusCode).toBeGreaterThanOrEqual(400)
  expect(response.body).not.toMatch(/script|Unexpected token|__proto__/)
  expect(calls).toEqual([])
})

test('stored XSS: the text of a bounce is sent as JSON, which no browser renders', async () => {
  const { send } = await makeBench({
    messages: {
      find: () => Promise.resolve({ row: { ...ROW, sendLog: HOSTILE, subject: HOSTILE, from: HOSTILE }, facts: [], waiting: null }),
    },
    inbox: { list: () => Promise.resolve({ rows: [{ ...ITEM, from: HOSTILE, subject: HOSTILE, summary: HOSTILE }], next: null }) },
  })
  for (const url of [`/v1/messages/${encodeURIComponent(ROW.emailId ?? '')}`, '/v1/inbox']) {
    const response = await send({ url })
    expect(response.headers['content-type']).toMatch(/^application\/json/)
    expect(response.body).not.toContain('\u001b')
  }
})

test('stored XSS: a raw mail is a download, never a page', async () => {
  const { send } = await makeBench()
  const response = await send({ url: `/v1/inbox/${ITEM.digest}/raw` })
  expect(response.headers).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-disposition': expect.stringMatching(/^attachment; filename="[0-9a-f]{16}\.eml"$/),
  })
})

test('cross-site request forgery: sign-in is a header and never a cookie; the unsubscribe page needs its token', async () => {
  const { send, calls } = await makeBench()
  const cross = { origin: 'https://evil.example', 'content-type': 'text/plain' }
  const accept = { method: 'POST', url: `/v1/inbox/${ITEM.digest}/accept`, auth: null } as const
  expect((await send({ ...accept, headers: { origin: cross.origin } })).statusCode).toBe(401)
  // A form of another site can send text, which is no JSON object.
  expect((await send({ ...accept, headers: cross, body: '{"force":true}' })).statusCode).toBe(400)
  const preflight = await send({ method: 'GET', url: '/v1/messages', headers: { origin: 'https://evil.example' } })
  expect(preflight.headers['access-control-allow-origin']).toBeUndefined()
  expect((await send({ url: `/u/${'a'.repeat(30)}`, auth: null })).statusCode).toBe(200)
  expect(calls.filter(({ name }) => name === 'unsubscribeLinks.unsubscribe')).toEqual([])
})

test('clickjacking and script injection: the page allows only its own style and form, and no frame', async () => {
  const { send } = await makeBench()
  const { headers, body } = await send({ url: `/u/${'a'.repeat(30)}`, auth: null })
  const policy = String(headers['content-security-policy'])
  expect(policy).toMatch(/default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'self'; frame-ancestors 'none'/)
  expect(policy).not.toContain('unsafe')
  expect(body).not.toMatch(/<script|style="|http/)
})

test('header injection: a header of a message must be one line', async () => {
  const { send, calls } = await makeBench()
  const mail = { from: 'a@example.com', recipients: ['b@example.org'] }
  for (const headers of [{ 'X-A': 'b\r\nBcc: c@example.org' }, { 'X-A\r\nBcc': 'c' }, { 'X-A': '\u0000' }])
    expect((await send({ method: 'POST', url: '/v1/messages', body: { ...mail, headers } })).statusCode).toBe(400)
  expect(calls).toEqual([])
})

test('only the operator may block and erase', async () => {
  const { send, calls } = await makeBench()
  const rows = [
    { method: 'GET', url: '/v1/cuts' },
    { method: 'POST', url: '/v1/cuts', body: { peer: '192.0.2.1', reason: 'x' } },
    { method: 'DELETE', url: '/v1/cuts?kind=peer&name=192.0.2.1' },
    { method: 'DELETE', url: '/v1/addresses/joe%40example.org' },
  ] as const
  for (const row of rows) expect((await send(row)).statusCode).toBe(403)
  expect(calls).toEqual([])
  for (const row of rows) expect((await send({ ...row, auth: OPERATOR })).statusCode).toBe(200)
  expect(calls.map(({ name }) => name)).toEqual(['accessBlocks.list', 'accessBlocks.add', 'accessBlocks.remove', 'eraseAddress'])
})

test.each([
  // target                        status
  [{ peer: '192.0.2.1' }, 200],
  [{ peer: '::ffff:192.0.2.1' }, 200],
  [{ peer: '2001:db8::/32' }, 200],
  [{ peer: '0.0.0.0/0' }, 400],
  [{ peer: '::/0' }, 400],
  [{ peer: 'evil.example' }, 400],
  [{ token: 'x' }, 400],
  [{ account: 'alice' }, 200],
  [{ account: 'nobody' }, 404],
  [{}, 400],
  [{ peer: '192.0.2.1', account: 'alice' }, 400],
])('an access block must name one valid target: %j', async (named, status) => {
  const { send } = await makeBench()
  const body = { ...named, reason: 'a flood' }
  expect((await send({ method: 'POST', url: '/v1/cuts', body, auth: OPERATOR })).statusCode).toBe(status)
})

test('an inbox item is resolved in the name of the caller', async () => {
  const { send, calls } = await makeBench()
  const url = `/v1/inbox/${ITEM.digest}`
  await send({ method: 'POST', url: `${url}/accept` })
  await send({ method: 'POST', url: `${url}/discard`, auth: OPERATOR })
  const linked = await send({ method: 'POST', url: `${url}/link?account=alice`, body: { emailId: 'm1' }, auth: OPERATOR })
  expect(linked.json()).toMatchObject({ id: ITEM.digest, changed: true, problem: null, events: [{ kind: 'failed' }] })
  expect((await send({ method: 'POST', url: `${url}/link`, body: {} })).statusCode).toBe(400)
  expect(calls.map(({ args }) => args[0])).toMatchObject([
    { account: 1, actor: 'api:alice', action: 'accept' },
    { account: null, actor: 'operator', action: 'discard' },
    { account: 1, actor: 'operator for alice', action: 'link', emailId: 'm1' },
  ])
})
