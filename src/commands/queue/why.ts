/**
 * why - prints why one message waits in the delivery queue
 *
 * See also: service/deliver/observe/waiting-message, http/api/messages (`why`, the same by HTTP).
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand } from '../../daemon/store-command.ts'
import { Fault } from '../../errors.ts'
import { evidenceFor } from '../../queue/observe/transition-facts.ts'
import { findWaitingReason } from '../../service/deliver/observe/waiting-message.ts'
import { findDeliveriesByEmailIds } from '../../store/mail/deliveries.ts'
import { requireAccount } from '../arguments.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { toSingleLine } from '../output.ts'

export const whyCommand = defineStoreCommand(
  'queue why',
  z.object({ account: z.string(), emailId: z.string() }),
  async ({ context }, { account: apiUser, emailId }, output) => {
    const { read } = context.engine
    const account = await requireAccount(read, apiUser)
    const [row] = await findDeliveriesByEmailIds(read, account, [emailId])
    if (row === undefined) throw new Fault('not_found', 'no message of this account has this emailId')
    const waiting = await findWaitingReason(read, { account, deliveryId: row.deliveryId }, context.now())
    if (waiting === null) return output.printLines(`It is not in the queue: status ${row.status}, ${toSingleLine(row.sendLog)}`)
    const { text, key, refusedBy, evidence } = waiting
    await output.printLines(
      text,
      ...(key === null ? [] : [`key       ${toSingleLine(key)}`]),
      ...(refusedBy.length === 0 ? [] : [`refused   ${refusedBy.join(', ')}`]),
      ...evidenceFor(0, evidence).map(
        ({ at, code, text: reply }) => `reply     ${new Date(at).toISOString()}  ${code ?? '-'}  ${toSingleLine(reply ?? '')}`,
      ),
    )
  },
)

/** Adds the command to `bounced queue`. */
export const defineWhyCommand: DefineCommand = (command) => {
  command
    .command('why')
    .summary('say why one mail waits')
    .argument('<emailId>', 'the emailId of the mail')
    .requiredOption('--account <apiUser>', 'the owner of the mail')
    .action((emailId: string, { account }: { account: string }, self: Command) => runStoreCommand(self, whyCommand, { account, emailId }))
}
