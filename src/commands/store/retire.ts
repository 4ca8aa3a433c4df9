/**
 * retire - removes everything older than retention.months now; a running daemon does it too, a part every five minutes
 *
 * See also: service/admin/retire, docs/RETENTION.md.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand } from '../../daemon/store-command.ts'
import { Fault } from '../../errors.ts'
import { retire } from '../../service/admin/retire.ts'
import { confirmRetirementDate } from '../../service/admin/retirement-clock.ts'
import { previewRetirement } from '../../service/admin/retirement-preview.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'

const formatDay = (at: number): string => new Date(at).toISOString().slice(0, 10)

const INPUT = z.object({ dryRun: z.boolean(), confirmDate: z.boolean().default(false) })

const retireOldData = defineStoreCommand('retire', INPUT, async ({ context, settings }, { dryRun, confirmDate }, output) => {
  const { months } = settings.retention
  if (months === 0) return output.printLines('retention.months is 0: nothing is ever retired')
  if (dryRun) {
    const { before, deliveries, mails, events, remains, isHeld } = await previewRetirement(context, months)
    return output.printLines(
      `before ${formatDay(before)}: ${deliveries} sent mails, ${mails} received mails, ${events} events without an endpoint, ${remains} tombstones with expired tokens would be removed`,
      ...(isHeld ? [heldLine(context.now())] : []),
    )
  }
  if (confirmDate) await output.printLines(`the date is confirmed: ${formatDay(await confirmRetirementDate(context, 'operator'))}`)
  const rules = { months, shouldStop: () => output.signal.aborted }
  const { before, deliveries, facts, mails, events, remains, isHeld, isPostponed } = await retire(context, rules)
  return output.printLines(
    `before ${formatDay(before)}: ${deliveries} sent mails with ${facts} facts, ${mails} received mails, ${events} events, ${remains} tombstones were removed`,
    ...(isPostponed ? ['a partition is in use by a long read: run "bounced retire" again, or leave it to the daemon'] : []),
    ...(isHeld ? [heldLine(context.now())] : []),
  )
})

const heldLine = (now: number): string =>
  `retention holds: the clock says ${formatDay(now)}, and the newest mail is much older. If the clock is right, run "bounced retire --confirm-date"`

export const RETIRE_COMMANDS = [retireOldData] as const

export const retireCommand: DefineCommand = (command) => {
  command
    .option('--dry-run', 'print how much would be removed, and change nothing')
    .option('--confirm-date', 'confirm that the clock is right although no mail has come for long, and end the hold of retention')
    .action((options: { dryRun?: true; confirmDate?: true }, self: Command) => {
      if (options.dryRun === true && options.confirmDate === true)
        throw new Fault('bad_request', '--dry-run changes nothing: leave one of the two options out')
      return runStoreCommand(self, retireOldData, { dryRun: options.dryRun === true, confirmDate: options.confirmDate === true })
    })
}
