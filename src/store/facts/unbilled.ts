/**
 * unbilled - finds the deliveries that cost nothing: the bounce list refused them, or a broadcast excluded them
 *
 * The row of a delivery does not say so. Its facts do, and few rows need to be checked. See also: ledger/decide/request,
 * http/api/messages, service/export/export-kinds.
 */
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { findFactsBySubject } from './facts.ts'

/** Results that may come from a fact that costs nothing. */
const POSSIBLY_UNBILLED_RESULTS: readonly DeliveryRow['resultBase'][] = ['blocked', 'duplicate', 'no-email-selected']

/** The ids of those of these deliveries that cost nothing. */
export async function findUnbilledIds(
  reader: DatabaseReader,
  account: number,
  rows: readonly Pick<DeliveryRow, 'deliveryId' | 'resultBase' | 'recipient'>[],
): Promise<ReadonlySet<string>> {
  const candidates = rows.filter(({ resultBase, recipient }) => POSSIBLY_UNBILLED_RESULTS.includes(resultBase) || recipient === null)
  const facts = await findFactsBySubject(
    reader,
    candidates.map(({ deliveryId }) => ({ account, subject: deliveryId })),
  )
  return new Set(facts.flatMap((fact) => (fact.kind === 'failed' && !fact.data.billable ? [fact.subject] : [])))
}
