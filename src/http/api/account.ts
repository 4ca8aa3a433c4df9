/**
 * account - what an account has chosen for itself, read and changed
 *
 * The operator names the account. Every change makes a new version, which the facts that it shapes name, and which is the ETag: a change
 * may name it in `If-Match`, or as `version`.
 *
 * See also: service/admin/account-settings, ledger/account-settings (what may be chosen).
 */
import { z } from 'zod'
import { accountSettingsSchema, accountSettingsChangeSchema } from '../../ledger/account-settings.ts'
import { actorOf } from '../../service/caller.ts'
import type { Services } from '../services.ts'
import { changeIfMatch, checkIfMatch, toVersionTag } from '../server/etag.ts'
import type { Authorizer } from '../server/authorize.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

const querystring = strictObject(operatorQuery)

const changeBody = strictObject({
  ...accountSettingsChangeSchema.shape,
  version: z.int().min(1).optional().describe('The version that you have read: 409 when somebody else was first'),
})

export function addAccountRoutes(
  server: HttpServer,
  { desk: services, guard: authorizer }: { readonly desk: Services; readonly guard: Authorizer },
): void {
  const shared = { tags: ['account'], querystring, response: { 200: accountSettingsSchema } }
  server.get('/v1/account/settings', { schema: { ...shared, summary: 'The settings of the account' } }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    const settings = await services.getSettings(account)
    void reply.header('etag', toVersionTag(settings.version))
    return settings
  })
  const change = { ...shared, summary: 'Change some of them', body: changeBody }
  server.patch('/v1/account/settings', { schema: change }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const { version = null, ...fields } = request.body
    const call = { account: caller.account, actor: actorOf(caller), byOperator: caller.isOperator === true, change: fields }
    const expectedVersion = request.headers['if-match'] === undefined ? version : (await services.getSettings(caller.account)).version
    if (expectedVersion !== null) checkIfMatch(request, toVersionTag(expectedVersion))
    const settings = await changeIfMatch(request, () => services.changeSettings({ ...call, version: version ?? expectedVersion }))
    void reply.header('etag', toVersionTag(settings.version))
    return settings
  })
}
