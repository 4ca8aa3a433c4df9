/** queue.test - the routes of the delivery queue: what each caller sees, which commands it may give, and SendCloud's queueStatus */
import { beforeAll, expect, test } from 'vitest'
import { addQueueCommandRoutes } from '../../../src/http/api/queue-commands.ts'
import { BASIC, makeBench, makeRouteBench, OPERATOR, type TestRequest, type Bench } from '../bench.ts'
import { LANE, NOW, ORDER, ROW } from '../sample-rows.ts'

let bench: Bench
beforeAll(async () => {
  bench = await makeBench()
})

const BOB = `Basic ${Buffer.from('bob:secret-of-bob').toString('base64')}`
const soon = new Date(NOW + 3_600_000).toISOString()
const past = new Date(NOW - 3_600_000).toISOString()
const late = new Date(NOW + 15 * 86_400_000 + 1).toISOString()
const latest = new Date(NOW + 15 * 86_400_000).toISOString()

const post = (url: string, body: unknown, auth: string | null = BASIC): TestRequest => ({
  method: 'POST',
  url: `/v1/queue/${url}`,
  body,
  auth,
})

type Case = readonly [title: string, request: TestRequest, status: number, code?: string]

const CASES: readonly Case[] = [
  ['lanes', { url: '/v1/queue' }, 200],
  ['the lanes of all accounts', { url: '/v1/queue', auth: OPERATOR }, 200],
  ['one page of lanes', { url: '/v1/queue?limit=1&domain=QQ.com' }, 200],
  ['a page of zero lanes', { url: '/v1/queue?limit=0' }, 400, 'bad_request'],
  ['a page that is too large', { url: '/v1/queue?limit=1001' }, 400, 'bad_request'],
  ['an invalid cursor', { url: '/v1/queue?after=zz' }, 400, 'bad_request'],
  ['lanes of an invalid domain', { url: '/v1/queue?domain=a@b' }, 400, 'bad_request'],
  ['lanes without sign-in', { url: '/v1/queue', auth: null }, 401, 'unauthenticated'],
  ['lanes of an unknown account', { url: '/v1/queue?account=mallory', auth: OPERATOR }, 404, 'not_found'],
  ['a series', { url: '/v1/queue/series' }, 200],
  ['a series of one day', { url: '/v1/queue/series?step=1m&domain=qq.com' }, 200],
  ['a series with an unknown step', { url: '/v1/queue/series?step=1h' }, 400, 'bad_request'],
  ['a series without sign-in', { url: '/v1/queue/series', auth: null }, 401, 'unauthenticated'],
  ['a pause of all domains', post('pause', {}), 200],
  ['a pause for fifteen days', post('pause', { domain: 'qq.com', until: latest, after15Days: 'delete' }), 200],
  ['a longer pause', post('pause', { until: late }), 400, 'bad_request'],
  ['a pause in the past', post('pause', { until: past }), 400, 'bad_request'],
  ['a pause of an invalid domain', post('pause', { domain: 'x y' }), 400, 'bad_request'],
  ['a pause with a misspelled field', post('pause', { untill: soon }), 400, 'bad_request'],
  ['a pause by the operator without an account', post('pause', {}, OPERATOR), 400, 'bad_request'],
  ['a pause by the operator', post('pause?account=alice', {}, OPERATOR), 200],
  ['a pause without sign-in', post('pause', {}, null), 401, 'unauthenticated'],
  ['a recovery', post('recover', { domain: 'qq.com', how: 'probe' }), 200],
  ['a recovery in an unknown way', post('recover', { how: 'force' }), 400, 'bad_request'],
  ['a recovery without sign-in', post('recover', {}, null), 401, 'unauthenticated'],
  ['a rate', post('rate', { domain: 'qq.com', perMinute: 60 }), 200],
  ['the removal of a rate', post('rate', { domain: 'qq.com', perMinute: null }), 200],
  ['a rate of zero', post('rate', { domain: 'qq.com', perMinute: 0 }), 400, 'bad_request'],
  ['a rate without a domain', post('rate', { perMinute: 60 }), 400, 'bad_request'],
  ['an invalid rate without sign-in', post('rate', {}, null), 400, 'bad_request'],
  ['a deletion by domain', post('delete', { domain: 'qq.com' }), 200],
  ['a deletion by time', post('delete', { since: past, until: soon }), 200],
  ['a deletion of all messages', post('delete', { all: true }), 200],
  ['a deletion without a filter', post('delete', {}), 400, 'bad_request'],
  ['a deletion of one message', post('delete', { emailId: ROW.emailId }), 200],
  ['a deletion of an unknown message', post('delete', { emailId: 'nobody' }), 404, 'not_found'],
  ['a deletion of one message and of a domain', post('delete', { emailId: ROW.emailId, domain: 'qq.com' }), 400, 'bad_request'],
  ['a deletion of a period that ends before it starts', post('delete', { since: soon, until: past }), 400, 'bad_request'],
  ['a deletion without sign-in', post('delete', { all: true }, null), 401, 'unauthenticated'],
  ['a warm-up', post('warm-up', { egressIp: '192.0.2.1' }, OPERATOR), 200],
  ['the end of a warm-up', post('warm-up', { egressIp: '2001:db8::1', startedAt: null }, OPERATOR), 200],
  ['a warm-up of an invalid IP address', post('warm-up', { egressIp: 'mx.example.com' }, OPERATOR), 400, 'bad_request'],
  ['a warm-up by an account', post('warm-up', { egressIp: '192.0.2.1' }), 403, 'forbidden'],
  ['the recovery of a backoff key', post('recover-key', { key: 'ip|192.0.2.1|qq' }, OPERATOR), 200],
  ['an invalid backoff key', post('recover-key', { key: 'nonsense' }, OPERATOR), 400, 'bad_request'],
  ['a backoff key of an unknown kind', post('recover-key', { key: 'nonsense|192.0.2.1|qq' }, OPERATOR), 400, 'bad_request'],
  ['an account that names itself', { url: '/v1/queue?account=alice' }, 200],
  ['lanes of another account', { url: '/v1/queue?account=bob' }, 403, 'forbidden'],
  ['lanes of an unknown account by an account', { url: '/v1/queue?account=mallory' }, 403, 'forbidden'],
  ['a pause for another account', post('pause?account=bob', {}), 403, 'forbidden'],
  ['the recovery of a backoff key by an account', post('recover-key', { key: 'ip|192.0.2.1|qq' }), 403, 'forbidden'],
  ['the recovery of a backoff key without sign-in', post('recover-key', { key: 'ip|192.0.2.1|qq' }, null), 401, 'unauthenticated'],
  ['a queue command', { url: `/v1/queue/orders/${ORDER.commandId}` }, 200],
  ['the queue command of another account', { url: `/v1/queue/orders/${ORDER.commandId}`, auth: BOB }, 404, 'not_found'],
  ['an invalid command id', { url: '/v1/queue/orders/x' }, 400, 'bad_request'],
]

test.each(CASES.map(([title, request, status, code]) => ({ title, request, status, code })))(
  '$title',
  async ({ request, status, code }) => {
    const response = await bench.send(request)
    expect({ status: response.statusCode, code: response.json().code }).toEqual({ status, code })
  },
)

test('an account reads the replies to its own messages; the operator reads all replies and the account of the lane', async () => {
  const [mine, all] = [(await bench.send({ url: '/v1/queue' })).json(), (await bench.send({ url: '/v1/queue', auth: OPERATOR })).json()]
  expect(mine).toMatchObject({ delivering: true, seenAt: new Date(NOW).toISOString(), next: null })
  expect(mine.lanes[0]).toMatchObject({
    account: null,
    domain: 'qq.com',
    state: 'paused',
    stopped: true,
    reason: 'IP reputation',
    key: 'ip|192.0.2.1|qq',
    class: 'ip-reputation',
    n: 2,
    nextSendingAt: new Date(NOW + 1_800_000).toISOString(),
    waiting: 420,
    rates: { in: { last5s: 1, last15s: 2, last30s: 3 }, tryOut: { last30s: 0.5 }, out: { last30s: 0.1 } },
    evidence: [{ text: 'mine' }, { code: 550, text: null }],
  })
  expect(all.lanes[0]).toMatchObject({ account: 'alice', evidence: [{ text: 'mine' }, { text: 'another’s' }] })
})

test('`next` continues the list', async () => {
  const { next } = (await bench.send({ url: '/v1/queue?limit=1' })).json()
  await bench.send({ url: `/v1/queue?limit=1&after=${next}` })
  expect(bench.calls.findLast(({ name }) => name === 'queue.listLanes')?.args).toEqual([
    { account: 1, domain: null, after: { account: LANE.account, domain: LANE.domain }, limit: 1 },
  ])
})

test.each([
  [post('recover', {}), { kind: 'recover', account: 1, domain: null, how: 'immediate', onlyOwn: true }, 'api:alice'],
  [post('recover?account=alice', {}, OPERATOR), { kind: 'recover', account: 1, domain: null, how: 'immediate' }, 'operator for alice'],
  [
    post('pause', { domain: 'BÜCHER.example' }),
    { kind: 'pause', domain: 'xn--bcher-kva.example', until: null, after15Days: 'keep' },
    'api:alice',
  ],
  [post('delete', { domain: 'qq.com' }), { kind: 'delete', account: 1, domain: 'qq.com', from: 0, until: NOW }, 'api:alice'],
  [post('pause', { label: 12 }), { kind: 'pause', account: 1, domain: null, label: 12, until: null, after15Days: 'keep' }, 'api:alice'],
  [post('recover', { label: 12 }), { kind: 'recover', account: 1, domain: null, label: 12, how: 'immediate', onlyOwn: true }, 'api:alice'],
  [
    post('delete', { label: 12, domain: 'qq.com' }),
    { kind: 'delete', account: 1, domain: 'qq.com', label: 12, accepted: { from: 0, until: NOW } },
    'api:alice',
  ],
  [post('delete', { label: 12 }), { kind: 'delete', account: 1, domain: null, label: 12, accepted: { from: 0, until: NOW } }, 'api:alice'],
  [post('warm-up', { egressIp: '192.0.2.1' }, OPERATOR), { kind: 'warm-up', egressIp: '192.0.2.1', startedAt: NOW }, 'operator'],
] as const)('%j submits the command %j', async (request, command, actor) => {
  await bench.send(request)
  expect(bench.calls.findLast(({ name }) => name === 'queue.submitCommand')?.args[0]).toMatchObject({ actor, command })
})

test.each([
  [{ state: 'waiting', settledAt: null }, true, 202, { state: 'pending', note: null }],
  [{ state: 'waiting', settledAt: null }, false, 202, { state: 'pending', note: expect.stringMatching(/no node is delivering/) }],
  [{ state: 'refused', said: 'not so' }, true, 400, { detail: 'not so' }],
  [{ said: 'left for the operator' }, true, 200, { state: 'done', note: 'left for the operator' }],
] as const)('a command that is %j, with a delivering node %s, responses %i', async (over, delivering, status, body) => {
  const queue = {
    deliveryStatus: () => Promise.resolve({ delivering, seenAt: NOW }),
    submitCommand: () => Promise.resolve({ ...ORDER, ...over }),
    findCommand: () => Promise.resolve(null),
    findDeletion: () => Promise.resolve(ORDER.command),
  }
  const { send } = await makeRouteBench((server, authorizer) => addQueueCommandRoutes(server, { queue, authorizer, now: () => NOW }))
  const response = await send(post('recover', {}))
  expect(response.statusCode).toBe(status)
  expect(response.json()).toMatchObject(body)
})

const STATUS = '/webapi/queueStatus.get.json'
const GOOD = {
  message: 'success',
  queueStatus: [{ apiUser: 'alice', domain: 'qq.com', isStop: true, reason: 'IP reputation', timeout: 1_800, unRequestNum: 420 }],
}
const NOBODY = { message: 'error', errors: ['authentication failed'] }

test.each([
  [{ url: `${STATUS}?api_user=alice&api_key=secret-of-alice`, auth: null }, GOOD],
  [{ url: `${STATUS}?apiUser=alice&apiKey=secret-of-alice`, auth: null }, GOOD],
  [{ method: 'POST', url: STATUS, body: { api_user: 'alice', api_key: 'secret-of-alice' }, auth: null }, GOOD],
  [{ url: `${STATUS}?api_user=alice&api_key=wrong`, auth: null }, NOBODY],
  [{ url: STATUS }, NOBODY],
] as const)('queueStatus %j', async (request, want) => {
  const response = await bench.send(request)
  expect([response.statusCode, response.json()]).toEqual([200, want])
})

test('queueStatus leaves out empty running lanes, and a running lane has no timeout', async () => {
  const run = { ...LANE.status, state: 'active', isStopped: false, reason: null, nextSendingAt: null } as const
  const { send } = await makeBench({
    queue: {
      listLanes: () =>
        Promise.resolve([
          { ...LANE, status: { ...run, waiting: 0 } },
          { ...LANE, status: run },
        ]),
    },
  })
  const { queueStatus } = (await send({ url: `${STATUS}?api_user=alice&api_key=secret-of-alice`, auth: null })).json()
  expect(queueStatus).toEqual([{ apiUser: 'alice', domain: 'qq.com', isStop: false, reason: '', timeout: null, unRequestNum: 420 }])
})
