/** events.test - the stream of live events: its content, resumption, errors, limits and end */
import { engagementData } from '../../ledger/given.ts'
import { createConnection } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Fact } from '../../../src/ledger/facts/fact.ts'
import { BASIC, makeBench, OPERATOR, type Bench } from '../bench.ts'
import { FAILED, ROW } from '../sample-rows.ts'

const opened: unknown[] = []
const waiting: Fact[] = [FAILED]
let bench: Bench
let base: string
const controllers: AbortController[] = []

beforeAll(async () => {
  bench = await makeBench({
    eventFeed: {
      open: (account, start) => {
        opened.push([account, start])
        return Promise.resolve({ next: () => Promise.resolve(waiting) })
      },
      findDeliveryNames: () => Promise.resolve(new Map([[ROW.deliveryId, { emailId: ROW.emailId, recipient: ROW.recipient }]])),
    },
  })
  base = await bench.server.listen({ host: '127.0.0.1', port: 0 })
})
afterAll(() => bench.server.close())

type StreamText = { readonly status: number; readonly type: string | null; readonly text: string }

/** Reads the stream until it contains `until`, or ends. */
async function listen(
  query = '',
  { headers = {}, until = '\n\n' }: { headers?: Record<string, string>; until?: string } = {},
): Promise<StreamText> {
  const controller = new AbortController()
  controllers.push(controller)
  const response = await fetch(`${base}/v1/events${query}`, { headers: { authorization: BASIC, ...headers }, signal: controller.signal })
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.includes(until)) break
  }
  controller.abort()
  return { status: response.status, type: response.headers.get('content-type'), text }
}

test('each fact is an event with its id, its kind and the public names of its message', async () => {
  const { status, type, text } = await listen('', { until: 'event: failed' })
  expect([status, type]).toEqual([200, 'text/event-stream'])
  expect(text).toContain('retry: 3000')
  expect(text).toContain(`id: ${FAILED.id}\nevent: failed\n`)
  const whole = await listen('', { until: '"recipient"' })
  const data = whole.text.split('\n').find((line) => line.startsWith('data: '))
  expect(JSON.parse(data?.slice(6) ?? '')).toMatchObject({ id: FAILED.id, kind: 'failed', emailId: ROW.emailId, recipient: ROW.recipient })
})

test.each([
  ['', {}, [1, 'now']],
  ['?since=2026-11-20T12:00:00Z', {}, [1, { since: Date.UTC(2026, 10, 20, 12) }]],
  ['', { 'last-event-id': FAILED.id.toUpperCase() }, [1, { after: FAILED.id }]],
  ['?account=alice', { authorization: OPERATOR }, [1, 'now']],
  ['', { authorization: OPERATOR }, [0, 'now']],
] as const)('the start position of %j %j', async (query, headers, want) => {
  await listen(query, { headers, until: 'retry' })
  expect(opened.at(-1)).toEqual(want)
})

test.each([
  ['', { authorization: '' }, 401],
  ['?kinds=failed,nonsense', {}, 400],
  ['?since=yesterday', {}, 400],
  ['', { 'last-event-id': 'x' }, 400],
  ['', { accept: 'application/json' }, 406],
] as const)('%j %j is a problem', async (query, headers, status) => {
  const response = await listen(query, { headers })
  expect([response.status, response.type]).toEqual([status, 'application/problem+json; charset=utf-8'])
})

test('only the requested kinds are sent', async () => {
  waiting.push({ ...FAILED, kind: 'open', data: engagementData() })
  const { text } = await listen('?kinds=open', { until: 'event:' })
  waiting.pop()
  expect(text).toContain('event: open')
  expect(text).not.toContain('event: failed')
})

test.each(['sign-in', 'look-up'] as const)('clients that disconnect during their %s do not occupy a stream', async (step) => {
  const barrier = Promise.withResolvers<null>()
  const arrived: unknown[] = []
  const pass = (at: string): Promise<unknown> => (at === step ? (arrived.push(at), barrier.promise) : Promise.resolve())
  const follower = { next: () => Promise.resolve([]) }
  const keys = {
    findAccount: (apiUser: string) => pass('sign-in').then(() => ({ account: 1, apiUser })),
    isOperator: () => Promise.resolve(false),
  }
  const slowBench = await makeBench({ eventFeed: { open: () => pass('look-up').then(() => follower) } }, { credentialStore: keys })
  const at = await slowBench.server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = new URL(at)
  const lost = Array.from({ length: 10 }, () => {
    const socket = createConnection(Number(port), '127.0.0.1')
    socket.write(`GET /v1/events?kinds=click HTTP/1.1\r\nhost: x\r\nauthorization: ${BASIC}\r\n\r\n`)
    return socket
  })
  await expect.poll(() => arrived.length).toBe(10)
  for (const socket of lost) socket.destroy()
  await expect.poll(() => openSockets(slowBench)).toBe(0)
  barrier.resolve(null)
  const kept = new AbortController()
  const responses: Response[] = []
  for (let n = 0; n < 10; n++)
    responses.push(await fetch(`${at}/v1/events?kinds=click`, { headers: { authorization: BASIC }, signal: kept.signal }))
  expect(responses.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200))
  kept.abort()
  await slowBench.server.close()
})

const openSockets = ({ server }: Pick<Bench, 'server'>): Promise<number> =>
  new Promise((resolve, reject) => server.server.getConnections((error, n) => (error === null ? resolve(n) : reject(error))))

test('the streams of an account are limited; a closed stream makes room; all streams end with the server', async () => {
  const open: AbortController[] = []
  const connect = async (): Promise<Response> => {
    const controller = new AbortController()
    open.push(controller)
    return fetch(`${base}/v1/events?kinds=click`, { headers: { authorization: BASIC }, signal: controller.signal })
  }
  const streams: Response[] = []
  for (let n = 0; n < 40; n++) {
    const stream = await connect()
    streams.push(stream)
    if (stream.status === 429) break
  }
  expect(streams.map(({ status }) => status)).toEqual([...Array.from({ length: 10 }, () => 200), 429])
  open[0]?.abort()
  await expect.poll(async () => (await connect()).status).toBe(200)
  const ended = Promise.all(streams.slice(1, 10).map(async (stream) => stream.text()))
  await bench.server.close()
  expect(await ended).toHaveLength(9)
})
