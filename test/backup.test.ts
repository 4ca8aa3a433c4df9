/** backup.test - a copy beside a running daemon, a restore, and a move to PostgreSQL: each gives the same installation again */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { COPIED_TABLES, COPY_SOURCE, copyTable } from '../src/store/backup/copy-store.ts'
import { writeMetadataForOperator, readMetadataForOperator } from '../src/store/engine/metadata.ts'
import type { Engine } from '../src/store/engine/engine.ts'
import { migrate } from '../src/store/engine/migrate.ts'
import { openEngine } from '../src/store/engine/open-engine.ts'
import { childEnvironment, makeTemporaryFolder, MASTER_KEY, startDaemon, type Daemon } from './support/daemon.ts'
import { engines } from './support/engines.ts'

const ROOT = join(import.meta.dirname, '..')

function run(data: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const done = spawnSync(process.execPath, [join(ROOT, 'src/cli.ts'), ...args], {
    cwd: ROOT,
    env: { ...childEnvironment(), BOUNCED_DATA: data, BOUNCED_MASTER_KEY: MASTER_KEY, ...env },
    encoding: 'utf8',
  })
  return { status: done.status, out: done.stdout, err: done.stderr }
}

async function registerMails(daemon: Daemon, names: readonly string[]): Promise<readonly string[]> {
  const { status, body } = await daemon.api('POST', '/v1/messages', {
    from: 'news@example.com',
    subject: 'Hello',
    label: 'news',
    recipients: names.map((name) => ({ recipient: `${name}@example.org` })),
  })
  expect(status).toBe(201)
  return JSON.stringify(body).match(/"emailId":"[^"]+"/g) ?? []
}

/** Leaves a message in the delivery queue of a store that no daemon has open. */
async function addQueuedMessage(data: string): Promise<void> {
  const engine = await openEngine(`sqlite:${join(data, 'bounced.db')}`)
  await engine.tx((db) =>
    db.run(`insert into queue_mails (account_id, delivery_id, delivery_month, body_id, recipient, domain, sender_domain, variables, accepted_at,
      due_at, attempts, refused_by, fresh) select account_id, delivery_id, delivery_month, 'b', 'a@example.org', 'example.org', 'example.com', '{}',
      1, 0, 0, '[]', 1 from deliveries limit 1`),
  )
  await engine.close()
}

async function countDeliveries(data: string): Promise<number> {
  const engine = await openEngine(`sqlite:${join(data, 'bounced.db')}`)
  const row = await engine.read.one('select count(*) as n from deliveries')
  await engine.close()
  return Number(row?.['n'])
}

test('a backup beside a running daemon restores to what it was', async () => {
  const daemon = await startDaemon()
  const before = await registerMails(daemon, ['ann', 'ben'])
  const file = join(makeTemporaryFolder(), 'copy.db')
  const backup = run(daemon.data, ['backup', file])
  expect(backup).toMatchObject({ status: 0, err: '' })
  expect(backup.out).toContain('2 deliveries')
  expect(run(daemon.data, ['backup', file])).toMatchObject({ status: 2, err: expect.stringContaining('exists') })
  await registerMails(daemon, ['cat'])
  expect(run(daemon.data, ['restore', file, '--force'])).toMatchObject({ status: 1, err: expect.stringContaining('another daemon runs') })
  await daemon.stop()

  const folder = makeTemporaryFolder()
  expect(run(folder, ['restore', file])).toMatchObject({ status: 0, err: '' })
  const restored = await startDaemon({ data: folder })
  const { body } = await restored.api('GET', '/v1/messages?limit=10')
  for (const id of before) expect(JSON.stringify(body)).toContain(id)
  expect(JSON.stringify(body)).not.toContain('cat@example.org')
  await restored.stop()
  expect(run(folder, ['rebuild', '--check'])).toMatchObject({ status: 0, out: expect.stringContaining(' 0 differences') })

  // Over the store that went on: it is kept under another name.
  expect(run(daemon.data, ['restore', file])).toMatchObject({ status: 1, err: expect.stringContaining('--force') })
  expect(await countDeliveries(daemon.data)).toBe(3)
  expect(run(daemon.data, ['restore', file, '--force'])).toMatchObject({ status: 0 })
  expect(await countDeliveries(daemon.data)).toBe(2)
  expect(readdirSync(daemon.data).filter((name) => name.includes('.replaced-'))).not.toEqual([])
}, 120_000)

test('a restore refuses a damaged file, another master key, and a queue that it may send twice', async () => {
  const daemon = await startDaemon()
  await registerMails(daemon, ['ann'])
  await daemon.stop()
  await addQueuedMessage(daemon.data)
  const folder = makeTemporaryFolder()
  const file = join(folder, 'copy.db')
  expect(run(daemon.data, ['backup', file]).out).toContain('1 messages in the delivery queue')

  const data = makeTemporaryFolder()
  const otherKey = { BOUNCED_MASTER_KEY: Buffer.alloc(32, 8).toString('base64') }
  expect(run(data, ['restore', file, '--queued', 'send'], otherKey)).toMatchObject({
    status: 2,
    err: expect.stringContaining('master key'),
  })
  expect(run(data, ['restore', file])).toMatchObject({ status: 2, err: expect.stringContaining('--queued') })
  expect(existsSync(join(data, 'bounced.db'))).toBe(false)
  expect(run(data, ['restore', file, '--queued', 'discard'])).toMatchObject({
    status: 0,
    out: expect.stringContaining('1 queued messages'),
  })
  expect(run(data, ['rebuild', '--check'])).toMatchObject({ status: 0, out: expect.stringContaining(' 0 differences') })

  const damaged = join(folder, 'damaged.db')
  const bytes = readFileSync(file)
  bytes.fill(0x5a, 4_096, 24_576)
  writeFileSync(damaged, bytes)
  expect(run(makeTemporaryFolder(), ['restore', damaged, '--queued', 'send'])).toMatchObject({
    status: 2,
    err: expect.stringContaining(damaged),
  })
  truncateSync(damaged, 3_000)
  expect(run(makeTemporaryFolder(), ['restore', damaged, '--queued', 'send'])).toMatchObject({ status: 2 })
  writeFileSync(damaged, 'not a store')
  expect(run(makeTemporaryFolder(), ['restore', damaged])).toMatchObject({ status: 2, err: expect.stringContaining('no store of bounced') })
  expect(run(makeTemporaryFolder(), ['restore', join(folder, 'nowhere.db')])).toMatchObject({
    status: 2,
    err: expect.stringContaining('no file'),
  })
}, 120_000)

test('a PostgreSQL store is backed up with its own tools', () => {
  const done = run(makeTemporaryFolder(), ['backup', '/nowhere/x.db'], { BOUNCED_DATABASE: 'postgres://user@127.0.0.1:1/none' })
  expect(done).toMatchObject({ status: 2, err: expect.stringContaining('pg_dump') })
})

test.each(engines)(
  'an interrupted move to $kind is continued, and gives every row',
  async ({ url, open }) => {
    const daemon = await startDaemon()
    await registerMails(
      daemon,
      Array.from({ length: 25 }, (_, n) => `user${n}`),
    )
    await daemon.stop()
    const sourceUrl = `sqlite:${join(daemon.data, 'bounced.db')}`
    const targetUrl = await url()

    // A copy that ended after the first tables.
    const [source, target] = [await openEngine(sourceUrl), await openEngine(targetUrl)]
    await migrate(target, Date.now())
    const key = (await readMetadataForOperator(source.read, 'master-key')) ?? ''
    await target.tx((db) => writeMetadataForOperator(db, COPY_SOURCE, key))
    const options = { onProgress: () => undefined, signal: new AbortController().signal }
    for (const table of COPIED_TABLES.slice(0, 3)) await copyTable(source, target, table, options)
    await Promise.all([source.close(), target.close()])
    const data = makeTemporaryFolder()
    expect(run(data, ['rebuild', '--check'], { BOUNCED_DATABASE: targetUrl })).toMatchObject({
      status: 2,
      err: expect.stringContaining('incomplete copy'),
    })

    expect(run(data, ['migrate', sourceUrl, targetUrl])).toMatchObject({
      status: 0,
      err: '',
      out: expect.stringContaining('deliveries: 25 rows'),
    })
    expect(run(data, ['rebuild', '--check'], { BOUNCED_DATABASE: targetUrl })).toMatchObject({
      status: 0,
      out: expect.stringContaining(' 0 differences'),
    })
    expect(run(data, ['migrate', sourceUrl, targetUrl])).toMatchObject({ status: 1, err: expect.stringContaining('data of its own') })
    expect((await (await open()).engine.read.one('select count(*) as n from deliveries'))?.['n']).toBe(0)
    rmSync(daemon.data, { recursive: true, force: true })
  },
  120_000,
)

test('a SQLite store has no partitions', () => {
  expect(run(makeTemporaryFolder(), ['migrate', 'partitions'])).toMatchObject({
    status: 2,
    err: expect.stringContaining('has no partitions'),
  })
})

test.each(engines.filter(({ kind }) => kind === 'postgres'))(
  'the command line partitions a $kind store, and says so the second time',
  async ({ url }) => {
    const store = await url({ empty: true })
    const data = makeTemporaryFolder()
    const convert = () => run(data, ['migrate', 'partitions'], { BOUNCED_DATABASE: store })
    const engine = await openEngine(store)
    await migrate(engine, Date.now())
    expect(await partitionsOf(engine)).toBe(0)
    expect(convert()).toMatchObject({ status: 0, err: '', out: expect.stringContaining('events: 0 rows are partitioned by month') })
    expect(await partitionsOf(engine)).toBeGreaterThanOrEqual(9)
    expect(convert()).toMatchObject({ status: 0, out: expect.stringContaining('deliveries: is partitioned already') })
    await engine.close()
  },
  120_000,
)

const partitionsOf = async (engine: Engine): Promise<number> =>
  Number((await engine.read.one('select count(*) as n from pg_class where relispartition and relkind = $1', ['r']))?.['n'])
