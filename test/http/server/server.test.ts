/**
 * server.test - what every route of our own does with the empty, the limit, the bad and the neighbour's case, walked by the document
 *
 * The good and the unauthenticated case of each stand in test/web/openapi, what is particular to one in the tests beside.
 */
import { describe, expect, test } from 'vitest'
import { askOf, operationsOf } from '../requests.ts'
import { makeBench, OPERATOR } from '../lambdas.ts'
import type { Ask } from '../lambdas.ts'

const heard: { readonly name: string; readonly args: readonly unknown[] }[] = []

/** A desk that writes down every question that needs the store. */
function recording<T extends object>(part: T, prefix = ''): T {
  const entries = Object.entries(part).map(([name, member]: [string, unknown]) => {
    if (typeof member === 'object' && member !== null) return [name, recording(member, `${prefix}${name}.`)]
    if (typeof member !== 'function') return [name, member]
    const told = (...args: readonly unknown[]): unknown => {
      const answer: unknown = Reflect.apply(member, null, args)
      if (answer instanceof Promise) heard.push({ name: `${prefix}${name}`, args })
      return answer
    }
    return [name, told]
  })
  // The checked door: the same members, each of which does what it did.
  return Object.fromEntries(entries) as T
}

const bench = await makeBench(recording((await makeBench()).desk))
const { operations } = await operationsOf(bench)

const BOB = `Basic ${Buffer.from('bob:secret-of-bob').toString('base64')}`
const isOpen = (name: string): boolean => operations.find((each) => each.name === name)?.operation.security !== undefined
const closed = operations.filter(({ name }) => !isOpen(name) && name !== 'GET /v1/events')

const withQuery = ({ url, ...rest }: Ask, query: string): Ask => ({ ...rest, url: `${url}${url.includes('?') ? '&' : '?'}${query}` })

const takes = (parameter: string) => closed.filter(({ operation }) => operation.parameters?.some(({ name }) => name === parameter) === true)

describe('the limit', () => {
  test.each(takes('limit'))('$name', async ({ name }) => {
    const statuses: number[] = []
    for (const limit of ['0', '1001', 'x', '-1', '1', '1000'])
      statuses.push((await bench.ask(withQuery(askOf(name), `limit=${limit}`))).statusCode)
    expect(statuses).toEqual([400, 400, 400, 400, 200, 200])
  })
})

describe('a field that we do not know', () => {
  test.each(closed)('$name', async ({ name, operation }) => {
    const answer = await bench.ask(withQuery(askOf(name), 'nonsense=1'))
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'bad_request'])
    if (operation.requestBody === undefined) return
    const { body } = askOf(name)
    const bad = await bench.ask({ ...askOf(name), body: { ...Object(body), nonsense: 1 } })
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
    heard.splice(0)
    const answer = await bench.ask({ ...askOf(name), auth: BOB })
    const isRefused = answer.statusCode === 403 || answer.statusCode === 404
    const asked = heard.filter((call) => !NAMELESS.has(call.name)).map(({ name: call, args }) => [call, accountIn(args[0])])
    // What was asked of the desk was asked in the neighbour's own name.
    expect({ asked, isFine: isRefused || asked.length > 0 || answer.statusCode >= 400 }).toEqual({
      asked: asked.map(([call]) => [call, 2]),
      isFine: true,
    })
  })
})

describe('an account may not do what is the operator’s', () => {
  test.each(closed.filter(({ name }) => askOf(name).auth === OPERATOR))('$name', async ({ name }) => {
    heard.splice(0)
    const answer = await bench.ask({ ...askOf(name), auth: BOB })
    // Of a domain list an account reads its own.
    expect([answer.statusCode, heard]).toEqual([403, []])
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
    const { ask } = await makeBench({
      listStatuses: () => Promise.resolve({ ...empty, total: 0 }),
      listSuppressions: () => Promise.resolve(empty),
      listInbox: () => Promise.resolve(empty),
      webhooks: { ...bench.desk.webhooks, list: () => Promise.resolve([]) },
      exports: { ...bench.desk.exports, list: () => Promise.resolve([]) },
      queue: { ...bench.desk.queue, listLanes: () => Promise.resolve([]), listThroughput: () => Promise.resolve([]) },
    })
    const answer = await ask({ url })
    expect([answer.statusCode, answer.json()[list]]).toEqual([200, []])
  })
})
