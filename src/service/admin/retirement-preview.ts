/**
 * retirement-preview - counts what retention would remove now
 *
 * See also: service/admin/retire (which removes it), commands/store/retire.
 */
import { countOldDeliveries, countOldOutbox, findNextOutboxEndpointForOperator } from '../../store/facts/retention.ts'
import { countOldReportsForOperator } from '../../store/mail/report-digests.ts'
import { countRetiredDeliveries } from '../../store/facts/retired-deliveries.ts'
import type { Context } from '../context.ts'
import { lowestIdAt } from '../fact-id-time.ts'
import type { RetireResult } from './retire.ts'
import { readRetirementClock } from './retirement-clock.ts'

/** Counts what `retire` would remove, and changes nothing. */
export async function previewRetirement(context: Context, months: number): Promise<Omit<RetireResult, 'facts' | 'isPostponed' | 'isDone'>> {
  const { bulkRead: bulk } = context.engine
  const { before, isHeld, firstValidId } = await readRetirementClock(context, bulk, months)
  let deliveries = 0
  let remains = 0
  for (const { account } of (await context.accountCache.snapshot()).accounts) {
    deliveries += await countOldDeliveries(bulk, account, before)
    remains += await countRetiredDeliveries(bulk, account, firstValidId)
  }
  const mails = await countOldReportsForOperator(bulk, before)
  let events = 0
  for (
    let ref = await findNextOutboxEndpointForOperator(bulk, null);
    ref !== null;
    ref = await findNextOutboxEndpointForOperator(bulk, ref)
  )
    events += await countOldOutbox(bulk, ref, lowestIdAt(before))
  return { before, deliveries, mails, events, remains, isHeld }
}
