/**
 * report-digests - the digest of each received report and when it was received
 *
 * A report is a duplicate in whatever month it comes again, and is found by its digest alone. Both need one narrow table, which names the
 * time, and with it the partition of the report.
 *
 * See also: store/mail/reports, store/partitions/partitioned-tables, store/facts/retention.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { bytesToHex, createTableMapping, hexColumn, hexToBytes, integerColumn } from '../engine/mapping.ts'

type ReportDigest = { readonly digest: string; readonly receivedAt: number }

export const REPORT_DIGESTS = createTableMapping<ReportDigest>('report_digests', ['digest'], {
  digest: hexColumn('digest'),
  receivedAt: integerColumn('received_at'),
})

/** Finds which of these digests are stored, in any account: the account of a mail is not known yet. */
export async function findKnownDigestsForOperator(reader: DatabaseReader, digests: readonly string[]): Promise<ReadonlySet<string>> {
  const keys = { types: ['bytes'], rows: digests.map((digest) => [hexToBytes(digest)]) } as const
  const rows = await reader.inKeys('select n.digest from {keys} k cross join report_digests n where n.digest = k.k1', keys)
  return new Set(rows.map(({ digest }) => (digest instanceof Uint8Array ? bytesToHex(digest) : '')))
}

/** Lists the oldest `limit` reports that were received in [from, to). */
export async function listReportDigestsForOperator(
  reader: DatabaseReader,
  { from, to, limit }: { readonly from: number; readonly to: number; readonly limit: number },
): Promise<readonly ReportDigest[]> {
  const sql = `select ${REPORT_DIGESTS.columns('n')} from report_digests n where n.received_at >= $1 and n.received_at < $2
    order by n.received_at limit $3`
  return (await reader.all(sql, [from, to, limit])).map(REPORT_DIGESTS.decode)
}

/** Counts the reports that were received before a moment. */
export async function countOldReportsForOperator(reader: DatabaseReader, before: number): Promise<number> {
  const sql = 'select count(*) as n from report_digests n where n.received_at < $1'
  return Number((await reader.one(sql, [before]))?.['n'] ?? 0)
}

/** Removes the digests of reports. */
export async function removeReportDigestsForOperator(db: Database, digests: readonly string[]): Promise<void> {
  const keys = { types: ['bytes'], rows: digests.map((digest) => [hexToBytes(digest)]) } as const
  await db.inKeys('delete from report_digests where digest in (select k.k1 from {keys} k)', keys)
}
