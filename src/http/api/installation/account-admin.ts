/**
 * account-admin - adds accounts and makes new keys for their API users
 *
 * A key is shown once. See also: http/services/account-secrets, http/api/accounts (the list).
 */
import { z } from 'zod'
import type { AccountSecretService } from '../../services/account-secrets.ts'
import type { Authorizer } from '../../server/authorize.ts'
import { toIsoTimestamp } from '../../server/fact-view.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { strictObject } from '../../server/schemas.ts'

type AccountAdminDependencies = { readonly accountSecrets: AccountSecretService; readonly authorizer: Authorizer }

const apiUser = z.string().min(1).max(64)
const apiKey = z.string().describe('Shown once')
const tags = ['account']
const querystring = strictObject({})
const config = { permission: 'administer' } as const

export function addAccountAdminRoutes(server: HttpServer, { accountSecrets, authorizer }: AccountAdminDependencies): void {
  const added = z.object({ account: z.int(), apiUser, apiKey })
  const add = { summary: 'Add an account', tags, querystring, body: strictObject({ apiUser }), response: { 201: added } }
  server.post('/v1/accounts', { schema: add, config }, async (request, reply) => {
    const { actor } = await authorizer.requireOperator(request)
    const created = await accountSecrets.add(request.body.apiUser, actor)
    return reply.code(201).send({ ...created, apiUser: request.body.apiUser })
  })
  const rotated = z.object({ apiUser, apiKey, oldUntil: z.string().describe('Until then the old key is valid too') })
  const rotate = { summary: 'Make a new key', tags, querystring, params: z.object({ apiUser }), response: { 200: rotated } }
  server.post('/v1/accounts/:apiUser/key', { schema: rotate, config }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    const { apiKey: key, oldUntil } = await accountSecrets.rotate(request.params.apiUser, actor)
    return { apiUser: request.params.apiUser, apiKey: key, oldUntil: toIsoTimestamp(oldUntil) }
  })
}
