/**
 * unbilled - which mails cost nothing: our own bounce list answered, or a broadcast left them out
 *
 * The row of a delivery does not say so; its facts do, and few rows need be asked. See also: ledger/decide/request, http/api/messages, service/export/export-kinds.
 */
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { Reader } from '../engine/engine.ts'
import { factsOf } from './facts.ts'

/** Results behind which a fact may stand that costs nothing. */
const MAYBE_FREE: readonly DeliveryRow['resultBase'][] = ['blocked', 'duplicate', 'no-email-selected']

/** The ids of those of these mails that cost nothing. */
export async function unbilledOf(
  reader: Reader,
  account: number,
  rows: readonly Pick<DeliveryRow, 'deliveryId' | 'resultBase' | 'recipient'>[],
): Promise<ReadonlySet<string>> {
  const asked = rows.filter(({ resultBase, recipient }) => MAYBE_FREE.includes(resultBase) || recipient === null)
  const facts = await factsOf(
    reader,
    asked.map(({ deliveryId }) => ({ account, subject: deliveryId })),
  )
  return new Set(facts.flatMap((fact) => (fact.kind === 'failed' && !fact.data.billable ? [fact.subject] : [])))
}
