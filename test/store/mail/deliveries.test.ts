/** deliveries.test - lookups, filters, pages and totals, on both engines */
import { beforeAll, describe, expect, test } from 'vitest'
import {
  findDeliveriesByEmailIds,
  listDeliveries,
  listRecentDeliveriesByAddress,
  listSendingDeliveries,
} from '../../../src/store/mail/deliveries.ts'
import type { DeliveryFilters } from '../../../src/store/mail/deliveries.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { ensureLabels } from '../../../src/store/account/labels.ts'
import { saveLedgerState } from '../../../src/store/facts/ledger-state.ts'
import { engines } from '../../support/engines.ts'
import { findDelivery } from '../../support/look.ts'
import { deliveryIdOf, hashOf, sampleDelivery, T0, ledgerStateOf } from '../sample.ts'

const rows = [
  sampleDelivery({ n: 1, status: 1, labelId: 1, label: 'Welcome mail', egressIp: '192.0.2.50' }),
  sampleDelivery({
    n: 2,
    status: 4,
    subStatus: 406,
    reason: 'not-exist',
    asynchronous: true,
    statusFact: '018f0000-0000-7000-8000-000000000001',
  }),
  sampleDelivery({ n: 3, status: 4, subStatus: 408, apiUser: 'batch', emailType: 'batch', broadcast: 'spring' }),
  sampleDelivery({ n: 4, status: 5, subStatus: 508, requestIp: null, recipient: 'r1@example.com' }),
  sampleDelivery({ n: 5, labelId: 2, label: '100%_off', messageId: 'm1x', emailId: 'm1x12$r5@example.com' }),
  sampleDelivery({ n: 6, emailId: null, messageId: null, recipient: null, messageIdHeader: null, registered: false }),
  sampleDelivery({
    n: 7,
    emailId: 'm1x1x0$r7@example.com',
    messageId: 'm1x1x',
    weak: true,
    forwarded: true,
    engaged: true,
    reclassified: true,
  }),
]
const foreign = [
  sampleDelivery({ n: 101, account: 2, status: 4, subStatus: 406, recipient: 'r1@example.com' }),
  sampleDelivery({ n: 102, account: 2, emailId: 'm1x0$r1@example.com', messageId: 'm1x' }),
]

describe.each(engines)('deliveries: $kind', ({ open }) => {
  let engine: Engine
  beforeAll(async () => {
    engine = (await open()).engine
    await engine.tx(async (db) => {
      await ensureLabels(db, 1, ['Welcome mail'], T0)
      await ensureLabels(db, 1, ['100%_off', 'Welcome mail'], T0)
      await ensureLabels(db, 2, ['Welcome mail'], T0)
      await saveLedgerState(db, ledgerStateOf({ deliveries: [...rows, ...foreign] }))
    })
  })

  test('returns a row unchanged', async () => {
    for (const row of rows) expect(await findDelivery(engine.read, 1, row.deliveryId)).toEqual(row)
  })

  test('hides deliveries from other accounts', async () => {
    expect(await findDelivery(engine.read, 2, deliveryIdOf(1))).toBeNull()
    expect(await findDeliveriesByEmailIds(engine.read, 2, ['m2x0$r2@example.com'])).toEqual([])
    expect((await listDeliveries(engine.read, 2, { messageId: 'm2x' }, { limit: 10 })).rows).toEqual([])
    expect(await listRecentDeliveriesByAddress(engine.read, [{ account: 3, addressHash: hashOf('r1@example.com') }], 10)).toEqual([])
    expect(await listDeliveries(engine.read, 3, {}, { limit: 100, countOn: engine.read })).toEqual({ rows: [], total: 0 })
    expect(await listSendingDeliveries(engine.read, 3, { from: 0, to: T0 * 2 }, { limit: 10 })).toEqual([])
  })

  test('finds by whole emailId and messageId', async () => {
    const ids = ['m2x0$r2@example.com', 'm1x12$r5@example.com', 'unknown', 'm101x0$r1@example.com']
    expect((await findDeliveriesByEmailIds(engine.read, 1, ids)).map(({ emailId }) => String(emailId)).toSorted()).toEqual([
      'm1x12$r5@example.com',
      'm2x0$r2@example.com',
    ])
    const of = async (messageId: string) => (await listDeliveries(engine.read, 1, { messageId }, { limit: 10 })).rows
    expect((await of('m1x')).map(({ deliveryId }) => deliveryId).toSorted()).toEqual([deliveryIdOf(1), deliveryIdOf(5)])
    expect(await of('m1')).toEqual([])
  })

  const filters: readonly (readonly [string, DeliveryFilters, readonly number[]])[] = [
    ['nothing', {}, [7, 6, 5, 4, 3, 2, 1]],
    ['a window', { from: T0 + 2_000, to: T0 + 4_000 }, [3, 2]],
    ['an address', { addressHash: hashOf('r1@example.com') }, [4, 1]],
    ['emailIds', { emailIds: ['m1x0$r1@example.com', 'm3x0$r3@example.com', 'nobody'] }, [3, 1]],
    ['no emailIds', { emailIds: [] }, []],
    ['messageId', { messageId: 'm1x' }, [5, 1]],
    ['labels', { labelIds: [1, 2, 9] }, [5, 1]],
    ['a part of a label', { labelName: 'COME' }, [1]],
    ['a label with the signs of patterns', { labelName: '%_' }, [5]],
    ['labelIds before labelName', { labelIds: [2], labelName: 'welcome' }, [5]],
    ['API users', { apiUsers: ['batch', 'other'] }, [3]],
    ['status sending', { status: 18 }, [7, 6, 5]],
    ['status invalid', { status: 4 }, [3, 2]],
    ['status soft bounce', { status: 5 }, [4]],
    ['sub statuses', { subStatuses: [406, 508, 509] }, [4, 2]],
    ['status and sub status', { status: 4, subStatuses: [408] }, [3]],
    ['request IP', { requestIp: '192.0.2.1' }, [7, 6, 5, 3, 2, 1]],
    ['egress IP', { egressIp: '192.0.2.50' }, [1]],
    ['email type', { emailType: 'batch' }, [3]],
    ['broadcast', { broadcast: 'spring' }, [3]],
    ['all at once', { status: 4, subStatuses: [408], apiUsers: ['batch'], from: T0, emailType: 'batch', requestIp: '192.0.2.1' }, [3]],
    ['hostile text', { labelName: "'; drop table deliveries; --", apiUsers: ["x' or 1=1"], egressIp: '\0' }, []],
  ]
  test.each(filters)('filters by %s', async (_, filter, want) => {
    const found = await listDeliveries(engine.read, 1, filter, { limit: 100, countOn: engine.read })
    expect(found.rows.map(({ deliveryId }) => deliveryId)).toEqual(want.map(deliveryIdOf))
    expect(found.total).toBe(want.length)
  })

  test('pages by number and by key return the same list', async () => {
    const seen: string[] = []
    for (let after; ;) {
      const { rows: page, total } = await listDeliveries(engine.read, 1, {}, after === undefined ? { limit: 3 } : { limit: 3, after })
      expect(total).toBeNull()
      seen.push(...page.map(({ deliveryId }) => deliveryId))
      const last = page.at(-1)
      if (last === undefined) break
      after = { requestedAt: last.requestedAt, deliveryId: last.deliveryId }
    }
    expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1].map(deliveryIdOf))
    const second = await listDeliveries(engine.read, 1, {}, { start: 3, limit: 2, countOn: engine.read })
    expect(second.rows.map(({ deliveryId }) => deliveryId)).toEqual([4, 3].map(deliveryIdOf))
    expect(second.total).toBe(7)
    expect(await listDeliveries(engine.read, 1, {}, { limit: 0, countOn: engine.read })).toEqual({ rows: [], total: 7 })
  })

  test('lists deliveries without an outcome, oldest first, by page', async () => {
    const window = { from: T0, to: T0 + 7_000 }
    const [first] = await listSendingDeliveries(engine.read, 1, window, { limit: 1 })
    expect(first?.deliveryId).toBe(deliveryIdOf(5))
    const after = { requestedAt: first?.requestedAt ?? 0, deliveryId: first?.deliveryId ?? '' }
    expect((await listSendingDeliveries(engine.read, 1, window, { limit: 5, after })).map(({ deliveryId }) => deliveryId)).toEqual([
      deliveryIdOf(6),
    ])
  })

  test('lists the newest deliveries to each address, within one account', async () => {
    const addressHash = hashOf('r1@example.com')
    const wanted = [
      { account: 1, addressHash },
      { account: 2, addressHash },
    ]
    const ids = async (limit: number) =>
      (await listRecentDeliveriesByAddress(engine.read, wanted, limit)).map(({ deliveryId }) => deliveryId).toSorted()
    expect(await ids(10)).toEqual([1, 4, 101].map(deliveryIdOf))
    expect(await ids(1)).toEqual([4, 101].map(deliveryIdOf))
  })

  test('refuses a list that is too long', async () => {
    const emailIds = Array.from({ length: 1_025 }, (_, i) => `e${i}`)
    await expect(listDeliveries(engine.read, 1, { emailIds }, { limit: 1 })).rejects.toMatchObject({ code: 'bad_request' })
    expect((await listDeliveries(engine.read, 1, { emailIds: emailIds.slice(1) }, { limit: 1 })).rows).toEqual([])
  })
})
