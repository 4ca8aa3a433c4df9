/**
 * register - mails that are about to be sent: their names, their tokens, and what our own lists answer
 *
 * One transaction for all recipients of a request. Each gets an emailId, a signed Return-Path, a feedback id, a Message-ID and the
 * headers to add. A recipient on one of our lists is answered at once (401, 402), an address that is none is 404.
 *
 * RFC 2369, RFC 8058 (List-Unsubscribe), RFC 9477 (CFBL). See also: ledger/deciderequest, correlate/token, docs/TOKEN.md.
 */
import { siteOf } from '../classify/provider.ts'
import { hashDomain, knowAddress, type KnownAddress } from '../correlate/address.ts'
import { bareMessageId } from '../correlate/clue.ts'
import { parseDeliveryId } from '../correlate/deliveryid.ts'
import { mintToken, type Purpose } from '../correlate/token.ts'
import { Fault } from '../error.ts'
import { decideRequest } from '../ledger/deciderequest.ts'
import type { EmailType } from '../ledger/fact.ts'
import { applyFacts } from '../ledger/fold.ts'
import type { DeliveryRow } from '../ledger/world.ts'
import { ensureLabels } from '../store/labels.ts'
import { loadWorld, type AddressRef } from '../store/world.ts'
import type { Page } from './book.ts'
import { commitWorld } from './commit.ts'
import { readOfflineName, type OfflineName } from './offline.ts'
import { createDeliveryIds, type Shop } from './shop.ts'

/** In whose name a call is made, and from where. */
export type Asker = {
  readonly account: number
  readonly apiUser: string
  readonly ip: string
  /** The operator acts in the account's name. */
  readonly byOperator?: true
}

/** Who did it, as audits name them. */
export const actorOf = ({ apiUser, byOperator }: Asker): string => (byOperator === true ? `operator for ${apiUser}` : `api:${apiUser}`)

export type Registration = {
  readonly from: string
  readonly subject: string
  readonly recipients: readonly {
    readonly recipient: string | null
    readonly contactTypes: readonly string[] | null
    /** Signed offline: the mail has its name already. */
    readonly token?: string
  }[]
  readonly label: string | null
  readonly broadcast: string | null
  readonly emailType: EmailType
  /** The mail's own headers; a Message-ID among them is kept. */
  readonly headers: Readonly<Record<string, string>>
}

export type RegisteredRecipient = {
  readonly recipient: string | null
  readonly emailId: string
  readonly returnPath: string
  /** With its angle brackets. */
  readonly messageIdHeader: string
  readonly feedbackId: string
  /** Headers to add to the mail. */
  readonly headers: Readonly<Record<string, string>>
  readonly status: number
  readonly subStatus: number | null
}

export type Registered = { readonly messageId: string; readonly recipients: readonly RegisteredRecipient[] }
export type Register = (by: Asker, call: Registration) => Promise<Registered>

type Planned = {
  readonly deliveryId: string
  /** The key that signs its tokens: the one that the sender used, or the present one. */
  readonly keyIndex: number
  readonly emailId: string
  readonly address: KnownAddress | null
  readonly messageIdHeader: string
}

/** Makes the door. Faults of a call: bad_request (a token that is not the account's own), store_busy. */
export function createRegister(shop: Shop): Register {
  const takeIds = createDeliveryIds(shop.engine)
  return async (by, call) => {
    const page = await shop.book.open()
    const at = shop.now()
    const names = await namesFor(shop, page, takeIds, { by, call, at })
    const messageId = `${names[0]?.deliveryId ?? ''}m`
    const planned = names.map((name, index) => plan(call, messageId, name, index))
    const rows = await save(shop, page, { by, call, messageId, planned, at })
    const recipients = planned.map((each, index) => answerOf(shop, page, { by, call, row: rows[index] ?? null, planned: each, index }))
    shop.telemetry.count('bounced_registrations_total', {}, recipients.length)
    return { messageId, recipients }
  }
}

type TakeIds = ReturnType<typeof createDeliveryIds>
type Naming = { readonly by: Asker; readonly call: Registration; readonly at: number }

/** A name for each recipient: its own where the sender signed one, else the next of ours. */
async function namesFor(shop: Shop, page: Page, takeIds: TakeIds, { by, call, at }: Naming): Promise<readonly OfflineName[]> {
  const own = call.recipients.map(({ token }) =>
    token === undefined ? null : readOfflineName(page, shop.domains, { account: by.account, token, at }),
  )
  const known = own.flatMap((name) => name?.deliveryId ?? [])
  if (new Set(known).size < known.length) throw new Fault('bad_request', 'two recipients have the same token')
  const fresh = [...(known.length === own.length ? [] : await takeIds(by.account, own.length - known.length, at))]
  return own.map((name) => name ?? { deliveryId: fresh.shift() ?? '', keyIndex: page.signingIndex })
}

function plan(call: Registration, messageId: string, { deliveryId, keyIndex }: OfflineName, index: number): Planned {
  const recipient = call.recipients[index]?.recipient ?? null
  const own = Object.entries(call.headers).find(([name]) => name.toLowerCase() === 'message-id')?.[1]
  const domain = knowAddress(call.from)?.domain ?? 'bounced.invalid'
  return {
    deliveryId,
    keyIndex,
    emailId: `${messageId}${index}$${recipient ?? ''}`,
    address: recipient === null ? null : knowAddress(recipient),
    messageIdHeader: own === undefined ? `${deliveryId}@${domain}` : bareMessageId(own),
  }
}

type Plan = {
  readonly by: Asker
  readonly call: Registration
  readonly messageId: string
  readonly planned: readonly Planned[]
  readonly at: number
}

/** The rows as they stand after the commit, in the order of the recipients. */
async function save(shop: Shop, page: Page, { by, call, messageId, planned, at }: Plan): Promise<readonly (DeliveryRow | null)[]> {
  const settings = page.settingsOf(by.account)
  const table = shop.rules()
  const addresses = planned.flatMap(({ address }) => (address === null ? [] : keysOf(by.account, address)))
  return shop.engine.tx(async (db) => {
    const labels = call.label === null ? null : await ensureLabels(db, by.account, [call.label], at)
    const deliveries = planned
      .map(({ deliveryId }) => ({ account: by.account, deliveryId }))
      .filter((_, n) => call.recipients[n]?.token !== undefined)
    const { world } = await loadWorld(db, { addresses, deliveries, shared: true, history: call.broadcast !== null })
    for (const [index, { deliveryId, emailId, address, messageIdHeader }] of planned.entries()) {
      const { recipient = null, contactTypes = null } = call.recipients[index] ?? {}
      const domain = address?.domain ?? ''
      const request = {
        emailId,
        messageId,
        recipient: address?.address ?? recipient,
        domain,
        site: address === null ? null : siteOf(table, { domain }).site,
        apiUser: by.apiUser,
        labelId: labels?.get(call.label ?? '') ?? null,
        label: call.label,
        emailType: call.emailType,
        broadcast: call.broadcast,
        from: call.from,
        subject: call.subject,
        headers: call.headers,
        messageIdHeader,
        requestIp: by.ip,
        requestedAt: at,
      }
      const isSelected = contactTypes === null || contactTypes.includes(call.emailType)
      const moment = { at, receivedAt: at, ids: shop.ids }
      applyFacts(
        world,
        decideRequest({ world, account: by.account, deliveryId, request, address, isSelected, isQueued: false, settings, moment }),
      )
    }
    await commitWorld(db, world, { now: at, notify: () => true })
    return planned.map(({ deliveryId }) => world.deliveries.get(deliveryId) ?? null)
  })
}

/** The entries that may answer: of the address and of its domain. */
function keysOf(account: number, address: KnownAddress): readonly AddressRef[] {
  return [
    { account, addressHash: address.hash },
    { account, addressHash: hashDomain(address.domain) },
  ]
}

type Answered = {
  readonly by: Asker
  readonly call: Registration
  readonly row: DeliveryRow | null
  readonly planned: Planned
  readonly index: number
}

function answerOf(shop: Shop, page: Page, { by, call, row, planned, index }: Answered): RegisteredRecipient {
  const { deliveryId, keyIndex } = planned
  const [returnPathDomain = ''] = shop.domains.returnPath
  const [feedbackDomain = ''] = shop.domains.feedback
  const mint = (purpose: Purpose, domain: string): string => mintFor(page, { deliveryId, keyIndex, purpose, domain })
  const feedbackId = mint('feedback', feedbackDomain)
  const unsubscribe = mint('unsubscribe', feedbackDomain)
  // A mail that was registered before keeps its names.
  const messageIdHeader = `<${row?.messageIdHeader ?? planned.messageIdHeader}>`
  return {
    recipient: call.recipients[index]?.recipient ?? null,
    emailId: row?.emailId ?? planned.emailId,
    returnPath: `${mint('return-path', returnPathDomain)}@${returnPathDomain}`,
    messageIdHeader,
    feedbackId,
    headers: {
      'Message-ID': messageIdHeader,
      'CFBL-Address': `fbl@${feedbackDomain}; report=arf`,
      'CFBL-Feedback-ID': feedbackId,
      'Feedback-ID': gmailFeedbackId(call, by),
      'List-Unsubscribe': `<mailto:${unsubscribe}@${feedbackDomain}?subject=unsubscribe>, <${shop.publicUrl}/u/${unsubscribe}>`,
      'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
    },
    status: row?.status ?? 18,
    subStatus: row?.subStatus ?? null,
  }
}

type Minting = { readonly deliveryId: string; readonly keyIndex: number; readonly purpose: Purpose; readonly domain: string }

function mintFor(page: Page, { deliveryId, keyIndex, purpose, domain }: Minting): string {
  const account = parseDeliveryId(deliveryId)?.account ?? 0
  const key = page.keyFor(account, keyIndex)
  const token = key === null ? null : mintToken({ key, keyIndex, deliveryId, purpose, domain })
  if (token === null) throw new Fault('internal', 'no token can be signed for this account', { detail: { account } })
  return token
}

/** Four fields, the last of them the same for all mail of a sender: what Gmail's postmaster pages group by. */
function gmailFeedbackId({ label, broadcast, emailType }: Registration, { apiUser }: Asker): string {
  const field = (text: string | null): string => (text ?? '').replaceAll(/[^\w.-]+/g, '-').slice(0, 64)
  return [field(label), field(broadcast), emailType, field(apiUser)].join(':')
}
