/**
 * sqlite - the embedded engine: one file, one writing thread, two reading threads
 *
 * The writer owns the only write connection and runs one transaction at a time, in the order in which they were asked for; the
 * readers see what is committed and never wait; the second one, for long walks, starts when it is first asked. WAL with synchronous FULL: a commit that was answered survives a power cut.
 *
 * See also: store/engine/engine (the contract), store/engine/sqlite-thread, store/engine/postgres (its sibling).
 */
import { Fault } from '../../errors.ts'
import type { Claim, Db, Engine, EngineOptions, Keys, Reader } from './engine.ts'
import { createGuard } from './transaction-guard.ts'
import { claimSql, insertSql, keysJson, spell, spellKeys, upsertSql } from './sql.ts'
import type { Shape } from './mapping.ts'
import { createThread } from './sqlite-thread.ts'
import type { Result, Thread, Wish } from './sqlite-thread.ts'
import { cleanValue } from './value.ts'
import type { Row, Value } from './value.ts'

type Ask = (wish: Wish) => Promise<Result>

/** Another process (a backup, the command line) may hold the lock for a moment. */
const BUSY_TIMEOUT_MILLIS = 5_000

/** Opens or makes the file. Throws Fault store_busy where it cannot be opened, config_invalid without a file. */
export async function openSqlite(path: string, options: EngineOptions): Promise<Engine> {
  if (path === '' || path.startsWith(':')) throw new Fault('config_invalid', 'the SQLite store needs a file: two threads share it')
  const busyTimeoutMillis = options.busyTimeoutMillis ?? BUSY_TIMEOUT_MILLIS
  const writer = createThread({ path, readOnly: false, busyTimeoutMillis, commitDelayMillis: options.commitDelayMillis ?? 0 })
  const reader = createThread({ path, readOnly: true, busyTimeoutMillis })
  const walker = createThread({ path, readOnly: true, busyTimeoutMillis })
  const alone = createTurns()
  // The writer first: it makes the file, which the reader cannot.
  await transact(writer, async (db) => db.run('select 1'))
  return {
    kind: 'sqlite',
    read: readerOver((wish) => reader.ask(wish)),
    bulk: readerOver((wish) => walker.ask(wish)),
    tx: (work) => alone(() => transact(writer, work)),
    scrub: () => alone(async () => (await writer.ask({ verb: 'scrub' })).changes === 0),
    async close() {
      await alone(async () => {
        await writer.close()
        await Promise.all([reader.close(), walker.close()])
      })
    },
  }
}

/** One after the other, in the order asked; one that fails stops nobody. */
function createTurns(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return (task) => {
    const turn = last.then(task, task)
    last = turn.catch(() => undefined)
    return turn
  }
}

async function transact<T>(writer: Thread, work: (db: Db) => Promise<T>): Promise<T> {
  const guard = createGuard((wish: Wish) => writer.ask(wish))
  // Not awaited: it travels with the first verbs of the callback. Where it fails, so do they.
  const begun = guard.ask({ verb: 'begin' })
  begun.catch(() => undefined)
  try {
    const result = await work(dbOver(guard.ask))
    await begun
    await guard.ask({ verb: 'commit' })
    return result
  } catch (error) {
    // It fails where nothing was begun or the thread is gone; either way nothing is left.
    await writer.ask({ verb: 'rollback' }).catch(() => undefined)
    throw guard.broken() ?? error
  } finally {
    guard.end()
  }
}

function readerOver(ask: Ask): Reader {
  const rows = async (sql: string, params: readonly Value[]): Promise<readonly Row[]> => {
    const { rows: found } = await ask({ verb: 'rows', sql, width: 0, values: params.map(cleanValue) })
    return found
  }
  return {
    kind: 'sqlite',
    all: async (sql, params = []) => rows(spell('sqlite', sql), params),
    one: async (sql, params = []) => (await rows(spell('sqlite', sql), params))[0] ?? null,
    inKeys: async (sql: string, keys: Keys, params: readonly Value[] = []) =>
      keys.rows.length === 0 ? [] : rows(spellKeys('sqlite', sql, keys.types, params.length), [...params, keysJson(keys)]),
  }
}

function dbOver(ask: Ask): Db {
  const loop = async <R>(sql: string, { table, write }: Shape<R>, rows: readonly R[]): Promise<number> => {
    if (rows.length === 0) return 0
    const values: Value[] = []
    for (const row of rows) write(row, values)
    const width = values.length / rows.length
    for (let at = 0; at < values.length; at++) values[at] = cleanValue(values[at])
    return (await ask({ verb: 'loop', sql, width, pack: table.packed, values })).changes
  }
  return {
    ...readerOver(ask),
    // One writer: nobody to part from.
    slot: 0,
    run: async (sql, params = []) =>
      (await ask({ verb: 'run', sql: spell('sqlite', sql), width: 0, values: params.map(cleanValue) })).changes,
    insertMany: async (shape, rows, onConflict = 'refuse') => loop(insertSql('sqlite', shape.table, onConflict), shape, rows),
    upsertMany: async (shape, rows, rule = {}) => {
      await loop(upsertSql('sqlite', shape.table, rule), shape, rows)
    },
    claim: async (claim: Claim) =>
      (await ask({ verb: 'rows', sql: claimSql('sqlite', claim), width: 0, values: claim.params.map(cleanValue) })).rows,
  }
}
