/**
 * submit - accepts messages that our own queue sends
 *
 * One transaction stores the deliveries, applies the suppression lists and queues the messages; the response is durable. A suppressed
 * recipient (401, 402) and text that is not an address (404) get their final status at once and are not queued. A request with an id that
 * was used within the last hour gets the stored response and sends nothing, on any node and after any restart.
 *
 * See also: service/submit/register-recipients, service/deliver/render (builds the messages), store/queue/queued-mail.
 */
import { hash, randomBytes } from 'node:crypto'
import type { Composition } from '../../compose/composition.ts'
import { canExceedSizeBound } from '../../compose/size-bound.ts'
import { normaliseAddress } from '../../correlate/address-hash.ts'
import { formatMessageId, HANDLE_RANDOM_BYTES } from '../../correlate/api-handle.ts'
import { siteOf } from '../../classify/provider.ts'
import { laneGroupOf } from '../../queue/lane-group.ts'
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import { Fault } from '../../errors.ts'
import { parseBareAddress } from '../../mail/mime/address.ts'
import type { AccountSettings } from '../../ledger/account-settings.ts'
import type { EmailType } from '../../ledger/facts/delivery-facts.ts'
import type { LedgerState } from '../../ledger/project/state.ts'
import type { Database } from '../../store/engine/engine.ts'
import { sumCounters } from '../../store/facts/counters.ts'
import { ensureLabels, findLabel } from '../../store/account/labels.ts'
import { addQueuedMessages, type NewQueuedMessage } from '../../store/queue/queued-mail.ts'
import { reserveSequenceNumbers } from '../../store/engine/sequences.ts'
import { findSubmission, saveSubmission } from '../../store/mail/submissions.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { decideRequests, planDelivery, requestNeedsOf, type PlannedDelivery } from './register-recipients.ts'
import type { Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { requireDiskSpace } from '../disk-space.ts'
import { transact, type LedgerTransaction } from '../transact.ts'
import { MAX_SEND_AT_DAYS, priorityOf, sendTimeOf, withoutSendHeaders } from './send-header.ts'
import { createDeliveryIdAllocator } from './delivery-ids.ts'

export type Submission = {
  /** `label` and `apiUser` are added here. */
  readonly body: Omit<Composition, 'label' | 'apiUser'>
  /** The domains of all addresses that a reader can see in From, Sender, Resent-From and Resent-Sender (compose/originator). */
  readonly originatorDomains: readonly string[]
  /** The order of the recipients gives their emailIds. Text that is not an address gets status 404. */
  readonly recipients: readonly { readonly recipient: string; readonly variables: Readonly<Record<string, string>> }[]
  /** A label by its number, which must exist, or by its name, which is created if needed. */
  readonly label: { readonly id: number } | { readonly name: string } | null
  /** Headers that webhooks and exports return. */
  readonly userHeaders: Readonly<Record<string, string>>
  /** The id that the client gave the request, for idempotency; null if there is none. */
  readonly requestId: string | null
}

type SubmittedRecipient = {
  readonly recipient: string
  readonly emailId: string
  /** 18: queued; 4: not sent. */
  readonly status: number
  readonly subStatus: number | null
}

export type SubmissionResult = { readonly messageId: string; readonly recipients: readonly SubmittedRecipient[] }
export type Submit = (caller: Caller, submission: Submission) => Promise<SubmissionResult>

type SubmitOptions = {
  /** The most recipients of one account in a day (UTC); null or absent: no limit. */
  readonly recipientsPerDay?: number | null
  /** How many days ahead a send time may be. */
  readonly sendAtDays?: number
}

/** How long a repeated request gets the first response. SendCloud uses the same time. */
export const IDEMPOTENCY_WINDOW_MS = 3_600_000

/**
 * Creates the service. Faults of a call: forbidden (sender domain), bad_request (sender address, size with variables substituted), header_invalid
 * (send time, priority), not_found (label), quota_exceeded, store_busy.
 */
export function createSubmit(context: Context, { recipientsPerDay = null, sendAtDays = MAX_SEND_AT_DAYS }: SubmitOptions = {}): Submit {
  const allocateIds = createDeliveryIdAllocator(context.engine)
  return async (caller, submission) => {
    requireDiskSpace(context)
    const sender = normaliseAddress(submission.body.from)
    if (sender === null) throw new Fault('bad_request', 'from is not an email address')
    const variables = submission.recipients.map((each) => each.variables)
    if (canExceedSizeBound(submission.body, variables))
      throw new Fault('bad_request', 'the message is too large with its variables substituted')
    const snapshot = await context.accountCache.snapshot()
    const { senderDomains } = snapshot.settingsOf(caller.account)
    const foreign = [sender.domain, ...submission.originatorDomains].find((domain) => !maySendFrom(senderDomains, domain))
    if (foreign !== undefined) throw new Fault('forbidden', `this account may not send from ${foreign} (setting senderDomains)`)
    const at = context.now()
    const sendAt = sendTimeOf(submission.body.headers, { now: at, maxDays: sendAtDays })
    const ids = await allocateIds(caller.account, submission.recipients.length, at)
    const messageId = formatMessageId(at, randomBytes(HANDLE_RANDOM_BYTES))
    const planned = submission.recipients.map(({ recipient }, index) =>
      planDelivery(
        snapshot,
        { recipient, contactTypes: null, isKnown: false },
        { deliveryId: ids[index] ?? '', keyIndex: snapshot.signingIndex },
        { messageId, index, from: submission.body.from, ownMessageId: submission.body.messageId },
      ),
    )
    const plan = { caller, submission, messageId, planned, senderDomain: sender.domain, recipientsPerDay, sendAt, at }
    const result = await saveSubmissionPlan(context, snapshot, plan)
    const isRepeated = result.messageId !== messageId
    if (!isRepeated) context.telemetry.count('bounced_registrations_total', {}, planned.length)
    context.telemetry.log.debug({ account: caller.account, messageId: result.messageId, isRepeated }, 'submission committed')
    context.engine.nudges.send()
    return result
  }
}

/** A domain includes its subdomains. An empty list allows every domain. */
function maySendFrom(domains: readonly string[], from: string): boolean {
  return domains.length === 0 || domains.some((domain) => from === domain || from.endsWith(`.${domain}`))
}

type SubmissionPlan = {
  readonly caller: Caller
  readonly submission: Submission
  readonly messageId: string
  readonly planned: readonly PlannedDelivery[]
  readonly senderDomain: string
  readonly recipientsPerDay: number | null
  /** Null: at once. */
  readonly sendAt: number | null
  readonly at: number
}

async function saveSubmissionPlan(context: Context, snapshot: AccountSnapshot, plan: SubmissionPlan): Promise<SubmissionResult> {
  const { caller, submission, at } = plan
  const { account } = caller
  const requestKey = submission.requestId === null ? null : hash('sha256', submission.requestId)
  return transact(context, requestNeedsOf(account, plan.planned, { broadcast: null }), async (transaction) => {
    const { db } = transaction
    if (requestKey !== null) {
      const earlier = await findSubmission(db, { account, requestKey, since: at - IDEMPOTENCY_WINDOW_MS }, isSubmissionResult)
      if (earlier !== null) return { result: earlier }
    }
    await checkQuota(db, plan)
    const result = await decideSubmission(context, snapshot, { ...plan, transaction })
    if (requestKey !== null) await saveSubmission(db, { account, requestKey, at, answer: result })
    return { result }
  })
}

async function decideSubmission(
  context: Context,
  snapshot: AccountSnapshot,
  { transaction, ...plan }: SubmissionPlan & { readonly transaction: LedgerTransaction },
): Promise<SubmissionResult> {
  const { caller, submission, messageId, planned, at } = plan
  const { db, ledgerState } = transaction
  const label = await resolveLabel(db, caller.account, { wanted: submission.label, at })
  const { from, subject } = submission.body
  const emailType = emailTypeOf(snapshot.settingsOf(caller.account), plan, label?.name ?? null)
  const request = { from, subject, label: label?.name ?? null, broadcast: null, emailType, headers: submission.userHeaders }
  const labelId = label?.id ?? null
  await decideRequests(context, snapshot, { transaction, caller, request, messageId, planned, labelId, isQueued: true, at })
  await enqueue(db, ledgerState, { ...plan, label, emailType, context })
  return { messageId, recipients: planned.map((each) => recipientResult(ledgerState, each)) }
}

/** As the message says, else `batch` if the settings of the account say so of the API user or the label. Faults: header_invalid. */
function emailTypeOf(
  { batchApiUsers, batchLabels }: AccountSettings,
  { caller, submission }: SubmissionPlan,
  label: string | null,
): EmailType {
  const named = priorityOf(submission.body.headers)
  if (named !== null) return named
  const isBatchLabel = label !== null && batchLabels.some((each) => each.toLowerCase() === label.toLowerCase())
  return isBatchLabel || batchApiUsers.includes(caller.apiUser) ? 'batch' : submission.body.emailType
}

/**
 * Counts every recipient requested today, whatever its status. All requests of an account update the same sequence row, so they run one after
 * another here and cannot use the same remaining quota twice.
 */
async function checkQuota(db: Database, { caller, planned, recipientsPerDay, at }: SubmissionPlan): Promise<void> {
  if (recipientsPerDay === null) return
  await reserveSequenceNumbers(db, caller.account, 'quota', planned.length)
  const from = at - (at % DAY_MS)
  const sums = await sumCounters(db, caller.account, { windows: [{ from, to: from + DAY_MS }], metrics: ['request'] })
  const used = sums.reduce((sum, { n }) => sum + n, 0)
  if (used + planned.length > recipientsPerDay)
    throw new Fault('quota_exceeded', `${used} of ${recipientsPerDay} recipients of today are used (setting submission.recipientsPerDay)`)
}

const DAY_MS = 86_400_000

async function resolveLabel(
  db: Database,
  account: number,
  { wanted, at }: { readonly wanted: Submission['label']; readonly at: number },
): Promise<{ readonly id: number; readonly name: string } | null> {
  if (wanted === null) return null
  if ('name' in wanted) return { id: (await ensureLabels(db, account, [wanted.name], at)).get(wanted.name) ?? 0, name: wanted.name }
  const found = await findLabel(db, account, wanted.id)
  if (found === null) throw new Fault('not_found', 'there is no label with this number')
  return { id: wanted.id, name: found.name }
}

/** Queues a message for each recipient that the decisions left in status 18. */
async function enqueue(
  db: Database,
  ledgerState: LedgerState,
  plan: SubmissionPlan & {
    readonly label: { readonly id: number; readonly name: string } | null
    readonly emailType: EmailType
    readonly context: Context
  },
): Promise<void> {
  const { caller, submission, messageId, planned, senderDomain, sendAt, at, label, emailType, context } = plan
  const messages = planned.flatMap(({ deliveryId, keyIndex, address }, index): NewQueuedMessage[] => {
    if (address === null || ledgerState.deliveries.get(deliveryId)?.status !== STATUS_SENDING) return []
    const { recipient = '', variables = {} } = submission.recipients[index] ?? {}
    const deliveryMonth = monthOfDelivery(deliveryId)
    return [
      {
        deliveryId,
        deliveryMonth,
        recipient: parseBareAddress(recipient) ?? address.address,
        domain: address.domain,
        laneGroup: laneGroupOf(context.knownSites?.get(address.domain) ?? siteOf(context.rules(), { domain: address.domain }).site),
        senderDomain,
        labelName: label?.name ?? null,
        labelId: label?.id ?? null,
        isBatch: emailType === 'batch',
        variables,
        keyIndex,
        acceptedAt: sendAt ?? at,
        requestedAt: sendAt === null ? null : at,
        dueAt: sendAt ?? 0,
      },
    ]
  })
  const headers = withoutSendHeaders(submission.body.headers)
  const body: Composition = { ...submission.body, headers, label: label?.name ?? null, emailType, apiUser: caller.apiUser }
  await addQueuedMessages(db, caller.account, { bodyId: messageId, content: JSON.stringify(body), createdAt: at }, messages)
}

const STATUS_SENDING = 18

function recipientResult(ledgerState: LedgerState, { deliveryId, recipient, emailId }: PlannedDelivery): SubmittedRecipient {
  const row = ledgerState.deliveries.get(deliveryId)
  return { recipient: recipient ?? '', emailId, status: row?.status ?? STATUS_SENDING, subStatus: row?.subStatus ?? null }
}

/** Guards the stored response of an earlier request, which only this file writes. */
function isSubmissionResult(value: unknown): value is SubmissionResult {
  return typeof value === 'object' && value !== null && 'messageId' in value && 'recipients' in value && Array.isArray(value.recipients)
}
