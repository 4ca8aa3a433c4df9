/**
 * retire - what is older than retention.months goes now; a daemon does it by itself, a little every five minutes
 *
 * See also: service/admin/retire, docs/RETENTION.md.
 */
import type { Command } from 'commander'
import { previewRetirement, retire } from '../../service/admin/retire.ts'
import type { DefineCommand } from '../command.ts'
import { withStore } from '../with-store.ts'
import { printLines } from '../output.ts'

const formatDay = (at: number): string => new Date(at).toISOString().slice(0, 10)

export const retireCommand: DefineCommand = (command) => {
  command.option('--dry-run', 'say how much would go, and change nothing').action(async (options: { dryRun?: true }, self: Command) => {
    await withStore(self, async ({ context, config }) => {
      const { months } = config.settings.retention
      if (months === 0) {
        printLines('retention.months is 0: nothing is ever retired')
        return
      }
      if (options.dryRun === true) {
        const { before, deliveries, mails, events, remains } = await previewRetirement(context, months)
        printLines(
          `before ${formatDay(before)}: ${deliveries} mails that were sent, ${mails} mails that came, ${events} events that no endpoint heard, ${remains} marks of retired mails whose tokens ran out would go`,
        )
        return
      }
      const { before, deliveries, facts, mails, events, remains } = await retire(context, { months })
      printLines(
        `before ${formatDay(before)}: ${deliveries} mails that were sent with ${facts} facts, ${mails} mails that came, ${events} events, ${remains} marks of retired mails are gone`,
      )
    })
  })
}
