/**
 * rolling-upgrade.test - nodes of the version before the last change of the schema are replaced one after the other under load
 *
 * The first node of this version migrates the store while the older ones work on it. The older version comes from the history of the repository; without
 * it (a tarball, a shallow clone) the test is skipped and says so. A part of `npm run faults`.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { makeTemporaryFolder } from '../support/daemon.ts'
import { checkHistory, describeUnrest } from './check-history.ts'
import { ROOT, startInstallation } from './installation.ts'
import { startLoad } from './load.ts'

const isWhole = process.env['BOUNCED_TEST_FAULTS'] === 'all'

const git = (...args: readonly string[]) => spawnSync('git', ['-C', ROOT, ...args], { encoding: 'buffer', maxBuffer: 1 << 30 })

/** The files of the commit before the last change of the list of migrations, in a folder; null without the history. */
function checkOutOlderVersion(): { readonly folder: string; readonly commit: string } | null {
  const last = git('log', '-1', '--format=%H', '--', 'src/store/migrations/migrations.ts').stdout?.toString().trim() ?? ''
  const commit = last === '' ? '' : git('rev-parse', '--short', '--verify', `${last}^`).stdout.toString().trim()
  if (commit === '') return null
  const folder = join(makeTemporaryFolder(), 'older')
  mkdirSync(folder)
  const archive = git('archive', commit, 'src', 'package.json')
  if (archive.status !== 0 || spawnSync('tar', ['-x', '-C', folder], { input: archive.stdout }).status !== 0) return null
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return { folder, commit }
}

test.runIf(isWhole)(
  'nodes are upgraded one after the other: two schema versions side by side, and nothing is lost',
  async ({ skip }) => {
    const older = checkOutOlderVersion()
    if (older === null) return skip('no history of the repository: there is no older version to start')
    const installation = await startInstallation(3, older.folder)
    if (installation === null) return skip('no PostgreSQL of our own')
    const versionOf = async (): Promise<number> =>
      Number((await installation.engine.read.one('select max(version) as version from migrations'))?.['version'])
    const before = await versionOf()
    const load = await startLoad(installation)
    try {
      const pauses: string[] = []
      for (const node of installation.nodes) {
        await sleep(3_000)
        load.history.longestPauseMs = 0
        await node.daemon.stop()
        await node.restart(ROOT)
        await sleep(3_000)
        pauses.push((load.history.longestPauseMs / 1_000).toFixed(1))
      }
      const after = await versionOf()
      console.log(
        `upgraded from ${older.commit} (schema ${before}) to schema ${after}; longest time without an acknowledgement: ${pauses.join(', ')} s`,
      )
      expect(after).toBeGreaterThan(before)
      await load.stop()
      await expect.poll(() => describeUnrest(installation.engine).catch(String), { timeout: 180_000, interval: 500 }).toBe('')
      const { acknowledged, uncertain: _uncertain, acceptedTwice: _acceptedTwice, ...lost } = await checkHistory(installation, load.history)
      expect(acknowledged).toBeGreaterThan(100)
      expect(lost).toMatchObject({ withoutOutcome: [], lostBounces: [], unreadable: 0, sentTwice: [], withoutWebhook: [], outOfOrder: [] })
      expect(lost).toMatchObject({ repeatedFacts: 0, differences: '' })
    } finally {
      load.closeReceiver()
      await installation.close()
    }
  },
  600_000,
)
