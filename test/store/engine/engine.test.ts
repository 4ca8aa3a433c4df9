/** engine.test - the contract of the engine, on both engines */
import { setTimeout as rest } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { isItemFault } from '../../../src/errors.ts'
import type { Database, Engine } from '../../../src/store/engine/engine.ts'
import { bytesColumn, integerColumn, nullableColumn, createTableMapping, textColumn } from '../../../src/store/engine/mapping.ts'
import { engines } from '../../support/engines.ts'

type Thing = {
  readonly account: number
  readonly id: Uint8Array
  readonly name: string
  readonly n: number | null
  readonly body: Uint8Array | null
}

const THINGS = createTableMapping<Thing>('things', ['account_id', 'id'], {
  account: integerColumn('account_id'),
  id: bytesColumn('id', 'none'),
  name: textColumn('name', 'none'),
  n: nullableColumn(integerColumn('n')),
  body: nullableColumn(bytesColumn('body', 'none')),
})

const DDL = {
  sqlite:
    'create table things (account_id integer not null, id blob not null, name text not null, n integer, body blob, primary key (account_id, id)) strict',
  postgres:
    'create table things (account_id bigint not null, id bytea not null, name text not null, n bigint, body bytea, primary key (account_id, id))',
}

const id = (n: number): Uint8Array => Buffer.from(n.toString(16).padStart(8, '0'), 'hex')

const thing = (n: number, name = `thing ${n}`) => ({ account: 1, id: id(n), name, n, body: null })

const hex = (bytes: unknown): string => (bytes instanceof Uint8Array ? Buffer.from(bytes).toString('hex') : String(bytes))

async function seeded(open: () => Promise<{ engine: Engine; url: string }>, count = 0): Promise<{ engine: Engine; url: string }> {
  const opened = await open()
  await opened.engine.tx(async (db) => {
    await db.run(DDL[db.kind])
    await db.insertMany(
      THINGS,
      Array.from({ length: count }, (_, i) => thing(i)),
    )
  })
  return opened
}

const count = async (engine: Engine): Promise<unknown> => (await engine.read.one('select count(*) as n from things'))?.['n']

describe.each(engines)('engine: $kind', ({ kind, open: openFresh }) => {
  const open = async (rows = 0) => seeded(() => openFresh({ empty: true }), rows)

  const values = [
    ['a number', 42, 42],
    ['epoch milliseconds', 1_893_456_000_123, 1_893_456_000_123],
    ['a large whole number', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ['a negative number', -7, -7],
    ['null', null, null],
  ] as const
  test('returns numbers and null unchanged', async () => {
    const { engine } = await open()
    await engine.tx(async (db) =>
      db.insertMany(
        THINGS,
        values.map(([name, n], i) => ({ account: 1, id: id(i), name, n, body: null })),
      ),
    )
    const rows = (await engine.read.all('select * from things order by id')).map(THINGS.decode)
    expect(rows.map(({ name, n }) => [name, n])).toEqual(values.map(([name, , want]) => [name, want]))
  })

  const texts = [
    ['plain', 'plain'],
    ['', ''],
    ['quotes " and \' and \\ and {a,b}', 'quotes " and \' and \\ and {a,b}'],
    ['中文 émoji 🎉', '中文 émoji 🎉'],
    ['NULL', 'NULL'],
    ['a\0b\0', 'a\uFFFDb\uFFFD'],
    ['half \ud83d and \udc00 alone', 'half \uFFFD and \uFFFD alone'],
    ['line\r\nfeed\ttab\u0001', 'line\r\nfeed\ttab\u0001'],
  ] as const
  test('normalizes text as parameter, in bulk rows and as key', async () => {
    const { engine } = await open()
    await engine.tx(async (db) => {
      for (const [i, [text]] of texts.entries())
        await db.run('insert into things (account_id, id, name, n) values ($1, $2, $3, $4)', [2, id(i), text, null])
      await db.insertMany(
        THINGS,
        texts.map(([text], i) => thing(i, text)),
      )
    })
    for (const account of [1, 2]) {
      const rows = await engine.read.all('select name from things where account_id = $1 order by id', [account])
      expect(rows.map((row) => row['name'])).toEqual(texts.map(([, want]) => want))
    }
    const found = await engine.read.inKeys('select t.id from {keys} k cross join things t where t.account_id = 1 and t.name = k.k1', {
      types: ['text'],
      rows: texts.map(([text]) => [text]),
    })
    expect(found).toHaveLength(texts.length)
  })

  test('returns bytes as bytes, also views into larger buffers and empty ones', async () => {
    const { engine } = await open()
    const pool = Buffer.alloc(1_000, 7)
    const wanted = [new Uint8Array(0), Buffer.from([0, 1, 255]), pool.subarray(10, 42), Buffer.alloc(300_000, 0xab)]
    await engine.tx(async (db) =>
      db.insertMany(
        THINGS,
        wanted.map((bytes, n) => ({ ...thing(n), body: bytes })),
      ),
    )
    const rows = await engine.read.all('select body from things order by n')
    expect(rows.map((row) => hex(row['body']))).toEqual(wanted.map(hex))
    expect(hex((await engine.read.one('select body from things where body = $1', [wanted[2] ?? null]))?.['body'])).toBe(hex(wanted[2]))
  })

  const refused = [undefined, NaN, Infinity, true, 5n, new Date(0), { a: 1 }]
  test.each(refused)('refuses %s before it reaches the store', async (value) => {
    const { engine } = await open()
    // The value is passed around the types, as a bug would pass it.
    const bad = value as unknown as number
    await expect(engine.tx(async (db) => db.run('select $1', [bad]))).rejects.toMatchObject({ code: 'internal' })
    await expect(engine.tx(async (db) => db.insertMany(THINGS, [{ ...thing(1), n: bad }]))).rejects.toMatchObject({ code: 'internal' })
    await expect(engine.read.all('select $1', [bad])).rejects.toMatchObject({ code: 'internal' })
    expect(await count(engine)).toBe(0)
  })

  test('returns sums, counts and maxima as numbers', async () => {
    const { engine } = await open(3)
    expect(await engine.read.one('select count(*) as c, sum(n) as s, max(n) as m from things')).toEqual({ c: 3, s: 3, m: 2 })
    expect(await engine.read.one('select n from things where id = $1', [id(99)])).toBeNull()
  })

  test('insertMany: refuses, ignores, accepts no rows, keeps the order', async () => {
    const { engine } = await open(2)
    await expect(engine.tx(async (db) => db.insertMany(THINGS, [thing(5), thing(1)]))).rejects.toMatchObject({ code: 'conflict' })
    expect(await count(engine)).toBe(2)
    expect(await engine.tx(async (db) => db.insertMany(THINGS, [thing(5), thing(1, 'other')], 'ignore'))).toBe(1)
    expect(await engine.tx(async (db) => db.insertMany(THINGS, []))).toBe(0)
    expect(await engine.read.one('select name from things where id = $1', [id(1)])).toEqual({ name: 'thing 1' })
  })

  test('upsertMany: replaces, adds, keeps', async () => {
    const { engine } = await open(2)
    const rows = [thing(1, 'new'), thing(7, 'seven')]
    await engine.tx(async (db) => db.upsertMany(THINGS, rows, { addColumns: ['n'], keepColumns: ['name'] }))
    expect(await engine.read.all('select name, n from things order by id')).toEqual([
      { name: 'thing 0', n: 0 },
      { name: 'thing 1', n: 2 },
      { name: 'seven', n: 7 },
    ])
    await engine.tx(async (db) => db.upsertMany(THINGS, rows))
    expect(await engine.read.one('select name, n from things where id = $1', [id(1)])).toEqual({ name: 'new', n: 1 })
  })

  test('run returns how many rows it changed', async () => {
    const { engine } = await open(10)
    expect(await engine.tx(async (db) => db.run('update things set n = n + $2 where n >= $1', [4, 100]))).toBe(6)
    expect(await engine.tx(async (db) => db.run('delete from things where n = $1', [-1]))).toBe(0)
  })

  test('inKeys: no keys, pairs, twenty thousand, with other parameters, with locks', async () => {
    const { engine } = await open(500)
    const sql =
      'select t.name from {keys} k cross join things t where t.account_id = k.k1 and t.id = k.k2 and t.n < $1 order by t.id {lock t}'
    const pairs = (n: number) => ({ types: ['int', 'bytes'] as const, rows: Array.from({ length: n }, (_, i) => [1, id(i)]) })
    expect(await engine.read.inKeys(sql, pairs(0), [100])).toEqual([])
    await engine.tx(async (db) => {
      expect(await db.inKeys(sql, pairs(3), [2])).toEqual([{ name: 'thing 0' }, { name: 'thing 1' }])
      expect(await db.inKeys(sql, pairs(20_000), [100])).toHaveLength(100)
    })
    const single = await engine.read.inKeys(
      'select t.n from {keys} k cross join things t where t.account_id = $1 and t.id = k.k1 order by t.id',
      { types: ['bytes'], rows: [[id(3)], [id(4)]] },
      [1],
    )
    expect(single).toEqual([{ n: 3 }, { n: 4 }])
  })

  test('tx: a throw leaves nothing, and the next transaction works', async () => {
    const { engine } = await open()
    const failing = engine.tx(async (db) => {
      await db.insertMany(THINGS, [thing(1)])
      throw new RangeError('mine')
    })
    await expect(failing).rejects.toThrow(new RangeError('mine'))
    expect(await engine.tx(async (db) => db.insertMany(THINGS, [thing(2)]))).toBe(1)
    expect(await count(engine)).toBe(1)
  })

  test('tx: a failed statement breaks it, even if the callback continues', async () => {
    const { engine } = await open(1)
    const stubborn = engine.tx(async (db) => {
      await db.insertMany(THINGS, [thing(8)])
      await db.insertMany(THINGS, [thing(0)]).catch(() => 'never mind')
      await db.insertMany(THINGS, [thing(9)]).catch(() => 'never mind')
      return 'done'
    })
    await expect(stubborn).rejects.toMatchObject({ code: 'conflict' })
    expect(await count(engine)).toBe(1)
  })

  test('tx: statements that are sent together run in order, and one failure fails all', async () => {
    const { engine } = await open()
    const together = async (db: Database) =>
      Promise.all([
        db.insertMany(THINGS, [thing(1)]),
        db.run('update things set n = 50'),
        db.one('select n from things'),
        db.insertMany(THINGS, [thing(2)]),
      ])
    expect(await engine.tx(together)).toEqual([1, 1, { n: 50 }, 1])
    await expect(engine.tx(together)).rejects.toMatchObject({ code: 'conflict' })
    expect(await count(engine)).toBe(2)
  })

  test('tx: commits with its last writes, which it does not wait for; one that fails leaves nothing', async () => {
    const { engine } = await open()
    const addAtLast = (...numbers: readonly number[]): Promise<string> =>
      engine.tx(async (db) => {
        db.commitWith(Promise.all(numbers.map(async (n) => db.insertMany(THINGS, [thing(n)]))))
        return 'done'
      })
    expect(await addAtLast(1, 2)).toBe('done')
    expect(await count(engine)).toBe(2)
    await expect(addAtLast(3, 2, 4)).rejects.toMatchObject({ code: 'conflict' })
    expect(await count(engine)).toBe(2)
    expect(await addAtLast(3)).toBe('done')
    expect(await count(engine)).toBe(3)
  })

  test('tx: an error between its last writes leaves nothing, of the engine, of a value or of the code', async () => {
    const { engine } = await open()
    const withoutNumber = { ...thing(2), n: Number.NaN }
    const refused = engine.tx(async (db) => {
      db.commitWith(
        Promise.all([db.insertMany(THINGS, [thing(1)]), db.insertMany(THINGS, [withoutNumber]), db.insertMany(THINGS, [thing(3)])]),
      )
    })
    await expect(refused).rejects.toMatchObject({ code: 'internal' })
    const saveThenThrow = async (db: Database): Promise<void> => {
      const saved = db.insertMany(THINGS, [thing(4)])
      if (kind !== undefined) throw new Error('ours')
      await saved
    }
    const nested = engine.tx(async (db) => {
      const passOn = async (depth: number): Promise<void> => (depth === 0 ? saveThenThrow(db) : passOn(depth - 1))
      db.commitWith(Promise.all([passOn(20), db.insertMany(THINGS, [thing(5)])]))
    })
    await expect(nested).rejects.toThrow('ours')
    expect(await count(engine)).toBe(0)
    await engine.tx(async (db) => db.insertMany(THINGS, [thing(6)]))
    expect(await count(engine)).toBe(1)
  })

  test('tx: a write that comes after its commit is never lost unseen', async () => {
    const { engine } = await open()
    const late = engine.tx(async (db) => {
      db.commitWith(rest(20).then(async () => db.insertMany(THINGS, [thing(1)])))
    })
    const outcome = await late.then(
      () => 'committed',
      (error: unknown) => Reflect.get(Object(error), 'code'),
    )
    expect([outcome, await count(engine)]).toEqual(kind === 'postgres' ? ['committed', 1] : ['internal', 0])
  })

  test('tx: sees its own writes, others see them after the commit', async () => {
    const { engine } = await open()
    await engine.tx(async (db) => {
      await db.insertMany(THINGS, [thing(1)])
      expect(await db.one('select name from things')).toEqual({ name: 'thing 1' })
      expect(await count(engine)).toBe(0)
    })
    expect(await count(engine)).toBe(1)
  })

  test('tx: refuses calls after its end', async () => {
    const { engine } = await open()
    const kept: Database[] = []
    await engine.tx(async (db) => kept.push(db))
    await expect(kept[0]?.run('delete from things')).rejects.toMatchObject({ code: 'internal' })
  })

  test('tx: forty concurrent read-modify-writes lose no update', async () => {
    const { engine } = await open(1)
    const bump = async () =>
      engine.tx(async (db) => {
        const row = await db.one('select n from things where id = $1 {lock things}', [id(0)])
        await rest(1)
        await db.run('update things set n = $1 where id = $2', [Number(row?.['n']) + 1, id(0)])
      })
    const before = await Promise.allSettled(Array.from({ length: 40 }, bump))
    const done = before.filter(({ status }) => status === 'fulfilled').length
    expect(await engine.read.one('select n from things')).toEqual({ n: done })
    expect(done).toBeGreaterThanOrEqual(kind === 'sqlite' ? 40 : 1)
  })

  test('tx: two inserts of the same key decide one after the other', async () => {
    const { engine } = await open()
    const insertOrBump = async () =>
      engine.tx(async (db) => {
        const row = await db.one('select n from things where account_id = 1 and id = $1 {lock things}', [id(1)])
        await rest(20)
        await db.upsertMany(THINGS, [{ ...thing(1), n: Number(row?.['n'] ?? 0) + 1 }])
      })
    await Promise.all([insertOrBump(), insertOrBump(), insertOrBump()])
    expect(await engine.read.one('select n from things')).toEqual({ n: 3 })
  })

  test('tx with a lock: one at a time, each sees the previous one', async () => {
    const { engine } = await open(1)
    const bump = async () =>
      engine.tx(
        async (db) => {
          const row = await db.one('select n from things')
          await rest(5)
          await db.run('update things set n = $1', [Number(row?.['n']) + 1])
        },
        { lockName: 'bump' },
      )
    await Promise.all(Array.from({ length: 8 }, bump))
    expect(await engine.read.one('select n from things')).toEqual({ n: 8 })
  })

  test('claim: twenty claimants at once share the work without overlap', async () => {
    const { engine } = await open(100)
    const claim = async () =>
      engine.tx(
        async (db) => {
          const rows = await db.claim({ table: THINGS.table, where: 'n < $1', order: 'n', set: 'n = n + $1', params: [1_000], limit: 5 })
          await rest(2)
          return rows
        },
        { visibility: 'latest' },
      )
    const taken = (await Promise.all(Array.from({ length: 20 }, claim))).flat().map((row) => hex(row['id']))
    expect(taken).toHaveLength(100)
    expect(new Set(taken).size).toBe(100)
    expect(await claim()).toEqual([])
  })

  test.runIf(kind === 'sqlite')('readers cannot write', async () => {
    const { engine } = await open()
    await expect(engine.read.all("insert into things values (1, x'00', 'a', 1) returning n")).rejects.toMatchObject({
      code: expect.stringMatching(/store_busy|internal/),
    })
  })

  test('a value that the engine refuses as a value is Fault internal, and about the item', async () => {
    const { engine } = await open(1)
    const half = engine.tx(async (db) => db.insertMany(THINGS, [{ ...thing(2), n: 0.5 }]))
    const error = await half.catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'internal' })
    expect(isItemFault(error)).toBe(true)
    expect(await count(engine)).toBe(1)
  })

  test('an invalid statement says nothing about the item: a Fault store_busy that does not harm a concurrent one', async () => {
    const { engine } = await open(1)
    const [bad, good] = await Promise.allSettled([engine.read.all('select nonsense from nowhere'), engine.read.one('select n from things')])
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'store_busy' } })
    expect(good).toMatchObject({ status: 'fulfilled', value: { n: 0 } })
  })

  test('close: waits for running work, refuses later work, and may be called twice', async () => {
    const { engine } = await open()
    const running = engine.tx(async (db) => {
      await rest(20)
      return db.insertMany(THINGS, [thing(1)])
    })
    const closing = engine.close()
    expect(await running).toBe(1)
    await closing
    await engine.close()
    await expect(engine.tx(async (db) => db.run('select 1'))).rejects.toMatchObject({ code: 'store_busy' })
    await expect(engine.read.one('select 1')).rejects.toMatchObject({ code: 'store_busy' })
  })

  test('committed rows exist after reopening', async () => {
    const { engine, url } = await open(3)
    await engine.close()
    const { openEngine } = await import('../../../src/store/engine/open-engine.ts')
    const again = await openEngine(url)
    expect(await count(again)).toBe(3)
    await again.close()
  })
})
