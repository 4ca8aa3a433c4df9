/**
 * inbound - assigns domains to accounts: mail to such a domain is the account's own and goes to its webhooks
 *
 * See also: service/forward/forward-domains, docs/WEBHOOKS.md.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand } from '../../daemon/store-command.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import { listForwardDomainsForOperator } from '../../store/mail/forward-domains.ts'
import { addForwardDomain, removeForwardDomain } from '../../service/forward/forward-domains.ts'
import { requireAccount } from '../arguments.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns, toSingleLine } from '../output.ts'

const addCommand = defineStoreCommand(
  'inbound add',
  z.object({ domain: z.string(), apiUser: z.string() }),
  async ({ context }, { domain, apiUser }, output) => {
    const account = await requireAccount(context.engine.read, apiUser)
    const isNew = await addForwardDomain(context, account, domain)
    await output.printLines(
      isNew
        ? `mail to ${toSingleLine(domain)} is passed to ${apiUser}`
        : `mail to ${toSingleLine(domain)} was already passed to ${apiUser}`,
    )
  },
)

const removeCommand = defineStoreCommand('inbound remove', z.object({ domain: z.string() }), async ({ context }, { domain }, output) => {
  const existed = await removeForwardDomain(context, domain)
  await output.printLines(
    existed ? `mail to ${toSingleLine(domain)} is no longer accepted` : `${toSingleLine(domain)} was assigned to no account`,
  )
})

const listCommand = defineStoreCommand('inbound list', z.object({}), async ({ context }, _input, output) => {
  const { read } = context.engine
  const names = new Map((await listAccountsForOperator(read)).map(({ account, name }) => [account, name]))
  const rows = (await listForwardDomainsForOperator(read)).map(({ domain, account, createdAt }) => [
    domain,
    names.get(account) ?? String(account),
    new Date(createdAt).toISOString(),
  ])
  await output.printLines(...formatColumns([['domain', 'account', 'since'], ...rows]))
})

export const INBOUND_COMMANDS = [addCommand, listCommand, removeCommand] as const

export const inboundCommand: DefineCommand = (command) => {
  command
    .command('add')
    .summary('assign a domain to the account of an apiUser; its MX must point here')
    .argument('<domain>')
    .argument('<apiUser>')
    .action((domain: string, apiUser: string, _options: object, self: Command) => runStoreCommand(self, addCommand, { domain, apiUser }))
  command
    .command('list', { isDefault: true })
    .summary('print the domains and their accounts')
    .action((_options: object, self: Command) => runStoreCommand(self, listCommand, {}))
  command
    .command('remove')
    .summary('remove a domain; its mail is refused from then on')
    .argument('<domain>')
    .action((domain: string, _options: object, self: Command) => runStoreCommand(self, removeCommand, { domain }))
}
