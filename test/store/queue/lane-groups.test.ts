/**
 * lane-groups.test - who holds which group, on both engines: shares, silent nodes that are fenced, a node of an older version, and the upgrade of queued mail
 */
import { describe, expect, test } from 'vitest'
import { LANE_GROUPS, laneGroupOf } from '../../../src/queue/lane-group.ts'
import { createGroupSpread } from '../../../src/service/deliver/groups/group-spread.ts'
import { acquireLease, releaseLease, renewLease } from '../../../src/service/deliver/lease.ts'
import type { Context } from '../../../src/service/context.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { acquireLeaseForOperator, holdsLease, type Lease } from '../../../src/store/engine/lease.ts'
import { migrate } from '../../../src/store/engine/migrate.ts'
import { removeDeadLeasesForOperator } from '../../../src/store/queue/lane-groups.ts'
import { MIGRATIONS } from '../../../src/store/migrations/migrations.ts'
import { makeContext } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { T0 } from '../sample.ts'

const HOUR = 3_600_000

const take = async (context: Context, node: string, leaseMs = HOUR): Promise<Lease> => {
  const lease = await acquireLease(context, { node, holder: node, leaseMs })
  if (lease === null) throw new Error(`${node} got no lease`)
  return lease
}

/** Ends the lease of a node at once, as if it had been silent for its time. */
const silence = (engine: Engine, node: string): Promise<number> =>
  engine.tx((db) => db.run('update queue_lease set until_at = 0 where name = $1', [`deliver/${node}`]))

const stillHolds = (engine: Engine, lease: Lease): Promise<boolean> => engine.tx((db) => holdsLease(db, lease))

describe.each(engines)('lane groups: $kind', ({ open }) => {
  test('nodes share the groups, and the others take those of a silent node, which can commit nothing after that', async () => {
    const { engine } = await open()
    const context = await makeContext(engine, { now: T0 })
    const spreadOf = (node: string) => createGroupSpread(context, node)
    const [a, b] = [await take(context, 'a'), await take(context, 'b')]
    expect(await spreadOf('a').isDue(new Set())).toBe(true)
    expect((await spreadOf('a').spread(a)).size).toBe(LANE_GROUPS / 2)
    expect((await spreadOf('b').spread(b)).size).toBe(LANE_GROUPS / 2)
    const c = await take(context, 'c')
    const nodes = [
      ['a', a],
      ['b', b],
      ['c', c],
    ] as const
    const spreadAll = async (): Promise<readonly number[]> => {
      const sizes: number[] = []
      for (const [node, lease] of nodes) sizes.push((await spreadOf(node).spread(lease)).size)
      return sizes
    }
    await spreadAll()
    expect(await spreadAll()).toEqual([22, 21, 21])
    await silence(engine, 'a')
    expect(await stillHolds(engine, a)).toBe(true)
    expect((await spreadOf('b').spread(b)).size).toBe(32)
    expect(await stillHolds(engine, a)).toBe(false)
    expect((await spreadOf('a').spread(a)).size).toBe(0)
    expect(await renewLease(context, a, { node: 'a', leaseMs: HOUR })).toBe('lost')
    expect((await spreadOf('c').spread(c)).size).toBe(32)
    expect(await spreadOf('c').isDue(new Set(Array.from({ length: 32 }, (_, n) => n)))).toBe(false)
  })

  test('a node that restarts keeps its groups; one that closes gives them to the others', async () => {
    const { engine } = await open()
    const context = await makeContext(engine, { now: T0 })
    const a = await take(context, 'a')
    expect((await createGroupSpread(context, 'a').spread(a)).size).toBe(LANE_GROUPS)
    const again = await take(context, 'a')
    expect([await stillHolds(engine, a), await stillHolds(engine, again)]).toEqual([false, true])
    expect((await createGroupSpread(context, 'a').spread(again)).size).toBe(LANE_GROUPS)
    await releaseLease(context, again)
    const b = await take(context, 'b')
    expect((await createGroupSpread(context, 'b').spread(b)).size).toBe(LANE_GROUPS)
  })

  test('the lease of a node that has died while the clock was a day ahead has expired when the clock is right again', async () => {
    const { engine } = await open()
    const context = await makeContext(engine, { now: T0 })
    const a = await take(context, 'a')
    await createGroupSpread(context, 'a').spread(a)
    await engine.tx((db) => db.run('update queue_lease set until_at = until_at + 86400000'))
    const b = await take(context, 'b')
    expect((await createGroupSpread(context, 'b').spread(b)).size).toBe(LANE_GROUPS)
    expect(await stillHolds(engine, a)).toBe(false)
  })

  test('the lease of a node that is gone for a day and holds no group is removed, and its next term is a new one', async () => {
    const { engine } = await open()
    const context = await makeContext(engine, { now: T0 })
    const [a, b] = [await take(context, 'a'), await take(context, 'b')]
    await createGroupSpread(context, 'a').spread(a)
    await createGroupSpread(context, 'b').spread(b)
    await releaseLease(context, b)
    const remove = (): Promise<number> => engine.tx((db) => removeDeadLeasesForOperator(db, T0))
    const names = async () =>
      (await engine.read.all("select name from queue_lease where name like 'deliver/%' order by name")).map(({ name }) => name)
    // The groups of b are not free yet.
    expect([await remove(), await names()]).toEqual([0, ['deliver/a', 'deliver/b']])
    await createGroupSpread(context, 'a').spread(a)
    expect([await remove(), await names()]).toEqual([1, ['deliver/a']])
    expect(await stillHolds(engine, b)).toBe(false)
    // A second later.
    await engine.tx((db) => db.run("insert into queue_lease (name, holder, term, until_at) values ('deliver/c', 'c', 1, $1)", [T0 - 1]))
    expect(await remove()).toBe(engine.kind === 'postgres' ? 1 : 0)
    expect((await take(context, 'd')).term).toBeGreaterThan(1_000_000_000)
  })

  test('a node of an older version and nodes with groups never deliver beside each other', async () => {
    const { engine } = await open()
    const context = await makeContext(engine, { now: T0 })
    const older = (holder: string, leaseMs = HOUR) =>
      engine.tx((db) => acquireLeaseForOperator(db, { name: 'deliver', holder, now: T0, leaseMs }), { visibility: 'latest' })
    expect(await older('old')).not.toBeNull()
    expect(await acquireLease(context, { node: 'new', holder: 'new', leaseMs: HOUR })).toBeNull()
    // The upgrade of the node itself: its older version has ended.
    const upgraded = await take(context, 'old')
    expect((await createGroupSpread(context, 'old').spread(upgraded)).size).toBe(LANE_GROUPS)
    expect(await older('another')).toBeNull()
    expect(await acquireLease(context, { node: 'new', holder: 'new', leaseMs: HOUR })).not.toBeNull()
    // All new nodes were silent, and an older one took over.
    await engine.tx((db) => db.run("update queue_lease set until_at = 0 where name = 'deliver'"))
    expect(await older('another')).not.toBeNull()
    expect(await renewLease(context, upgraded, { node: 'old', leaseMs: HOUR })).toBe('lost')
  })

  test('the upgrade gives queued mail the groups of their domains', async () => {
    const { engine } = await open({ empty: true })
    await migrate(
      engine,
      T0,
      MIGRATIONS.filter(({ version }) => version < 21),
    )
    const domains = ['example.net', 'xn--bcher-kva.example', 'a.example', 'mail.example.org']
    for (const [n, domain] of domains.entries())
      await engine.tx((db) =>
        db.run(
          `insert into queue_mails (account_id, delivery_id, delivery_month, body_id, recipient, domain, sender_domain, variables, accepted_at,
             due_at, attempts, refused_by, fresh) values (1, $1, 1, 'b', 'u', $2, 'example.org', '{}', 1, 0, 0, '[]', 0)`,
          [`d${n}`, domain],
        ),
      )
    await migrate(engine, T0)
    const rows = await engine.read.all('select domain, lane_group from queue_mails order by delivery_id')
    expect(rows.map((row) => [row['domain'], Number(row['lane_group'])])).toEqual(domains.map((domain) => [domain, laneGroupOf(domain)]))
  })
})
