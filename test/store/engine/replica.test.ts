/**
 * replica.test - a streaming replica that follows, falls behind, comes back and goes away: what is read from where
 *
 * Each test sees the server that has answered: only a replica is in recovery.
 */
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine, ReplicaStatus } from '../../../src/store/engine/engine.ts'
import { openEngine } from '../../../src/store/engine/open-engine.ts'
import { type Cluster, type Replica, start, TEMPLATE } from '../../support/postgres.ts'
import { engines } from '../../support/engines.ts'

const MAX_LAG_MS = 2_000
const WHO = 'select case when pg_is_in_recovery() then 1 else 0 end as is_replica'

let cluster: Cluster | null = null
let replica: Replica | null = null
const opened: Engine[] = []

beforeAll(async () => {
  cluster = await start()
  replica = (await cluster?.faults?.startReplica()) ?? null
}, 120_000)

afterAll(async () => {
  await Promise.all(opened.map((engine) => engine.close()))
  await cluster?.stop()
})

async function open(primaryUrl: string, replicaUrl: string) {
  const statuses: ReplicaStatus[] = []
  const onStatus = (status: ReplicaStatus): void => void statuses.push(status)
  const engine = await openEngine(primaryUrl, { replica: { url: replicaUrl, maxLagMillis: MAX_LAG_MS, onStatus } })
  opened.push(engine)
  const last = (): ReplicaStatus | undefined => statuses.at(-1)
  const isRead = async (reader = engine.replica.read): Promise<boolean> => Number((await reader.one(WHO))?.['is_replica']) === 1
  return { engine, last, isRead }
}

describe('a streaming replica', () => {
  test('is read while it is at most so far behind; otherwise the primary is', async ({ skip }) => {
    if (cluster === null || replica === null) return skip('no PostgreSQL of our own')
    const { engine, last, isRead } = await open(`${cluster.url}/${TEMPLATE}`, `${replica.url}/${TEMPLATE}`)
    expect(engine.replica.maxLagMillis).toBe(MAX_LAG_MS)
    await expect.poll(() => last()?.isUsed).toBe(true)
    const used = engine.replica.generation()
    expect([await isRead(), await isRead(engine.replica.bulkRead), await isRead(engine.read)]).toEqual([true, true, false])
    await engine.tx((db) => db.run("insert into meta (name, value) values ('seen', '1')"))
    await expect.poll(() => engine.replica.read.one("select value from meta where name = 'seen'")).toEqual({ value: '1' })
    const admin = postgres(`${replica.url}/${TEMPLATE}`, { max: 1 })
    await admin.unsafe('select pg_wal_replay_pause()')
    await engine.tx((db) => db.run("update meta set value = '2' where name = 'seen'"))
    await expect.poll(() => last()).toMatchObject({ isUsed: false, problem: 'it is more than 2 s behind' })
    expect(await isRead()).toBe(false)
    expect(await engine.replica.read.one("select value from meta where name = 'seen'")).toEqual({ value: '2' })
    expect(engine.replica.generation()).not.toBe(used)
    await admin.unsafe('select pg_wal_replay_resume()')
    await admin.end()
    await expect.poll(() => last()?.isUsed).toBe(true)
    expect(await isRead()).toBe(true)
  })

  test('that is none, or of another database, is not read', async ({ skip }) => {
    if (cluster === null || replica === null) return skip('no PostgreSQL of our own')
    const primary = await open(`${cluster.url}/${TEMPLATE}`, `${cluster.url}/${TEMPLATE}`)
    await expect.poll(() => primary.last()?.problem).toBe('it is no replica: it takes writes')
    expect(await primary.isRead()).toBe(false)
    const other = engines.find(({ kind }) => kind === 'postgres')
    if (other === undefined) throw new Error('there is a PostgreSQL for the other tests too')
    const { url } = await other.open()
    const foreign = await open(url, `${replica.url}/${TEMPLATE}`)
    await expect.poll(() => foreign.last()?.problem).toBe('it is a replica of another database')
    expect(await foreign.isRead()).toBe(false)
  })

  test('that goes away costs no read: it is repeated on the primary, and transactions go on', async ({ skip }) => {
    if (cluster === null || replica === null) return skip('no PostgreSQL of our own')
    const { engine, last, isRead } = await open(`${cluster.url}/${TEMPLATE}`, `${replica.url}/${TEMPLATE}`)
    await expect.poll(() => last()?.isUsed).toBe(true)
    const reads = Array.from({ length: 20 }, () => isRead())
    await replica.stop()
    await expect(Promise.all(reads)).resolves.toHaveLength(20)
    expect(await isRead()).toBe(false)
    expect(await engine.tx((db) => db.run("update meta set value = '3' where name = 'seen'"))).toBe(1)
    await expect.poll(() => last()).toMatchObject({ isUsed: false, problem: 'it does not answer' })
  })
})
