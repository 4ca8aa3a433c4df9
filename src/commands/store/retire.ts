/**
 * retire - removes everything older than retention.months now; a running daemon does it too, a part every five minutes
 *
 * See also: service/admin/retire, docs/RETENTION.md.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand } from '../../daemon/store-command.ts'
import { previewRetirement, retire } from '../../service/admin/retire.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'

const formatDay = (at: number): string => new Date(at).toISOString().slice(0, 10)

const retireOldData = defineStoreCommand('retire', z.object({ dryRun: z.boolean() }), async ({ context, settings }, { dryRun }, output) => {
  const { months } = settings.retention
  if (months === 0) return output.printLines('retention.months is 0: nothing is ever retired')
  if (dryRun) {
    const { before, deliveries, mails, events, remains } = await previewRetirement(context, months)
    return output.printLines(
      `before ${formatDay(before)}: ${deliveries} sent mails, ${mails} received mails, ${events} events without an endpoint, ${remains} tombstones with expired tokens would be removed`,
    )
  }
  const { before, deliveries, facts, mails, events, remains } = await retire(context, { months, shouldStop: () => output.signal.aborted })
  return output.printLines(
    `before ${formatDay(before)}: ${deliveries} sent mails with ${facts} facts, ${mails} received mails, ${events} events, ${remains} tombstones were removed`,
  )
})

export const RETIRE_COMMANDS = [retireOldData] as const

export const retireCommand: DefineCommand = (command) => {
  command
    .option('--dry-run', 'print how much would be removed, and change nothing')
    .action((options: { dryRun?: true }, self: Command) => runStoreCommand(self, retireOldData, { dryRun: options.dryRun === true }))
}
