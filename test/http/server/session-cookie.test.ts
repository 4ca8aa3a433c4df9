/**
 * session-cookie.test - cookies, tokens and roles of the console on the real routes, as a stranger would attack them
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createUserService } from '../../../src/service/users/users.ts'
import type { HttpServer } from '../../../src/http/server/http-server.ts'
import type { Context } from '../../../src/service/context.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import type { Role } from '../../../src/store/account/users.ts'
import { makeContext } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { makeHttpApp } from '../../support/services.ts'
import { makeBench } from '../bench.ts'

const PASSWORD = 'correct horse battery'
const [sqlite] = engines

describe('on a store', () => {
  let engine: Engine
  let context: Context
  let server: HttpServer
  let now = Date.UTC(2026, 10, 20, 12)
  beforeAll(async () => {
    if (sqlite === undefined) throw new Error('no engine')
    engine = (await sqlite.open()).engine
    const clock = {
      get now() {
        return now
      },
      set now(at) {
        now = at
      },
    }
    context = { ...(await makeContext(engine, clock)), publicUrl: 'http://127.0.0.1:8080' }
    const users = createUserService(context)
    for (const role of ['admin', 'operator', 'viewer'] as const)
      await users.add({ name: role === 'operator' ? 'op' : role, role, password: PASSWORD, actor: 'operator' })
    server = await makeHttpApp(context)
  })
  afterAll(() => server.close())
  // The limits are counted by the minute.
  beforeEach(() => (now += 61_000))

  type Call = {
    readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
    readonly url: string
    readonly headers?: Record<string, string>
    readonly payload?: object
  }
  const call = ({ method = 'GET', url, headers = {}, payload }: Call) =>
    server.inject({ method, url, headers: { host: '127.0.0.1:8080', ...headers }, ...(payload === undefined ? {} : { payload }) })
  const signIn = async (name: string, headers: Record<string, string> = {}) => {
    const response = await call({
      method: 'POST',
      url: '/v1/session',
      headers: { 'x-csrf-token': 'none', ...headers },
      payload: { name, password: PASSWORD },
    })
    const cookie = String(response.headers['set-cookie']).split(';')[0] ?? ''
    return { response, cookie, csrf: { cookie, 'x-csrf-token': String(response.json().csrfToken) } }
  }
  const nameOf = (role: Role): string => (role === 'operator' ? 'op' : role)

  test('over https the cookie has the prefix and Secure; over plain HTTP it has neither', async () => {
    const secure = String((await signIn('admin', { origin: 'https://console.example.com' })).response.headers['set-cookie'])
    const plain = String((await signIn('admin', { origin: 'http://127.0.0.1:8080' })).response.headers['set-cookie'])
    expect(secure).toMatch(/^__Host-bounced=[\w-]{43}; Secure; Path=\/; HttpOnly; SameSite=Strict$/)
    expect(plain).toMatch(/^bounced-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/)
  })

  test('a change needs the token; reading does not', async () => {
    const { cookie, csrf } = await signIn('admin')
    expect((await call({ url: '/v1/users', headers: { cookie } })).statusCode).toBe(200)
    const add = { method: 'POST', url: '/v1/users', payload: { name: `new${now}`, role: 'viewer' } } as const
    for (const headers of [{ cookie }, { cookie, 'x-csrf-token': '' }, { cookie, 'x-csrf-token': 'a'.repeat(43) }])
      expect((await call({ ...add, headers })).statusCode).toBe(403)
    expect((await call({ ...add, headers: csrf })).statusCode).toBe(201)
  })

  test('a form of another site cannot sign in', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const response = await server.inject({ method: 'POST', url: '/v1/session', headers, payload: `name=admin&password=${PASSWORD}` })
    expect([response.statusCode, response.headers['set-cookie']]).toEqual([400, undefined])
  })

  const rights = [
    // role      what                                                  status
    ['viewer', 'GET', '/v1/messages?account=default', undefined, 404],
    ['viewer', 'GET', '/v1/users', undefined, 403],
    [
      'viewer',
      'POST',
      '/v1/suppressions/lift?account=default',
      { rule: 'r', since: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z' },
      403,
    ],
    ['viewer', 'POST', '/v1/suppressions/check?account=default', { addresses: ['a@example.com'] }, 404],
    ['viewer', 'POST', '/v1/queue/recover-key', { key: 'ip|192.0.2.1|qq' }, 403],
    ['operator', 'POST', '/v1/queue/recover-key', { key: 'ip|192.0.2.1|qq' }, 409],
    ['operator', 'POST', '/v1/cuts', { peer: '192.0.2.1', reason: 'flood' }, 403],
    ['operator', 'DELETE', '/v1/addresses/joe@example.com', undefined, 403],
    ['operator', 'POST', '/v1/users', { name: 'x', role: 'admin' }, 403],
    ['operator', 'PATCH', '/v1/users/op', { role: 'admin' }, 403],
    ['admin', 'POST', '/v1/cuts', { peer: '192.0.2.1', reason: 'flood' }, 200],
  ] as const
  test.each(rights)('%s: %s %s', async (role, method, url, payload, status) => {
    const { csrf } = await signIn(nameOf(role))
    expect((await call({ method, url, headers: csrf, ...(payload === undefined ? {} : { payload }) })).statusCode).toBe(status)
  })

  test('the audit names the user', async () => {
    const { csrf } = await signIn('admin')
    await call({ method: 'POST', url: '/v1/cuts', headers: csrf, payload: { peer: '192.0.2.77', reason: 'flood' } })
    const rows = await engine.read.all("select data from events where kind = 'audit' and received_at = $1", [now])
    expect(rows.map(({ data }) => JSON.parse(String(data)))).toContainEqual(
      expect.objectContaining({ actor: 'user:admin', what: expect.stringContaining('cut') }),
    )
  })

  test('a signed-out session, a made-up one and one of another cookie name are nobody', async () => {
    const { cookie, csrf } = await signIn('viewer')
    await call({ method: 'DELETE', url: '/v1/session', headers: csrf })
    for (const each of [cookie, `bounced-session=${'a'.repeat(43)}`, 'bounced-session=', `other=${cookie.split('=')[1]}`])
      expect((await call({ url: '/v1/session', headers: { cookie: each } })).json()).toMatchObject({
        signedIn: false,
        name: null,
        csrfToken: null,
      })
  })

  test('a wrong password costs a failure, and the thirty-first of a minute is refused even if it is right', async () => {
    const attempt = (password: string) =>
      call({ method: 'POST', url: '/v1/session', headers: { 'x-csrf-token': 'none' }, payload: { name: 'ghost', password } })
    const statuses: number[] = []
    for (let n = 0; n < 32; n++) statuses.push((await attempt('wrong')).statusCode)
    expect([statuses[0], statuses.at(-1)]).toEqual([401, 429])
  })

  const challenged = [
    // headers                                                      challenge
    [{}, true],
    [{ cookie: 'theme=dark' }, true],
    [{ cookie: `bounced-session=${'a'.repeat(43)}` }, false],
    [{ cookie: `__Host-bounced=${'a'.repeat(43)}` }, false],
    [{ 'x-csrf-token': 'none' }, false],
    [{ 'sec-fetch-dest': 'empty' }, false],
    [{ 'sec-fetch-dest': 'document' }, true],
  ] as const
  test.each(challenged)('a 401 to %j has a challenge: %s', async (headers, hasChallenge) => {
    for (const url of ['/v1/messages', '/v1/bounces', '/v1/queue']) {
      const response = await call({ url, headers: { ...headers } })
      expect([url, response.statusCode, response.headers['www-authenticate'] !== undefined]).toEqual([url, 401, hasChallenge])
    }
  })

  test('a plain cookie does not count where TLS is expected', async () => {
    const { cookie } = await signIn('viewer')
    const secured = await makeHttpApp({ ...context, publicUrl: 'https://console.example.com' })
    const get = (host: string, value: string) => secured.inject({ url: '/v1/session', headers: { host, cookie: value } })
    expect((await get('console.example.com', cookie)).json()).toMatchObject({ signedIn: false })
    expect((await get('console.example.com', cookie.replace('bounced-session', '__Host-bounced'))).json()).toMatchObject({ signedIn: true })
    expect((await get('127.0.0.1:8080', cookie)).json()).toMatchObject({ signedIn: true })
    await secured.close()
  })
})

test('without the console, a cookie is nobody and its routes do not exist', async () => {
  const bench = await makeBench({}, { hasConsole: false })
  const headers = { cookie: `bounced-session=${'s'.repeat(43)}` }
  for (const url of ['/v1/session', '/v1/users', '/console'])
    expect([url, (await bench.send({ url, auth: null, headers })).statusCode]).toEqual([url, 404])
  expect((await bench.send({ url: '/v1/messages', auth: null, headers })).statusCode).toBe(401)
})
