/**
 * rebuild - makes the projections again from the facts, or checks that they are what the facts add up to
 *
 * Exit status 1 when a check finds a difference.
 */
import type { Command } from 'commander'
import { rebuild } from '../../service/admin/rebuild.ts'
import type { Define } from '../command.ts'
import { createProgress } from '../progress.ts'
import { withStore } from '../with-store.ts'
import { say } from '../output.ts'

export const rebuildCommand: Define = (command) => {
  command.option('--check', 'compare only, and change nothing').action(async (options: { check?: true }, self: Command) => {
    await withStore(self, async ({ shop }) => {
      const progress = await createProgress('facts')
      const check = options.check === true
      const done = await rebuild(shop, { check, onProgress: progress.at }).finally(progress.stop)
      say(...done.differences)
      if (!check) say(`${done.facts} facts, the projections are made again`)
      else say(`${done.facts} facts, ${done.differing} differences`)
      if (done.differing > 0) process.exitCode = 1
    })
  })
}
