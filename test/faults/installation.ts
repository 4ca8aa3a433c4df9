/**
 * installation - several nodes on one PostgreSQL server of their own, each behind a TCP proxy that a test can break
 *
 * The nodes deliver to a mailbox on loopback that takes its time, so that attempts are running whenever a fault begins.
 */
import { join } from 'node:path'
import postgres from 'postgres'
import { openEngine } from '../../src/store/engine/open-engine.ts'
import type { Engine } from '../../src/store/engine/engine.ts'
import { migrate } from '../../src/store/engine/migrate.ts'
import { type Daemon, makeTemporaryFolder, startDaemon } from '../support/daemon.ts'
import { type Mailbox, startMailbox } from '../support/mailbox.ts'
import { type Cluster, type ServerFaults, start } from '../support/postgres.ts'
import { createMachineClock, type MachineClock } from '../support/machine-clock.ts'
import { createTcpProxy, targetOf, type TcpProxy } from '../support/tcp-proxy.ts'

export type FaultyNode = {
  readonly name: string
  readonly proxy: TcpProxy
  daemon: Daemon
  /** Its wall clock, which a test sets. */
  readonly clock: MachineClock
  /** `source`: the folder of the version to start; by default the one of before. */
  readonly restart: (source?: string) => Promise<void>
}

export type Installation = {
  readonly nodes: readonly FaultyNode[]
  readonly mailbox: Mailbox
  readonly server: ServerFaults
  /** A connection of the test's own, past the proxies. */
  readonly engine: Engine
  readonly url: string
  /** The node that delivers most. Rejects when none does for a minute. */
  readonly deliverer: () => Promise<FaultyNode>
  readonly close: () => Promise<void>
}

/** The folder of this version. */
export const ROOT = join(import.meta.dirname, '../..')

/** Short, so that a take-over needs seconds. */
const LEASE_SECONDS = 5
const MAILBOX_DELAY_MS = 60

/** Starts the server and the nodes, of this version or of that in `source`. Null without PostgreSQL programs of our own. */
export async function startInstallation(nodeCount: number, source: string = ROOT): Promise<Installation | null> {
  const cluster = await start()
  if (cluster === null || cluster.faults === null) {
    await cluster?.stop()
    return null
  }
  const url = await createDatabase(cluster)
  const engine = await openEngine(url)
  if (source === ROOT) await migrate(engine, Date.now())
  const mailbox = await startMailbox((to) => (to.startsWith('gone') ? { code: 550, text: '5.1.1 user unknown' } : null), MAILBOX_DELAY_MS)
  const nodes: FaultyNode[] = []
  for (let n = 0; n < nodeCount; n++) nodes.push(await startNode(`node${n}`, { url, mailboxPort: mailbox.port, source }))
  return {
    nodes,
    mailbox,
    server: cluster.faults,
    engine,
    url,
    deliverer: () => waitForDeliverer(engine, nodes),
    close: async () => {
      for (const { daemon } of nodes) daemon.process.kill('SIGCONT')
      await Promise.all(nodes.map(({ daemon }) => daemon.kill()))
      await Promise.all(nodes.map(({ proxy }) => proxy.close()))
      await engine.close()
      await mailbox.close()
      await cluster.stop()
    },
  }
}

async function createDatabase({ url }: Cluster): Promise<string> {
  const sql = postgres(`${url}/postgres`, { max: 1, onnotice: () => undefined })
  await sql.unsafe('create database faults')
  await sql.end()
  return `${url}/faults`
}

type NodeOptions = { readonly url: string; readonly mailboxPort: number; readonly source: string }

async function startNode(name: string, { url, mailboxPort, source }: NodeOptions): Promise<FaultyNode> {
  const clock = createMachineClock()
  const proxy = await createTcpProxy(targetOf(url))
  const data = makeTemporaryFolder()
  const env = {
    ...clock.env,
    BOUNCED_DATABASE: proxy.through(url),
    BOUNCED_DELIVERY_NODE: name,
    BOUNCED_DELIVERY_MODE: 'smarthost',
    BOUNCED_DELIVERY_SMARTHOST: `smtp://127.0.0.1:${mailboxPort}`,
    BOUNCED_DELIVERY_TLS: 'off',
    BOUNCED_DELIVERY_RETRY_MINUTES: '0.02',
    BOUNCED_DELIVERY_POLICY: 'never',
    BOUNCED_DELIVERY_LEASE_SECONDS: String(LEASE_SECONDS),
    BOUNCED_DELIVERY_LINES: '20',
    BOUNCED_DELIVERY_UNCERTAIN_SECONDS: '10',
    BOUNCED_LIMITS_CLOSE_SECONDS: '3',
    BOUNCED_LIMITS_REQUESTS_PER_MINUTE: '100000',
    BOUNCED_LIMITS_MAILS_PER_PEER_MINUTE: '100000',
    BOUNCED_WEBHOOKS_ALLOW_PRIVATE: 'true',
  }
  let version = source
  const node: FaultyNode = {
    name,
    proxy,
    clock,
    daemon: await startDaemon({ data, env, source }),
    restart: async (other) => {
      version = other ?? version
      node.daemon = await startDaemon({ data, env, source: version })
    },
  }
  return node
}

/** The node with a current lease whose lane groups hold the most mail. */
const BUSIEST_HOLDER = `select g.node from queue_groups g
  join queue_lease l on l.name = 'deliver/' || g.node and l.until_at > extract(epoch from clock_timestamp()) * 1000
  left join queue_mails q on q.lane_group = g.lane_group
  group by g.node order by count(q.delivery_id) desc, count(*) desc limit 1`

async function waitForDeliverer(engine: Engine, nodes: readonly FaultyNode[]): Promise<FaultyNode> {
  const deadline = performance.now() + 60_000
  while (performance.now() < deadline) {
    const row = await engine.read.one(BUSIEST_HOLDER).catch(() => null)
    const found = nodes.find(({ name }) => name === row?.['node'])
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('no node delivers')
}
