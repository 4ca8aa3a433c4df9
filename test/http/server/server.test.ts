/**
 * server.test - what every route of our own does with the empty, the limit, the bad and the neighbour's case, walked by the document
 *
 * The good and the unauthenticated case of each stand in test/web/openapi, what is particular to one in the tests beside.
 */
import { describe, expect, test } from 'vitest'
import { askOf, operationsOf } from '../requests.ts'
import { makeBench, OPERATOR, type TestRequest } from '../bench.ts'

const bench = await makeBench()
const { calls } = bench
const { operations } = await operationsOf(bench)

const BOB = `Basic ${Buffer.from('bob:secret-of-bob').toString('base64')}`
const isOpen = (name: string): boolean => operations.find((each) => each.name === name)?.operation.security !== undefined
const closed = operations.filter(({ name }) => !isOpen(name) && name !== 'GET /v1/events')

const withQuery = ({ url, ...rest }: TestRequest, query: string): TestRequest => ({
  ...rest,
  url: `${url}${url.includes('?') ? '&' : '?'}${query}`,
})

const takes = (parameter: string) => closed.filter(({ operation }) => operation.parameters?.some(({ name }) => name === parameter) === true)

describe('the limit', () => {
  test.each(takes('limit'))('$name', async ({ name }) => {
    const statuses: number[] = []
    for (const limit of ['0', '1001', 'x', '-1', '1', '1000'])
      statuses.push((await bench.send(withQuery(askOf(name), `limit=${limit}`))).statusCode)
    expect(statuses).toEqual([400, 400, 400, 400, 200, 200])
  })
})

describe('a field that we do not know', () => {
  test.each(closed)('$name', async ({ name, operation }) => {
    const answer = await bench.send(withQuery(askOf(name), 'nonsense=1'))
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'bad_request'])
    if (operation.requestBody === undefined) return
    const { body } = askOf(name)
    const bad = await bench.send({ ...askOf(name), body: { ...Object(body), nonsense: 1 } })
    expect([bad.statusCode, bad.json().code]).toEqual([400, 'bad_request'])
  })
})

/** The same for everybody who signs in. */
const COMMON: ReadonlySet<string> = new Set(['GET /v1/rules', 'GET /v1/rules/{id}'])

/** Calls that name no account, since nothing of one is in them. */
const NAMELESS: ReadonlySet<string> = new Set(['queue.deliveryStatus'])

const accountIn = (argument: unknown): unknown =>
  typeof argument === 'object' && argument !== null && 'account' in argument ? argument.account : argument

describe('a neighbour is told nothing, and changes nothing', () => {
  test.each(closed.filter(({ name }) => !COMMON.has(name)))('$name', async ({ name }) => {
    calls.splice(0)
    const answer = await bench.send({ ...askOf(name), auth: BOB })
    const isRefused = answer.statusCode === 403 || answer.statusCode === 404
    const asked = calls.filter((call) => !NAMELESS.has(call.name)).map(({ name: call, args }) => [call, accountIn(args[0])])
    // What was asked of the desk was asked in the neighbour's own name.
    expect({ asked, isFine: isRefused || asked.length > 0 || answer.statusCode >= 400 }).toEqual({
      asked: asked.map(([call]) => [call, 2]),
      isFine: true,
    })
  })
})

describe('an account may not do what is the operator’s', () => {
  test.each(closed.filter(({ name }) => askOf(name).auth === OPERATOR))('$name', async ({ name }) => {
    calls.splice(0)
    const answer = await bench.send({ ...askOf(name), auth: BOB })
    // Of a domain list an account reads its own.
    expect([answer.statusCode, calls]).toEqual([403, []])
  })
})

describe('nothing there', () => {
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
    const answer = await send({ url })
    expect([answer.statusCode, answer.json()[list]]).toEqual([200, []])
  })
})
