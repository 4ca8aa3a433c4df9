/**
 * tls-reports - pages through the TLS reports
 *
 * See also: http/api/installation/tls-reports, store/facts/tls-reports.
 */
import type { FactOf } from '../../ledger/facts/fact.ts'
import type { Context } from '../../service/context.ts'
import { listTlsReportsForOperator } from '../../store/facts/tls-reports.ts'
import { CURSOR_SCHEMAS, decodeCursor, nextCursor, type CursorPage } from '../server/cursor.ts'

/** Those about the latest period first. Faults: bad_request (an invalid cursor). */
export type ListTlsReports = (query: { readonly after: string | null; readonly limit: number }) => Promise<CursorPage<FactOf<'tls-report'>>>

/** Creates the service. */
export function createListTlsReports({ engine }: Context): ListTlsReports {
  return async ({ after, limit }) => {
    const rows = await listTlsReportsForOperator(engine.read, { limit, after: decodeCursor(after, CURSOR_SCHEMAS.tlsReport) })
    return { rows, next: nextCursor(rows, limit, ({ subject, dedupKey }) => ({ subject, dedupKey })) }
  }
}
