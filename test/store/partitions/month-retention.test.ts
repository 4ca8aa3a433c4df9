/**
 * month-retention.test - dropping a month leaves the same rows as removing it row by row
 */
import { describe, expect, test } from 'vitest'
import { retire } from '../../../src/service/admin/retire.ts'
import { COPIED_TABLES, copyTable } from '../../../src/store/backup/copy-store.ts'
import { migrate } from '../../../src/store/engine/migrate.ts'
import { partitionNewStore, partitionTable } from '../../../src/store/partitions/conversion.ts'
import { PARTITIONED_TABLES } from '../../../src/store/partitions/partitioned-tables.ts'
import { makeContext } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { bounce, countOf, differencesOf, MONTHS, NOVEMBER, partitionsOf, SEPTEMBER, sendMonth, type Bench } from '../../support/months.ts'

const DECEMBER = Date.UTC(2026, 11, 1, 1)
const OCTOBER_FIRST = Date.UTC(2026, 9, 1)
/** A transaction that rests longer than the server lets one of a mail. */
const LONG = { isMaintenance: true } as const

/** Every row that is left. The slot of a counter depends on the transactions that ran together, so counters are compared by their sums. */
async function rowsLeft({ engine }: Pick<Bench, 'engine'>): Promise<unknown> {
  const sums = `select site, quarter, metric, sum(n) as n from site_counters group by site, quarter, metric having sum(n) <> 0 order by 1, 2, 3`
  const rows = await Promise.all(
    COPIED_TABLES.map(({ name, key }) =>
      engine.read.all(name === 'site_counters' ? sums : `select * from ${name} order by ${key.join(', ')}`),
    ),
  )
  const left = new Map(COPIED_TABLES.map(({ name }, n) => [name, rows[n]]))
  // The position of a run within a month.
  left.set(
    'meta',
    left.get('meta')?.filter(({ name }) => name !== 'retired_remains'),
  )
  return Object.fromEntries(left)
}

describe.each(engines.filter(({ kind }) => kind === 'postgres'))('retention of whole months: $kind', ({ open }) => {
  async function filled({ isPartitioned }: { readonly isPartitioned: boolean }): Promise<Bench> {
    const { engine } = await open({ empty: true })
    await migrate(engine, 0)
    if (isPartitioned) await partitionNewStore(engine, SEPTEMBER)
    const clock = { now: SEPTEMBER as number }
    const b = { engine, clock, context: await makeContext(engine, clock, [{}, {}]) }
    for (const month of MONTHS) {
      const [, second] = await sendMonth(b, month)
      // A mail of September whose bounce comes in October, so that it counts in a period that stays open.
      b.clock.now = Date.UTC(2026, 9, 5)
      const bounced = month === SEPTEMBER && second !== undefined ? await bounce(b, second) : { inboxReason: null }
      expect(bounced).toMatchObject({ inboxReason: null })
    }
    b.clock.now = DECEMBER
    b.context.accountCache.invalidate()
    return b
  }
  async function copyOf(source: Bench): Promise<Bench> {
    const { engine } = await open({ empty: true })
    await migrate(engine, 0)
    const options = { onProgress: () => undefined, signal: new AbortController().signal }
    for (const table of COPIED_TABLES) await copyTable(source.engine, engine, table, options)
    for (const table of PARTITIONED_TABLES) await partitionTable(engine, table, NOVEMBER)
    const clock = { now: source.clock.now }
    return { engine, clock, context: { ...source.context, engine } }
  }

  test('a dropped month leaves the rows that the row-wise way leaves, and counts as many', async () => {
    const byRow = await filled({ isPartitioned: false })
    const byMonth = await copyOf(byRow)
    expect(await rowsLeft(byMonth)).toEqual(await rowsLeft(byRow))
    const removed = await retire(byRow.context, { months: 2 })
    expect(removed).toMatchObject({ before: OCTOBER_FIRST, deliveries: 3, mails: 2, isHeld: false })
    expect(await retire(byMonth.context, { months: 2 })).toEqual(removed)
    expect(await rowsLeft(byMonth)).toEqual(await rowsLeft(byRow))
    const left = [202610, 202611, 202612, 202701]
    const counters = [202609, ...left]
    expect(await partitionsOf(byMonth.engine)).toEqual({
      deliveries: left,
      events: [0, ...left],
      reports: left,
      counters,
      site_counters: left,
    })
    expect([await countOf(byMonth.engine, 'retired_deliveries'), await differencesOf(byMonth.context)]).toEqual([3, []])
  })

  test('a run that stops after any step leaves consistent data, and the next run continues', async () => {
    const b = await filled({ isPartitioned: true })
    let runs = 0
    let deliveries = 0
    for (let isDone = false; !isDone && runs < 50; runs += 1) {
      const run = await retire(b.context, { months: 2, shouldStop: () => true })
      isDone = run.isDone
      deliveries += run.deliveries
      expect(await differencesOf(b.context)).toEqual([])
    }
    expect([deliveries, await countOf(b.engine, 'retired_deliveries'), await countOf(b.engine, 'deliveries')]).toEqual([3, 3, 6])
    expect(runs).toBeGreaterThan(3)
  })

  test('a month with a delivery that was registered later is dropped when that one is old as well', async () => {
    const b = await filled({ isPartitioned: true })
    const [young] = await b.engine.read.all(
      'select delivery_id from deliveries where delivery_month = 202609 order by delivery_id desc limit 1',
    )
    await b.engine.tx((db) =>
      db.run('update deliveries set requested_at = $1 where delivery_id = $2', [OCTOBER_FIRST + 1, String(young?.['delivery_id'])]),
    )
    expect(await retire(b.context, { months: 2 })).toMatchObject({ deliveries: 2 })
    expect((await partitionsOf(b.engine))['deliveries']).toContain(202609)
    expect(await countOf(b.engine, 'deliveries_202609')).toBe(1)
    b.clock.now = Date.UTC(2027, 0, 1)
    await sendMonth(b, b.clock.now)
    expect(await retire(b.context, { months: 2 })).toMatchObject({ deliveries: 4 })
    expect(await partitionsOf(b.engine)).toMatchObject({
      deliveries: [202611],
      events: [0, 202611],
      reports: [202611],
      site_counters: [202611],
    })
    expect(await differencesOf(b.context)).toEqual([])
  })

  test('a month that a long read uses is dropped later, and mail is taken meanwhile', async () => {
    const b = await filled({ isPartitioned: true })
    const reading = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    const read = b.engine.tx(async (db) => {
      await db.all('select count(*) as n from deliveries')
      reading.resolve()
      await released.promise
    }, LONG)
    await reading.promise
    const [run, sent] = await Promise.all([retire(b.context, { months: 2 }), sendMonth(b, DECEMBER)])
    expect(run).toMatchObject({ deliveries: 1, isPostponed: true, isDone: true })
    expect([sent.length, await countOf(b.engine, 'deliveries_202609')]).toEqual([3, 2])
    released.resolve()
    await read
    expect(await retire(b.context, { months: 2 })).toMatchObject({ deliveries: 2, isPostponed: false })
    expect([(await partitionsOf(b.engine))['deliveries'], await differencesOf(b.context)]).toEqual([[202610, 202611], []])
  })

  test('a month of reports that a long read uses is dropped later, and its reports are known no more', async () => {
    const b = await filled({ isPartitioned: true })
    const [reading, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const read = b.engine.tx(async (db) => {
      await db.all('select count(*) as n from reports_202609')
      reading.resolve()
      await released.promise
    }, LONG)
    await reading.promise
    expect(await retire(b.context, { months: 2 })).toMatchObject({ mails: 2, isPostponed: true, isDone: true })
    expect([await countOf(b.engine, 'reports_202609'), await countOf(b.engine, 'report_digests')]).toEqual([2, 5])
    expect(await countOf(b.engine, 'mail_body_references')).toBe(5)
    released.resolve()
    await read
    expect(await retire(b.context, { months: 2 })).toMatchObject({ mails: 0, isPostponed: false })
    expect([(await partitionsOf(b.engine))['reports'], await countOf(b.engine, 'reports')]).toEqual([[202610, 202611], 5])
    expect(await differencesOf(b.context)).toEqual([])
  })

  test('rows without a partition are removed row by row', async () => {
    const b = await filled({ isPartitioned: true })
    await b.engine.tx(async (db) => {
      for (const table of ['deliveries', 'events', 'reports']) {
        await db.run(`alter table ${table} detach partition ${table}_202609`)
        await db.run(`insert into ${table} select * from ${table}_202609`)
        await db.run(`drop table ${table}_202609`)
      }
    })
    expect(await countOf(b.engine, 'deliveries_default')).toBeGreaterThanOrEqual(3)
    expect(await retire(b.context, { months: 2 })).toMatchObject({ deliveries: 3 })
    expect([await countOf(b.engine, 'retired_deliveries'), await differencesOf(b.context)]).toEqual([3, []])
  })
})
