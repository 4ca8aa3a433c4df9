/**
 * engines - both stores for a test file: `describe.each(engines)('…', ({ open }) => …)`
 *
 * Each `open` returns a new, migrated store and its URL. What a test or a `beforeEach` opens is closed after the test, what a `beforeAll`
 * opens after the file. Without PostgreSQL the list contains SQLite only, and the run prints that at its start.
 *
 * PostgreSQL databases are used again by later tests of the file: emptying the tables costs a hundredth of what creating a database does.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, afterEach, beforeEach, inject } from 'vitest'
import { openEngine } from '../../src/store/engine/open-engine.ts'
import type { Engine, EngineKind } from '../../src/store/engine/engine.ts'
import { migrate } from '../../src/store/engine/migrate.ts'
import { TEMPLATE } from './postgres.ts'

export type OpenedStore = { readonly engine: Engine; readonly url: string }

export type EngineUnderTest = {
  readonly kind: EngineKind
  /** A new store with the whole schema; with `empty`, without tables. */
  readonly open: (options?: { readonly empty?: boolean }) => Promise<OpenedStore>
  /** The URL of a new store that nothing has opened, for tests that start the daemon. */
  readonly url: (options?: { readonly empty?: boolean }) => Promise<string>
}

type Cleanup = () => Promise<unknown>

const fileCleanups: Cleanup[] = []
const testCleanups: Cleanup[] = []
let runningTests = 0

const cleanUp = async (steps: Cleanup[]): Promise<void> => {
  for (const step of steps.splice(0).toReversed()) await step()
}

/** Runs `step` after the running test, or after the file where none runs. */
const defer = (step: Cleanup): void => void (runningTests > 0 ? testCleanups : fileCleanups).push(step)

// Registered before the hooks of the test file: this beforeEach runs first, this afterEach last.
beforeEach(() => {
  runningTests += 1
})
afterEach(async () => {
  runningTests -= 1
  if (runningTests === 0) await cleanUp(testCleanups)
})
afterAll(() => cleanUp(fileCleanups))

const sqlite: EngineUnderTest = {
  kind: 'sqlite',
  url: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bounced-store-'))
    defer(async () => rmSync(folder, { recursive: true, force: true }))
    return `sqlite:${join(folder, 'bounced.db')}`
  },
  open: async (options = {}) => openStore(await sqlite.url(), options.empty !== true),
}

function postgresAt(server: string): EngineUnderTest {
  const idle: string[] = []
  const create = async (isEmpty: boolean): Promise<string> => {
    const name = `bounced_${randomBytes(6).toString('hex')}`
    await asAdmin(`${server}/postgres`, (sql) => sql.unsafe(`create database ${name}${isEmpty ? '' : ` template ${TEMPLATE}`}`))
    fileCleanups.unshift(() => asAdmin(`${server}/postgres`, (sql) => sql.unsafe(`drop database if exists ${name} with (force)`)))
    return `${server}/${name}`
  }
  return {
    kind: 'postgres',
    url: (options = {}) => create(options.empty === true),
    open: async (options = {}) => {
      if (options.empty === true) return openStore(await create(true), false)
      const url = idle.pop() ?? (await create(false))
      const whenNew = await (original ??= asAdmin(url, readOriginal))
      // Deferred before the engine is opened, so that it runs after the engine is closed.
      if (runningTests > 0) defer(async () => (await resetDatabase(url, whenNew)) && idle.push(url))
      return openStore(url, false)
    },
  }
}

/** The schema as one value: a test that changes it spoils its database for others. */
const FINGERPRINT = `
  select md5(string_agg(c.relname || ' ' || a.attname || ' ' || a.atttypid, ',' order by c.relname, a.attnum)) as schema
  from pg_attribute a join pg_class c on c.oid = a.attrelid
  where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped`

/** What a new database holds: its schema, and the tables that are not empty, with a digest of their rows. */
type Original = { readonly schema: string; readonly emptyTables: readonly string[]; readonly filledTables: ReadonlyMap<string, string> }

let original: Promise<Original> | null = null

async function readOriginal(sql: postgres.Sql): Promise<Original> {
  const tables = (
    await sql.unsafe(
      `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`,
    )
  ).map((row) => String(row['relname']))
  const digests = new Map<string, string>()
  for (const table of tables) digests.set(table, await digestOf(sql, table))
  const filledTables = new Map([...digests].filter(([, digest]) => digest !== ''))
  return { schema: await schemaOf(sql), emptyTables: tables.filter((table) => !filledTables.has(table)), filledTables }
}

const schemaOf = async (sql: postgres.Sql): Promise<string> => String((await sql.unsafe(FINGERPRINT))[0]?.['schema'])

async function digestOf(sql: postgres.Sql, table: string): Promise<string> {
  return String(
    (await sql.unsafe(`select coalesce(md5(string_agg(t::text, ',' order by t::text)), '') as digest from ${table} t`))[0]?.['digest'],
  )
}

/** Empties the tables that are empty in a new database. Returns false where the rest has changed: the database cannot be used again. */
async function resetDatabase(url: string, { schema, emptyTables, filledTables }: Original): Promise<boolean> {
  return asAdmin(url, async (sql) => {
    if ((await schemaOf(sql)) !== schema) return false
    for (const [table, digest] of filledTables) if ((await digestOf(sql, table)) !== digest) return false
    await sql.unsafe(emptyTables.map((table) => `delete from ${table}`).join(';'))
    return true
  })
}

/** Runs `work` on a connection of its own. */
async function asAdmin<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  try {
    return await work(sql)
  } finally {
    await sql.end()
  }
}

async function openStore(url: string, withSchema: boolean): Promise<OpenedStore> {
  const engine = await openEngine(url, { connections: 4 })
  if (withSchema) await migrate(engine, 0)
  defer(() => engine.close())
  return { engine, url }
}

const server = inject('postgres')

/** Every engine that is available on this machine. */
export const engines: readonly EngineUnderTest[] = server === null ? [sqlite] : [sqlite, postgresAt(server)]
