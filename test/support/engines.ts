/**
 * engines - both stores for a test file: `describe.each(engines)('…', ({ open }) => …)`
 *
 * Each `open` returns a new, migrated store and its URL. It is closed and removed after the file. Without PostgreSQL the list contains
 * SQLite only, and the run prints that at its start.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, inject } from 'vitest'
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

const cleanups: (() => Promise<void>)[] = []

/** A test file may have opened dozens of databases, and a busy machine is slow to drop each. */
const CLOSE_TIMEOUT_MS = 120_000

afterAll(async () => {
  for (const step of cleanups.splice(0).toReversed()) await step()
}, CLOSE_TIMEOUT_MS)

const sqlite: EngineUnderTest = {
  kind: 'sqlite',
  url: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bounced-store-'))
    cleanups.push(async () => rmSync(folder, { recursive: true, force: true }))
    return `sqlite:${join(folder, 'bounced.db')}`
  },
  open: async (options = {}) => openStore(await sqlite.url(), options.empty !== true),
}

function postgresAt(server: string): EngineUnderTest {
  const url: EngineUnderTest['url'] = async (options = {}) => {
    const name = `bounced_${randomBytes(6).toString('hex')}`
    await asAdmin(server, `create database ${name}${options.empty === true ? '' : ` template ${TEMPLATE}`}`)
    cleanups.push(async () => asAdmin(server, `drop database if exists ${name} with (force)`))
    return `${server}/${name}`
  }
  return { kind: 'postgres', url, open: async (options) => openStore(await url(options), false) }
}

/** Copies of one template may run in parallel. Only a session inside the template would block them, and none stays there. */
async function asAdmin(server: string, statement: string): Promise<void> {
  const sql = postgres(`${server}/postgres`, { max: 1, onnotice: () => undefined })
  try {
    await sql.unsafe(statement)
  } finally {
    await sql.end()
  }
}

async function openStore(url: string, withSchema: boolean): Promise<OpenedStore> {
  const engine = await openEngine(url, { connections: 4 })
  if (withSchema) await migrate(engine, 0)
  cleanups.push(async () => engine.close())
  return { engine, url }
}

const server = inject('postgres')

/** Every engine that is available on this machine. */
export const engines: readonly EngineUnderTest[] = server === null ? [sqlite] : [sqlite, postgresAt(server)]
