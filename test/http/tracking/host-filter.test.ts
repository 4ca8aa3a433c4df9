/**
 * host-filter.test - what a host name may reach, and what a stranger can do with the Host header
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HostFilterOptions } from '../../../src/http/tracking/host-filter.ts'
import { makeBench, type Bench } from '../bench.ts'

const FILTER: HostFilterOptions = {
  ownHosts: ['Mail.Example.com:8443', 'bounced', '192.0.2.7'],
  isClosed: true,
  isTrackingDomain: (host) => Promise.resolve(host === 't.example.com'),
}
const TOKEN = 'a'.repeat(30)

/** The status of an API route, a compatible route, the documents, a URL without a route, the unsubscribe page and the health checks. */
const URLS = ['/v1/messages', '/api/bounce/list', '/openapi.json', '/docs', '/nowhere', `/u/${TOKEN}`, '/healthz', '/readyz'] as const

async function statusesOf({ server }: Bench, headers: Record<string, string>): Promise<readonly number[]> {
  const responses = await Promise.all(URLS.map((url) => server.inject({ method: 'GET', url, headers })))
  return responses.map(({ statusCode }) => statusCode)
}

const OPEN = [401, 200, 200, 200, 404, 200, 200, 200]
const TRACKING = [404, 404, 404, 404, 404, 200, 200, 200]
const REFUSED = [421, 421, 421, 421, 421, 200, 200, 200]

const hosts = [
  ['the host of publicUrl', { host: 'mail.example.com' }, OPEN],
  ['its other spellings', { host: 'MAIL.example.com.:443' }, OPEN],
  ['a host of http.hosts', { host: 'bounced:8080' }, OPEN],
  ['an address of http.hosts', { host: '192.0.2.7:8080' }, OPEN],
  ['loopback by name', { host: 'localhost:8080' }, OPEN],
  ['loopback by address', { host: '127.0.0.1:8080' }, OPEN],
  ['loopback by IPv6 address', { host: '[::1]:8080' }, OPEN],
  ['a tracking domain', { host: 't.example.com' }, TRACKING],
  ['a tracking domain in capitals', { host: 'T.EXAMPLE.COM' }, TRACKING],
  ['a tracking domain with a port', { host: 't.example.com:8443' }, TRACKING],
  ['a tracking domain with a trailing dot', { host: 't.example.com.' }, TRACKING],
  ['a tracking domain with port and dot', { host: 't.example.com.:8443' }, TRACKING],
  ['a tracking domain with two ports', { host: 't.example.com:80:80' }, REFUSED],
  ['a tracking domain with a path', { host: 't.example.com/' }, REFUSED],
  ['a name below a tracking domain', { host: 'x.t.example.com' }, REFUSED],
  ['a name that ends like an own host', { host: 'evilmail.example.com' }, REFUSED],
  ['a foreign name', { host: 'evil.example' }, REFUSED],
  ['a blank name', { host: ' ' }, REFUSED],
  ['a name with a user', { host: 'mail.example.com@evil.example' }, REFUSED],
  ['two names', { host: 'evil.example, mail.example.com' }, REFUSED],
  ['a foreign X-Forwarded-Host without a trusted proxy', { host: 'mail.example.com', 'x-forwarded-host': 't.example.com' }, OPEN],
  ['an own X-Forwarded-Host without a trusted proxy', { host: 't.example.com', 'x-forwarded-host': 'mail.example.com' }, TRACKING],
] as const

describe('the filter', () => {
  test.each(hosts)('%s', async (_title, headers, want) => {
    expect(await statusesOf(await makeBench({}, { hostFilter: FILTER }), { ...headers })).toEqual(want)
  })

  test.each([
    ['the name that the proxy forwards counts', { host: '10.0.0.5', 'x-forwarded-host': 't.example.com' }, TRACKING],
    ['the entry of the nearest proxy counts', { host: '10.0.0.5', 'x-forwarded-host': 'mail.example.com, t.example.com' }, TRACKING],
    ['without a forwarded name, Host counts', { host: 'mail.example.com' }, OPEN],
  ])('behind a trusted proxy: %s', async (_title, headers, want) => {
    expect(await statusesOf(await makeBench({}, { hostFilter: FILTER, trustProxy: true }), { ...headers })).toEqual(want)
  })

  test('without publicUrl and http.hosts, every host serves the API except tracking domains', async () => {
    const bench = await makeBench({}, { hostFilter: { ...FILTER, ownHosts: [], isClosed: false } })
    expect(await statusesOf(bench, { host: 'anything.example' })).toEqual(OPEN)
    expect(await statusesOf(bench, { host: 't.example.com' })).toEqual(TRACKING)
  })

  test('an account that names an own host as its tracking domain does not close the API', async () => {
    const bench = await makeBench({}, { hostFilter: { ...FILTER, isTrackingDomain: () => Promise.resolve(true) } })
    expect(await statusesOf(bench, { host: 'mail.example.com' })).toEqual(OPEN)
  })

  test.each(['POST', 'PATCH', 'DELETE', 'OPTIONS'] as const)('%s on a tracking domain reaches no route of the API', async (method) => {
    const { server, calls } = await makeBench({}, { hostFilter: FILTER })
    const response = await server.inject({
      method,
      url: '/v1/account/settings',
      headers: { host: 't.example.com', authorization: `Basic ${btoa('alice:secret-of-alice')}` },
    })
    expect([response.statusCode, calls]).toEqual([404, []])
  })

  test.each(['/u/../v1/messages', '//v1/messages', '/u/%2e%2e/v1/messages', '/healthz/../v1/messages', '/HEALTHZ/../v1/messages'])(
    'a path that climbs out of the served paths is not found: %s',
    async (url) => {
      const { server } = await makeBench({}, { hostFilter: FILTER })
      const { statusCode } = await server.inject({ method: 'GET', url, headers: { host: 't.example.com' } })
      expect([400, 404]).toContain(statusCode)
    },
  )

  test('no header opens the API unless it spells an own host', async () => {
    const { server } = await makeBench({}, { hostFilter: FILTER })
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1, maxLength: 400 }), async (host) => {
        const { statusCode } = await server.inject({ method: 'GET', url: '/v1/messages', headers: { host } })
        expect(statusCode).toBe(421)
      }),
    )
  })

  test('a refusal says how to serve the name, and repeats nothing of it', async () => {
    const { server } = await makeBench({}, { hostFilter: FILTER })
    const { body } = await server.inject({ method: 'GET', url: '/v1/messages', headers: { host: '<script>.example' } })
    expect(body).toContain('http.hosts')
    expect(body).not.toContain('<script>')
  })
})
