/**
 * tls-reports - lists the facts about TLS reports, those about the latest period first
 *
 * Their subjects sort by the beginning of the period, so the index of the subjects lists them.
 *
 * See also: ledger/decide/tls-report (the subjects), store/facts/facts.
 */
import { TLS_REPORT_SUBJECT } from '../../ledger/decide/tls-report.ts'
import type { FactOf } from '../../ledger/facts/fact.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { FACTS } from '../schema.ts'
import { decodeFact } from './facts.ts'

/** The key of the last row of a page. The next page begins after it. */
type TlsReportCursor = { readonly subject: string; readonly dedupKey: string }

/** Greater than every subject of a TLS report. */
const END_OF_SUBJECTS = `${TLS_REPORT_SUBJECT.slice(0, -1)};`

/** Lists one page, those about the latest period first. */
export async function listTlsReportsForOperator(
  reader: DatabaseReader,
  { limit, after }: { readonly limit: number; readonly after: TlsReportCursor | null },
): Promise<readonly FactOf<'tls-report'>[]> {
  const sql = `select ${FACTS.columns('e')} from events e where e.account_id = 0 and e.delivery_month = 0 and e.subject > $1
    and (e.subject, e.dedup_key) < ($2, $3) order by e.subject desc, e.dedup_key desc limit $4`
  const rows = await reader.all(sql, [TLS_REPORT_SUBJECT, after?.subject ?? END_OF_SUBJECTS, after?.dedupKey ?? '', limit])
  return rows.map(decodeFact).filter((fact) => fact.kind === 'tls-report')
}
