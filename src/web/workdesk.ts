/**
 * workdesk - the desk's orders, carried out by work
 *
 * See also: web/desk, work/register, work/attempts, work/lists.
 */
import type { Prover } from '../edge/auth.ts'
import { createAttempts } from '../work/attempts.ts'
import { releaseBrake } from '../work/brake.ts'
import { addCut, removeCut } from '../work/cuts.ts'
import { addEntries, dropEntries } from '../work/entries.ts'
import { eraseAddress } from '../work/erase.ts'
import { createInbox } from '../work/inbox.ts'
import { createLabels } from '../work/labels.ts'
import { addUnsubscribe, liftEntries, removeEntries, unsubscribe } from '../work/lists.ts'
import { createQueueDesk } from '../work/queuedesk.ts'
import { actorOf, createRegister } from '../work/register.ts'
import { changeSettings } from '../work/settings.ts'
import type { Shop } from '../work/shop.ts'
import type { LiftFilter } from '../ledger/decidebyhand.ts'
import type { Desk } from './desk.ts'
import { entryFilters, given } from './storedesk.ts'

/** What the desk writes; what it reads is the store's. */
export type WritingDesk = Pick<
  Desk,
  | 'changeSettings'
  | 'register'
  | 'attempts'
  | 'removeSuppressions'
  | 'addUnsubscribe'
  | 'lift'
  | 'settleInbox'
  | 'addCut'
  | 'removeCut'
  | 'releaseBrake'
  | 'eraseAddress'
  | 'unsubscribe'
  | 'labels'
  | 'addEntries'
  | 'dropEntries'
  | 'queue'
  | 'rules'
>

export function createWritingDesk(shop: Shop, prover: Prover): WritingDesk {
  return {
    changeSettings: (call) => changeSettings(shop, call),
    register: createRegister(shop),
    attempts: createAttempts(shop),
    removeSuppressions: (by, query) => removeEntries(shop, by, entryFilters(query, shop.now())),
    addUnsubscribe: (by, email, type) => addUnsubscribe(shop, by, email, type),
    lift: (by, { dryRun, ...filter }) =>
      liftEntries(shop, { account: by.account, actor: actorOf(by) }, { filter: given<LiftFilter>(filter), dryRun }),
    settleInbox: createInbox(shop, prover),
    addCut: (call, reason) => addCut(shop, call, reason),
    removeCut: (call) => removeCut(shop, call),
    releaseBrake: (call) => releaseBrake(shop, call),
    eraseAddress: (address, actor) => eraseAddress(shop, address, actor),
    unsubscribe: (call) => unsubscribe(shop, call),
    labels: createLabels(shop),
    addEntries: (by, call) => addEntries(shop, by, call),
    dropEntries: (by, call) => dropEntries(shop, by, call),
    queue: createQueueDesk(shop),
    rules: shop.rules,
  }
}
