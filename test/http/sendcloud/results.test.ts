/** results.test - the results of a broadcast on both engines, and the routes of the rules */
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
  ['the results of a broadcast', { url: '/v1/broadcasts/spring/results' }, 200],
  ['results for an account by the operator', { url: '/v1/broadcasts/spring/results?account=alice', auth: OPERATOR }, 200],
  ['results by the operator without an account', { url: '/v1/broadcasts/spring/results', auth: OPERATOR }, 400],
  ['one kind of result', { url: '/v1/broadcasts/spring/results?result=no-email-selected&limit=1000' }, 200],
  ['an unknown kind of result', { url: '/v1/broadcasts/spring/results?result=lost' }, 400],
  ['a page that is too large', { url: '/v1/broadcasts/spring/results?limit=1001' }, 400],
  ['an invalid cursor', { url: '/v1/broadcasts/spring/results?after=zz' }, 400],
  ['an unknown broadcast', { url: '/v1/broadcasts/autumn/results' }, 404],
  ['a broadcast of another account', { url: '/v1/broadcasts/spring/results', auth: BOB }, 404],
  ['results without sign-in', { url: '/v1/broadcasts/spring/results', auth: null }, 401],
  ['rules', { url: '/v1/rules' }, 200],
  ['rules of a provider', { url: '/v1/rules?provider=google&reason=mailbox-full' }, 200],
  ['rules without sign-in', { url: '/v1/rules', auth: null }, 401],
  ['rules with a misspelled filter', { url: '/v1/rules?provder=google' }, 400],
  ['a rule', { url: `/v1/rules/${RULE}` }, 200],
  ['an unknown rule', { url: '/v1/rules/none' }, 404],
  ['a rule without sign-in', { url: `/v1/rules/${RULE}`, auth: null }, 401],
] as const satisfies readonly (readonly [string, TestRequest, number])[])('%s', async (_title, request, status) => {
  expect((await bench.send(request)).statusCode).toBe(status)
})

test('results have the names of the specification, and every kind is counted', async () => {
  const response = (await bench.send({ url: '/v1/broadcasts/spring/results' })).json()
  expect(response).toMatchObject({
    broadcast: 'spring',
    total: 1,
    next: null,
    results: [{ result: 'Failed', subStatus: 406, billable: true }],
  })
  expect(response.counts).toEqual({
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
      sampleDelivery({ n: 2, broadcast: 'spring', result: 'duplicate', emailId: 'abcdefghijklmnopqrstum1$user2@example.com' }),
      sampleDelivery({ n: 3, broadcast: 'spring', result: 'delivered' }),
      sampleDelivery({ n: 4, broadcast: 'autumn', result: 'delivered' }),
      sampleDelivery({ n: 5 }),
      sampleDelivery({ n: 6, account: 2, broadcast: 'spring' }),
    ]
    await engine.tx((db) => db.insertMany(DELIVERIES, rows))
    const readBroadcastResults = createReadBroadcastResults(() => engine.read)
    const first = await readBroadcastResults(1, 'spring', { result: null, after: null, limit: 2 })
    expect(first.counts).toEqual(
      new Map([
        ['delivered', 2],
        ['duplicate', 1],
      ]),
    )
    expect(first.rows.map(({ deliveryId }) => deliveryId)).toEqual([deliveryIdOf(1), deliveryIdOf(2)])
    // By the handle of the last copy, or by its delivery id, which `next` was before.
    for (const after of [first.next, deliveryIdOf(2)]) {
      const rest = await readBroadcastResults(1, 'spring', { result: null, after, limit: 2 })
      expect(rest.rows.map(({ deliveryId }) => deliveryId)).toEqual([deliveryIdOf(3)])
    }
    expect(first.next).not.toContain(deliveryIdOf(2))
    await expect(readBroadcastResults(2, 'spring', { result: null, after: first.next, limit: 2 })).rejects.toThrow(/`next` value/)
    const delivered = await readBroadcastResults(1, 'spring', { result: 'delivered', after: null, limit: 9 })
    expect(delivered.rows.map(({ deliveryId }) => deliveryId)).toEqual([deliveryIdOf(1), deliveryIdOf(3)])
    expect((await readBroadcastResults(3, 'spring', { result: null, after: null, limit: 9 })).rows).toEqual([])
  })
})
