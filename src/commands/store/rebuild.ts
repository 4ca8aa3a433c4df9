/**
 * rebuild - makes the projections again from the facts, or checks that they are what the facts add up to
 *
 * Exit status 1 when a check finds a difference.
 */
import type { Command } from 'commander'
import { rebuild } from '../../service/admin/rebuild.ts'
import type { DefineCommand } from '../command.ts'
import { createProgressBar } from '../progress.ts'
import { withStore } from '../with-store.ts'
import { printLines } from '../output.ts'

export const rebuildCommand: DefineCommand = (command) => {
  command.option('--check', 'compare only, and change nothing').action(async (options: { check?: true }, self: Command) => {
    await withStore(self, async ({ context }) => {
      const progress = await createProgressBar('facts')
      const check = options.check === true
      const result = await rebuild(context, { check, onProgress: progress.update }).finally(progress.stop)
      printLines(...result.differences)
      if (!check) printLines(`${result.facts} facts, the projections are made again`)
      else printLines(`${result.facts} facts, ${result.differing} differences`)
      if (result.differing > 0) process.exitCode = 1
    })
  })
}
