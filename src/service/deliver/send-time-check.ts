/**
 * send-time-check - checks the suppression lists again before an attempt of a message that has a send time
 *
 * Days may pass between its acceptance and its send time, in which a recipient unsubscribes or complains. The check is part of the transaction that marks
 * the attempt: a refused message ends in it and is not marked, so the session drops it.
 *
 * See also: ledger/decide/late-refusal, service/deliver/delivery-commit, service/submit/register-recipients (the check at acceptance).
 */
import { hashDomain } from '../../correlate/address-hash.ts'
import { decideLateRefusal } from '../../ledger/decide/late-refusal.ts'
import type { LedgerStateNeeds } from '../../store/facts/ledger-state.ts'
import { removeQueuedMessagesForOperator, type QueuedMessageRef } from '../../store/queue/queued-mail.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { LedgerTransaction } from '../transact.ts'
import type { SessionView } from './delivery-session.ts'

/** A message whose recipient is checked. */
export type RefToCheck = { readonly ref: QueuedMessageRef; readonly domain: string }

/** Those of the attempts to mark whose messages have a send time. */
export const refsToCheckOf = ({ awaitingMark, queue }: Pick<SessionView, 'awaitingMark' | 'queue'>): readonly RefToCheck[] =>
  awaitingMark
    .filter(({ dispatch: { mailId } }) => queue.entries.get(mailId)?.message.requestedAt !== undefined)
    .map(({ ref, dispatch: { domain } }) => ({ ref, domain }))

/** What the transaction loads for {@link endRefused}, besides the deliveries. */
export const checkNeedsOf = (refs: readonly RefToCheck[]): LedgerStateNeeds =>
  refs.length === 0
    ? {}
    : { addresses: refs.map(({ ref: { account }, domain }) => ({ account, addressHash: hashDomain(domain) })), sharedList: true }

/** Ends the messages whose recipients a list refuses now. Returns the others of the messages to mark. */
export async function endRefused(
  snapshot: AccountSnapshot,
  { refsToMark, refsToCheck }: { readonly refsToMark: readonly QueuedMessageRef[]; readonly refsToCheck: readonly RefToCheck[] },
  { db, ledgerState: ledger, moment, apply }: LedgerTransaction,
): Promise<readonly QueuedMessageRef[]> {
  if (refsToCheck.length === 0) return refsToMark
  const refused = refsToCheck.filter(({ ref: { account, deliveryId } }) => {
    const delivery = ledger.deliveries.get(deliveryId)
    return delivery !== undefined && apply(decideLateRefusal({ ledger, delivery, settings: snapshot.settingsOf(account), moment })) > 0
  })
  const refs = new Set(refused.map(({ ref }) => ref))
  await removeQueuedMessagesForOperator(db, [...refs])
  return refsToMark.filter((ref) => !refs.has(ref))
}
