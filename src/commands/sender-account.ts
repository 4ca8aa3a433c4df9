/**
 * sender-account - what the store knows of a sender's domain: the DKIM keys that sign for it, and the tracking domain of its account
 *
 * See also: commands/doctor, commands/setup, service/deliver/signing-keys (selects the keys in the same way).
 */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { getDomain } from 'tldts'
import { findAccountByApiUser } from '../daemon/accounts.ts'
import { Fault } from '../errors.ts'
import { databaseFileOf } from '../settings/load.ts'
import { listDkimKeys, type DkimKey } from '../store/account/dkim-keys.ts'
import { loadConfigFor } from './command.ts'
import { withStore } from './with-store.ts'

/** `trackingDomain` is '' where the account has none. */
type SenderAccount = { readonly keys: readonly DkimKey[]; readonly trackingDomain: string }

/** `named`: the apiUser of the account; undefined: that of the settings. */
type SenderQuery = { readonly domains: readonly string[]; readonly named: string | undefined }

/**
 * Resolves to the account's keys of each domain, else of its organizational domain, and to its tracking domain. Nothing, and no store is made, where
 * there is no store yet. Faults: not_found (no such account), those of `withStore`.
 */
export async function loadSenderAccount(command: Command, { domains, named }: SenderQuery): Promise<SenderAccount> {
  const { settings } = loadConfigFor(command)
  const file = databaseFileOf(settings)
  if (file !== null && !existsSync(file)) return { keys: [], trackingDomain: '' }
  return withStore(command, async ({ context }) => {
    const { read } = context.engine
    const apiUser = named ?? settings.apiUser
    const account = await findAccountByApiUser(read, apiUser)
    if (account === null) throw new Fault('not_found', `no account has the apiUser "${apiUser}"`)
    const keys: DkimKey[] = []
    for (const domain of domains) {
      const own = await listDkimKeys(read, account, domain)
      const registered = getDomain(domain)
      keys.push(...(own.length > 0 || registered === null ? own : await listDkimKeys(read, account, registered)))
    }
    return { keys, trackingDomain: (await context.accountCache.snapshot()).settingsOf(account).trackingDomain }
  })
}
