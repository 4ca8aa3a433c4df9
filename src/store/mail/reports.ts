/**
 * reports - one row for each received mail, by the digest of its DATA and its envelope recipient
 *
 * The row makes a second delivery of the same mail harmless: its digest exists, so nothing changes.
 *
 * See also: store/mail/report-digests (which finds it, and the partition that it is in), store/facts/ledger-state (which writes), store/mail/raw-mail.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import type { AuthenticationResults } from '../../mail-auth/verify-signatures.ts'
import {
  booleanColumn,
  createTableMapping,
  hexColumn,
  hexToBytes,
  integerColumn,
  jsonColumn,
  nullableColumn,
  textColumn,
} from '../engine/mapping.ts'
import { REPORT_DIGESTS } from './report-digests.ts'

/** A received mail, once for each digest of its DATA and envelope recipient. */
export type ReportRow = {
  readonly digest: string
  /** The account that it points at; 0: none. */
  readonly account: number
  readonly receivedAt: number
  readonly kind: string
  readonly size: number
  readonly truncated: boolean
  readonly peer: string | null
  readonly mailFrom: string
  readonly rcptTo: string
  readonly source: string
  readonly sessionId: string
  /** The authentication results; null if nothing was checked. */
  readonly auth: AuthenticationResults | null
  /** The digest of the stored bytes (store/mail/mail-bodies); null in a report that version 0.1 stored. */
  readonly content: string | null
}

export const REPORTS = createTableMapping<ReportRow>('reports', ['received_at', 'digest'], {
  digest: hexColumn('digest'),
  account: integerColumn('account_id'),
  receivedAt: integerColumn('received_at'),
  kind: textColumn('kind', 'none'),
  size: integerColumn('size'),
  truncated: booleanColumn('truncated'),
  peer: nullableColumn(textColumn('peer', 'none')),
  mailFrom: textColumn('mail_from', 'address'),
  rcptTo: textColumn('rcpt_to', 'address'),
  source: textColumn('source', 'none'),
  sessionId: textColumn('session_id', 'none'),
  auth: nullableColumn(jsonColumn<AuthenticationResults>('auth', 'json')),
  content: nullableColumn(hexColumn('content')),
})

/** Restricts `r` to the time of the report with the digest $1, with which its key and its partition begin. */
export const IN_ITS_MONTH = 'r.received_at = (select n.received_at from report_digests n where n.digest = $1)'

/** Replaces the authentication results of a mail that was verified again. */
export async function saveReportAuthentication(db: Database, account: number, digest: string, auth: AuthenticationResults): Promise<void> {
  const sql = `update reports as r set auth = $3 where r.account_id = $2 and r.digest = $1 and ${IN_ITS_MONTH}`
  await db.run(sql, [hexToBytes(digest), account, JSON.stringify(auth)])
}

/** Adds reports and their digests. Throws Fault conflict if one exists. */
export async function insertReports(db: Database, reports: readonly ReportRow[]): Promise<void> {
  const rows = reports.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)) // transactions lock digests in one order
  await Promise.all([db.insertMany(REPORT_DIGESTS, rows), db.insertMany(REPORTS, rows)])
}

const COLUMNS = REPORTS.columns('r')

/** Finds the row of a mail in any account, or null. */
export async function findReportForOperator(reader: DatabaseReader, digest: string): Promise<ReportRow | null> {
  const sql = `select ${COLUMNS} from reports r where r.digest = $1 and ${IN_ITS_MONTH}`
  const row = await reader.one(sql, [hexToBytes(digest)])
  return row === null ? null : REPORTS.decode(row)
}

/** Counts the reports of all accounts that were received since a moment, up to a number that nobody counts beyond. */
export async function countReportsSinceForOperator(reader: DatabaseReader, since: number): Promise<number> {
  const sql = 'select count(*) as n from (select 1 as one from report_digests r where r.received_at >= $1 limit 100001) w'
  return Number((await reader.one(sql, [since]))?.['n'] ?? 0)
}
