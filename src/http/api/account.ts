/**
 * account - what an account has chosen for itself, read and changed
 *
 * The operator names the account. Every change makes a new version, which the facts that it shapes name, and which is the ETag: a change
 * may name it in `If-Match`, or as `version`.
 *
 * See also: service/admin/account-settings, ledger/account-settings (what may be chosen).
 */
import { z } from 'zod'
import { accountSettingsSchema, settingsChangeSchema } from '../../ledger/account-settings.ts'
import { actorOf } from '../../service/submit/register.ts'
import type { Desk } from '../services.ts'
import { changeIfMatch, heedIfMatch, tagOf } from '../server/etag.ts'
import type { Guard } from '../server/authorize.ts'
import type { Web } from '../server/server.ts'
import { operatorQuery, strict } from '../server/schemas.ts'

const querystring = strict(operatorQuery)

const changeBody = strict({
  ...settingsChangeSchema.shape,
  version: z.int().min(1).optional().describe('The version that you have read: 409 when somebody else was first'),
})

export function addAccount(server: Web, { desk, guard }: { readonly desk: Desk; readonly guard: Guard }): void {
  const shared = { tags: ['account'], querystring, response: { 200: accountSettingsSchema } }
  server.get('/v1/account/settings', { schema: { ...shared, summary: 'The settings of the account' } }, async (request, reply) => {
    const { account } = await guard.account(request)
    const settings = await desk.settings(account)
    void reply.header('etag', tagOf(settings.version))
    return settings
  })
  const change = { ...shared, summary: 'Change some of them', body: changeBody }
  server.patch('/v1/account/settings', { schema: change }, async (request, reply) => {
    const asker = await guard.account(request)
    const { version = null, ...fields } = request.body
    const call = { account: asker.account, actor: actorOf(asker), byOperator: asker.byOperator === true, change: fields }
    const known = request.headers['if-match'] === undefined ? version : (await desk.settings(asker.account)).version
    if (known !== null) heedIfMatch(request, tagOf(known))
    const settings = await changeIfMatch(request, () => desk.changeSettings({ ...call, version: version ?? known }))
    void reply.header('etag', tagOf(settings.version))
    return settings
  })
}
