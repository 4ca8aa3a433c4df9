/** openapi.test - every operation of our own API is called, and its response is checked against the schema in the OpenAPI document */
import { beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { requestOf, operationsOf, type Document } from '../requests.ts'
import { makeBench } from '../bench.ts'
import { listEngageLabRoutes, listSendCloudOperations } from '../compatible-routes.ts'

const bench = await makeBench()
const { document: own, operations } = await operationsOf(bench)

/** Streams; api/events.test reads them. */
const STREAMS: ReadonlySet<string> = new Set(['GET /v1/events'])

/** Operations that the fakes reject: the problem is checked against its schema. */
const REJECTED: ReadonlySet<string> = new Set(['POST /v1/exports/{id}/retry'])

const called = operations.filter(({ name }) => !STREAMS.has(name))

test('the document is OpenAPI 3.1, and every operation has a successful response, its media type, and a problem', () => {
  expect(own.openapi).toBe('3.1.0')
  for (const { name, operation } of operations) {
    const good = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'))
    expect({ name, good: good.length > 0 }).toEqual({ name, good: true })
    for (const [status, { content }] of good)
      expect({ name, status, has: content !== undefined || status === '204' }).toMatchObject({ has: true })
    expect({ name, problem: Object.keys(operation.responses['default']?.content ?? {}) }).toEqual({
      name,
      problem: ['application/problem+json'],
    })
  }
})

/** A request that can never succeed. The fakes answer 401, 404 and 409 for what they do not hold. */
const REFUSALS: ReadonlySet<number> = new Set([400, 403, 405, 406, 413, 415, 422, 500])

describe('every operation has a description and an example that its own route takes', () => {
  test.each(operations)('$name', async ({ name, operation }) => {
    expect(operation.description?.length).toBeGreaterThan(15)
    const body = Object.values(operation.requestBody?.content ?? {})[0]?.example
    expect(operation.requestBody === undefined || body !== undefined).toBe(true)
    if (STREAMS.has(name)) return
    const [method = '', path = ''] = name.split(' ')
    const exampleOf = (parameter: string): string =>
      encodeURIComponent(operation.parameters?.find((each) => each.name === parameter)?.example ?? '')
    const query = (operation.parameters ?? []).filter((each) => each.in === 'query' && each.example !== undefined)
    const url = path.replaceAll(/\{(\w+)\}/g, (_, parameter: string) => exampleOf(parameter))
    const { auth, headers } = requestOf(name)
    // Checked cast: the methods in the document are those of our routes.
    const response = await bench.send({
      method: method as 'GET',
      url: `${url}?${query.map((each) => `${each.name}=${exampleOf(each.name)}`).join('&')}`,
      ...(auth === undefined ? {} : { auth }),
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body }),
    })
    expect({ isRefused: REFUSALS.has(response.statusCode), status: response.statusCode }).toMatchObject({ isRefused: false })
  })
})

test('every operation id is unique', () => {
  const names = operations.map(({ operation }) => operation.operationId ?? '')
  expect(names).toContain('getMessagesByEmailId')
  expect(names.every((name) => /^[a-z]+[A-Z]\w*$/.test(name))).toBe(true)
  expect(new Set(names).size).toBe(names.length)
})

describe('responses match their schemas', () => {
  test.each(called)('$name', async ({ name, operation }) => {
    const response = await bench.send(requestOf(name))
    const documented = operation.responses[REJECTED.has(name) ? 'default' : String(response.statusCode)]
    expect({ status: response.statusCode, body: documented === undefined ? response.body : null }).toMatchObject({ body: null })
    if (response.statusCode === 204) return
    const type = String(response.headers['content-type']).split(';')[0] ?? ''
    const schema = documented?.content?.[type]?.schema
    expect({ type, types: Object.keys(documented?.content ?? {}), documented: schema !== undefined }).toMatchObject({ documented: true })
    if (!type.endsWith('json')) return
    const read = z.fromJSONSchema({ ...schema }).safeParse(response.json())
    expect(read.error?.issues ?? []).toEqual([])
  })

  test.each(called.filter(({ operation }) => operation.security === undefined))('$name without sign-in', async ({ name, operation }) => {
    const response = await bench.send({ ...requestOf(name), auth: null })
    const schema = operation.responses['default']?.content?.['application/problem+json']?.schema
    expect(response.statusCode).toBe(401)
    expect(z.fromJSONSchema({ ...schema }).safeParse(response.json()).error?.issues ?? []).toEqual([])
  })
})

describe('the compatible APIs', async () => {
  let sendCloud: Document
  let engageLab: Document
  beforeAll(async () => {
    sendCloud = (await bench.send({ url: '/openapi/sendcloud.json', auth: null })).json()
    engageLab = (await bench.send({ url: '/openapi/engagelab.json', auth: null })).json()
  })

  test('the documents contain every operation and nothing else', async () => {
    const paths = (await listSendCloudOperations()).map((operation) => `/api/${operation}`)
    expect(Object.keys(sendCloud.paths).toSorted()).toEqual([...paths, '/webapi/queueStatus.get.json'].toSorted())
    const documented = Object.entries(engageLab.paths).flatMap(([url, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${url}`),
    )
    expect(documented.toSorted()).toEqual(
      (await listEngageLabRoutes()).map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`).toSorted(),
    )
  })

  test.each((await listSendCloudOperations()).filter((operation) => operation !== 'mail/send'))(
    '%s responds with its envelope',
    async (operation) => {
      const response = await bench.send({ url: `/api/${operation}?apiUser=alice&apiKey=secret-of-alice`, auth: null })
      const schema = sendCloud.paths[`/api/${operation}`]?.['get']?.responses['200']?.content?.['application/json']?.schema
      expect(response.statusCode).toBe(200)
      expect(z.fromJSONSchema({ ...schema }).safeParse(response.json()).error?.issues ?? []).toEqual([])
    },
  )

  test('our own API uses none of their paths', () => {
    for (const path of Object.keys(own.paths)) expect([path, path in sendCloud.paths || path in engageLab.paths]).toEqual([path, false])
  })
})

describe('the page /docs', () => {
  test.each([
    ['/docs', 200, 'text/html; charset=utf-8'],
    ['/docs/', 200, 'text/html; charset=utf-8'],
    ['/docs/static/swagger-ui.css', 200, 'text/css; charset=utf-8'],
    ['/docs/static/swagger-initializer.js', 200, 'application/javascript; charset=utf-8'],
    ['/docs/static/none.js', 404, 'application/problem+json; charset=utf-8'],
    ['/docs/static/..%2f..%2fpackage.json', 404, 'application/problem+json; charset=utf-8'],
  ] as const)('%s: %i', async (url, status, type) => {
    const response = await bench.send({ url, auth: null })
    expect([response.statusCode, response.headers['content-type']]).toEqual([status, type])
  })

  test('lists every document, loads from no other host, and has a strict policy', async () => {
    const page = await bench.send({ url: '/docs', auth: null })
    const start = await bench.send({ url: '/docs/static/swagger-initializer.js', auth: null })
    for (const url of ['/openapi.json', '/openapi/sendcloud.json', '/openapi/engagelab.json']) expect(start.body).toContain(url)
    expect(page.body).not.toMatch(/(?:src|href)="(?:https?:)?\/\//)
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self' 'sha256-[^']+'; /)
  })
})
