/**
 * unguessable-ids.test - a store of the release before: its mails are found by their ids, and what it queued is sent under the same Message-ID
 */
import { describe, expect, test } from 'vitest'
import { ALL_LANE_GROUPS } from '../../../src/queue/lane-group.ts'
import { migrate } from '../../../src/store/engine/migrate.ts'
import { MIGRATIONS } from '../../../src/store/migrations/migrations.ts'
import { UNGUESSABLE_IDS } from '../../../src/store/migrations/unguessable-ids.ts'
import { findDeliveriesByMessageIdForOperator } from '../../../src/store/mail/message-id-lookup.ts'
import { findDeliveriesByEmailIds } from '../../../src/store/mail/deliveries.ts'
import { DELIVERIES } from '../../../src/store/mail/delivery-columns.ts'
import { markDispatchedForOperator } from '../../../src/store/queue/queued-mail.ts'
import { engines } from '../../support/engines.ts'
import { deliveryIdOf, sampleDelivery, T0 } from '../sample.ts'

/** Columns of deliveries that a later migration adds. */
const LATER_COLUMNS = ['machine_opens', 'machine_clicks']

const BEFORE = MIGRATIONS.filter(({ version }) => version < UNGUESSABLE_IDS.version)

describe.each(engines)('$kind', ({ open }) => {
  test('an old store is upgraded with its mails and its queue', async () => {
    const { engine } = await open({ empty: true })
    await migrate(engine, T0, BEFORE)
    const messageIdHeader = `${deliveryIdOf(1)}@example.com`
    const old = sampleDelivery({ n: 1, emailId: `${deliveryIdOf(1)}m0$user1@example.com`, messageIdHeader, label: 'Spring 🌷' })
    await engine.tx(async (db) => {
      // The row is written by the columns of today; those that came later are taken away again.
      for (const column of LATER_COLUMNS) await db.run(`alter table deliveries add column ${column} integer not null default 0`)
      await db.insertMany(DELIVERIES, [old])
      for (const column of LATER_COLUMNS) await db.run(`alter table deliveries drop column ${column}`)
      await db.run(
        `insert into queue_mails (account_id, delivery_id, delivery_month, body_id, recipient, domain, sender_domain, variables, accepted_at,
           due_at, attempts, dispatched_at, refused_by, fresh) values (1, $1, $2, 'b', 'u@example.com', 'example.com', 'example.org', '{}', 1, 0, 0, null, '[]', 1)`,
        [old.deliveryId, old.month],
      )
    })
    expect(await migrate(engine, T0)).toBe(MIGRATIONS.length - BEFORE.length)
    const { account, deliveryId, month } = old
    const [queued] = await engine.tx((db) =>
      markDispatchedForOperator(db, [{ account, deliveryId, deliveryMonth: month }], {
        at: T0,
        markedBy: 'test 1',
        groups: ALL_LANE_GROUPS,
      }),
    )
    expect(queued).toMatchObject({ deliveryId, keyIndex: null, labelName: 'Spring 🌷' })
    expect(await findDeliveriesByMessageIdForOperator(engine.read, [{ account: null, messageIdHeader }])).toContainEqual({
      account,
      deliveryId,
    })
    expect((await findDeliveriesByEmailIds(engine.read, account, [old.emailId ?? ''])).map((row) => row.deliveryId)).toEqual([deliveryId])
  })

  test('a Message-ID of many copies costs three rows, and shows whether several accounts have it', async () => {
    const { engine } = await open()
    const messageIdHeader = 'spring@example.com'
    const copies = (account: number, from: number, count: number) =>
      Array.from({ length: count }, (_, n) => sampleDelivery({ n: from + n, account, messageIdHeader }))
    await engine.tx((db) => db.insertMany(DELIVERIES, [...copies(1, 1, 200), ...copies(2, 300, 1)]))
    const find = async (account: number | null) => findDeliveriesByMessageIdForOperator(engine.read, [{ account, messageIdHeader }])
    const all = await find(null)
    expect([all.length, new Set(all.map(({ account }) => account))]).toEqual([3, new Set([1, 2])])
    expect((await find(1)).length).toBeLessThanOrEqual(3)
    expect(new Set((await find(2)).map(({ deliveryId }) => deliveryId))).toEqual(new Set([deliveryIdOf(300)]))
    expect(await find(3)).toEqual([])
    const many = Array.from({ length: 450 }, (_, n) => ({ account: null, messageIdHeader: `none-${n}@example.com` }))
    expect((await findDeliveriesByMessageIdForOperator(engine.read, [...many, { account: null, messageIdHeader }])).length).toBe(3)
  })
})
