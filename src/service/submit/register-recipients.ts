/**
 * register-recipients - turns the recipients of one request into deliveries, in the transaction of the caller
 *
 * Shared by messages that are registered here and sent elsewhere, and by messages that our own queue sends. Each recipient gets its ids, and
 * the status that the suppression lists give it.
 *
 * See also: service/submit/register, service/submit/submit, ledger/decide/request.
 */
import { siteOf } from '../../classify/provider.ts'
import { hashDomain, normaliseAddress, type HashedAddress } from '../../correlate/address-hash.ts'
import { formatEmailId } from '../../correlate/api-handle.ts'
import { decideRequest } from '../../ledger/decide/request.ts'
import type { EmailType } from '../../ledger/facts/delivery-facts.ts'
import type { AddressRef, LedgerStateNeeds } from '../../store/facts/ledger-state.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { mapInTimeSlices } from '../time-slice.ts'
import type { LedgerTransaction } from '../transact.ts'
import { messageIdHeaderOf } from './mail-tokens.ts'

/** The fields that all recipients of a request share. */
type RequestFields = {
  readonly from: string
  readonly subject: string
  readonly label: string | null
  readonly broadcast: string | null
  readonly emailType: EmailType
  /** The sender's own headers, which webhooks and exports return. */
  readonly headers: Readonly<Record<string, string>>
}

/** One recipient with its ids. */
export type PlannedDelivery = {
  readonly deliveryId: string
  /** The index of the key that signs its tokens. */
  readonly keyIndex: number
  readonly emailId: string
  /** As given in the request; null for a broadcast recipient without an address. */
  readonly recipient: string | null
  readonly contactTypes: readonly string[] | null
  /** Null: not an address that mail can be sent to. */
  readonly address: HashedAddress | null
  /** Without angle brackets. */
  readonly messageIdHeader: string
  /** The sender minted the delivery id offline, so a stub of the delivery may exist already. */
  readonly isKnown: boolean
}

type RequestBatch = {
  readonly caller: Caller
  readonly request: RequestFields
  readonly messageId: string
  readonly planned: readonly PlannedDelivery[]
  readonly labelId: number | null
  /** Our own queue sends the messages. */
  readonly isQueued: boolean
  /** When the request was made (epoch ms). */
  readonly at: number
}

/** Assigns the ids of one recipient. Pure. Faults: internal (the account has no key to sign with). */
export function planDelivery(
  snapshot: AccountSnapshot,
  wanted: { readonly recipient: string | null; readonly contactTypes: readonly string[] | null; readonly isKnown: boolean },
  claims: { readonly deliveryId: string; readonly keyIndex: number },
  message: { readonly messageId: string; readonly index: number; readonly from: string; readonly ownMessageId: string | null },
): PlannedDelivery {
  const { messageId, index, from, ownMessageId: own } = message
  return {
    ...wanted,
    ...claims,
    emailId: formatEmailId(messageId, index, wanted.recipient),
    address: wanted.recipient === null ? null : normaliseAddress(wanted.recipient),
    messageIdHeader: messageIdHeaderOf(snapshot, claims, { own, from }),
  }
}

/** What a transaction must load before {@link decideRequests}. */
export function requestNeedsOf(
  account: number,
  planned: readonly PlannedDelivery[],
  request: Pick<RequestFields, 'broadcast'>,
): LedgerStateNeeds {
  return {
    addresses: planned.flatMap(({ address }) => (address === null ? [] : addressRefsOf(account, address))),
    deliveries: planned.filter(({ isKnown }) => isKnown).map(({ deliveryId }) => ({ account, deliveryId })),
    sharedList: true,
    history: request.broadcast !== null,
  }
}

/** The list entries that may suppress an address: its own and those of its domain. */
function addressRefsOf(account: number, address: HashedAddress): readonly AddressRef[] {
  return [
    { account, addressHash: address.hash },
    { account, addressHash: hashDomain(address.domain) },
  ]
}

/** Decides and applies the facts of all recipients, in their order. Load {@link requestNeedsOf} first. */
export async function decideRequests(
  context: Context,
  snapshot: AccountSnapshot,
  { transaction, ...batch }: RequestBatch & { readonly transaction: LedgerTransaction },
): Promise<void> {
  const { caller, request, messageId, planned, labelId, isQueued, at } = batch
  const { account, apiUser } = caller
  const { ledgerState: ledger, apply } = transaction
  const settings = snapshot.settingsOf(account)
  const table = context.rules()
  const moment = { at, receivedAt: at, ids: context.ids }
  await mapInTimeSlices(planned, ({ deliveryId, emailId, recipient, contactTypes, address, messageIdHeader }) => {
    const domain = address?.domain ?? ''
    const data = {
      ...request,
      emailId,
      messageId,
      recipient: address?.address ?? recipient,
      domain,
      site: address === null ? null : siteOf(table, { domain }).site,
      apiUser,
      labelId,
      messageIdHeader,
      requestIp: caller.ip,
      requestedAt: at,
    }
    const isSelected = contactTypes === null || contactTypes.includes(request.emailType)
    apply(decideRequest({ ledger, account, deliveryId, request: data, address, isSelected, isQueued, settings, moment }))
    const { status, subStatus } = ledger.deliveries.get(deliveryId) ?? {}
    context.telemetry.log.debug({ account, deliveryId, status, subStatus, isQueued }, 'recipient registered')
  })
}
