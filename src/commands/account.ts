/**
 * account - adds and lists accounts, and rotates secrets
 *
 * A secret is printed once, when it is made. `rotate operator` makes a new operator's secret.
 */
import type { Command } from 'commander'
import { addAccount, addOfflineNumber, ROTATION_MS, rotateSecret } from '../accounts.ts'
import { deriveTokenKey } from '../correlate/keys.ts'
import { listAccountsForOperator } from '../store/accounts.ts'
import { listCredentials } from '../store/credentials.ts'
import type { Define } from './define.ts'
import { withStore } from './store.ts'
import { columns, say } from './terminal.ts'

export const account: Define = (command) => {
  command
    .command('add')
    .summary('make an account with its first apiUser')
    .argument('<apiUser>')
    .option('--trust <policy>', 'strict or any (default: the setting)')
    .action((apiUser: string, options: { trust?: string }, self: Command) => add(apiUser, options.trust ?? null, self))
  command
    .command('list')
    .summary('print every account with its apiUsers')
    .action((_options: object, self: Command) => list(self))
  command
    .command('rotate')
    .summary('make a new secret; the old one ends in 15 minutes')
    .argument('<apiUser>', 'or "operator"')
    .action((apiUser: string, _options: object, self: Command) => rotate(apiUser, self))
  command
    .command('offline')
    .summary('give an account a second number, with which its sender mints tokens offline')
    .argument('<apiUser>')
    .action((apiUser: string, _options: object, self: Command) => offline(apiUser, self))
}

async function add(apiUser: string, trust: string | null, self: Command): Promise<void> {
  await withStore(self, async ({ shop, config }) => {
    const policy = trust === 'any' || trust === 'strict' ? trust : config.settings.trust
    const wanted = { apiUser, apiKey: null, trust: policy, giveUpAfterDays: config.settings.giveUpDays }
    const made = await shop.engine.tx((db) => addAccount(db, wanted, shop.now()))
    say(`account ${made.account}   apiUser ${apiUser}   apiKey ${made.apiKey}   (shown once)`)
  })
}

async function list(self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    const { read } = shop.engine
    const rows = [['number', 'name', 'apiUsers', 'trust', 'made']]
    for (const each of await listAccountsForOperator(read)) {
      const users = [...new Set((await listCredentials(read, each.account)).map(({ apiUser }) => apiUser))]
      rows.push([String(each.account), each.name, users.join(', '), each.settings.trust, new Date(each.createdAt).toISOString()])
    }
    say(...columns(rows))
  })
}

async function rotate(apiUser: string, self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    const secret = await shop.engine.tx((db) => rotateSecret(db, apiUser, shop.now()))
    say(`${apiUser}: ${secret}   (shown once; the old one ends in ${ROTATION_MS / 60_000} minutes)`)
  })
}

async function offline(apiUser: string, self: Command): Promise<void> {
  await withStore(self, async ({ shop, master }) => {
    const number = await shop.engine.tx((db) => addOfflineNumber(db, apiUser, shop.now()))
    const index = (await shop.book.open()).signingIndex
    say(
      `number ${number}   key index ${index}   key ${deriveTokenKey(master, number, index).toString('hex')}   (docs/TOKEN.md says how to mint)`,
    )
  })
}
