/**
 * fault-table - the faults that the suite causes, as data
 *
 * `isShort`: part of the run behind `npm test`. All of them: `npm run faults`. See also: docs/RELIABILITY.md.
 */
import { execFile as execFileWithCallback } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { childEnvironment, makeTemporaryFolder, MASTER_KEY } from '../support/daemon.ts'
import { type Installation, ROOT } from './installation.ts'
import type { Load } from './load.ts'

const execFile = promisify(execFileWithCallback)

export type FaultRow = {
  readonly name: string
  /** What fails. The parts run side by side, each on an installation of its own. */
  readonly part: 'nodes' | 'server'
  readonly isShort?: true
  /** Causes the fault and ends it. */
  readonly run: (installation: Installation, load: Load) => Promise<void>
}

/** Longer than the lease of the delivering node. */
const SILENCE_MS = 9_000

const DAY_MS = 86_400_000

/** As long as a disk takes under another load. */
const SLOW_COMMIT_MS = 400

/** Waits for a condition, as long as the test has time. */
async function waitFor(isMet: () => Promise<boolean>): Promise<void> {
  while (!(await isMet())) await sleep(50)
}

/** Sessions of the nodes that have begun a transaction and have said nothing for a second. */
async function countIdleTransactions({ engine }: Installation): Promise<number> {
  const row = await engine.read.one(`select count(*) as n from pg_stat_activity
    where datname = current_database() and state like 'idle in transaction%' and state_change < now() - interval '1 second'`)
  return Number(row?.['n'])
}

/** Runs a command of the command line beside the nodes. Throws its output if it fails. */
async function runCommand({ url }: Installation, ...args: readonly string[]): Promise<void> {
  const env = { ...childEnvironment(), BOUNCED_DATABASE: url, BOUNCED_MASTER_KEY: MASTER_KEY, BOUNCED_DATA: makeTemporaryFolder() }
  await execFile(process.execPath, [join(ROOT, 'src/cli.ts'), ...args], { cwd: ROOT, env })
}

/** Sets how long a commit on the primary waits, for all sessions. */
async function setCommits({ engine }: Installation, wait: 'local' | 'for the standby'): Promise<void> {
  const [standbys, level] = wait === 'local' ? ['', 'off'] : ['*', 'remote_apply']
  await engine.read.all(`alter system set synchronous_standby_names = '${standbys}'`)
  await engine.read.all('select pg_reload_conf()')
  await engine.read.all(`alter database faults set synchronous_commit = '${level}'`)
  await engine.read
    .all('select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()')
    .catch(() => [])
}

export const FAULTS: readonly FaultRow[] = [
  {
    name: 'the delivering node is frozen (SIGSTOP) for longer than its lease, and comes back',
    part: 'nodes',
    isShort: true,
    run: async ({ deliverer }) => {
      const node = await deliverer()
      node.daemon.process.kill('SIGSTOP')
      await sleep(SILENCE_MS)
      node.daemon.process.kill('SIGCONT')
    },
  },
  {
    name: 'the delivering node is cut off from PostgreSQL without a word, and comes back',
    part: 'nodes',
    isShort: true,
    run: async ({ deliverer }) => {
      const { proxy } = await deliverer()
      proxy.swallow()
      await sleep(SILENCE_MS)
      proxy.pass()
    },
  },
  {
    name: 'the connections of the delivering node are reset, and refused for 3 s',
    part: 'nodes',
    run: async ({ deliverer }) => {
      const { proxy } = await deliverer()
      proxy.cut()
      await sleep(3_000)
      proxy.pass()
    },
  },
  {
    name: 'the connections of the delivering node are cut twenty times when a COMMIT has arrived and before its answer does',
    part: 'nodes',
    run: async ({ deliverer }) => {
      const { proxy } = await deliverer()
      for (let n = 0; n < 20; n++) {
        await proxy.cutAtCommit()
        await sleep(100)
      }
    },
  },
  {
    name: 'the host of the delivering node is lost in mid-transaction: its connections stay open and silent',
    part: 'nodes',
    run: async (installation) => {
      const node = await installation.deliverer()
      node.proxy.swallow()
      await waitFor(() => Promise.resolve(node.proxy.swallowed() > 0))
      await node.daemon.kill()
      // Its locks and its lane groups are free again: the limits of the server and the lease have ended.
      await waitFor(async () => (await installation.deliverer()) !== node)
      await waitFor(async () => (await countIdleTransactions(installation)) === 0)
      node.proxy.pass()
      await node.restart()
    },
  },
  {
    name: 'PostgreSQL is 100 ms away',
    part: 'nodes',
    run: async ({ nodes }) => {
      for (const { proxy } of nodes) proxy.delay(100)
      await sleep(6_000)
      for (const { proxy } of nodes) proxy.pass()
    },
  },
  {
    name: 'the delivering node is killed (SIGKILL) and starts again',
    part: 'nodes',
    isShort: true,
    run: async ({ deliverer }) => {
      const node = await deliverer()
      await node.daemon.kill()
      await sleep(1_000)
      await node.restart()
    },
  },
  {
    name: 'the delivering node is killed and does not come back: another takes over',
    part: 'nodes',
    run: async ({ deliverer }) => {
      const node = await deliverer()
      await node.daemon.kill()
      await sleep(SILENCE_MS)
      await node.restart()
    },
  },
  {
    name: 'a node is stopped (SIGTERM) and starts again',
    part: 'nodes',
    run: async ({ deliverer }) => {
      const node = await deliverer()
      await node.daemon.stop()
      await node.restart()
    },
  },
  {
    // Longer than store.deadlineSeconds.
    name: 'all processes of PostgreSQL are frozen for 21 s',
    part: 'server',
    run: async ({ server }) => {
      server.freeze()
      await sleep(21_000)
      server.thaw()
    },
  },
  {
    name: 'a node is asked for /readyz and stopped (SIGTERM) while all processes of PostgreSQL are frozen, and starts again',
    part: 'server',
    run: async ({ server, deliverer }) => {
      const node = await deliverer()
      server.freeze()
      try {
        const ready = await fetch(`http://127.0.0.1:${node.daemon.adminPort}/readyz`)
        if (ready.status !== 503) throw new Error(`/readyz answered ${ready.status}`)
        await node.daemon.stop()
      } finally {
        server.thaw()
      }
      await node.restart()
    },
  },
  {
    name: 'PostgreSQL crashes (stop -m immediate) and starts again',
    part: 'server',
    run: ({ server }) => server.crash(),
  },
  {
    name: 'PostgreSQL ends all sessions (pg_terminate_backend), ten times',
    part: 'server',
    run: async ({ engine }) => {
      for (let n = 0; n < 10; n++) {
        await engine.read
          .all('select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()')
          .catch(() => [])
        await sleep(300)
      }
    },
  },
  {
    name: 'PostgreSQL is read only for 4 s',
    part: 'server',
    isShort: true,
    run: async ({ engine }) => {
      const set = async (value: 'on' | 'off'): Promise<void> => {
        await engine.read.all(`alter system set default_transaction_read_only = ${value}`)
        await engine.read.all('select pg_reload_conf()')
      }
      await set('on')
      await sleep(4_000)
      await engine.read.all('set default_transaction_read_only = off').catch(() => [])
      await set('off')
    },
  },
  {
    name: 'all nodes are cut off from PostgreSQL for 2 s',
    part: 'server',
    run: async ({ nodes }) => {
      for (const { proxy } of nodes) proxy.cut()
      await sleep(2_000)
      for (const { proxy } of nodes) proxy.pass()
    },
  },
  {
    name: 'the webhook receiver is down for 5 s',
    part: 'nodes',
    run: async (_installation, load) => {
      load.setReceiverDown(true)
      await sleep(5_000)
      load.setReceiverDown(false)
    },
  },
  {
    name: 'a node starts with a clock that is 600 s ahead',
    part: 'nodes',
    run: async ({ deliverer }) => {
      const node = await deliverer()
      await node.daemon.stop()
      node.clock.set(600_000)
      await node.restart()
      await sleep(SILENCE_MS)
      await node.daemon.kill()
      node.clock.set(0)
      await node.restart()
    },
  },
  {
    name: 'the clock of the delivering node jumps a day ahead, a day back, and is right again',
    part: 'nodes',
    isShort: true,
    run: async ({ deliverer }) => {
      const node = await deliverer()
      for (const shift of [DAY_MS, -DAY_MS, 0]) {
        node.clock.set(shift)
        await sleep(2_000)
      }
    },
  },
  {
    name: 'every commit takes 400 ms for 8 s, as on a slow disk (a synchronous standby applies late)',
    part: 'server',
    run: async (installation) => {
      const standby = await installation.server.startReplica({ applyDelayMillis: SLOW_COMMIT_MS })
      await setCommits(installation, 'for the standby')
      await sleep(8_000)
      await setCommits(installation, 'local')
      await standby.stop()
    },
  },
  {
    name: 'the synchronous standby is lost for 8 s: no commit ends',
    part: 'server',
    run: async (installation) => {
      const standby = await installation.server.startReplica()
      await setCommits(installation, 'for the standby')
      await standby.stop()
      await sleep(8_000)
      await setCommits(installation, 'local')
    },
  },
  {
    name: 'bounced rebuild and bounced rebuild --check run beside the nodes',
    part: 'server',
    run: async (installation) => {
      await runCommand(installation, 'rebuild')
      await runCommand(installation, 'rebuild', '--check')
    },
  },
  {
    name: 'two nodes are killed, one after the other',
    part: 'nodes',
    run: async ({ nodes }) => {
      for (const node of nodes.slice(0, 2)) {
        await node.daemon.kill()
        await node.restart()
      }
    },
  },
]
