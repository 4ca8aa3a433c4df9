/**
 * recent-mails - the deliveries of an account to one recipient that can still bounce
 *
 * A VERP address names an account and a recipient, but no mail. Two deliveries are enough to see that it identifies none. A mail that our own lists
 * suppressed was never sent and cannot bounce.
 *
 * See also: correlate/verp, correlate/trust, store/facts/ledger-state (which loads and locks the deliveries).
 */
import { VALID_DAYS } from '../../correlate/trust.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { hexToBytes } from '../engine/mapping.ts'

/** A recipient of an account, and when a report about it was received. */
export type RecentMailRef = { readonly account: number; readonly addressHash: string; readonly at: number }

type RecentMail = RecentMailRef & { readonly deliveryId: string }

const DAY_MS = 86_400_000

export const recentMailKey = ({ account, addressHash, at }: RecentMailRef): string => `${account}/${addressHash}/${at}`

/** Finds the newest two deliveries of each recipient that were requested in the 30 days before the report. */
export async function findRecentMails(reader: DatabaseReader, wanted: readonly RecentMailRef[]): Promise<readonly RecentMail[]> {
  const refs = [...new Map(wanted.map((ref) => [recentMailKey(ref), ref])).values()]
  const found = await Promise.all(refs.map((ref) => findNewest(reader, ref)))
  return found.flat()
}

async function findNewest(reader: DatabaseReader, ref: RecentMailRef): Promise<readonly RecentMail[]> {
  const sql = `select d.delivery_id from deliveries d
    where d.account_id = $1 and d.address_hash = $2 and d.requested_at > $3 and d.requested_at <= $4
      and coalesce(d.sub_status, 0) not in (401, 402)
    order by d.requested_at desc, d.delivery_id desc limit 2`
  const { account, addressHash, at } = ref
  const rows = await reader.all(sql, [account, hexToBytes(addressHash), at - VALID_DAYS.ndr * DAY_MS, at])
  return rows.map((row) => ({ ...ref, deliveryId: String(row['delivery_id']) }))
}
