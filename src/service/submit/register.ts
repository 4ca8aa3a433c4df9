/**
 * register - mails that are about to be sent: their names, their tokens, and what our own lists answer
 *
 * One transaction for all recipients of a request. Each gets an emailId, a signed Return-Path, a feedback id, a Message-ID and the
 * headers to add. A recipient on one of our lists is answered at once (401, 402), an address that is none is 404.
 *
 * See also: service/submit/register-recipients, service/submit/mail-tokens, compose/tracking-headers, docs/TOKEN.md.
 */
import { marksOf } from '../../compose/tracking-headers.ts'
import { bareMessageId } from '../../correlate/references.ts'
import { Fault } from '../../errors.ts'
import type { EmailType } from '../../ledger/facts/fact.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { ensureLabels } from '../../store/account/labels.ts'
import type { Page } from '../account-cache.ts'
import { commitWorld } from '../commit.ts'
import { signNames } from './mail-tokens.ts'
import { readOfflineName, type OfflineName } from './offline-tokens.ts'
import { decideRequests, planRecipient, type Planned } from './register-recipients.ts'
import { createDeliveryIds, type Shop } from '../context.ts'
import { inSlices } from '../time-slice.ts'

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

/** Makes the door. Faults of a call: bad_request (a token that is not the account's own), store_busy. */
export function createRegister(shop: Shop): Register {
  const takeIds = createDeliveryIds(shop.engine)
  return async (by, call) => {
    const page = await shop.book.open()
    const at = shop.now()
    const names = await namesFor(shop, page, takeIds, { by, call, at })
    const messageId = `${names[0]?.deliveryId ?? ''}m`
    const planned = planAll(call, messageId, names)
    const rows = await save(shop, page, { by, call, messageId, planned, at })
    // Three signatures each.
    const recipients = await inSlices(planned, (each, index) => answerOf(shop, page, { by, call, row: rows[index] ?? null, planned: each }))
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

function planAll(call: Registration, messageId: string, names: readonly OfflineName[]): readonly Planned[] {
  const own = Object.entries(call.headers).find(([name]) => name.toLowerCase() === 'message-id')?.[1]
  const ownMessageId = own === undefined ? null : bareMessageId(own)
  return call.recipients.map(({ recipient, contactTypes, token }, index) =>
    planRecipient({ recipient, contactTypes, isKnown: token !== undefined }, names[index] ?? { deliveryId: '', keyIndex: 0 }, {
      messageId,
      index,
      from: call.from,
      ownMessageId,
    }),
  )
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
  const { from, subject, label, broadcast, emailType, headers } = call
  const request = { from, subject, label, broadcast, emailType, headers }
  return shop.engine.tx(async (db) => {
    const labels = label === null ? null : await ensureLabels(db, by.account, [label], at)
    const labelId = labels?.get(label ?? '') ?? null
    const world = await decideRequests(shop, page, { db, by, request, messageId, planned, labelId, isQueued: false, at })
    await commitWorld(db, world, { now: at, notify: () => true })
    return planned.map(({ deliveryId }) => world.deliveries.get(deliveryId) ?? null)
  })
}

type Answered = { readonly by: Asker; readonly call: Registration; readonly row: DeliveryRow | null; readonly planned: Planned }

function answerOf(shop: Shop, page: Page, { by, call, row, planned }: Answered): RegisteredRecipient {
  const { returnPath, ...signed } = signNames(page, shop.domains, planned)
  // A mail that was registered before keeps its names.
  const messageId = row?.messageIdHeader ?? planned.messageIdHeader
  return {
    recipient: planned.recipient,
    emailId: row?.emailId ?? planned.emailId,
    returnPath,
    messageIdHeader: `<${messageId}>`,
    feedbackId: signed.feedback,
    headers: marksOf({ ...signed, messageId, publicUrl: shop.publicUrl }, { ...call, apiUser: by.apiUser }),
    status: row?.status ?? 18,
    subStatus: row?.subStatus ?? null,
  }
}
