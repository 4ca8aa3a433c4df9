/**
 * account - what an account has chosen for itself, read and changed
 *
 * The operator names the account. Every change makes a new version, which the facts that it shapes name.
 *
 * See also: work/settings, ledger/settings (what may be chosen).
 */
import { z } from 'zod'
import { accountSettingsSchema, settingsChangeSchema } from '../ledger/settings.ts'
import { actorOf } from '../work/register.ts'
import type { Desk } from './desk.ts'
import type { Guard } from './guard.ts'
import type { Web } from './server.ts'
import { operatorQuery, strict } from './strict.ts'

const querystring = strict(operatorQuery)

const changeBody = strict({
  ...settingsChangeSchema.shape,
  version: z.int().min(1).optional().describe('The version that you have read: 409 when somebody else was first'),
})

export function addAccount(server: Web, { desk, guard }: { readonly desk: Desk; readonly guard: Guard }): void {
  const shared = { tags: ['account'], querystring, response: { 200: accountSettingsSchema } }
  server.get('/v1/account/settings', { schema: { ...shared, summary: 'The settings of the account' } }, async (request) => {
    const { account } = await guard.account(request)
    return desk.settings(account)
  })
  const change = { ...shared, summary: 'Change some of them', body: changeBody }
  server.patch('/v1/account/settings', { schema: change }, async (request) => {
    const asker = await guard.account(request)
    const { version = null, ...fields } = request.body
    const byOperator = asker.byOperator === true
    return desk.changeSettings({ account: asker.account, actor: actorOf(asker), byOperator, change: fields, version })
  })
}
