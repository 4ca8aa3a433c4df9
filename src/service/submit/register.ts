/**
 * register - registers messages that the sender is about to send by its own MTA
 *
 * One transaction for all recipients of a request. Each recipient gets an emailId, a signed Return-Path, a feedback id, a Message-ID and the
 * headers to add. The status is final at once for a suppressed recipient (401, 402) and for text that is not an address (404).
 *
 * See also: service/submit/register-recipients, service/submit/mail-tokens, compose/tracking-headers, docs/TOKEN.md.
 */
import { randomBytes } from 'node:crypto'
import { buildTrackingHeaders } from '../../compose/tracking-headers.ts'
import { formatMessageId, HANDLE_RANDOM_BYTES } from '../../correlate/api-handle.ts'
import { bareMessageId } from '../../correlate/references.ts'
import { Fault } from '../../errors.ts'
import type { EmailType } from '../../ledger/facts/delivery-facts.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { ensureLabels } from '../../store/account/labels.ts'
import { addRegisteredQueueIds, type RegisteredQueueId } from '../../store/mail/registered-queue-ids.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { signMailTokens } from './mail-tokens.ts'
import { verifyOfflineToken, type OfflineTokenClaims } from './offline-tokens.ts'
import { decideRequests, planDelivery, requestNeedsOf, type PlannedDelivery } from './register-recipients.ts'
import type { Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { requireDiskSpace } from '../disk-space.ts'
import { createDeliveryIdAllocator, type AllocateDeliveryIds } from './delivery-ids.ts'
import { mapInTimeSlices } from '../time-slice.ts'
import { createContentTracker, type ContentTracker, type RegisteredContent, type TrackedContent } from '../track/track-content.ts'
import { trackingBaseOf } from '../track/tracking-base.ts'
import { transact } from '../transact.ts'

export type Registration = {
  readonly from: string
  readonly subject: string
  readonly recipients: readonly {
    readonly recipient: string | null
    readonly contactTypes: readonly string[] | null
    /** A token that the sender signed offline: it fixes the delivery id. */
    readonly token?: string
    /** The sender's own id of the mail, by which the log of its MTA names it. */
    readonly queueId?: string
  }[]
  readonly label: string | null
  readonly broadcast: string | null
  readonly emailType: EmailType
  /** The sender's own headers. A Message-ID among them is kept. */
  readonly headers: Readonly<Record<string, string>>
  /** The content to track for each recipient; absent or null: the sender's mail stays as it is. */
  readonly content?: RegisteredContent | null
}

export type RegisteredRecipient = {
  readonly recipient: string | null
  readonly emailId: string
  readonly returnPath: string
  /** With angle brackets. */
  readonly messageIdHeader: string
  readonly feedbackId: string
  /** Headers that the sender must add to the message. */
  readonly headers: Readonly<Record<string, string>>
  readonly status: number
  readonly subStatus: number | null
  /** The tracked content of this copy; null: none was given, or the message must not be sent. */
  readonly content: TrackedContent | null
}

type RegistrationResult = { readonly messageId: string; readonly recipients: readonly RegisteredRecipient[] }
export type Register = (caller: Caller, registration: Registration) => Promise<RegistrationResult>

/** Creates the service. Faults of a call: bad_request (a token that this account did not sign), store_busy. */
export function createRegister(context: Context): Register {
  const allocateIds = createDeliveryIdAllocator(context.engine)
  return async (caller, registration) => {
    requireDiskSpace(context)
    const snapshot = await context.accountCache.snapshot()
    const at = context.now()
    const claims = await claimsFor(context, snapshot, allocateIds, { caller, registration, at })
    const messageId = formatMessageId(at, randomBytes(HANDLE_RANDOM_BYTES))
    const planned = planDeliveries(snapshot, registration, { messageId, claims })
    const rows = await saveRegistration(context, snapshot, { caller, registration, messageId, planned, at })
    const { content = null, emailType } = registration
    const owner = { account: caller.account, apiUser: caller.apiUser, emailType }
    const tracker = content === null ? null : createContentTracker(context, snapshot, owner, content)
    // Signing takes the time here: three tokens a recipient.
    const recipients = await mapInTimeSlices(planned, (each, index) =>
      recipientResult(context, snapshot, { caller, registration, row: rows[index] ?? null, planned: each, tracker }),
    )
    context.telemetry.count('bounced_registrations_total', {}, recipients.length)
    // Messages that were registered before keep their ids.
    return { messageId: rows[0]?.messageId ?? messageId, recipients }
  }
}

type ClaimsInput = { readonly caller: Caller; readonly registration: Registration; readonly at: number }

/** A delivery id for each recipient: from the token that the sender signed, else a new one. */
async function claimsFor(
  context: Context,
  snapshot: AccountSnapshot,
  allocateIds: AllocateDeliveryIds,
  { caller, registration, at }: ClaimsInput,
): Promise<readonly OfflineTokenClaims[]> {
  const own = registration.recipients.map(({ token }) =>
    token === undefined ? null : verifyOfflineToken(snapshot, context.domains, { account: caller.account, token, at }),
  )
  const known = own.flatMap((claims) => claims?.deliveryId ?? [])
  if (new Set(known).size < known.length) throw new Fault('bad_request', 'two recipients have the same token')
  const fresh = [...(known.length === own.length ? [] : await allocateIds(caller.account, own.length - known.length, at))]
  return own.map((claims) => claims ?? { deliveryId: fresh.shift() ?? '', keyIndex: snapshot.signingIndex })
}

function planDeliveries(
  snapshot: AccountSnapshot,
  registration: Registration,
  { messageId, claims }: { readonly messageId: string; readonly claims: readonly OfflineTokenClaims[] },
): readonly PlannedDelivery[] {
  const own = Object.entries(registration.headers).find(([name]) => name.toLowerCase() === 'message-id')?.[1]
  const ownMessageId = own === undefined ? null : bareMessageId(own)
  return registration.recipients.map(({ recipient, contactTypes, token }, index) =>
    planDelivery(snapshot, { recipient, contactTypes, isKnown: token !== undefined }, claims[index] ?? { deliveryId: '', keyIndex: 0 }, {
      messageId,
      index,
      from: registration.from,
      ownMessageId,
    }),
  )
}

type RegistrationPlan = {
  readonly caller: Caller
  readonly registration: Registration
  readonly messageId: string
  readonly planned: readonly PlannedDelivery[]
  readonly at: number
}

/** Stores the deliveries in one transaction. Resolves to their rows, in the order of the recipients. */
async function saveRegistration(
  context: Context,
  snapshot: AccountSnapshot,
  { caller, registration, messageId, planned, at }: RegistrationPlan,
): Promise<readonly (DeliveryRow | null)[]> {
  const { from, subject, label, broadcast, emailType, headers } = registration
  const request = { from, subject, label, broadcast, emailType, headers }
  return transact(context, requestNeedsOf(caller.account, planned, request), async (transaction) => {
    const labels = label === null ? null : await ensureLabels(transaction.db, caller.account, [label], at)
    const labelId = labels?.get(label ?? '') ?? null
    const isQueued = false
    await decideRequests(context, snapshot, { transaction, caller, request, messageId, planned, labelId, isQueued, at })
    await addRegisteredQueueIds(transaction.db, queueIdsOf(caller.account, registration, planned, at))
    return { result: planned.map(({ deliveryId }) => transaction.ledgerState.deliveries.get(deliveryId) ?? null) }
  })
}

function queueIdsOf(
  account: number,
  { recipients }: Registration,
  planned: readonly PlannedDelivery[],
  registeredAt: number,
): readonly RegisteredQueueId[] {
  return planned.flatMap(({ deliveryId }, index) => {
    const queueId = recipients[index]?.queueId
    return queueId === undefined ? [] : [{ queueId, account, deliveryId, registeredAt }]
  })
}

type RecipientInput = {
  readonly caller: Caller
  readonly registration: Registration
  readonly row: DeliveryRow | null
  readonly planned: PlannedDelivery
  readonly tracker: ContentTracker | null
}

function recipientResult(
  context: Context,
  snapshot: AccountSnapshot,
  { caller, registration, row, planned, tracker }: RecipientInput,
): RegisteredRecipient {
  const { returnPath, ...tokens } = signMailTokens(snapshot, context.domains, planned)
  // A delivery that was registered before keeps its ids.
  const messageId = row?.messageIdHeader ?? planned.messageIdHeader
  const publicUrl = trackingBaseOf(context, snapshot, caller.account) ?? context.publicUrl
  return {
    recipient: planned.recipient,
    emailId: row?.emailId ?? planned.emailId,
    returnPath,
    messageIdHeader: `<${messageId}>`,
    feedbackId: tokens.feedback,
    headers: buildTrackingHeaders({ ...tokens, messageId, publicUrl }, { ...registration, apiUser: caller.apiUser }),
    status: row?.status ?? STATUS_SENDING,
    subStatus: row?.subStatus ?? null,
    content: tracker === null || (row !== null && row.status !== STATUS_SENDING) ? null : tracker.track(planned),
  }
}

const STATUS_SENDING = 18
