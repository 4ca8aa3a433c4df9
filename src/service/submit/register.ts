/**
 * register - mails that are about to be sent: their names, their tokens, and what our own lists answer
 *
 * One transaction for all recipients of a request. Each gets an emailId, a signed Return-Path, a feedback id, a Message-ID and the
 * headers to add. A recipient on one of our lists is answered at once (401, 402), an address that is none is 404.
 *
 * See also: service/submit/register-recipients, service/submit/mail-tokens, compose/tracking-headers, docs/TOKEN.md.
 */
import { buildTrackingHeaders } from '../../compose/tracking-headers.ts'
import { bareMessageId } from '../../correlate/references.ts'
import { Fault } from '../../errors.ts'
import type { EmailType } from '../../ledger/facts/delivery-facts.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { ensureLabels } from '../../store/account/labels.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { commitLedgerState } from '../commit.ts'
import { signMailTokens } from './mail-tokens.ts'
import { verifyOfflineToken, type OfflineTokenClaims } from './offline-tokens.ts'
import { decideRequests, planDelivery, type PlannedDelivery } from './register-recipients.ts'
import type { Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { createDeliveryIdAllocator, type AllocateDeliveryIds } from './delivery-ids.ts'
import { mapInTimeSlices } from '../time-slice.ts'

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

export type RegistrationResult = { readonly messageId: string; readonly recipients: readonly RegisteredRecipient[] }
export type Register = (by: Caller, call: Registration) => Promise<RegistrationResult>

/** Makes the door. Faults of a call: bad_request (a token that is not the account's own), store_busy. */
export function createRegister(context: Context): Register {
  const allocateIds = createDeliveryIdAllocator(context.engine)
  return async (by, call) => {
    const snapshot = await context.accountCache.snapshot()
    const at = context.now()
    const claims = await claimsFor(context, snapshot, allocateIds, { by, call, at })
    const messageId = `${claims[0]?.deliveryId ?? ''}m`
    const planned = planDeliveries(call, messageId, claims)
    const rows = await saveRegistration(context, snapshot, { by, call, messageId, planned, at })
    // Three signatures each.
    const recipients = await mapInTimeSlices(planned, (each, index) =>
      recipientResult(context, snapshot, { by, call, row: rows[index] ?? null, planned: each }),
    )
    context.telemetry.count('bounced_registrations_total', {}, recipients.length)
    return { messageId, recipients }
  }
}

type ClaimsInput = { readonly by: Caller; readonly call: Registration; readonly at: number }

/** A name for each recipient: its own where the sender signed one, else the next of ours. */
async function claimsFor(
  context: Context,
  snapshot: AccountSnapshot,
  allocateIds: AllocateDeliveryIds,
  { by, call, at }: ClaimsInput,
): Promise<readonly OfflineTokenClaims[]> {
  const own = call.recipients.map(({ token }) =>
    token === undefined ? null : verifyOfflineToken(snapshot, context.domains, { account: by.account, token, at }),
  )
  const known = own.flatMap((name) => name?.deliveryId ?? [])
  if (new Set(known).size < known.length) throw new Fault('bad_request', 'two recipients have the same token')
  const fresh = [...(known.length === own.length ? [] : await allocateIds(by.account, own.length - known.length, at))]
  return own.map((name) => name ?? { deliveryId: fresh.shift() ?? '', keyIndex: snapshot.signingIndex })
}

function planDeliveries(call: Registration, messageId: string, claims: readonly OfflineTokenClaims[]): readonly PlannedDelivery[] {
  const own = Object.entries(call.headers).find(([name]) => name.toLowerCase() === 'message-id')?.[1]
  const ownMessageId = own === undefined ? null : bareMessageId(own)
  return call.recipients.map(({ recipient, contactTypes, token }, index) =>
    planDelivery({ recipient, contactTypes, isKnown: token !== undefined }, claims[index] ?? { deliveryId: '', keyIndex: 0 }, {
      messageId,
      index,
      from: call.from,
      ownMessageId,
    }),
  )
}

type RegistrationPlan = {
  readonly by: Caller
  readonly call: Registration
  readonly messageId: string
  readonly planned: readonly PlannedDelivery[]
  readonly at: number
}

/** The rows as they stand after the commit, in the order of the recipients. */
async function saveRegistration(
  context: Context,
  snapshot: AccountSnapshot,
  { by, call, messageId, planned, at }: RegistrationPlan,
): Promise<readonly (DeliveryRow | null)[]> {
  const { from, subject, label, broadcast, emailType, headers } = call
  const request = { from, subject, label, broadcast, emailType, headers }
  return context.engine.tx(async (db) => {
    const labels = label === null ? null : await ensureLabels(db, by.account, [label], at)
    const labelId = labels?.get(label ?? '') ?? null
    const ledgerState = await decideRequests(context, snapshot, { db, by, request, messageId, planned, labelId, isQueued: false, at })
    await commitLedgerState(db, ledgerState, { now: at, notify: () => true })
    return planned.map(({ deliveryId }) => ledgerState.deliveries.get(deliveryId) ?? null)
  })
}

type RecipientInput = {
  readonly by: Caller
  readonly call: Registration
  readonly row: DeliveryRow | null
  readonly planned: PlannedDelivery
}

function recipientResult(context: Context, snapshot: AccountSnapshot, { by, call, row, planned }: RecipientInput): RegisteredRecipient {
  const { returnPath, ...tokens } = signMailTokens(snapshot, context.domains, planned)
  // A mail that was registered before keeps its names.
  const messageId = row?.messageIdHeader ?? planned.messageIdHeader
  return {
    recipient: planned.recipient,
    emailId: row?.emailId ?? planned.emailId,
    returnPath,
    messageIdHeader: `<${messageId}>`,
    feedbackId: tokens.feedback,
    headers: buildTrackingHeaders({ ...tokens, messageId, publicUrl: context.publicUrl }, { ...call, apiUser: by.apiUser }),
    status: row?.status ?? 18,
    subStatus: row?.subStatus ?? null,
  }
}
