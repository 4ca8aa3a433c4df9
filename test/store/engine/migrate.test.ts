/** migrate.test - the schema is created once, as a whole, and only by a program that knows it */
import { describe, expect, test } from 'vitest'
import { openEngine } from '../../../src/store/engine/open-engine.ts'
import { migrate } from '../../../src/store/engine/migrate.ts'
import { MIGRATIONS } from '../../../src/store/migrations/migrations.ts'
import { TABLES } from '../../../src/store/tables.ts'
import { engines } from '../../support/engines.ts'
import { schemaVersion } from '../../support/look.ts'
import { T0, TABLE_NAMES } from '../sample.ts'

/** Versions may have gaps. */
const NEWEST = Math.max(...MIGRATIONS.map(({ version }) => version))

const NEXT = {
  version: NEWEST + 1,
  name: 'one more',
  statements: ['create table more (n @int not null, primary key (n)) @narrow'],
}

describe.each(engines)('migrate: $kind', ({ open, url }) => {
  test('migrates an empty store once', async () => {
    const { engine } = await open({ empty: true })
    expect(await migrate(engine, T0)).toBe(MIGRATIONS.length)
    expect(await migrate(engine, T0)).toBe(0)
    expect(await schemaVersion(engine)).toBe(NEWEST)
  })

  test('migrates once when two nodes start together', async () => {
    const where = await url({ empty: true })
    const nodes = [await openEngine(where), await openEngine(where)]
    const ran = await Promise.all(nodes.map(async (engine) => migrate(engine, T0)))
    for (const engine of nodes) await engine.close()
    expect(ran.reduce((sum, n) => sum + n, 0)).toBe(MIGRATIONS.length)
  })

  test('applies the migrations of a later release', async () => {
    const { engine } = await open()
    expect(await migrate(engine, T0, [...MIGRATIONS, NEXT])).toBe(1)
    expect(await engine.read.one('select count(*) as n from more')).toEqual({ n: 0 })
  })

  test('refuses a schema that is newer than the program', async () => {
    const { engine } = await open()
    await migrate(engine, T0, [...MIGRATIONS, NEXT])
    await expect(migrate(engine, T0)).rejects.toMatchObject({ code: 'store_newer' })
  })

  test('refuses a changed migration', async () => {
    const { engine } = await open()
    const [first, ...rest] = MIGRATIONS
    const changed = { version: 1, name: first?.name ?? '', statements: [...(first?.statements ?? []), 'select 1'] }
    await expect(migrate(engine, T0, [changed, ...rest])).rejects.toMatchObject({ code: 'config_invalid' })
  })

  test('leaves the schema unchanged when a migration fails', async () => {
    const { engine } = await open()
    const broken = { ...NEXT, statements: [...NEXT.statements, 'create nonsense'] }
    await expect(migrate(engine, T0, [...MIGRATIONS, broken])).rejects.toMatchObject({ code: 'store_busy' })
    expect(await schemaVersion(engine)).toBe(NEWEST)
    expect(await migrate(engine, T0, [...MIGRATIONS, NEXT])).toBe(1)
  })

  test('describes every table of the schema, with the same columns and nulls', async () => {
    const { engine } = await open()
    const names = (await engine.read.all(TABLE_NAMES[engine.kind])).map(({ name }) => String(name))
    expect(TABLES.map(({ name }) => name).toSorted()).toEqual(names.toSorted())
    for (const table of TABLES) {
      const sql =
        engine.kind === 'sqlite'
          ? `select name, type, 1 - "notnull" as nullable from pragma_table_info('${table.name}')`
          : `select column_name as name, data_type as type, case is_nullable when 'YES' then 1 else 0 end as nullable
             from information_schema.columns where table_schema = 'public' and table_name = '${table.name}'`
      const types: Record<string, string> = { INTEGER: 'int', TEXT: 'text', BLOB: 'bytes', bigint: 'int', text: 'text', bytea: 'bytes' }
      const found = (await engine.read.all(sql)).map((row) => [
        row['name'],
        `${types[String(row['type'])]}${row['nullable'] === 1 ? '?' : ''}`,
      ])
      expect({ table: table.name, columns: Object.fromEntries(found) }).toEqual({ table: table.name, columns: table.columns })
    }
  })

  test.runIf(engines.length > 1)('sorts text by bytes, whatever the locale of the server', async () => {
    const { engine } = await open()
    await engine.tx(async (db) => {
      for (const name of ['b', 'B', 'é', 'a', '_', 'z']) await db.run('insert into meta (name, value) values ($1, $2)', [name, ''])
    })
    const rows = await engine.read.all('select name from meta order by name')
    expect(rows.map(({ name }) => name)).toEqual(['B', '_', 'a', 'b', 'z', 'é'])
  })
})
