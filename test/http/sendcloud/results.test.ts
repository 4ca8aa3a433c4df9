/** results.test - a broadcast's results on both stores, and the rules as they are shown */
import { beforeAll, describe, expect, test } from 'vitest'
import { loadRules } from '../../../src/config/rule-files.ts'
import { DELIVERIES } from '../../../src/store/mail/delivery-columns.ts'
import { createReadBroadcastResults } from '../../../src/http/services/broadcasts.ts'
import { deliveryIdOf, sampleDelivery } from '../../store/sample.ts'
import { engines } from '../../support/engines.ts'
import { makeBench, OPERATOR, type TestRequest, type Bench } from '../bench.ts'

let bench: Bench
beforeAll(async () => {
  bench = await makeBench()
})

const BOB = `Basic ${Buffer.from('bob:secret-of-bob').toString('base64')}`
const RULE = loadRules().rules[0]?.id ?? ''

test.each([
  ['a broadcast', { url: '/v1/broadcasts/spring/results' }, 200],
  ['for an account by the operator', { url: '/v1/broadcasts/spring/results?account=alice', auth: OPERATOR }, 200],
  ['the operator names no account', { url: '/v1/broadcasts/spring/results', auth: OPERATOR }, 400],
  ['one result', { url: '/v1/broadcasts/spring/results?result=no-email-selected&limit=1000' }, 200],
  ['a result that there is not', { url: '/v1/broadcasts/spring/results?result=lost' }, 400],
  ['too long a page', { url: '/v1/broadcasts/spring/results?limit=1001' }, 400],
  ['nonsense as a page', { url: '/v1/broadcasts/spring/results?after=zz' }, 400],
  ['no such broadcast', { url: '/v1/broadcasts/autumn/results' }, 404],
  ['another’s broadcast', { url: '/v1/broadcasts/spring/results', auth: BOB }, 404],
  ['nobody asks', { url: '/v1/broadcasts/spring/results', auth: null }, 401],
  ['rules', { url: '/v1/rules' }, 200],
  ['rules of a provider', { url: '/v1/rules?provider=google&reason=mailbox-full' }, 200],
  ['rules, nobody asks', { url: '/v1/rules', auth: null }, 401],
  ['rules, misspelt', { url: '/v1/rules?provder=google' }, 400],
  ['a rule', { url: `/v1/rules/${RULE}` }, 200],
  ['no such rule', { url: '/v1/rules/none' }, 404],
  ['a rule, nobody asks', { url: `/v1/rules/${RULE}`, auth: null }, 401],
] as const satisfies readonly (readonly [string, TestRequest, number])[])('%s', async (_what, request, status) => {
  expect((await bench.send(request)).statusCode).toBe(status)
})

test('results bear the names of the specification, and every one is counted', async () => {
  const answer = (await bench.send({ url: '/v1/broadcasts/spring/results' })).json()
  expect(answer).toMatchObject({
    broadcast: 'spring',
    total: 1,
    next: null,
    results: [{ result: 'Failed', subStatus: 406, billable: true }],
  })
  expect(answer.counts).toEqual({
    Unsent: 0,
    Sent: 0,
    'Soft Bounced': 0,
    Delivered: 0,
    Blocked: 0,
    Failed: 1,
    Bounced: 0,
    Duplicate: 0,
    'No Email Selected': 0,
    Opened: 0,
  })
})

test('a rule is shown with its evidence; the list counts it', async () => {
  const table = loadRules()
  const list = (await bench.send({ url: '/v1/rules' })).json()
  expect([list.table, list.rules.length]).toEqual([table.version, table.rules.length])
  const one = (await bench.send({ url: `/v1/rules/${RULE}` })).json()
  expect([one.id, one.hits.length, one.misses.length]).toEqual([RULE, list.rules[0].hits, list.rules[0].misses])
  expect([one.hits[0].text, one.misses[0].text]).toEqual([expect.any(String), expect.any(String)])
})

describe.each(engines)('broadcasts: $kind', ({ open }) => {
  test('counted whole, paged by key, other broadcasts and accounts left out', async () => {
    const { engine } = await open()
    const rows = [
      sampleDelivery({ n: 1, broadcast: 'spring', result: 'delivered' }),
      sampleDelivery({ n: 2, broadcast: 'spring', result: 'duplicate' }),
      sampleDelivery({ n: 3, broadcast: 'spring', result: 'delivered' }),
      sampleDelivery({ n: 4, broadcast: 'autumn', result: 'delivered' }),
      sampleDelivery({ n: 5 }),
      sampleDelivery({ n: 6, account: 2, broadcast: 'spring' }),
    ]
    await engine.tx((db) => db.insertMany(DELIVERIES, rows))
    const readBroadcastResults = createReadBroadcastResults(engine.read)
    const first = await readBroadcastResults(1, 'spring', { result: null, after: null, limit: 2 })
    expect(first.counts).toEqual(
      new Map([
        ['delivered', 2],
        ['duplicate', 1],
      ]),
    )
    expect(first.rows.map(({ deliveryId }) => deliveryId)).toEqual([deliveryIdOf(1), deliveryIdOf(2)])
    const rest = await readBroadcastResults(1, 'spring', { result: null, after: deliveryIdOf(2), limit: 2 })
    expect(rest.rows.map(({ deliveryId }) => deliveryId)).toEqual([deliveryIdOf(3)])
    const delivered = await readBroadcastResults(1, 'spring', { result: 'delivered', after: null, limit: 9 })
    expect(delivered.rows.map(({ deliveryId }) => deliveryId)).toEqual([deliveryIdOf(1), deliveryIdOf(3)])
    expect((await readBroadcastResults(3, 'spring', { result: null, after: null, limit: 9 })).rows).toEqual([])
  })
})
