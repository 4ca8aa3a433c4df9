/**
 * mass-bounce-holds - the sites whose list entries are held until a person decides, and those entries
 *
 * For the operator: a site belongs to no account, and entries of all accounts may be held for it. Pages are read through the index of
 * pending entries.
 *
 * See also: ledger/suppress/mass-bounce-guard (when a site is held), service/lists/mass-bounce-review (which releases it).
 */
import type { SiteState, SuppressionRow } from '../../ledger/project/state.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { SITE_STATES, SUPPRESSIONS } from '../schema.ts'
import { hexToBytes } from '../engine/mapping.ts'

/** One site: whether it is held, and how many entries are pending for it. */
export type SiteHold = Pick<SiteState, 'site' | 'held'> & {
  /** When it was last held or released; null: never. */
  readonly at: number | null
  readonly pending: number
}

type PendingEntryCursor = Pick<SuppressionRow, 'account' | 'addressHash' | 'list' | 'scope'>

/** Lists the held sites and the sites that still have pending entries, by name. */
export async function listSiteHoldsForOperator(reader: DatabaseReader): Promise<readonly SiteHold[]> {
  const [held, pendingCounts] = await Promise.all([
    reader.all(`select ${SITE_STATES.columns('s')} from site_states s where s.held = 1`),
    reader.all('select p.site as site, count(*) as n from suppressions p where p.pending = 1 and p.site is not null group by p.site'),
  ])
  const siteHolds = new Map<string, SiteHold>()
  for (const { site, at } of held.map(SITE_STATES.decode)) siteHolds.set(site, { site, held: true, at, pending: 0 })
  for (const row of pendingCounts) {
    const site = String(row['site'])
    const known = siteHolds.get(site) ?? { site, held: false, at: null }
    siteHolds.set(site, { ...known, pending: Number(row['n']) })
  }
  return [...siteHolds.values()].toSorted((a, b) => (a.site < b.site ? -1 : 1))
}

/** Lists one page of the entries that are pending for a site, of all accounts, by key. */
export async function listPendingEntriesForOperator(
  reader: DatabaseReader,
  site: string,
  page: { readonly limit: number; readonly after: PendingEntryCursor | null },
): Promise<readonly SuppressionRow[]> {
  const { after, limit } = page
  const key = after === null ? [] : [after.account, hexToBytes(after.addressHash), after.list, after.scope]
  const afterCondition = after === null ? '' : 'and (s.account_id, s.address_hash, s.list, s.scope) > ($2, $3, $4, $5)'
  const sql = `select ${SUPPRESSIONS.columns('s')} from suppressions s where s.pending = 1 and s.site = $1 ${afterCondition}
    order by s.account_id, s.address_hash, s.list, s.scope limit ${limit}`
  return (await reader.all(sql, [site, ...key])).map(SUPPRESSIONS.decode)
}
