/**
 * match-event - finds the delivery that an event of an ESP is about
 *
 * The account is that of the source, and the recipient must be the delivery's: an event changes nothing of another account, and nothing of another
 * recipient. Within them the custom argument or the envelope sender names the delivery (an emailId, or the token of our Return-Path), else a Message-ID
 * or the ESP's own id that was given as Message-ID at registration.
 *
 * See also: service/esp/record-events, correlate/token.
 */
import { hashAddress } from '../../correlate/address-hash.ts'
import { unwrapReturnPath } from '../../correlate/return-path-unwrap.ts'
import { parseToken } from '../../correlate/token.ts'
import type { EspEvent } from '../../esp-events/esp-event.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { Database } from '../../store/engine/engine.ts'
import { accountScopedKey, type LedgerStateNeeds, type LoadedLedgerState } from '../../store/facts/ledger-state.ts'
import { findDeliveriesByMessageIdAndRecipient } from '../../store/mail/message-id-recipients.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Context } from '../context.ts'

/** An event with what it may name. */
export type ReferredEvent = {
  readonly event: EspEvent
  readonly addressHash: string | null
  /** Of tokens that are ours and of the account. */
  readonly deliveryIds: readonly string[]
  /** An emailId as it was given; a text that is none finds nothing. */
  readonly emailIds: readonly string[]
}

/** Reads the references of an event. */
export function referEvent({ domains }: Context, snapshot: AccountSnapshot, account: number, event: EspEvent): ReferredEvent {
  const tokens = event.references.flatMap((text) => {
    const locals = text.includes('@') ? unwrapReturnPath(text).map((each) => each.slice(0, each.lastIndexOf('@'))) : [text]
    return locals.flatMap((local) => domains.returnPath.map((domain) => parseToken(local, 'return-path', domain, snapshot.keyFor)))
  })
  const deliveryIds = tokens.flatMap((token) =>
    token.state === 'valid' && snapshot.accountOf(token.account)?.account === account ? [token.deliveryId] : [],
  )
  return { event, addressHash: hashAddress(event.recipient), deliveryIds, emailIds: event.references.filter((text) => text.includes('$')) }
}

/** The deliveries that these events may name. Call it in the transaction that loads them. */
export async function deliveryNeedsOf(db: Database, account: number, events: readonly ReferredEvent[]): Promise<LedgerStateNeeds> {
  const pairs = events.flatMap(({ addressHash, event }) =>
    addressHash === null ? [] : event.messageIds.map((messageIdHeader) => ({ messageIdHeader, addressHash })),
  )
  const found = pairs.length === 0 ? [] : await findDeliveriesByMessageIdAndRecipient(db, account, pairs)
  const named = new Set([...found, ...events.flatMap(({ deliveryIds }) => deliveryIds)])
  return {
    deliveries: [...named].map((deliveryId) => ({ account, deliveryId })),
    emailIds: events.flatMap(({ emailIds }) => emailIds.map((emailId) => ({ account, emailId }))),
  }
}

/** The delivery of an event; null: none, or several. */
export function findDeliveryOfEvent(loaded: LoadedLedgerState, account: number, referred: ReferredEvent): DeliveryRow | null {
  const { event, addressHash, deliveryIds, emailIds } = referred
  const { deliveries } = loaded.ledgerState
  const isOurs = (row: DeliveryRow): boolean => row.account === account && addressHash !== null && row.addressHash === addressHash
  const [named] = [
    ...deliveryIds.flatMap((id) => deliveries.get(id) ?? []),
    ...emailIds.flatMap((id) => loaded.byEmailId.get(accountScopedKey(account, id)) ?? []),
  ].filter(isOurs)
  // The row as it is now: an event before this one may have changed it.
  if (named !== undefined) return deliveries.get(named.deliveryId) ?? named
  const byMessageId = [...deliveries.values()].filter(
    (row) => isOurs(row) && row.messageIdHeader !== null && event.messageIds.includes(row.messageIdHeader),
  )
  return byMessageId.length === 1 ? (byMessageId[0] ?? null) : null
}
