/**
 * give-up - deliveries that nobody closed end after the account's time
 *
 * Runs now and then over what is still sending, a page and a transaction at a time; a run that is cut off is taken up by the next.
 *
 * See also: ledger/decide/attempt (decideGiveUp), app (which schedules it).
 */
import { decideGiveUp, isOverdue } from '../../ledger/decide/attempt.ts'
import type { FactOf } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { DAY_MS } from '../../ledger/suppress/address-history.ts'
import type { AccountSettings } from '../../ledger/account-settings.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { pageSending } from '../../store/mail/deliveries.ts'
import { loadWorld } from '../../store/facts/ledger-state.ts'
import { commitWorld } from '../commit.ts'
import type { Shop } from '../context.ts'

/** Deliveries one transaction ends. */
const PAGE = 200

/** Ends everything that is overdue in all accounts; how many deliveries ended. */
export async function giveUpOverdue(shop: Shop): Promise<number> {
  const page = await shop.book.open()
  let ended = 0
  for (const { account, settings, offlineFor } of page.accounts) {
    if (offlineFor !== null || settings.giveUpAfterDays === 0) continue
    ended += await giveUpIn(shop, account, settings)
  }
  return ended
}

async function giveUpIn(shop: Shop, account: number, settings: AccountSettings): Promise<number> {
  const before = shop.now() - settings.giveUpAfterDays * DAY_MS
  let ended = 0
  for (;;) {
    const overdue = await pageSending(shop.engine.read, account, { from: 0, to: before }, { limit: PAGE })
    const rows = overdue.filter((row) => isOverdue(row, settings, shop.now()))
    if (rows.length === 0) return ended
    const count = await endThem(shop, account, settings, rows)
    if (count === 0) return ended
    ended += count
  }
}

async function endThem(shop: Shop, account: number, settings: AccountSettings, rows: readonly DeliveryRow[]): Promise<number> {
  const now = shop.now()
  const refs = rows.map(({ deliveryId }) => ({ account, deliveryId }))
  return shop.engine.tx(async (db) => {
    const { world } = await loadWorld(db, { deliveries: refs, facts: refs })
    const counts = refs.map(({ deliveryId }) => {
      const delivery = world.deliveries.get(deliveryId)
      if (delivery === undefined) return 0
      const attempts = (world.facts.get(deliveryId) ?? []).filter((fact): fact is FactOf<'attempt'> => fact.kind === 'attempt')
      const last = attempts.toSorted((a, b) => a.at - b.at).at(-1)?.data ?? null
      return applyFacts(world, decideGiveUp({ delivery, last, settings, moment: { at: now, receivedAt: now, ids: shop.ids } }))
    })
    await commitWorld(db, world, { now, notify: () => true })
    return counts.reduce((sum, count) => sum + count, 0)
  })
}
