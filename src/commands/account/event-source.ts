/**
 * event-source - adds, lists and removes the email service providers whose events an account takes
 *
 * A key is read from standard input, so that no list of processes shows it.
 *
 * See also: service/esp/event-sources, docs/EVENTS.md.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand, type CommandContext } from '../../daemon/store-command.ts'
import { ESPS } from '../../esp-events/esp-event.ts'
import { Fault } from '../../errors.ts'
import { createEventSourceService, type EventSourceService } from '../../service/esp/event-sources.ts'
import { requireAccount } from '../arguments.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns } from '../output.ts'
import { readNewSecret } from './password-input.ts'

const accountSchema = z.object({ account: z.string().optional() })

const addCommand = defineStoreCommand(
  'event-source add',
  accountSchema.extend({ esp: z.string(), topic: z.array(z.string()).optional(), key: z.string().nullable() }),
  async (on, { account, esp: named, topic = [], key }, output) => {
    const esp = ESPS.find((each) => each === named)
    if (esp === undefined) throw new Fault('bad_request', `an ESP is one of ${ESPS.join(', ')}`)
    const { sources, caller } = await openEventSources(on, account)
    const { sourceId, url, password } = await sources.add({ ...caller, esp, topics: topic, key })
    await output.printLines(`id        ${sourceId}`, `URL       ${url}`)
    if (password !== null) await output.printLines(`user      bounced`, `password  ${password}   (shown only now)`)
  },
)

const listCommand = defineStoreCommand('event-source list', accountSchema, async (on, { account }, output) => {
  const { sources, caller } = await openEventSources(on, account)
  const rows = (await sources.list(caller.account)).map(({ sourceId, esp, url, topics }) => [sourceId, esp, topics.join(' '), url])
  await output.printLines(...formatColumns([['id', 'ESP', 'topics', 'URL'], ...rows]))
})

const removeCommand = defineStoreCommand(
  'event-source remove',
  accountSchema.extend({ id: z.string() }),
  async (on, { account, id }, output) => {
    const { sources, caller } = await openEventSources(on, account)
    await sources.remove({ ...caller, sourceId: id })
    await output.printLines(`${id} removed; remove its URL at the ESP too`)
  },
)

export const EVENT_SOURCE_COMMANDS = [addCommand, listCommand, removeCommand] as const

type Options = { readonly account?: string; readonly topic?: string[] }

/** The ESPs that give a key. */
const ESPS_WITH_KEY: readonly string[] = ['sendgrid', 'mailgun']

export const eventSourceCommand: DefineCommand = (command) => {
  const define = (name: string, summary: string): Command =>
    command.command(name).summary(summary).option('--account <apiUser>', 'the account that sends by it (default: the setting apiUser)')
  define('add', 'add one and print its URL; reads the key of SendGrid or Mailgun from standard input')
    .argument('<esp>', ESPS.join(', '))
    .option('--topic <arn...>', 'SES: the SNS topics whose messages are taken')
    .action(async (esp: string, options: Options, self: Command) =>
      runStoreCommand(self, addCommand, { ...options, esp, key: ESPS_WITH_KEY.includes(esp) ? await readNewSecret('key') : null }),
    )
  define('list', 'print those of an account').action((options: Options, self: Command) =>
    runStoreCommand(self, listCommand, { ...options }),
  )
  define('remove', 'remove one; its URL is refused from then on')
    .argument('<id>')
    .action((id: string, options: Options, self: Command) => runStoreCommand(self, removeCommand, { ...options, id }))
}

type SourceAccess = { readonly sources: EventSourceService; readonly caller: { readonly account: number; readonly actor: string } }

/** The service, for the account that is named or that of the setting apiUser. Faults: not_found. */
async function openEventSources({ context, vault, settings }: CommandContext, named: string | undefined): Promise<SourceAccess> {
  const account = await requireAccount(context.engine.read, named ?? settings.apiUser)
  return { sources: createEventSourceService(context, vault), caller: { account, actor: 'operator' } }
}
