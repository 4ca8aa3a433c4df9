/**
 * dkim.test - the routes of signing keys: requests, permissions and responses
 */
import { expect, test } from 'vitest'
import { addDkimRoutes } from '../../../src/http/api/dkim.ts'
import { makeRouteBench, OPERATOR, type TestRequest } from '../bench.ts'
import { FAKE_SERVICES } from '../fake-services.ts'

const bench = await makeRouteBench((server, authorizer) => addDkimRoutes(server, { dkim: FAKE_SERVICES.dkim, authorizer }))

const json = { 'content-type': 'application/json' }
const add = (body: object, over: Partial<TestRequest> = {}): TestRequest => ({
  method: 'POST',
  url: '/v1/dkim',
  body: JSON.stringify(body),
  headers: json,
  ...over,
})
const activate = (selector: string, body: object, over: Partial<TestRequest> = {}): TestRequest => ({
  ...add(body, over),
  url: `/v1/dkim/example.com/${selector}/activate${over.auth === OPERATOR ? '?account=alice' : ''}`,
})

const CASES = [
  // request                                                                             status
  [{ url: '/v1/dkim' }, 200],
  [{ url: '/v1/dkim', auth: null }, 401],
  [add({ domain: 'example.com' }), 201],
  [add({ domain: 'example.com', algorithm: 'ed25519', selector: 's2' }), 201],
  [add({ domain: 'example.com', algorithm: 'dsa' }), 400],
  [add({}), 400],
  [add({ domain: 'example.com', colour: 'red' }), 400],
  [add({ domain: 'example.com' }, { auth: null }), 401],
  [add({ domain: 'example.com', published: true }), 403],
  [add({ domain: 'example.com', published: true }, { auth: OPERATOR, url: '/v1/dkim?account=alice' }), 201],
  [add({ domain: 'example.com' }, { auth: OPERATOR }), 400],
  [{ ...add({}), url: '/v1/dkim/example.com/rotate' }, 201],
  [activate('seen', {}), 200],
  [activate('unseen', {}), 409],
  [activate('unseen', { published: true }), 403],
  [activate('unseen', { published: true }, { auth: OPERATOR }), 200],
  [{ method: 'DELETE', url: '/v1/dkim/example.com/s1' }, 204],
  [{ method: 'DELETE', url: '/v1/dkim/example.org/s1' }, 404],
] as const

test.each(CASES)('%j is %i', async (request, status) => expect((await bench.send(request)).statusCode).toBe(status))

test('a key is returned with its DNS record and without its private key', async () => {
  const { keys } = (await bench.send({ url: '/v1/dkim' })).json()
  expect(keys).toEqual([
    {
      domain: 'example.com',
      selector: 's1',
      algorithm: 'rsa',
      state: 'waiting',
      createdAt: '2026-11-20T12:00:00.000Z',
      stateAt: '2026-11-20T12:00:00.000Z',
      record: { name: 's1._domainkey.example.com', type: 'TXT', text: 'v=DKIM1; k=rsa; p=x' },
      keepRecordUntil: null,
    },
  ])
})
