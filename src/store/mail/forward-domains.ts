/**
 * forward-domains - the domains that receive mail for an account
 *
 * A domain belongs to one account. There are few rows, always read together. See also: service/forward/forward-mail,
 * service/account-cache.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { integerColumn, createTableMapping, textColumn } from '../engine/mapping.ts'

export type ForwardDomain = { readonly account: number; readonly domain: string; readonly createdAt: number }

export const FORWARD_DOMAINS = createTableMapping<ForwardDomain>('route_domains', ['account_id', 'domain'], {
  account: integerColumn('account_id'),
  domain: textColumn('domain', 'none'),
  createdAt: integerColumn('created_at'),
})

const COLUMNS = FORWARD_DOMAINS.columns('d')

/** Lists all domains, by name. */
export async function listForwardDomainsForOperator(reader: DatabaseReader): Promise<readonly ForwardDomain[]> {
  return (await reader.all(`select ${COLUMNS} from route_domains d order by d.domain`)).map(FORWARD_DOMAINS.decode)
}

/** Lists the domains of an account, by name. */
export async function listForwardDomains(reader: DatabaseReader, account: number): Promise<readonly ForwardDomain[]> {
  const sql = `select ${COLUMNS} from route_domains d where d.account_id = $1 order by d.domain`
  return (await reader.all(sql, [account])).map(FORWARD_DOMAINS.decode)
}

/** Adds a domain to an account. Returns false if an account already has it. */
export async function insertForwardDomain(db: Database, domain: ForwardDomain): Promise<boolean> {
  return (await db.insertMany(FORWARD_DOMAINS, [domain], 'ignore')) > 0
}

/** Removes a domain from its account. Returns the account, or null if no account has it. */
export async function deleteForwardDomainForOperator(db: Database, domain: string): Promise<number | null> {
  const row = await db.one('select d.account_id from route_domains d where d.domain = $1', [domain])
  if (row === null) return null
  await db.run('delete from route_domains where domain = $1', [domain])
  return Number(row['account_id'])
}
