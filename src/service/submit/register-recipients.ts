/**
 * register-recipients - the recipients of one call become deliveries, each with its names and with what our own lists say
 *
 * Two doors share it: a mail that is registered and sent elsewhere, and one that our own queue sends. The caller's transaction is the frame:
 * what is decided here is written when it commits.
 *
 * See also: service/submit/register, service/submit/submit, ledger/decide/request.
 */
import { siteOf } from '../../classify/provider.ts'
import { hashDomain, knowAddress, type KnownAddress } from '../../correlate/address-hash.ts'
import { decideRequest } from '../../ledger/decide/request.ts'
import type { EmailType } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import type { World } from '../../ledger/project/state.ts'
import type { Db } from '../../store/engine/engine.ts'
import { loadWorld, type AddressRef } from '../../store/facts/ledger-state.ts'
import type { Page } from '../account-cache.ts'
import type { Asker } from './register.ts'
import type { Shop } from '../context.ts'
import { inSlices } from '../time-slice.ts'

/** What all recipients of a call have in common. */
export type Request = {
  readonly from: string
  readonly subject: string
  readonly label: string | null
  readonly broadcast: string | null
  readonly emailType: EmailType
  /** The mail's own headers, as webhooks and exports give them back. */
  readonly headers: Readonly<Record<string, string>>
}

/** One recipient with its names. */
export type Planned = {
  readonly deliveryId: string
  /** The key that signs its tokens. */
  readonly keyIndex: number
  readonly emailId: string
  /** As the call had it; null: the recipient of a broadcast who has no address. */
  readonly recipient: string | null
  readonly contactTypes: readonly string[] | null
  /** Null: none that one can send to. */
  readonly address: KnownAddress | null
  /** Without brackets. */
  readonly messageIdHeader: string
  /** The sender has named it, so that it may be there already. */
  readonly isKnown: boolean
}

export type Requesting = {
  readonly by: Asker
  readonly request: Request
  readonly messageId: string
  readonly planned: readonly Planned[]
  readonly labelId: number | null
  /** Our own queue sends it. */
  readonly isQueued: boolean
  readonly at: number
}

/** The names of one recipient: `emailId` is `messageId`, its index and the recipient. */
export function planRecipient(
  wanted: { readonly recipient: string | null; readonly contactTypes: readonly string[] | null; readonly isKnown: boolean },
  named: { readonly deliveryId: string; readonly keyIndex: number },
  of: { readonly messageId: string; readonly index: number; readonly from: string; readonly ownMessageId: string | null },
): Planned {
  return {
    ...wanted,
    ...named,
    emailId: `${of.messageId}${of.index}$${wanted.recipient ?? ''}`,
    address: wanted.recipient === null ? null : knowAddress(wanted.recipient),
    messageIdHeader: messageIdHeaderOf(of.ownMessageId, named.deliveryId, of.from),
  }
}

/** The Message-ID of one copy, without brackets: the sender's own, else one of ours at the sender's domain. The same at each retry. */
export function messageIdHeaderOf(own: string | null, deliveryId: string, from: string): string {
  return own ?? `${deliveryId}@${knowAddress(from)?.domain ?? 'bounced.invalid'}`
}

/** The world with the facts of a call, loaded in its transaction and not saved yet. */
export async function decideRequests(shop: Shop, page: Page, { db, ...call }: Requesting & { readonly db: Db }): Promise<World> {
  const { by, request, messageId, planned, labelId, isQueued, at } = call
  const settings = page.settingsOf(by.account)
  const table = shop.rules()
  const addresses = planned.flatMap(({ address }) => (address === null ? [] : keysOf(by.account, address)))
  const deliveries = planned.filter(({ isKnown }) => isKnown).map(({ deliveryId }) => ({ account: by.account, deliveryId }))
  const { world } = await loadWorld(db, { addresses, deliveries, shared: true, history: request.broadcast !== null })
  const moment = { at, receivedAt: at, ids: shop.ids }
  await inSlices(planned, ({ deliveryId, emailId, recipient, contactTypes, address, messageIdHeader }) => {
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
      world,
      decideRequest({ world, account: by.account, deliveryId, request: data, address, isSelected, isQueued, settings, moment }),
    )
  })
  return world
}

/** The entries that may answer: of the address and of its domain. */
function keysOf(account: number, address: KnownAddress): readonly AddressRef[] {
  return [
    { account, addressHash: address.hash },
    { account, addressHash: hashDomain(address.domain) },
  ]
}
