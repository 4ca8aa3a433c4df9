/** postgres-faults.test - what a node does when PostgreSQL, the network or another node is lost in the middle of work */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isItemFault } from '../../../src/errors.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { openEngine } from '../../../src/store/engine/open-engine.ts'
import { engines } from '../../support/engines.ts'
import { createTcpProxy, targetOf, type TcpProxy } from '../../support/tcp-proxy.ts'

/** Short, so that a lost server costs a test a second. They bound hangs and are not measured. */
const LIMITS = { statement: 5_000, lock: 400, idleInTransaction: 800, deadline: 2_500 }

const storeFault = { code: 'store_busy' }

describe.each(engines.filter(({ kind }) => kind === 'postgres'))('faults: $kind', ({ open: openFresh }) => {
  let proxy: TcpProxy
  let near: Engine
  let far: Engine
  let url: string

  /** `near` goes through the proxy; `far` is another node that reaches the server directly. */
  beforeEach(async () => {
    const opened = await openFresh({ empty: true })
    url = opened.url
    proxy = await createTcpProxy(targetOf(url))
    near = await openEngine(proxy.through(url), { connections: 2, limits: LIMITS })
    far = await openEngine(url, { connections: 2, limits: LIMITS })
    await far.tx(async (db) => {
      await db.run('create table t (id bigint primary key, n bigint not null)')
      await db.run('insert into t values (1, 0)')
    })
  })
  afterEach(async () => {
    near.abort()
    await Promise.all([near.close(), far.close()])
    await proxy.close()
  })

  const bump = (engine: Engine): Promise<number> => engine.tx((db) => db.run('update t set n = n + 1 where id = 1'))
  const total = async (engine: Engine): Promise<unknown> => (await engine.read.one('select n from t where id = 1'))?.['n']
  /** Runs a transaction of `near` that has changed the row and waits. Resolves when the change is made. */
  const beginAndWait = async (): Promise<{ goOn: () => void; ended: Promise<unknown>; process: number }> => {
    const { promise: waiting, resolve: goOn } = Promise.withResolvers<void>()
    const { promise: begun, resolve: signal } = Promise.withResolvers<number>()
    const ended = near
      .tx(async (db) => {
        await db.run('update t set n = n + 100 where id = 1')
        signal(Number((await db.one('select pg_backend_pid() as process'))?.['process']))
        await waiting
        return db.run('update t set n = n + 100 where id = 1')
      })
      .catch((error: unknown) => error)
    return { goOn, ended, process: await begun }
  }
  const untilItWorks = async (engine: Engine): Promise<void> => {
    await expect.poll(() => bump(engine).catch((error: unknown) => error)).toBe(1)
  }

  test('another node is not locked out for long by a node that falls silent in mid-transaction', async () => {
    const { ended, goOn } = await beginAndWait()
    proxy.swallow()
    await expect(bump(far)).rejects.toMatchObject({ code: 'store_busy', detail: { sqlstate: '55P03' } })
    await untilItWorks(far)
    expect(await total(far)).toBe(1)
    goOn()
    expect(await ended).toMatchObject(storeFault)
    expect(await total(far)).toBe(1)
  })

  test('a server that falls silent costs a transaction and a read their deadline, and nothing afterwards', async () => {
    await bump(near)
    proxy.swallow()
    const lost = await Promise.allSettled([bump(near), bump(near), bump(near), near.read.all('select 1')])
    for (const each of lost) expect(each).toMatchObject({ status: 'rejected', reason: storeFault })
    proxy.pass()
    await untilItWorks(near)
    expect(await near.read.one('select 1 as one')).toEqual({ one: 1 })
  })

  test('the callback of a transaction that missed its deadline can change nothing any more', async () => {
    const { goOn, ended } = await beginAndWait()
    proxy.swallow()
    expect(await ended).toMatchObject(storeFault)
    proxy.pass()
    goOn()
    await untilItWorks(near)
    expect(await total(far)).toBe(1)
  })

  test('a network that is cut is store_busy at once, and works again when it is back', async () => {
    await bump(near)
    proxy.cut()
    for (let i = 0; i < 6; i++) await expect(bump(near)).rejects.toMatchObject(storeFault)
    proxy.pass()
    await untilItWorks(near)
  })

  test('a backend that is terminated or frozen ends its transaction, and the next one gets another', async () => {
    const first = await beginAndWait()
    await far.read.one('select pg_terminate_backend($1::bigint::int)', [first.process])
    first.goOn()
    const error = await first.ended
    expect([error, isItemFault(error)]).toMatchObject([storeFault, false])
    await untilItWorks(near)
    const second = await beginAndWait()
    // The server of this run is on this machine. A server elsewhere cannot be frozen from here.
    if (!freeze(second.process)) return
    second.goOn()
    expect(await second.ended).toMatchObject(storeFault)
    process.kill(second.process, 'SIGCONT')
    await untilItWorks(near)
    expect(await total(far)).toBe(2)
  })

  const notTheMails = [
    // what breaks                                   statement                                                 sqlstate
    ['an unknown table', 'insert into nowhere values (1)', '42P01'],
    ['a missing privilege', 'set local role pg_monitor; insert into t values (9, 9)', '42501'],
    ['a read-only transaction', 'set transaction read only; insert into t values (9, 9)', '25006'],
    ['a full disk', "do $$ begin raise exception 'full' using errcode = '53100'; end $$", '53100'],
    ['a damaged page', "do $$ begin raise exception 'damaged' using errcode = 'XX001'; end $$", 'XX001'],
    ['a lost prepared statement', 'deallocate all; execute gone', '26000'],
    ['a lost session', 'select pg_terminate_backend(pg_backend_pid())', null],
  ] as const
  test.each(notTheMails)('%s is store_busy, never about an item, and the next transaction works', async (_, statement, sqlstate) => {
    const error = await near.tx((db) => db.run(statement)).catch((cause: unknown) => cause)
    expect([error, isItemFault(error)]).toMatchObject([{ ...storeFault, ...(sqlstate === null ? {} : { detail: { sqlstate } }) }, false])
    await untilItWorks(near)
  })

  test('a statement that the server forgot between two transactions fails once', async () => {
    const find = (): Promise<unknown> => near.tx((db) => db.one('select n from t where id = $1', [1]))
    await find()
    await near.tx((db) => db.run('deallocate all'))
    await expect.poll(() => find().catch((error: unknown) => error)).toEqual({ n: 0 })
  })

  test('every transaction carries its limits, and a read has those of its session', async () => {
    const names = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']
    const ask = `select ${names.map((name) => `current_setting('${name}') as ${name}`).join(', ')}`
    const want = { statement_timeout: '5s', lock_timeout: '400ms', idle_in_transaction_session_timeout: '800ms' }
    expect(await near.tx((db) => db.one(ask))).toEqual(want)
    expect(await near.read.one(ask)).toEqual(want)
    expect(await near.tx((db) => db.one(ask), { isMaintenance: true })).toMatchObject({ statement_timeout: '0', lock_timeout: '30s' })
    await expect(near.read.one('select pg_sleep(60)')).rejects.toMatchObject(storeFault)
  })

  test.each([
    ['off', 'on'],
    ['local', 'local'],
    ['remote_apply', 'remote_apply'],
  ])('a server with synchronous_commit = %s: a transaction has %s', async (ofServer, wanted) => {
    await far.read.all(`alter database ${new URL(url).pathname.slice(1)} set synchronous_commit = ${ofServer}`)
    const other = await openEngine(url, { connections: 1, limits: LIMITS })
    const setting = await other.tx((db) => db.one("select current_setting('synchronous_commit') as setting")).finally(() => other.close())
    expect(setting).toEqual({ setting: wanted })
  })

  test('two transactions that lock rows in opposite orders both commit', async () => {
    await far.tx((db) => db.run('insert into t values (2, 0)'))
    // The server looks for a deadlock after a second, so the wait for a lock must be longer.
    const patient = await openEngine(url, { connections: 2 })
    const cross = (engine: Engine, first: number, second: number): Promise<number> =>
      engine.tx(async (db) => {
        await db.run('update t set n = n + 1 where id = $1', [first])
        await db.one('select pg_sleep(0.05)')
        return db.run('update t set n = n + 1 where id = $1', [second])
      })
    await expect
      .poll(async () => (await Promise.allSettled([cross(patient, 1, 2), cross(patient, 2, 1)])).map(({ status }) => status))
      .toEqual(['fulfilled', 'fulfilled'])
    await patient.close()
  })

  test('abort ends everything at once, while the server is silent', async () => {
    const { ended } = await beginAndWait()
    proxy.swallow()
    const reading = near.read.one('select 1').catch((error: unknown) => error)
    near.abort()
    expect(await Promise.all([ended, reading])).toMatchObject([storeFault, storeFault])
    await near.close()
    await expect(bump(near)).rejects.toMatchObject(storeFault)
  })

  test('a server that does not answer at the start is store_busy', async () => {
    proxy.cut()
    await expect(openEngine(proxy.through(url))).rejects.toMatchObject(storeFault)
  })
})

function freeze(id: number): boolean {
  try {
    process.kill(id, 'SIGSTOP')
    return true
  } catch {
    return false
  }
}
