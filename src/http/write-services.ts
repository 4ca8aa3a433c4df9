/**
 * write-services - the desk's orders, carried out by work
 *
 * See also: http/services, service/submit/register, service/submit/reported-attempts, service/lists/lists.
 */
import type { Prover } from '../mail-auth/verify-signatures.ts'
import { createAttempts } from '../service/submit/reported-attempts.ts'
import { releaseBrake } from '../service/lists/mass-bounce-review.ts'
import { addCut, removeCut } from '../service/admin/blocks.ts'
import { addEntries, dropEntries } from '../service/lists/block-allow.ts'
import { eraseAddress } from '../service/admin/erase.ts'
import { createInbox } from '../service/receive/inbox.ts'
import { createLabels } from '../service/admin/labels.ts'
import { addUnsubscribe, liftEntries, removeEntries, unsubscribe } from '../service/lists/lists.ts'
import { createQueueDesk } from '../service/deliver/queue-api.ts'
import { actorOf, createRegister } from '../service/submit/register.ts'
import { changeSettings } from '../service/admin/account-settings.ts'
import type { Shop } from '../service/context.ts'
import type { LiftFilter } from '../ledger/decide/operator-action.ts'
import type { Desk } from './services.ts'
import { entryFilters, given } from './read-services.ts'

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
