/**
 * give-up - ends deliveries without an outcome after the time that their account has set (`giveUpAfterDays`; off unless set)
 *
 * A scheduled job. Each page of deliveries is a transaction, and the next run continues one that was interrupted.
 *
 * See also: ledger/decide/attempt (decideGiveUp), daemon/scheduled-jobs.
 */
import { decideGiveUp, isOverdue } from '../../ledger/decide/attempt.ts'
import type { FactOf } from '../../ledger/facts/fact.ts'
import { DAY_MS } from '../../ledger/suppress/address-history.ts'
import type { AccountSettings } from '../../ledger/account-settings.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { listSendingDeliveries } from '../../store/mail/deliveries.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

/** Deliveries of one transaction. */
const BATCH_SIZE = 200

/** Ends the overdue deliveries of all accounts. Returns how many ended. Faults: store_busy. */
export async function giveUpOverdue(context: Context): Promise<number> {
  const snapshot = await context.accountCache.snapshot()
  let ended = 0
  for (const { account, settings, offlineFor } of snapshot.accounts) {
    if (offlineFor !== null || settings.giveUpAfterDays === 0) continue
    ended += await giveUpInAccount(context, account, settings)
  }
  return ended
}

async function giveUpInAccount(context: Context, account: number, settings: AccountSettings): Promise<number> {
  const before = context.now() - settings.giveUpAfterDays * DAY_MS
  let ended = 0
  for (;;) {
    const overdue = await listSendingDeliveries(context.engine.read, account, { from: 0, to: before }, { limit: BATCH_SIZE })
    const rows = overdue.filter((row) => isOverdue(row, settings, context.now()))
    if (rows.length === 0) return ended
    const count = await giveUpDeliveries(context, account, settings, rows)
    if (count === 0) return ended
    ended += count
  }
}

async function giveUpDeliveries(
  context: Context,
  account: number,
  settings: AccountSettings,
  rows: readonly DeliveryRow[],
): Promise<number> {
  const refs = rows.map(({ deliveryId }) => ({ account, deliveryId }))
  return transact(context, { deliveries: refs, facts: refs }, ({ ledgerState, moment, apply }) => {
    const counts = refs.map(({ deliveryId }) => {
      const delivery = ledgerState.deliveries.get(deliveryId)
      if (delivery === undefined) return 0
      const attempts = (ledgerState.facts.get(deliveryId) ?? []).filter((fact): fact is FactOf<'attempt'> => fact.kind === 'attempt')
      const lastAttempt = attempts.toSorted((a, b) => a.at - b.at).at(-1)?.data ?? null
      return apply(decideGiveUp({ delivery, lastAttempt, settings, moment }))
    })
    return { result: counts.reduce((sum, count) => sum + count, 0) }
  })
}
