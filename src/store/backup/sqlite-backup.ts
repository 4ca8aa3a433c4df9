/**
 * sqlite-backup - copies an SQLite store to one file beside a running daemon, and checks such a file
 *
 * The copy is one consistent snapshot: SQLite writes it from a read transaction (`vacuum into`), so that no writer waits. It is written under another
 * name, checked, synced and then renamed: a file under the final name is always whole.
 *
 * See also: commands/store/backup, commands/store/restore, docs/BACKUP.md.
 */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Fault } from '../../errors.ts'
import { MIGRATIONS } from '../migrations/migrations.ts'

/** What a store file says about itself. */
export type StoreFile = {
  readonly bytes: number
  /** The version of its schema. */
  readonly version: number
  /** Identifies the master key under which its secrets are encrypted (config/master-key). */
  readonly masterKey: string
  readonly deliveries: number
  /** Messages that wait in the delivery queue. */
  readonly queued: number
}

/** Writes a copy of the store at `source` to `target`, which must not exist. Faults: bad_request, store_busy. */
export function backUpSqlite(source: string, target: string): StoreFile {
  if (!existsSync(source)) throw new Fault('bad_request', `there is no store at ${source}`)
  if (existsSync(target)) throw new Fault('bad_request', `${target} exists: remove it, or choose another name`)
  const partial = `${target}.partial`
  rmSync(partial, { force: true })
  try {
    withDatabase(source, (database) => {
      requireSpace(database, target)
      database.prepare('vacuum into ?').run(partial)
    })
    const file = inspectStoreFile(partial)
    publish(partial, target)
    return file
  } catch (cause) {
    rmSync(partial, { force: true })
    throw cause instanceof Fault ? cause : new Fault('store_busy', `the store cannot be copied: ${messageOf(cause)}`, { cause })
  }
}

/** Checks that a file is an intact store that this program can open. Faults: bad_request, store_newer. */
export function inspectStoreFile(path: string): StoreFile {
  if (!existsSync(path)) throw new Fault('bad_request', `there is no file ${path}`)
  try {
    return withDatabase(path, (database) => {
      const problems = database
        .prepare('pragma quick_check')
        .all()
        .map((row) => String(Object.values(row)[0]))
      if (problems.join() !== 'ok') throw new Fault('bad_request', `${path} is damaged: ${problems.slice(0, 3).join('; ')}`)
      return describe(database, path)
    })
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('bad_request', `${path} is no store of bounced: ${messageOf(cause)}`, { cause })
  }
}

/** Renames a file that is complete, so that the name and the bytes survive a power failure. */
export function publish(partial: string, target: string): void {
  sync(partial)
  renameSync(partial, target)
  sync(dirname(resolve(target)))
}

function describe(database: DatabaseSync, path: string): StoreFile {
  const first = (sql: string): string => {
    const value = Object.values(database.prepare(sql).get() ?? {})[0]
    return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  }
  const version = Number(first('select max(version) from migrations'))
  const newest = MIGRATIONS.at(-1)?.version ?? 0
  if (version > newest) throw new Fault('store_newer', `${path} has schema ${version}, this program knows ${newest}: use a newer bounced`)
  return {
    bytes: statSync(path).size,
    version,
    masterKey: first(`select value from meta where name = 'master-key'`),
    deliveries: Number(first('select count(*) from deliveries')),
    queued: Number(first('select count(*) from queue_mails')),
  }
}

/** A copy is at most as large as the store. */
function requireSpace(database: DatabaseSync, target: string): void {
  const pragma = (name: string): number => Number(Object.values(database.prepare(`pragma ${name}`).get() ?? {})[0])
  const needed = pragma('page_count') * pragma('page_size')
  const folder = dirname(resolve(target))
  if (!existsSync(folder)) throw new Fault('bad_request', `there is no folder ${folder}`)
  const { bavail, bsize } = statfsSync(folder)
  if (bavail * bsize < needed)
    throw new Fault(
      'bad_request',
      `${folder} has ${bavail * bsize} bytes left, and the copy can need ${needed}: make room, or choose another disk`,
    )
}

function withDatabase<T>(path: string, work: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 })
  try {
    return work(database)
  } finally {
    database.close()
  }
}

function sync(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
