/**
 * accounts - lists the accounts: all of them for the operator, itself for an account
 *
 * See also: http/services/accounts, http/api/account (their settings).
 */
import { z } from 'zod'
import type { AccountService } from '../services/accounts.ts'
import type { Authorizer } from '../server/authorize.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { strictObject } from '../server/schemas.ts'

type AccountListDependencies = { readonly accounts: Pick<AccountService, 'list'>; readonly authorizer: Authorizer }

const accountView = z.object({
  account: z.int().describe('The number of the account'),
  name: z.string().describe('An API user of the account, by which `?account=` names it'),
  apiUsers: z.array(z.string()),
  zone: z.string().describe('The IANA time zone of the account'),
  createdAt: z.string(),
  closedAt: z.string().nullable(),
})

export function addAccountListRoutes(server: HttpServer, { accounts, authorizer }: AccountListDependencies): void {
  const schema = {
    summary: 'List accounts',
    description: 'The operator sees all accounts, an account sees itself.',
    tags: ['account'],
    querystring: strictObject({}),
    response: { 200: z.object({ accounts: z.array(accountView) }) },
  }
  server.get('/v1/accounts', { schema }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const found = await accounts.list(caller?.account ?? null)
    return {
      accounts: found.map(({ apiUsers, createdAt, closedAt, ...summary }) => ({
        ...summary,
        apiUsers: [...apiUsers],
        createdAt: toIsoTimestamp(createdAt),
        closedAt: toIsoTimestamp(closedAt),
      })),
    }
  })
}
