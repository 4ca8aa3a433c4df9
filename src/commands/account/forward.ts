/**
 * forward - gives domains to accounts: what comes there is their own mail, and goes to their webhooks
 *
 * See also: service/forward/forward-domains, docs/WEBHOOKS.md.
 */
import type { Command } from 'commander'
import { findAccountByApiUser } from '../../daemon/accounts.ts'
import { Fault } from '../../errors.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import { listForwardDomainsForOperator } from '../../store/mail/forward-domains.ts'
import { addForwardDomain, removeForwardDomain } from '../../service/forward/forward-domains.ts'
import type { DefineCommand } from '../command.ts'
import { withStore } from '../with-store.ts'
import { formatColumns, toSingleLine, printLines } from '../output.ts'

export const forwardCommand: DefineCommand = (command) => {
  command
    .command('add')
    .summary('give a domain to the account of an apiUser; its MX must point here')
    .argument('<domain>')
    .argument('<apiUser>')
    .action((domain: string, apiUser: string, _options: object, self: Command) => add(domain, apiUser, self))
  command
    .command('list', { isDefault: true })
    .summary('print the domains and whose they are')
    .action((_options: object, self: Command) => list(self))
  command
    .command('remove')
    .summary('take a domain away; its mail is refused from then on')
    .argument('<domain>')
    .action((domain: string, _options: object, self: Command) => remove(domain, self))
}

async function add(domain: string, apiUser: string, self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const account = await findAccountByApiUser(context.engine.read, apiUser)
    if (account === null) throw new Fault('not_found', `no account has the apiUser "${apiUser}"`)
    const isNew = await addForwardDomain(context, account, domain)
    printLines(isNew ? `${toSingleLine(domain)} takes mail for ${apiUser}` : `${toSingleLine(domain)} took mail for ${apiUser} before`)
  })
}

async function remove(domain: string, self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const existed = await removeForwardDomain(context, domain)
    printLines(existed ? `${toSingleLine(domain)} takes no mail any more` : `${toSingleLine(domain)} was nobody’s`)
  })
}

async function list(self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const { read } = context.engine
    const names = new Map((await listAccountsForOperator(read)).map(({ account, name }) => [account, name]))
    const rows = (await listForwardDomainsForOperator(read)).map(({ domain, account, createdAt }) => [
      domain,
      names.get(account) ?? String(account),
      new Date(createdAt).toISOString(),
    ])
    printLines(...formatColumns([['domain', 'account', 'since'], ...rows]))
  })
}
