/**
 * rebuild - makes the projections again from the facts, or checks that they are equal to what the facts add up to
 *
 * Runs beside a daemon, slice by slice; an interrupted rebuild has repaired a part. Exit status 1 when a check finds a difference, or when
 * messages are missing in the delivery queue.
 *
 * See also: service/admin/rebuild.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand } from '../../daemon/store-command.ts'
import { rebuild } from '../../service/admin/rebuild.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'

const rebuildProjections = defineStoreCommand('rebuild', z.object({ check: z.boolean() }), async ({ context }, { check }, output) => {
  const onProgress = (done: number, total: number): void => {
    // Throwing here ends the run after this slice.
    output.signal.throwIfAborted()
    output.setProgress('facts', done, total)
  }
  const { facts, differences, differing, lost } = await rebuild(context, { check, onProgress })
  await output.printLines(
    ...differences,
    check ? `${facts} facts, ${differing} differences` : `${facts} facts, ${differing} differences, the projections are rebuilt`,
  )
  if (lost > 0 || (check && differing > 0)) output.setExitStatus(1)
})

export const REBUILD_COMMANDS = [rebuildProjections] as const

export const rebuildCommand: DefineCommand = (command) => {
  command
    .option('--check', 'compare only, and change nothing')
    .action((options: { check?: true }, self: Command) => runStoreCommand(self, rebuildProjections, { check: options.check === true }))
}
