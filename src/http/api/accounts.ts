/**
 * accounts - lists the accounts and shows one: all of them for the operator, itself for an account
 *
 * See also: http/services/accounts, http/api/account (changes settings), http/api/installation/account-admin (adds accounts).
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { accountSettingsSchema } from '../../ledger/account-settings.ts'
import type { AccountService } from '../services/accounts.ts'
import type { Authorizer } from '../server/authorize.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { strictObject } from '../server/schemas.ts'

type AccountListDependencies = { readonly accounts: Pick<AccountService, 'list' | 'getSettings'>; readonly authorizer: Authorizer }

const accountView = z.object({
  account: z.int().describe('The number of the account'),
  name: z.string().describe('An API user of the account, by which `?account=` names it'),
  apiUsers: z.array(z.string()),
  zone: z.string().describe('The IANA time zone of the account'),
  createdAt: z.string(),
  closedAt: z.string().nullable(),
})

const tags = ['account']
const querystring = strictObject({})

export function addAccountListRoutes(server: HttpServer, { accounts, authorizer }: AccountListDependencies): void {
  const list = {
    summary: 'List accounts',
    description: 'The operator sees all accounts, an account sees itself.',
    tags,
    querystring,
    response: { 200: z.object({ accounts: z.array(accountView) }) },
  }
  server.get('/v1/accounts', { schema: list }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    return { accounts: (await accounts.list(caller?.account ?? null)).map(toAccountView) }
  })
  const show = {
    summary: 'Read one account with its settings',
    tags,
    querystring,
    params: z.object({ apiUser: z.string().min(1).max(64).describe('Any API user of the account') }),
    response: { 200: accountView.extend({ settings: accountSettingsSchema }) },
  }
  server.get('/v1/accounts/:apiUser', { schema: show }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const found = (await accounts.list(caller?.account ?? null)).find(({ apiUsers }) => apiUsers.includes(request.params.apiUser))
    if (found === undefined) throw new Fault('not_found', 'no account has this API user')
    return { ...toAccountView(found), settings: await accounts.getSettings(caller?.account ?? found.account) }
  })
}

type AccountSummary = Awaited<ReturnType<AccountService['list']>>[number]

const toAccountView = ({ apiUsers, createdAt, closedAt, ...summary }: AccountSummary): z.output<typeof accountView> => ({
  ...summary,
  apiUsers: [...apiUsers],
  createdAt: toIsoTimestamp(createdAt),
  closedAt: toIsoTimestamp(closedAt),
})
