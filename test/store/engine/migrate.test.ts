/**
 * migrate.test - the schema is made once, whole, and only by a program that knows it
 */
import { describe, expect, test } from 'vitest'
import { openEngine } from '../../../src/store/engine/open-engine.ts'
import { migrate } from '../../../src/store/engine/migrate.ts'
import { MIGRATIONS } from '../../../src/store/migrations.ts'
import { LEASES } from '../../../src/store/engine/lease.ts'
import * as outbox from '../../../src/store/webhook/outbox.ts'
import { QUEUED_BODIES, QUEUED_MESSAGES } from '../../../src/store/queue/queued-mail.ts'
import { BACKOFF_KEY_ROWS, QUEUED_FEEDBACK } from '../../../src/store/queue/backoff-keys.ts'
import { QUEUE_COMMANDS } from '../../../src/store/queue/commands.ts'
import { LANE_SNAPSHOTS, LANE_THROUGHPUT } from '../../../src/store/queue/lane-snapshots.ts'
import { PROJECTIONS } from '../../../src/store/facts/rebuild.ts'
import { FACTS, LIST_FACTS } from '../../../src/store/schema.ts'
import { RAW_MAILS } from '../../../src/store/mail/raw-mail.ts'
import { REPORTS } from '../../../src/store/mail/reports.ts'
import type { Table } from '../../../src/store/engine/table.ts'
import { FORWARD_DOMAINS } from '../../../src/store/mail/forward-domains.ts'
import { FORWARDED_MAILS } from '../../../src/store/mail/forwarded-mails.ts'
import { ALERT_ROWS } from '../../../src/store/alerts.ts'
import { RETIRED_DELIVERIES } from '../../../src/store/facts/retired-deliveries.ts'
import { WATCH_COUNTERS } from '../../../src/store/facts/watch-counters.ts'
import { WEBHOOK_RECORDS } from '../../../src/store/webhook/attempts.ts'
import { engines } from '../../support/engines.ts'
import { schemaVersion } from '../../support/look.ts'
import { T0 } from '../sample.ts'

/** Numbers may have gaps. */
const NEWEST = Math.max(...MIGRATIONS.map(({ version }) => version))

const NEXT = {
  version: NEWEST + 1,
  name: 'one more',
  statements: ['create table more (n @int not null, primary key (n)) @narrow'],
}

describe.each(engines)('migrate: $kind', ({ open, url }) => {
  test('an empty store gets everything, a second start nothing', async () => {
    const { engine } = await open({ empty: true })
    expect(await migrate(engine, T0)).toBe(MIGRATIONS.length)
    expect(await migrate(engine, T0)).toBe(0)
    expect(await schemaVersion(engine)).toBe(NEWEST)
  })

  test('two nodes that start together migrate once', async () => {
    const where = await url({ empty: true })
    const nodes = [await openEngine(where), await openEngine(where)]
    const ran = await Promise.all(nodes.map(async (engine) => migrate(engine, T0)))
    for (const engine of nodes) await engine.close()
    expect(ran.reduce((sum, n) => sum + n, 0)).toBe(MIGRATIONS.length)
  })

  test('a later release adds its own', async () => {
    const { engine } = await open()
    expect(await migrate(engine, T0, [...MIGRATIONS, NEXT])).toBe(1)
    expect(await engine.read.one('select count(*) as n from more')).toEqual({ n: 0 })
  })

  test('a schema newer than the program stops it', async () => {
    const { engine } = await open()
    await migrate(engine, T0, [...MIGRATIONS, NEXT])
    await expect(migrate(engine, T0)).rejects.toMatchObject({ code: 'store_newer' })
  })

  test('a past that was written differently stops it', async () => {
    const { engine } = await open()
    const [first, ...rest] = MIGRATIONS
    const changed = { version: 1, name: first?.name ?? '', statements: [...(first?.statements ?? []), 'select 1'] }
    await expect(migrate(engine, T0, [changed, ...rest])).rejects.toMatchObject({ code: 'config_invalid' })
  })

  test('one that fails leaves the schema as it was', async () => {
    const { engine } = await open()
    const broken = { ...NEXT, statements: [...NEXT.statements, 'create nonsense'] }
    await expect(migrate(engine, T0, [...MIGRATIONS, broken])).rejects.toMatchObject({ code: 'internal' })
    expect(await schemaVersion(engine)).toBe(NEWEST)
    expect(await migrate(engine, T0, [...MIGRATIONS, NEXT])).toBe(1)
  })

  const tables: readonly Table[] = [
    ...[FACTS, LIST_FACTS, REPORTS, RAW_MAILS, outbox.OUTBOX].map(({ table }) => table),
    ...[
      QUEUED_MESSAGES,
      QUEUED_BODIES,
      BACKOFF_KEY_ROWS,
      QUEUED_FEEDBACK,
      LEASES,
      WEBHOOK_RECORDS,
      FORWARD_DOMAINS,
      FORWARDED_MAILS,
      ALERT_ROWS,
      WATCH_COUNTERS,
      RETIRED_DELIVERIES,
    ].map(({ table }) => table),
    ...[QUEUE_COMMANDS, LANE_SNAPSHOTS, LANE_THROUGHPUT].map(({ table }) => table),
    ...Object.values(PROJECTIONS).map(({ table }) => table),
  ]
  test('every shape is a table: the same columns, the same nulls, a key that upserts', async () => {
    const { engine } = await open()
    for (const table of tables) {
      const sql =
        engine.kind === 'sqlite'
          ? `select name, type, 1 - "notnull" as nullable from pragma_table_info('${table.name}')`
          : `select column_name as name, data_type as type, case is_nullable when 'YES' then 1 else 0 end as nullable
             from information_schema.columns where table_name = '${table.name}'`
      const types: Record<string, string> = { INTEGER: 'int', TEXT: 'text', BLOB: 'bytes', bigint: 'int', text: 'text', bytea: 'bytes' }
      const found = (await engine.read.all(sql)).map((row) => [
        row['name'],
        `${types[String(row['type'])]}${row['nullable'] === 1 ? '?' : ''}`,
      ])
      expect({ table: table.name, columns: Object.fromEntries(found) }).toEqual({ table: table.name, columns: table.columns })
    }
  })

  test.runIf(engines.length > 1)('text sorts by its bytes, whatever the locale of the server', async () => {
    const { engine } = await open()
    await engine.tx(async (db) => {
      for (const name of ['b', 'B', 'é', 'a', '_', 'z']) await db.run('insert into meta (name, value) values ($1, $2)', [name, ''])
    })
    const rows = await engine.read.all('select name from meta order by name')
    expect(rows.map(({ name }) => name)).toEqual(['B', '_', 'a', 'b', 'z', 'é'])
  })
})
