/**
 * conversion.test - a PostgreSQL store becomes partitioned by month, table by table, and answers as before
 */
import { describe, expect, test } from 'vitest'
import { eraseAddress } from '../../../src/service/admin/erase.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { migrate } from '../../../src/store/engine/migrate.ts'
import { sumCounters } from '../../../src/store/facts/counters.ts'
import { readTimelineByEmailId } from '../../../src/store/facts/facts.ts'
import { scanDeliveries } from '../../../src/store/facts/scan.ts'
import { findDeliveriesByEmailIds, listDeliveries } from '../../../src/store/mail/deliveries.ts'
import { partitionNewStore, partitionTable } from '../../../src/store/partitions/conversion.ts'
import { PARTITIONED_TABLES, type PartitionedTable } from '../../../src/store/partitions/partitioned-tables.ts'
import { createPartitionsAhead, createPartitionsOf } from '../../../src/store/partitions/partitions.ts'
import { TABLES } from '../../../src/store/tables.ts'
import { makeContext } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import {
  bounce,
  countOf,
  differencesOf,
  MONTHS,
  NOVEMBER,
  partitionsOf,
  SEPTEMBER,
  sendMonth,
  type Bench,
  type Sent,
} from '../../support/months.ts'

const DAY = 86_400_000
const everyTable = (months: readonly number[]): Readonly<Record<string, readonly number[]>> =>
  Object.fromEntries(PARTITIONED_TABLES.map(({ name, hasMonthZero }) => [name, hasMonthZero ? [0, ...months] : months]))
const UNCONVERTED = Object.fromEntries(PARTITIONED_TABLES.map(({ name }) => [name, null]))

/** Every row of every table, and what several queries return. */
async function answersOf({ engine }: Bench): Promise<unknown> {
  const rows = await Promise.all(
    TABLES.map(async ({ name, key }) => [name, await engine.read.all(`select * from ${name} order by ${key.join(', ')}`)] as const),
  )
  const all = await listDeliveries(engine.read, 1, {}, { limit: 100, countOn: engine.read })
  const emailIds = all.rows.map(({ emailId }) => emailId ?? '')
  const range = { from: SEPTEMBER, to: NOVEMBER + DAY, after: null, maxRows: 5 }
  return {
    rows,
    all,
    bounced: await listDeliveries(engine.read, 1, { status: 4 }, { limit: 100, countOn: engine.read }),
    day: await listDeliveries(engine.read, 1, { from: NOVEMBER, to: NOVEMBER + DAY }, { limit: 2, start: 1, countOn: engine.read }),
    found: await findDeliveriesByEmailIds(engine.read, 1, emailIds.slice(0, 1)),
    timelines: await Promise.all(emailIds.map((emailId) => readTimelineByEmailId(engine.read, 1, emailId))),
    scanned: await scanDeliveries(engine.read, 1, {}, range),
    statistics: await sumCounters(engine.read, 1, {
      windows: [
        { from: SEPTEMBER - DAY, to: NOVEMBER },
        { from: NOVEMBER, to: NOVEMBER + DAY },
      ],
    }),
  }
}

describe.each(engines.filter(({ kind }) => kind === 'postgres'))('partitions: $kind', ({ open }) => {
  /** A store of a version without partitions, with mail of three months. */
  async function unconverted(): Promise<Bench & { readonly sent: readonly Sent[] }> {
    const { engine } = await open({ empty: true })
    await migrate(engine, 0)
    const clock = { now: SEPTEMBER as number }
    const b = { engine, clock, context: await makeContext(engine, clock, [{}, {}]) }
    const sent: Sent[] = []
    for (const month of MONTHS) sent.push(...(await sendMonth(b, month)))
    return { ...b, sent }
  }
  const convert = async (engine: Engine, tables: readonly PartitionedTable[] = PARTITIONED_TABLES) => {
    const rows: (number | null)[] = []
    for (const table of tables) rows.push(await partitionTable(engine, table, NOVEMBER))
    return rows
  }

  test('a new store is partitioned before its first row, on two nodes that start together', async () => {
    const { engine } = await open({ empty: true })
    await migrate(engine, 0)
    await Promise.all([partitionNewStore(engine, NOVEMBER), partitionNewStore(engine, NOVEMBER)])
    const ahead = [202611, 202612, 202701]
    expect(await partitionsOf(engine)).toEqual(everyTable(ahead))
    expect(await createPartitionsAhead(engine, NOVEMBER)).toBe(0)
    expect(await createPartitionsAhead(engine, NOVEMBER + 31 * DAY)).toBe(PARTITIONED_TABLES.length)
  })

  test('a store with rows stays as it is at the start, and works', async () => {
    const { engine, context } = await unconverted()
    await partitionNewStore(engine, NOVEMBER)
    expect([await createPartitionsAhead(engine, NOVEMBER), await partitionsOf(engine)]).toEqual([0, UNCONVERTED])
    expect(await differencesOf(context)).toEqual([])
  })

  test('a conversion that is interrupted after one table is continued, and the store answers as before', async () => {
    const b = await unconverted()
    const before = await answersOf(b)
    expect(await convert(b.engine, PARTITIONED_TABLES.slice(0, 1))).toEqual([9])
    expect([await answersOf(b), await differencesOf(b.context)]).toEqual([before, []])
    const rest = await Promise.all(PARTITIONED_TABLES.slice(1).map(({ name }) => countOf(b.engine, name)))
    expect(await convert(b.engine)).toEqual([null, ...rest])
    expect([await answersOf(b), await differencesOf(b.context)]).toEqual([before, []])
    const months = [202609, 202610, 202611, 202612, 202701]
    expect(await partitionsOf(b.engine)).toEqual(everyTable(months))
    expect([await countOf(b.engine, 'deliveries_202609'), await countOf(b.engine, 'deliveries_default')]).toEqual([3, 0])
  })

  test('a conversion that fails leaves the table as it was', async () => {
    const b = await unconverted()
    const before = await answersOf(b)
    await b.engine.tx((db) => db.run('create table deliveries_202610 (one bigint)'))
    await expect(convert(b.engine)).rejects.toMatchObject({ code: 'store_busy' })
    expect([await answersOf(b), await partitionsOf(b.engine)]).toEqual([before, UNCONVERTED])
    await b.engine.tx((db) => db.run('drop table deliveries_202610'))
    expect((await convert(b.engine)).slice(0, 2)).toEqual([9, await countOf(b.engine, 'events')])
  })

  test('a converted table has the keys and indexes that it had, in each partition', async () => {
    const definitions = async (engine: Engine, table: string): Promise<readonly string[]> =>
      (await engine.read.all('select indexdef from pg_indexes where tablename = $1', [table]))
        .map(({ indexdef }) => String(indexdef).replace(/INDEX \S+ ON( ONLY)? public\.\w+/, 'INDEX'))
        .toSorted()
    const b = await unconverted()
    const before = await Promise.all(PARTITIONED_TABLES.map(({ name }) => definitions(b.engine, name)))
    await convert(b.engine)
    await createPartitionsOf(b.engine, [202702])
    const expected = before.map((each, n) =>
      PARTITIONED_TABLES[n]?.name === 'reports' ? [each[0]?.replace('(digest)', '(digest, received_at)')] : each,
    )
    for (const suffix of ['', '_202609', '_202702', '_default'])
      expect(await Promise.all(PARTITIONED_TABLES.map(({ name }) => definitions(b.engine, `${name}${suffix}`)))).toEqual(expected)
  })

  test('a report is a duplicate in any month, and a late one finds its mail', async () => {
    const b = await unconverted()
    await convert(b.engine)
    const [first, second] = [b.sent[0], b.sent[4]]
    if (first === undefined || second === undefined) throw new Error('nine were sent')
    expect(await bounce(b, first)).toMatchObject({ isDuplicate: true })
    // A mail of October bounces in November.
    b.clock.now = Date.UTC(2026, 10, 2)
    expect(await bounce(b, second)).toMatchObject({ isDuplicate: false, inboxReason: null, account: 1 })
    b.clock.now += 40 * DAY
    expect([await bounce(b, second), await differencesOf(b.context)]).toMatchObject([{ isDuplicate: true }, []])
  })

  test('a mail of a month without a partition is kept, and moves when its partition is made', async () => {
    const b = await unconverted()
    await convert(b.engine)
    const [sent] = await sendMonth(b, Date.UTC(2027, 4, 3))
    expect([await countOf(b.engine, 'deliveries'), await countOf(b.engine, 'deliveries_default')]).toEqual([12, 3])
    expect([await countOf(b.engine, 'reports'), await countOf(b.engine, 'reports_default')]).toEqual([8, 2])
    expect(sent === undefined ? null : await bounce(b, sent)).toMatchObject({ isDuplicate: true })
    const before = await answersOf(b)
    expect(await createPartitionsAhead(b.engine, b.clock.now)).toBe(3 * PARTITIONED_TABLES.length)
    expect([await countOf(b.engine, 'deliveries_default'), await countOf(b.engine, 'deliveries_202705')]).toEqual([0, 3])
    expect([await countOf(b.engine, 'reports_default'), await countOf(b.engine, 'reports_202705')]).toEqual([0, 2])
    expect([await answersOf(b), await differencesOf(b.context)]).toEqual([before, []])
    expect(sent === undefined ? null : await bounce(b, sent)).toMatchObject({ isDuplicate: true })
  })

  test('an erasure finds an address in every partition', async () => {
    const b = await unconverted()
    await convert(b.engine)
    await sendMonth(b, Date.UTC(2027, 4, 3))
    for (const moment of [SEPTEMBER, NOVEMBER, Date.UTC(2027, 4, 3)]) {
      await eraseAddress(b.context, `r0.${moment}@example.org`, 'operator')
      for (const table of ['deliveries', 'events'])
        expect(JSON.stringify(await b.engine.read.all(`select * from ${table}`))).not.toContain(`r0.${moment}`)
    }
    expect(await differencesOf(b.context)).toEqual([])
  })
})
