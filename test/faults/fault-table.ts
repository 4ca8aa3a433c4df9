/**
 * fault-table - the faults that the suite causes, as data
 *
 * `isShort`: part of the run behind `npm test`. All of them: `npm run faults`. See also: docs/RELIABILITY.md.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Installation } from './installation.ts'
import type { Load } from './load.ts'

export type FaultRow = {
  readonly name: string
  readonly isShort?: true
  /** Causes the fault and ends it. */
  readonly run: (installation: Installation, load: Load) => Promise<void>
}

/** Longer than the lease of the delivering node. */
const SILENCE_MS = 9_000

const DAY_MS = 86_400_000

/** As long as a disk takes under another load. */
const SLOW_COMMIT_MS = 400

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
    run: async ({ deliverer }) => {
      const { proxy } = await deliverer()
      proxy.cut()
      await sleep(3_000)
      proxy.pass()
    },
  },
  {
    name: 'PostgreSQL is 100 ms away',
    run: async ({ nodes }) => {
      for (const { proxy } of nodes) proxy.delay(100)
      await sleep(6_000)
      for (const { proxy } of nodes) proxy.pass()
    },
  },
  {
    name: 'the delivering node is killed (SIGKILL) and starts again',
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
    run: async ({ deliverer }) => {
      const node = await deliverer()
      await node.daemon.kill()
      await sleep(SILENCE_MS)
      await node.restart()
    },
  },
  {
    name: 'a node is stopped (SIGTERM) and starts again',
    run: async ({ deliverer }) => {
      const node = await deliverer()
      await node.daemon.stop()
      await node.restart()
    },
  },
  {
    name: 'all processes of PostgreSQL are frozen for 12 s',
    run: async ({ server }) => {
      server.freeze()
      await sleep(12_000)
      server.thaw()
    },
  },
  {
    name: 'PostgreSQL crashes (stop -m immediate) and starts again',
    run: ({ server }) => server.crash(),
  },
  {
    name: 'PostgreSQL ends all sessions (pg_terminate_backend), ten times',
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
    run: async ({ nodes }) => {
      for (const { proxy } of nodes) proxy.cut()
      await sleep(2_000)
      for (const { proxy } of nodes) proxy.pass()
    },
  },
  {
    name: 'the webhook receiver is down for 5 s',
    run: async (_installation, load) => {
      load.setReceiverDown(true)
      await sleep(5_000)
      load.setReceiverDown(false)
    },
  },
  {
    name: 'a node starts with a clock that is 600 s ahead',
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
    run: async (installation) => {
      const standby = await installation.server.startReplica()
      await setCommits(installation, 'for the standby')
      await standby.stop()
      await sleep(8_000)
      await setCommits(installation, 'local')
    },
  },
  {
    name: 'two nodes are killed, one after the other',
    run: async ({ nodes }) => {
      for (const node of nodes.slice(0, 2)) {
        await node.daemon.kill()
        await node.restart()
      }
    },
  },
]
