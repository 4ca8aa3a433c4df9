/**
 * report-copies - one row for each delivery and kind of report that is passed on to its sender
 *
 * The row is added in the transaction that records the report, and stays longer than the token of the mail is valid, so that no further report causes
 * another copy. A claim moves the next try behind the lease. The row holds no address: it is read again when the copy is sent.
 *
 * See also: service/report-copies/report-copier, compose/report-copy.
 */
import type { ReportCopyKind } from '../../compose/report-copy.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { createTableMapping, hexColumn, hexToBytes, integerColumn, textColumn, textEnumColumn } from '../engine/mapping.ts'

/** `limited`: the address had as many copies as it may have in an hour. */
export type ReportCopyState = 'waiting' | 'sent' | 'failed' | 'limited'

export type ReportCopyRow = {
  readonly account: number
  readonly deliveryId: string
  readonly kind: ReportCopyKind
  /** Of the report. */
  readonly digest: string
  /** Of the address that the copy goes to. */
  readonly addressHash: string
  readonly state: ReportCopyState
  /** Tries that were begun. */
  readonly tries: number
  readonly dueAt: number
  readonly createdAt: number
}

export const REPORT_COPIES = createTableMapping<ReportCopyRow>('report_copies', ['account_id', 'delivery_id', 'kind'], {
  account: integerColumn('account_id'),
  deliveryId: textColumn('delivery_id', 'none'),
  kind: textEnumColumn<ReportCopyKind>('kind'),
  digest: hexColumn('digest'),
  addressHash: hexColumn('address_hash'),
  state: textEnumColumn<ReportCopyState>('state'),
  tries: integerColumn('tries'),
  dueAt: integerColumn('due_at'),
  createdAt: integerColumn('created_at'),
})

/** Adds copies. One of the same delivery and kind that exists stays as it is. */
export async function addReportCopies(db: Database, rows: readonly ReportCopyRow[]): Promise<void> {
  if (rows.length > 0) await db.insertMany(REPORT_COPIES, rows, 'ignore')
}

/** Whether a copy is due. */
export async function isReportCopyDueForOperator(reader: DatabaseReader, now: number): Promise<boolean> {
  const row = await reader.one("select min(due_at) as due_at from report_copies where state = 'waiting'")
  const dueAt = row?.['due_at'] ?? null
  return dueAt !== null && Number(dueAt) <= now
}

/** Claims copies that are due until `leaseUntil`. Run it in a transaction with `visibility: 'latest'`. */
export async function claimReportCopiesForOperator(
  db: Database,
  claim: { readonly now: number; readonly leaseUntil: number; readonly limit: number },
): Promise<readonly ReportCopyRow[]> {
  const rows = await db.claim({
    table: REPORT_COPIES.table,
    where: "state = 'waiting' and due_at <= $1",
    order: 'tries, due_at',
    set: 'tries = tries + 1, due_at = $2',
    params: [claim.now, claim.leaseUntil],
    limit: claim.limit,
  })
  return rows.map(REPORT_COPIES.decode)
}

/** Sets the state, or the next try. Does nothing if another node has claimed the copy since. */
export async function updateReportCopy(
  db: Database,
  { account, deliveryId, kind, tries }: ReportCopyRow,
  { state, dueAt }: Pick<ReportCopyRow, 'state' | 'dueAt'>,
): Promise<void> {
  const sql = `update report_copies set state = $5, due_at = $6 where account_id = $1 and delivery_id = $2 and kind = $3 and tries = $4 and state = 'waiting'`
  await db.run(sql, [account, deliveryId, kind, tries, state, dueAt])
}

/** How many copies were sent to an address, by any account, of reports received since a moment. */
export async function countReportCopiesForOperator(reader: DatabaseReader, addressHash: string, since: number): Promise<number> {
  const sql = "select count(*) as n from report_copies where address_hash = $1 and created_at > $2 and state = 'sent'"
  return Number((await reader.one(sql, [hexToBytes(addressHash), since]))?.['n'] ?? 0)
}

/** Removes up to `limit` copies of reports received before a moment. Returns how many. */
export async function removeOldReportCopiesForOperator(db: Database, before: number, limit: number): Promise<number> {
  const sql = `delete from report_copies where (account_id, delivery_id, kind) in
    (select c.account_id, c.delivery_id, c.kind from report_copies c where c.created_at < $1 limit $2)`
  return db.run(sql, [before, limit])
}
