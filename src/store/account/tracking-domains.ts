/**
 * tracking-domains - the tracking domains of accounts, as DNS showed them last
 *
 * There are few rows, always read together. See also: service/track/tracking-domains (checks them), service/account-cache.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { createTableMapping, integerColumn, nullableColumn, textColumn } from '../engine/mapping.ts'

export type TrackingDomain = {
  readonly account: number
  readonly domain: string
  /** Since when the account holds the domain; null: it never led to this installation, or has not for a long time. */
  readonly verifiedAt: number | null
  /** The first of the checks that failed in a row; null: the last one succeeded. */
  readonly failingSince: number | null
  readonly checkedAt: number
  /** What is wrong, and what to publish; null: nothing. */
  readonly problem: string | null
}

export const TRACKING_DOMAINS = createTableMapping<TrackingDomain>('tracking_domains', ['account_id', 'domain'], {
  account: integerColumn('account_id'),
  domain: textColumn('domain', 'none'),
  verifiedAt: nullableColumn(integerColumn('verified_at')),
  failingSince: nullableColumn(integerColumn('failing_since')),
  checkedAt: integerColumn('checked_at'),
  problem: nullableColumn(textColumn('problem', 'none')),
})

const COLUMNS = TRACKING_DOMAINS.columns('d')

/** Lists all domains, the oldest account first. */
export async function listTrackingDomainsForOperator(reader: DatabaseReader): Promise<readonly TrackingDomain[]> {
  const sql = `select ${COLUMNS} from tracking_domains d order by d.account_id, d.domain`
  return (await reader.all(sql)).map(TRACKING_DOMAINS.decode)
}

/** Replaces all rows. */
export async function replaceTrackingDomainsForOperator(db: Database, rows: readonly TrackingDomain[]): Promise<void> {
  await db.run('delete from tracking_domains')
  await db.insertMany(TRACKING_DOMAINS, rows)
}
