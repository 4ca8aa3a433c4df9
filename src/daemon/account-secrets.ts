/**
 * account-secrets - adds accounts and makes new secrets for the operator, with an audit fact that names who did it
 *
 * See also: daemon/accounts (the transactions), http/api/installation/account-admin, commands/account/account.
 */
import { createAuditFact } from '../ledger/decide/operator-action.ts'
import type { AccountSecretService } from '../http/services/account-secrets.ts'
import type { Context } from '../service/context.ts'
import { transact } from '../service/transact.ts'
import type { Settings } from '../settings/schema.ts'
import { createAccountWithApiUser, findAccountByApiUser, ROTATION_MS, rotateSecret } from './accounts.ts'

/** Creates the service. */
export function createAccountSecretService(
  context: Context,
  { trust, giveUpDays }: Pick<Settings, 'trust' | 'giveUpDays'>,
): AccountSecretService {
  return {
    add: async (apiUser, actor) => {
      const created = await transact(context, {}, async ({ db, moment }) => {
        const result = await createAccountWithApiUser(db, { apiUser, apiKey: null, trust, giveUpAfterDays: giveUpDays }, moment.at)
        return { result, facts: [createAuditFact(0, 'account.added', { account: result.account, apiUser }, { actor, moment })] }
      })
      context.accountCache.invalidate()
      return created
    },
    rotate: (apiUser, actor) =>
      transact(context, {}, async ({ db, moment }) => {
        const account = await findAccountByApiUser(db, apiUser)
        const apiKey = await rotateSecret(db, apiUser, moment.at)
        const fact = createAuditFact(0, 'account.rotated', { account, apiUser }, { actor, moment })
        return { result: { apiKey, oldUntil: moment.at + ROTATION_MS }, facts: [fact] }
      }),
  }
}
