/**
 * migrate - brings the schema to the version that this program needs
 *
 * Migrations are numbered and go forward only. Each is recorded with the checksum of its text. All run under one lock and in one
 * transaction, so that two nodes that start together migrate once and a failure leaves the schema unchanged. An unknown migration or a
 * different checksum in the store stops the start.
 *
 * See also: store/migrations/migrations (the list), store/engine/sql (the dialects).
 */
import { createHash } from 'node:crypto'
import { Fault } from '../../errors.ts'
import type { Database, Engine, EngineKind } from './engine.ts'
import { MIGRATIONS } from '../migrations/migrations.ts'
import type { Migration } from '../migrations/migration.ts'
import { integerColumn, createTableMapping, textColumn } from './mapping.ts'

type AppliedMigration = { readonly version: number; readonly name: string; readonly checksum: string; readonly appliedAt: number }

export const APPLIED_MIGRATIONS = createTableMapping<AppliedMigration>('migrations', ['version'], {
  version: integerColumn('version'),
  name: textColumn('name', 'none'),
  checksum: textColumn('checksum', 'none'),
  appliedAt: integerColumn('applied_at'),
})

const CREATE_MIGRATIONS_TABLE = `create table if not exists migrations (
  version @int not null, name @text not null, checksum @text not null, applied_at @int not null, primary key (version)
) @strict`

/** The types of the schema in each dialect, and the function that gives the code of a character (`@code`). `@narrow`: a table of short rows, stored in the tree of its key where the engine can. */
const TYPE_NAMES: Readonly<Record<EngineKind, Readonly<Record<string, string>>>> = {
  sqlite: { int: 'integer', text: 'text', bytes: 'blob', code: 'unicode', strict: 'strict', narrow: 'strict, without rowid' },
  postgres: { int: 'bigint', text: 'text collate "C"', bytes: 'bytea', code: 'ascii', strict: '', narrow: '' },
}

/**
 * Brings the schema up to date. Returns how many migrations ran. Idempotent. Throws Fault store_newer if a newer program has migrated the
 * store, config_invalid if an applied migration had another text.
 */
export async function migrate(engine: Engine, now: number, migrations: readonly Migration[] = MIGRATIONS): Promise<number> {
  return engine.tx(
    async (db) => {
      await db.run(translateSchema(db.kind, CREATE_MIGRATIONS_TABLE))
      const applied = (await db.all('select * from migrations order by version')).map(APPLIED_MIGRATIONS.decode)
      const newest = migrations.at(-1)?.version ?? 0
      for (const { version, name, checksum } of applied) checkAppliedMigration({ version, name, checksum, newest }, migrations)
      const pending = migrations.filter(({ version }) => !applied.some((row) => row.version === version))
      for (const migration of pending) await applyMigration(db, migration, now)
      return pending.length
    },
    { lockName: 'migrations', isMaintenance: true },
  )
}

/** What a statement that one engine runs begins with. */
const ONLY_FOR: Readonly<Record<EngineKind, string>> = { sqlite: '@sqlite ', postgres: '@postgres ' }

/** The statement without that beginning; null if it is for the other engine. */
function statementFor(kind: EngineKind, statement: string): string | null {
  if (statement.startsWith(ONLY_FOR[kind])) return statement.slice(ONLY_FOR[kind].length)
  return Object.values(ONLY_FOR).some((beginning) => statement.startsWith(beginning)) ? null : statement
}

type AppliedMigrationCheck = { readonly version: number; readonly name: string; readonly checksum: string; readonly newest: number }

function checkAppliedMigration(applied: AppliedMigrationCheck, migrations: readonly Migration[]): void {
  const known = migrations.find(({ version }) => version === applied.version)
  const detail = { version: applied.version, name: applied.name, newest: applied.newest }
  if (known === undefined) {
    const text = `the store has schema ${applied.version} (${applied.name}), this program knows ${applied.newest}: start a newer bounced, or restore an older store`
    throw new Fault('store_newer', text, { detail })
  }
  if (checksumOf(known) !== applied.checksum) {
    throw new Fault(
      'config_invalid',
      `migration ${applied.version} (${applied.name}) was applied with a text that differs from this program's`,
      {
        detail,
      },
    )
  }
}

async function applyMigration(db: Database, migration: Migration, now: number): Promise<void> {
  for (const statement of migration.statements) {
    const own = statementFor(db.kind, statement)
    if (own !== null) await db.run(translateSchema(db.kind, own))
  }
  await db.insertMany(APPLIED_MIGRATIONS, [
    { version: migration.version, name: migration.name, checksum: checksumOf(migration), appliedAt: now },
  ])
}

/** The checksum of the text before translation, so that both engines agree. */
function checksumOf(migration: Migration): string {
  return createHash('sha256').update(migration.statements.join(';\n')).digest('hex')
}

function translateSchema(kind: EngineKind, statement: string): string {
  return statement.replace(/@(\w+)/g, (word, name: string) => TYPE_NAMES[kind][name] ?? word)
}
