/** sqlite-thread.test - the embedded engine: a thread that dies, a file that cannot be opened, a lock that another process holds */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { afterAll, describe, expect, test } from 'vitest'
import { openEngine } from '../../../src/store/engine/open-engine.ts'
import { createMessagePacker, createMessageUnpacker } from '../../../src/store/engine/message-packing.ts'
import { createSqliteThread } from '../../../src/store/engine/sqlite-thread.ts'
import { toSqliteFault } from '../../../src/store/engine/sqlite-fault.ts'
import type { SqlValue } from '../../../src/store/engine/value.ts'

const folder = mkdtempSync(join(tmpdir(), 'bounced-sqlite-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const fresh = (): string => `sqlite:${join(folder, `${files++}.db`)}`

describe('sqlite', () => {
  const codes = [
    // SQLite's code                      ours
    [5, 'store_busy'], //                 busy
    [517, 'store_busy'], //               busy, snapshot
    [10, 'store_busy'], //                I/O error
    [778, 'store_busy'], //               I/O error at a write
    [13, 'store_busy'], //                disk full
    [14, 'store_busy'], //                cannot open
    [19, 'conflict'], //                  constraint
    [1_555, 'conflict'], //               primary key
    [2_067, 'conflict'], //               unique
    [8, 'store_busy'], //                 read only
    [1, 'store_busy'], //                 wrong SQL, an unknown table
    [11, 'store_busy'], //                damaged file
    [26, 'store_busy'], //                not a database
    [0, 'store_busy'], //                 not SQLite's
    [18, 'internal'], //                  a value that is too big
    [3_091, 'internal'], //               a value of the wrong type
    [1_299, 'internal'], //               null where none may be
  ] as const
  test.each(codes)('code %i is %s', (code, want) => {
    expect(toSqliteFault({ code, message: 'x' }).code).toBe(want)
  })

  const wrong = ['sqlite:', 'sqlite::memory:', 'mysql://localhost/x', '']
  test.each(wrong)('refuses the URL "%s"', async (url) => {
    await expect(openEngine(url)).rejects.toMatchObject({ code: 'config_invalid' })
  })

  test('refuses a missing folder and a file that is not a database', async () => {
    await expect(openEngine(`sqlite:${join(folder, 'nowhere', 'x.db')}`)).rejects.toMatchObject({ code: 'store_busy' })
    writeFileSync(join(folder, 'text.db'), 'this is text and no database at all, long enough to have a header '.repeat(20))
    await expect(openEngine(`sqlite:${join(folder, 'text.db')}`)).rejects.toMatchObject({ name: 'Fault' })
  })

  test('sets the pragmas for durability', async () => {
    const engine = await openEngine(fresh())
    const pragmas = await engine.tx(async (db) =>
      Promise.all(['journal_mode', 'synchronous', 'auto_vacuum'].map(async (name) => db.one(`pragma ${name}`))),
    )
    expect(pragmas).toEqual([{ journal_mode: 'wal' }, { synchronous: 2 }, { auto_vacuum: 2 }])
    await engine.close()
  })

  test('after a clean end one file holds everything, and a copy of it alone opens', async () => {
    const url = fresh()
    const path = url.slice('sqlite:'.length)
    const engine = await openEngine(url)
    await engine.tx(async (db) => db.run('create table t (n integer) strict'))
    await engine.tx(async (db) => db.run('insert into t values (7)'))
    expect(await engine.read.one('select n from t')).toEqual({ n: 7 })
    expect(await engine.bulkRead.one('select n from t')).toEqual({ n: 7 })
    await engine.close()
    expect(readdirSync(folder).filter((name) => name.startsWith(basename(path)))).toEqual([basename(path)])
    copyFileSync(path, `${path}.copy`)
    const copy = await openEngine(`sqlite:${path}.copy`)
    expect(await copy.read.one('select n from t')).toEqual({ n: 7 })
    await copy.close()
  })

  test('a dying thread fails its transaction, and the next one works', async () => {
    const path = fresh().slice('sqlite:'.length)
    const workers: Worker[] = []
    const thread = createSqliteThread({ path, readOnly: false, busyTimeoutMillis: 100 }, (settings) => {
      const worker = new Worker(new URL('../../../src/store/engine/sqlite-worker.ts', import.meta.url), { workerData: settings })
      workers.push(worker)
      return worker
    })
    const run = async (sql: string) => thread.execute({ verb: 'run', sql, width: 0, values: [] })
    await Promise.all([thread.execute({ verb: 'begin' }), run('create table t (n integer) strict'), thread.execute({ verb: 'commit' })])
    await Promise.all([thread.execute({ verb: 'begin' }), run('insert into t values (1)')])
    const waiting = run('insert into t values (2)')
    const [ended] = await Promise.allSettled([waiting, workers[0]?.terminate()])
    expect(ended).toMatchObject({ status: 'rejected', reason: { code: 'store_busy' } })
    // The transaction is lost: its statements must not reach the file on their own.
    await expect(run('insert into t values (3)')).rejects.toMatchObject({ code: 'store_busy' })
    await Promise.all([thread.execute({ verb: 'begin' }), run('insert into t values (4)')])
    const found = await thread.execute({ verb: 'rows', sql: 'select n from t', width: 0, values: [] })
    expect([found.rows, workers.length]).toEqual([[{ n: 4 }], 2])
    await thread.execute({ verb: 'commit' })
    await thread.close()
  })

  test('after a failed statement nothing of its transaction is committed, in whatever messages the rest arrives', async () => {
    const path = fresh().slice('sqlite:'.length)
    const thread = createSqliteThread({ path, readOnly: false, busyTimeoutMillis: 100 })
    const run = async (sql: string) => thread.execute({ verb: 'run', sql, width: 0, values: [] })
    await Promise.all([
      thread.execute({ verb: 'begin' }),
      run('create table t (n integer primary key) strict'),
      thread.execute({ verb: 'commit' }),
    ])
    await Promise.all([thread.execute({ verb: 'begin' }), run('insert into t values (1)')])
    await expect(run('insert into t values (1)')).rejects.toMatchObject({ code: 'conflict' })
    await expect(run('insert into t values (2)')).rejects.toMatchObject({ code: 'conflict' })
    await expect(thread.execute({ verb: 'commit' })).rejects.toMatchObject({ code: 'conflict' })
    await thread.execute({ verb: 'rollback' })
    await Promise.all([thread.execute({ verb: 'begin' }), run('insert into t values (3)'), thread.execute({ verb: 'commit' })])
    const reader = createSqliteThread({ path, readOnly: true, busyTimeoutMillis: 100 })
    expect((await reader.execute({ verb: 'rows', sql: 'select n from t', width: 0, values: [] })).rows).toEqual([{ n: 3 }])
    await reader.close()
    await thread.close()
  })

  test('every result has its columns: of no rows, of the first rows, and of later ones', async () => {
    const path = fresh().slice('sqlite:'.length)
    const thread = createSqliteThread({ path, readOnly: false, busyTimeoutMillis: 100 })
    const run = async (sql: string, ...values: readonly SqlValue[]) => thread.execute({ verb: 'run', sql, width: 0, values })
    const read = async (sql: string) => (await thread.execute({ verb: 'rows', sql, width: 0, values: [] })).rows
    await Promise.all([thread.execute({ verb: 'begin' }), run('create table t (n integer, name text) strict')])
    const [pairs, names] = ['select n, name from t order by n', 'select name as called from t order by n']
    expect(await Promise.all([read(pairs), read(names), read(pairs)])).toEqual([[], [], []])
    await run('insert into t values (?, ?)', 1, 'one')
    const one = { n: 1, name: 'one' }
    expect(await Promise.all([read(pairs), read(names), read(pairs)])).toEqual([[one], [{ called: 'one' }], [one]])
    await run('insert into t values (?, ?)', 2, null)
    expect(await read(pairs)).toEqual([one, { n: 2, name: null }])
    expect(await read(names)).toEqual([{ called: 'one' }, { called: null }])
    // All columns of a table that gets one more.
    expect(await read('select * from t where n = 2')).toEqual([{ n: 2, name: null }])
    await run('alter table t add column more integer')
    expect(await read('select * from t where n = 2')).toEqual([{ n: 2, name: null, more: null }])
    await thread.execute({ verb: 'commit' })
    await thread.close()
  })

  test('a thread that cannot start is store_busy for all callers, and is started again', async () => {
    const later = join(folder, 'later')
    const thread = createSqliteThread({ path: join(later, 'x.db'), readOnly: false, busyTimeoutMillis: 100 })
    const asked = await Promise.allSettled([thread.execute({ verb: 'begin' }), thread.execute({ verb: 'commit' })])
    expect(asked).toMatchObject([{ reason: { code: 'store_busy' } }, { reason: { code: 'store_busy' } }])
    mkdirSync(later)
    await Promise.all([thread.execute({ verb: 'begin' }), thread.execute({ verb: 'commit' })])
    await thread.close()
  })

  test('a lock of another process is store_busy until it is released', async () => {
    const url = fresh()
    const engine = await openEngine(url, { busyTimeoutMillis: 20 })
    await engine.tx(async (db) => db.run('create table t (n integer) strict'))
    const other = new DatabaseSync(url.slice('sqlite:'.length))
    other.exec('begin immediate')
    const blocked = engine.tx(async (db) => {
      await db.run('insert into t values (1)')
      return db.run('insert into t values (2)')
    })
    await expect(blocked).rejects.toMatchObject({ code: 'store_busy' })
    expect(await engine.read.one('select count(*) as n from t')).toEqual({ n: 0 })
    other.exec('rollback')
    other.close()
    expect(await engine.tx(async (db) => db.run('insert into t values (3)'))).toBe(1)
    await engine.close()
  })

  test('a transaction that waits for its turn, or for its own work, ends at its deadline, and leaves nothing', async () => {
    const engine = await openEngine(fresh(), { limits: { deadline: 300 } })
    await engine.tx((db) => db.run('create table t (n integer) strict'))
    const never = new Promise<never>(() => undefined)
    const hanging = engine.tx(async (db) => {
      await db.run('insert into t values (1)')
      return never
    })
    const behind = engine.tx((db) => db.run('insert into t values (2)'), { deadlineMillis: 50 })
    await expect(behind).rejects.toMatchObject({ code: 'store_busy', message: 'SQLite did not finish a transaction within 50 ms' })
    await expect(hanging).rejects.toMatchObject({ code: 'store_busy', message: 'SQLite did not finish a transaction within 300 ms' })
    expect(await engine.tx((db) => db.run('insert into t values (3)'))).toBe(1)
    expect(await engine.read.all('select n from t')).toEqual([{ n: 3 }])
    await engine.close()
  })

  test('a commit that the disk delays is answered at the deadline; maintenance has none', async () => {
    const engine = await openEngine(fresh(), { limits: { deadline: 300 }, commitDelayMillis: 700 })
    await engine.tx((db) => db.run('create table t (n integer) strict'), { isMaintenance: true })
    await expect(engine.tx((db) => db.run('insert into t values (1)'))).rejects.toMatchObject({ code: 'store_busy' })
    // Its commit was on its way.
    await expect.poll(() => engine.read.all('select n from t')).toEqual([{ n: 1 }])
    await engine.close()
  })

  test('unpacks what it has packed', () => {
    const lists: readonly (readonly SqlValue[])[] = [
      [],
      [1, 'a', null],
      [Buffer.from('xyz'), 0, new Uint8Array(0)],
      [Buffer.alloc(10_000, 1)],
    ]
    const packer = createMessagePacker()
    const packed = lists.map((list) => packer.add(list))
    const unpack = createMessageUnpacker(packer.blob())
    const opened = packed.map(unpack)
    const plain = (list: readonly SqlValue[]) =>
      list.map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value))
    expect(opened.map(plain)).toEqual(lists.map(plain))
  })
})
