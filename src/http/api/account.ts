/**
 * account - reads and changes the settings of an account
 *
 * The operator names the account in the query. Every change creates a new version, which is also the ETag. A client may name the version
 * that it read in `If-Match` or as `version`, so that it does not overwrite somebody else's change.
 *
 * See also: service/admin/account-settings, ledger/account-settings (the settings).
 */
import { z } from 'zod'
import { accountSettingsSchema, accountSettingsChangeSchema } from '../../ledger/account-settings.ts'
import { actorOf } from '../../service/caller.ts'
import type { AccountService } from '../services/accounts.ts'
import type { Authorizer } from '../server/authorize.ts'
import { changeIfMatch, checkIfMatch, toVersionTag } from '../server/etag.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type AccountRouteDependencies = {
  readonly accounts: Pick<AccountService, 'getSettings' | 'changeSettings'>
  readonly authorizer: Authorizer
}

const querystring = strictObject(operatorQuery)

const changeBody = strictObject({
  ...accountSettingsChangeSchema.shape,
  version: z.int().min(1).optional().describe('The version that you read; the answer is 409 if the settings have changed since'),
})

export function addAccountRoutes(server: HttpServer, { accounts, authorizer }: AccountRouteDependencies): void {
  const shared = { tags: ['account'], querystring, response: { 200: accountSettingsSchema } }
  server.get('/v1/account/settings', { schema: { ...shared, summary: 'Read the account settings' } }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    const settings = await accounts.getSettings(account)
    void reply.header('etag', toVersionTag(settings.version))
    return settings
  })
  const change = { ...shared, summary: 'Change account settings', body: changeBody }
  server.patch('/v1/account/settings', { schema: change, config: { permission: 'administer' } }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const { version = null, ...fields } = request.body
    const command = { account: caller.account, actor: actorOf(caller), byOperator: caller.isOperator === true, change: fields }
    const expectedVersion = request.headers['if-match'] === undefined ? version : (await accounts.getSettings(caller.account)).version
    if (expectedVersion !== null) checkIfMatch(request, toVersionTag(expectedVersion))
    const settings = await changeIfMatch(request, () => accounts.changeSettings({ ...command, version: version ?? expectedVersion }))
    void reply.header('etag', toVersionTag(settings.version))
    return settings
  })
}
