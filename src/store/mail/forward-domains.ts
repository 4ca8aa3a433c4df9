/**
 * forward-domains - domains that take mail for an account
 *
 * A domain is one account's, and few rows in all: read whole. See also: service/forward/forward-mail, service/account-cache.
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

/** All of them, by domain. */
export async function listForwardDomainsForOperator(reader: DatabaseReader): Promise<readonly ForwardDomain[]> {
  return (await reader.all(`select ${COLUMNS} from route_domains d order by d.domain`)).map(FORWARD_DOMAINS.decode)
}

/** An account's, by domain. */
export async function listForwardDomains(reader: DatabaseReader, account: number): Promise<readonly ForwardDomain[]> {
  const sql = `select ${COLUMNS} from route_domains d where d.account_id = $1 order by d.domain`
  return (await reader.all(sql, [account])).map(FORWARD_DOMAINS.decode)
}

/** Gives a domain to an account; false where somebody has it. */
export async function insertForwardDomain(db: Database, domain: ForwardDomain): Promise<boolean> {
  return (await db.insertMany(FORWARD_DOMAINS, [domain], 'ignore')) > 0
}

/** Takes a domain from whoever has it; whose it was, or null. */
export async function deleteForwardDomainForOperator(db: Database, domain: string): Promise<number | null> {
  const row = await db.one('select d.account_id from route_domains d where d.domain = $1', [domain])
  if (row === null) return null
  await db.run('delete from route_domains where domain = $1', [domain])
  return Number(row['account_id'])
}
