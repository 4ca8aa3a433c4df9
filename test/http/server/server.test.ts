/**
 * server.test - runs each operation of our own OpenAPI document with limits, unknown fields, another account's credentials and empty results
 *
 * Valid and unauthenticated requests are in openapi.test, and the tests of single routes are in test/http/api.
 */
import { describe, expect, test } from 'vitest'
import { requestOf, operationsOf } from '../requests.ts'
import { makeBench, OPERATOR, type TestRequest } from '../bench.ts'

const bench = await makeBench()
const { calls } = bench
const { operations } = await operationsOf(bench)

const BOB = `Basic ${Buffer.from('bob:secret-of-bob').toString('base64')}`
const isOpen = (name: string): boolean => operations.find((each) => each.name === name)?.operation.security !== undefined
const authenticated = operations.filter(({ name }) => !isOpen(name) && name !== 'GET /v1/events')

const withQuery = ({ url, ...rest }: TestRequest, query: string): TestRequest => ({
  ...rest,
  url: `${url}${url.includes('?') ? '&' : '?'}${query}`,
})

const operationsWith = (parameter: string) =>
  authenticated.filter(({ operation }) => operation.parameters?.some(({ name }) => name === parameter) === true)

describe('the limit parameter', () => {
  test.each(operationsWith('limit'))('$name', async ({ name }) => {
    const statuses: number[] = []
    for (const limit of ['0', '1001', 'x', '-1', '1', '1000'])
      statuses.push((await bench.send(withQuery(requestOf(name), `limit=${limit}`))).statusCode)
    expect(statuses).toEqual([400, 400, 400, 400, 200, 200])
  })
})

/** Records of another program, whose other fields are its own. */
const FOREIGN_BODIES: ReadonlySet<string> = new Set(['POST /in/kumomta'])

describe('unknown fields', () => {
  test.each(authenticated)('$name', async ({ name, operation }) => {
    const response = await bench.send(withQuery(requestOf(name), 'nonsense=1'))
    expect([response.statusCode, response.json().code]).toEqual([400, 'bad_request'])
    if (operation.requestBody === undefined || FOREIGN_BODIES.has(name)) return
    const { body } = requestOf(name)
    const bad = await bench.send({ ...requestOf(name), body: { ...Object(body), nonsense: 1 } })
    expect([bad.statusCode, bad.json().code]).toEqual([400, 'bad_request'])
  })
})

/** Operations with the same response for every account. */
const COMMON: ReadonlySet<string> = new Set(['GET /v1/rules', 'GET /v1/rules/{id}', 'POST /v1/explain', 'POST /v1/classify'])

/** Calls without an account, because they return no data of one. */
const GLOBAL_CALLS: ReadonlySet<string> = new Set(['queue.deliveryStatus'])

const accountIn = (argument: unknown): unknown =>
  typeof argument === 'object' && argument !== null && 'account' in argument ? argument.account : argument

describe('another account sees and changes nothing', () => {
  test.each(authenticated.filter(({ name }) => !COMMON.has(name)))('$name', async ({ name }) => {
    calls.splice(0)
    const response = await bench.send({ ...requestOf(name), auth: BOB })
    const isRejected = response.statusCode === 403 || response.statusCode === 404
    const ownCalls = calls.filter((call) => !GLOBAL_CALLS.has(call.name)).map(({ name: call, args }) => [call, accountIn(args[0])])
    // Every call to a service was made for the caller's own account.
    expect({ ownCalls, isFine: isRejected || ownCalls.length > 0 || response.statusCode >= 400 }).toEqual({
      ownCalls: ownCalls.map(([call]) => [call, 2]),
      isFine: true,
    })
  })
})

describe('operations for the operator only', () => {
  test.each(authenticated.filter(({ name }) => requestOf(name).auth === OPERATOR))('$name', async ({ name }) => {
    calls.splice(0)
    const response = await bench.send({ ...requestOf(name), auth: BOB })
    expect([response.statusCode, calls]).toEqual([403, []])
  })
})

describe('empty results', () => {
  test.each([
    ['/v1/messages', 'messages'],
    ['/v1/suppressions/bounce', 'entries'],
    ['/v1/inbox', 'items'],
    ['/v1/webhooks', 'webhooks'],
    ['/v1/queue', 'lanes'],
    ['/v1/queue/series', 'steps'],
    ['/v1/exports', 'exports'],
  ] as const)('%s', async (url, list) => {
    const empty = { rows: [], next: null }
    const { send } = await makeBench({
      messages: { list: () => Promise.resolve({ ...empty, total: 0 }) },
      suppressions: { list: () => Promise.resolve(empty) },
      inbox: { list: () => Promise.resolve(empty) },
      webhooks: { list: () => Promise.resolve([]) },
      exports: { list: () => Promise.resolve([]) },
      queue: { listLanes: () => Promise.resolve([]), listThroughput: () => Promise.resolve([]) },
    })
    const response = await send({ url })
    expect([response.statusCode, response.json()[list]]).toEqual([200, []])
  })
})
