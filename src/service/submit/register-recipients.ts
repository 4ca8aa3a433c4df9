/**
 * register-recipients - the recipients of one call become deliveries, each with its names and with what our own lists say
 *
 * Two doors share it: a mail that is registered and sent elsewhere, and one that our own queue sends. The caller's transaction is the frame:
 * what is decided here is written when it commits.
 *
 * See also: service/submit/register, service/submit/submit, ledger/decide/request.
 */
import { siteOf } from '../../classify/provider.ts'
import { hashDomain, normaliseAddress, type HashedAddress } from '../../correlate/address-hash.ts'
import { decideRequest } from '../../ledger/decide/request.ts'
import type { EmailType } from '../../ledger/facts/delivery-facts.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import type { LedgerState } from '../../ledger/project/state.ts'
import type { Database } from '../../store/engine/engine.ts'
import { loadLedgerState, type AddressRef } from '../../store/facts/ledger-state.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { mapInTimeSlices } from '../time-slice.ts'

/** What all recipients of a call have in common. */
export type RequestFields = {
  readonly from: string
  readonly subject: string
  readonly label: string | null
  readonly broadcast: string | null
  readonly emailType: EmailType
  /** The mail's own headers, as webhooks and exports give them back. */
  readonly headers: Readonly<Record<string, string>>
}

/** One recipient with its names. */
export type PlannedDelivery = {
  readonly deliveryId: string
  /** The key that signs its tokens. */
  readonly keyIndex: number
  readonly emailId: string
  /** As the call had it; null: the recipient of a broadcast who has no address. */
  readonly recipient: string | null
  readonly contactTypes: readonly string[] | null
  /** Null: none that one can send to. */
  readonly address: HashedAddress | null
  /** Without brackets. */
  readonly messageIdHeader: string
  /** The sender has named it, so that it may be there already. */
  readonly isKnown: boolean
}

export type RequestBatch = {
  readonly by: Caller
  readonly request: RequestFields
  readonly messageId: string
  readonly planned: readonly PlannedDelivery[]
  readonly labelId: number | null
  /** Our own queue sends it. */
  readonly isQueued: boolean
  readonly at: number
}

/** The names of one recipient: `emailId` is `messageId`, its index and the recipient. */
export function planDelivery(
  wanted: { readonly recipient: string | null; readonly contactTypes: readonly string[] | null; readonly isKnown: boolean },
  claims: { readonly deliveryId: string; readonly keyIndex: number },
  of: { readonly messageId: string; readonly index: number; readonly from: string; readonly ownMessageId: string | null },
): PlannedDelivery {
  return {
    ...wanted,
    ...claims,
    emailId: `${of.messageId}${of.index}$${wanted.recipient ?? ''}`,
    address: wanted.recipient === null ? null : normaliseAddress(wanted.recipient),
    messageIdHeader: messageIdHeaderOf(of.ownMessageId, claims.deliveryId, of.from),
  }
}

/** The Message-ID of one copy, without brackets: the sender's own, else one of ours at the sender's domain. The same at each retry. */
export function messageIdHeaderOf(own: string | null, deliveryId: string, from: string): string {
  return own ?? `${deliveryId}@${normaliseAddress(from)?.domain ?? 'bounced.invalid'}`
}

/** The world with the facts of a call, loaded in its transaction and not saved yet. */
export async function decideRequests(
  context: Context,
  snapshot: AccountSnapshot,
  { db, ...call }: RequestBatch & { readonly db: Database },
): Promise<LedgerState> {
  const { by, request, messageId, planned, labelId, isQueued, at } = call
  const settings = snapshot.settingsOf(by.account)
  const table = context.rules()
  const addresses = planned.flatMap(({ address }) => (address === null ? [] : addressRefsOf(by.account, address)))
  const deliveries = planned.filter(({ isKnown }) => isKnown).map(({ deliveryId }) => ({ account: by.account, deliveryId }))
  const { ledgerState } = await loadLedgerState(db, { addresses, deliveries, sharedList: true, history: request.broadcast !== null })
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
      apiUser: by.apiUser,
      labelId,
      messageIdHeader,
      requestIp: by.ip,
      requestedAt: at,
    }
    const isSelected = contactTypes === null || contactTypes.includes(request.emailType)
    applyFacts(
      ledgerState,
      decideRequest({
        ledger: ledgerState,
        account: by.account,
        deliveryId,
        request: data,
        address,
        isSelected,
        isQueued,
        settings,
        moment,
      }),
    )
  })
  return ledgerState
}

/** The entries that may answer: of the address and of its domain. */
function addressRefsOf(account: number, address: HashedAddress): readonly AddressRef[] {
  return [
    { account, addressHash: address.hash },
    { account, addressHash: hashDomain(address.domain) },
  ]
}
