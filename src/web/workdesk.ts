/**
 * workdesk - the desk's orders, carried out by work
 *
 * See also: web/desk, work/register, work/attempts, work/lists.
 */
import { createAttempts } from '../work/attempts.ts'
import { addUnsubscribe, liftEntries, removeEntries, unsubscribe } from '../work/lists.ts'
import { createRegister } from '../work/register.ts'
import type { Shop } from '../work/shop.ts'
import type { LiftFilter } from '../ledger/decidebyhand.ts'
import type { Desk } from './desk.ts'
import { entryFilters, given } from './storedesk.ts'

/** What the desk writes; what it reads is the store's. */
export type WritingDesk = Pick<Desk, 'register' | 'attempts' | 'removeSuppressions' | 'addUnsubscribe' | 'lift' | 'unsubscribe'>

export function createWritingDesk(shop: Shop): WritingDesk {
  return {
    register: createRegister(shop),
    attempts: createAttempts(shop),
    removeSuppressions: (by, query) => removeEntries(shop, by, entryFilters(query, shop.now())),
    addUnsubscribe: (by, email, type) => addUnsubscribe(shop, by, email, type),
    lift: (by, { dryRun, ...filter }) =>
      liftEntries(shop, { account: by.account, actor: `api:${by.apiUser}` }, { filter: given<LiftFilter>(filter), dryRun }),
    unsubscribe: (call) => unsubscribe(shop, call),
  }
}
