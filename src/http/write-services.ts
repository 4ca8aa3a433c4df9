/**
 * write-services - the desk's orders, carried out by work
 *
 * See also: http/services, service/submit/register, service/submit/reported-attempts, service/lists/lists.
 */
import type { SignatureVerifier } from '../mail-auth/verify-signatures.ts'
import { createReportAttempts } from '../service/submit/reported-attempts.ts'
import { releaseMassBounceGuard } from '../service/lists/mass-bounce-review.ts'
import { addBlock, removeBlock } from '../service/admin/blocks.ts'
import { addBlockAllowEntries, removeBlockAllowEntries } from '../service/lists/block-allow.ts'
import { eraseAddress } from '../service/admin/erase.ts'
import { createInboxCommandRunner } from '../service/receive/inbox.ts'
import { createLabelService } from '../service/admin/labels.ts'
import { addUnsubscribeEntry, reactivateAddresses, removeSuppressions, unsubscribe } from '../service/lists/lists.ts'
import { createQueueApi } from '../service/deliver/queue-api.ts'
import { createRegister } from '../service/submit/register.ts'
import { actorOf } from '../service/caller.ts'
import { changeAccountSettings } from '../service/admin/account-settings.ts'
import type { Context } from '../service/context.ts'
import type { BulkRemovalFilter } from '../ledger/decide/operator-action.ts'
import type { Services } from './services.ts'
import { toSuppressionFilters, omitNullish } from './read-services.ts'

/** What the desk writes; what it reads is the store's. */
export type WriteServices = Pick<
  Services,
  | 'changeSettings'
  | 'register'
  | 'reportAttempts'
  | 'removeSuppressions'
  | 'addUnsubscribe'
  | 'reactivateSuppressions'
  | 'resolveInboxItem'
  | 'addAccessBlock'
  | 'removeAccessBlock'
  | 'resolveMassBounceReview'
  | 'eraseAddress'
  | 'unsubscribe'
  | 'labels'
  | 'addBlockAllowEntries'
  | 'removeBlockAllowEntries'
  | 'queue'
  | 'getRules'
>

export function createWriteServices(context: Context, signatureVerifier: SignatureVerifier): WriteServices {
  return {
    changeSettings: (call) => changeAccountSettings(context, call),
    register: createRegister(context),
    reportAttempts: createReportAttempts(context),
    removeSuppressions: (caller, query) => removeSuppressions(context, caller, toSuppressionFilters(query, context.now())),
    addUnsubscribe: (caller, email, type) => addUnsubscribeEntry(context, caller, email, type),
    reactivateSuppressions: (caller, { dryRun, ...filter }) =>
      reactivateAddresses(
        context,
        { account: caller.account, actor: actorOf(caller) },
        { filter: omitNullish<BulkRemovalFilter>(filter), dryRun },
      ),
    resolveInboxItem: createInboxCommandRunner(context, signatureVerifier),
    addAccessBlock: (call, reason) => addBlock(context, call, reason),
    removeAccessBlock: (call) => removeBlock(context, call),
    resolveMassBounceReview: (call) => releaseMassBounceGuard(context, call),
    eraseAddress: (address, actor) => eraseAddress(context, address, actor),
    unsubscribe: (call) => unsubscribe(context, call),
    labels: createLabelService(context),
    addBlockAllowEntries: (caller, call) => addBlockAllowEntries(context, caller, call),
    removeBlockAllowEntries: (caller, call) => removeBlockAllowEntries(context, caller, call),
    queue: createQueueApi(context),
    getRules: context.rules,
  }
}
