/**
 * dns.test - a query that is aborted ends, and no other query with it
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createDnsLookup } from '../../src/net/dns.ts'

/** A server that says "no such name" for every query that is not for a name below `silent`. */
let server: Socket
let silentQueries: number
let receivedSilentQuery: Promise<void>

beforeEach(async () => {
  silentQueries = 0
  server = createSocket('udp4')
  receivedSilentQuery = new Promise((resolve) => {
    server.on('message', (query, { port, address }) => {
      if (query.includes('silent')) {
        silentQueries += 1
        return resolve()
      }
      const response = Buffer.from(query)
      response.writeUInt16BE(0x8183, 2)
      server.send(response, port, address)
    })
  })
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => server.close())

/** The code that a look-up rejects with. */
const codeOf = async (lookUp: Promise<unknown>): Promise<unknown> =>
  lookUp.then(
    () => 'records',
    (error: unknown) => (error instanceof Error ? Reflect.get(error, 'code') : error),
  )
const createLookup = () =>
  createDnsLookup({ servers: [`127.0.0.1:${server.address().port}`], timeoutMs: 60_000, cacheMs: 60_000, cacheSize: 10 })

test('an aborted query ends at once, and the queries beside it go on', async () => {
  const lookUp = createLookup()
  const abort = new AbortController()
  const aborted = codeOf(lookUp('a.silent', 'TXT', abort.signal))
  await receivedSilentQuery
  const other = codeOf(lookUp('b.example', 'TXT', new AbortController().signal))
  abort.abort()
  expect(await Promise.all([aborted, other, codeOf(lookUp('c.example', 'A'))])).toEqual(['ECANCELLED', 'ENOTFOUND', 'ENOTFOUND'])
})

test('a query whose signal is aborted already is not sent', async () => {
  const lookUp = createLookup()
  expect(await codeOf(lookUp('a.silent', 'TXT', AbortSignal.abort()))).toBe('ECANCELLED')
  expect(await codeOf(lookUp('b.example', 'TXT'))).toBe('ENOTFOUND')
  expect(silentQueries).toBe(0)
})

test.each(['', '.', 'a..b', `${'x'.repeat(64)}.example`, `${'x.'.repeat(200)}example`])(
  'a name that no query can carry has no record: %j',
  async (name) => {
    expect(['ENOTFOUND', 'ENODATA']).toContain(await codeOf(createLookup()(name, 'TXT')))
  },
)
