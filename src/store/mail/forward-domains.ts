/**
 * forward-domains - domains that take mail for an account
 *
 * A domain is one account's, and few rows in all: read whole. See also: service/forward/forward-mail, service/account-cache.
 */
import type { Db, Reader } from '../engine/engine.ts'
import { int, shapeOf, text } from '../engine/mapping.ts'

export type RouteDomain = { readonly account: number; readonly domain: string; readonly createdAt: number }

export const ROUTE_DOMAINS = shapeOf<RouteDomain>('route_domains', ['account_id', 'domain'], {
  account: int('account_id'),
  domain: text('domain'),
  createdAt: int('created_at'),
})

const COLUMNS = ROUTE_DOMAINS.columns('d')

/** All of them, by domain. */
export async function listRouteDomainsForOperator(reader: Reader): Promise<readonly RouteDomain[]> {
  return (await reader.all(`select ${COLUMNS} from route_domains d order by d.domain`)).map(ROUTE_DOMAINS.decode)
}

/** An account's, by domain. */
export async function listRouteDomains(reader: Reader, account: number): Promise<readonly RouteDomain[]> {
  const sql = `select ${COLUMNS} from route_domains d where d.account_id = $1 order by d.domain`
  return (await reader.all(sql, [account])).map(ROUTE_DOMAINS.decode)
}

/** Gives a domain to an account; false where somebody has it. */
export async function addRouteDomain(db: Db, domain: RouteDomain): Promise<boolean> {
  return (await db.insertMany(ROUTE_DOMAINS, [domain], 'ignore')) > 0
}

/** Takes a domain from whoever has it; whose it was, or null. */
export async function removeRouteDomainForOperator(db: Db, domain: string): Promise<number | null> {
  const row = await db.one('select d.account_id from route_domains d where d.domain = $1', [domain])
  if (row === null) return null
  await db.run('delete from route_domains where domain = $1', [domain])
  return Number(row['account_id'])
}
