/**
 * migrate - the schema, brought to what this program needs
 *
 * Migrations are numbered and go forward only; each is kept with the checksum of its text, all under one lock and in one transaction, so
 * that two nodes that start together migrate once and a failure leaves the schema as it was. A schema with a number that this
 * program does not know stops the start, and so does one whose past was written differently.
 *
 * See also: store/migrations (the list), store/engine/sql (the words of each engine).
 */
import { createHash } from 'node:crypto'
import { Fault } from '../../errors.ts'
import type { Db, Engine, EngineKind } from './engine.ts'
import { MIGRATIONS } from '../migrations.ts'
import type { Migration } from '../migrations.ts'
import { int, shapeOf, text } from './mapping.ts'

type MigrationRow = { readonly version: number; readonly name: string; readonly checksum: string; readonly appliedAt: number }

const MADE = shapeOf<MigrationRow>('migrations', ['version'], {
  version: int('version'),
  name: text('name'),
  checksum: text('checksum'),
  appliedAt: int('applied_at'),
})

const CREATE = `create table if not exists migrations (
  version @int not null, name @text not null, checksum @text not null, applied_at @int not null, primary key (version)
) @strict`

/** The words of the schema in each engine's own. `@narrow`: a table of short rows, kept in its key's tree where there is such a thing. */
const WORDS: Readonly<Record<EngineKind, Readonly<Record<string, string>>>> = {
  sqlite: { int: 'integer', text: 'text', bytes: 'blob', strict: 'strict', narrow: 'strict, without rowid' },
  postgres: { int: 'bigint', text: 'text collate "C"', bytes: 'bytea', strict: '', narrow: '' },
}

/**
 * Brings the schema up to date; returns how many migrations ran. Idempotent. Throws Fault store_newer where a newer program has
 * been here, config_invalid where an old migration was another text.
 */
export async function migrate(engine: Engine, now: number, migrations: readonly Migration[] = MIGRATIONS): Promise<number> {
  return engine.tx(
    async (db) => {
      await db.run(spellSchema(db.kind, CREATE))
      const made = (await db.all('select * from migrations order by version')).map(MADE.decode)
      const newest = migrations.at(-1)?.version ?? 0
      for (const { version, name, checksum } of made) checkMade({ version, name, checksum, newest }, migrations)
      const missing = migrations.filter(({ version }) => !made.some((row) => row.version === version))
      for (const migration of missing) await apply(db, migration, now)
      return missing.length
    },
    { lock: 'migrations' },
  )
}

type Made = { readonly version: number; readonly name: string; readonly checksum: string; readonly newest: number }

function checkMade(made: Made, migrations: readonly Migration[]): void {
  const ours = migrations.find(({ version }) => version === made.version)
  const detail = { version: made.version, name: made.name, newest: made.newest }
  if (ours === undefined) {
    const text = `the store has schema ${made.version} (${made.name}), this program knows ${made.newest}: start a newer bounced, or restore an older store`
    throw new Fault('store_newer', text, { detail })
  }
  if (checksumOf(ours) !== made.checksum) {
    throw new Fault('config_invalid', `schema ${made.version} (${made.name}) was made by another text than this program's`, { detail })
  }
}

async function apply(db: Db, migration: Migration, now: number): Promise<void> {
  for (const statement of migration.statements) await db.run(spellSchema(db.kind, statement))
  await db.insertMany(MADE, [{ version: migration.version, name: migration.name, checksum: checksumOf(migration), appliedAt: now }])
}

/** Of the text as written here, so that both engines agree. */
function checksumOf(migration: Migration): string {
  return createHash('sha256').update(migration.statements.join(';\n')).digest('hex')
}

function spellSchema(kind: EngineKind, statement: string): string {
  return statement.replace(/@(\w+)/g, (word, name: string) => WORDS[kind][name] ?? word)
}
