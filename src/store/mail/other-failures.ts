/**
 * other-failures - the newest failed deliveries whose reason is `other`
 *
 * The index of failed deliveries has the sub status, so that only rows of this reason are read.
 *
 * See also: service/rules/other-replies.
 */
import type { DatabaseReader } from '../engine/engine.ts'
import { DELIVERIES } from './delivery-columns.ts'

/** `text` is the reply, at most 512 characters. */
export type OtherFailure = {
  readonly emailId: string | null
  readonly domain: string
  readonly site: string | null
  readonly at: number
  readonly text: string
}

const ROWS = DELIVERIES.pick<'emailId' | 'domain' | 'site' | 'remoteSite' | 'statusAt' | 'sendLog'>([
  'emailId',
  'domain',
  'site',
  'remoteSite',
  'statusAt',
  'sendLog',
])

/** Lists an account's deliveries that were requested since a moment (epoch ms), newest first; without those that a broadcast left out. */
export async function listOtherFailures(
  reader: DatabaseReader,
  account: number,
  { since, limit }: { readonly since: number; readonly limit: number },
): Promise<readonly OtherFailure[]> {
  const ofStatus = async (status: number, subStatus: number) => {
    const sql = `select ${ROWS.columns('d')} from deliveries d where d.account_id = $1 and d.status = ${status} and d.requested_at >= $2
      and d.sub_status = ${subStatus} and d.reason = 'other' and d.fault <> 'list' order by d.requested_at desc, d.delivery_id desc limit $3`
    return (await reader.all(sql, [account, since, limit])).map(ROWS.decode)
  }
  const rows = (await Promise.all([ofStatus(4, 409), ofStatus(5, 509)])).flat()
  return rows
    .toSorted((a, b) => b.statusAt - a.statusAt)
    .slice(0, limit)
    .map(({ emailId, domain, site, remoteSite, statusAt, sendLog }) => ({
      emailId,
      domain,
      site: remoteSite ?? site,
      at: statusAt,
      text: sendLog,
    }))
}
