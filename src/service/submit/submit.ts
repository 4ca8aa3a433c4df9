/**
 * submit - mails that our own queue sends: named, asked against the lists, and put into the queue, all in one transaction
 *
 * A recipient on one of our lists is answered at once (401, 402), an address that is none is 404; neither is ever queued. What is answered is
 * durable. A request that names itself is answered as before for an hour, and not sent again: by any node, after any restart.
 *
 * See also: service/submit/register-recipients, service/deliver/render (what becomes of it), store/queue/queued-mail.
 */
import { hash } from 'node:crypto'
import type { Composition } from '../../compose/composition.ts'
import { canExceedSizeBound } from '../../compose/size-bound.ts'
import { normaliseAddress } from '../../correlate/address-hash.ts'
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import { Fault } from '../../errors.ts'
import { parseBareAddress } from '../../mail/mime/address.ts'
import type { LedgerState } from '../../ledger/project/state.ts'
import type { Database } from '../../store/engine/engine.ts'
import { sumCounters } from '../../store/facts/counters.ts'
import { ensureLabels, findLabel } from '../../store/account/labels.ts'
import { addQueuedMessages, type NewQueuedMessage } from '../../store/queue/queued-mail.ts'
import { reserveSequenceNumbers } from '../../store/engine/sequences.ts'
import { findSubmission, saveSubmission } from '../../store/mail/submissions.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { commitLedgerState } from '../commit.ts'
import { decideRequests, planDelivery, type PlannedDelivery } from './register-recipients.ts'
import type { Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { createDeliveryIdAllocator } from './delivery-ids.ts'

export type Submission = {
  /** Its `label` and `apiUser` are set here. */
  readonly body: Omit<Composition, 'label' | 'apiUser'>
  /** In the order of their emailIds. What is no address is answered 404. */
  readonly recipients: readonly { readonly recipient: string; readonly variables: Readonly<Record<string, string>> }[]
  /** The number wins over the name. */
  readonly label: { readonly id: number } | { readonly name: string } | null
  /** Headers that webhooks and exports give back. */
  readonly userHeaders: Readonly<Record<string, string>>
  /** The request's own id; null: it has none. */
  readonly requestId: string | null
}

export type SubmittedRecipient = {
  readonly recipient: string
  readonly emailId: string
  /** 18: it waits to be sent; 4: it is not sent. */
  readonly status: number
  readonly subStatus: number | null
}

export type SubmissionResult = { readonly messageId: string; readonly recipients: readonly SubmittedRecipient[] }
export type Submit = (by: Caller, call: Submission) => Promise<SubmissionResult>

/** `nudge`: mail waits, whoever delivers may look. */
export type SubmitOptions = {
  readonly onQueued: () => void
  /** What one account may send to in a day (UTC); null or absent: as many as it likes. */
  readonly recipientsPerDay?: number | null
}

/** How long a repeat is answered as before, as the vendor does. */
export const IDEMPOTENCY_WINDOW_MS = 3_600_000

/**
 * Makes the door. Faults of a call: forbidden (not from this domain), bad_request (no sender, or a text grows beyond all bounds), not_found (no such label),
 * quota_exceeded, store_busy.
 */
export function createSubmit(context: Context, { onQueued, recipientsPerDay = null }: SubmitOptions): Submit {
  const allocateIds = createDeliveryIdAllocator(context.engine)
  return async (by, call) => {
    const sender = normaliseAddress(call.body.from)
    if (sender === null) throw new Fault('bad_request', 'from is no address')
    const variables = call.recipients.map((each) => each.variables)
    if (canExceedSizeBound(call.body, variables)) throw new Fault('bad_request', 'with its variables put in, the mail is too large')
    const snapshot = await context.accountCache.snapshot()
    if (!maySendFrom(snapshot.settingsOf(by.account).senderDomains, sender.domain))
      throw new Fault('forbidden', 'the account may not send from this domain (senderDomains)')
    const at = context.now()
    const ids = await allocateIds(by.account, call.recipients.length, at)
    const messageId = `${ids[0] ?? ''}m`
    const planned = call.recipients.map(({ recipient }, index) =>
      planDelivery(
        { recipient, contactTypes: null, isKnown: false },
        { deliveryId: ids[index] ?? '', keyIndex: snapshot.signingIndex },
        { messageId, index, from: call.body.from, ownMessageId: call.body.messageId },
      ),
    )
    const done = await context.engine.tx((db) =>
      saveInTransaction(context, snapshot, { db, by, call, messageId, planned, senderDomain: sender.domain, recipientsPerDay, at }),
    )
    if (done.messageId === messageId) context.telemetry.count('bounced_registrations_total', {}, planned.length)
    onQueued()
    return done
  }
}

/** A domain stands for those below it, too; none at all stands for any. */
function maySendFrom(domains: readonly string[], from: string): boolean {
  return domains.length === 0 || domains.some((domain) => from === domain || from.endsWith(`.${domain}`))
}

type SubmissionPlan = {
  readonly db: Database
  readonly by: Caller
  readonly call: Submission
  readonly messageId: string
  readonly planned: readonly PlannedDelivery[]
  readonly senderDomain: string
  readonly recipientsPerDay: number | null
  readonly at: number
}

async function saveInTransaction(context: Context, snapshot: AccountSnapshot, plan: SubmissionPlan): Promise<SubmissionResult> {
  const { db, by, call, messageId, planned, at } = plan
  const requestKey = call.requestId === null ? null : hash('sha256', call.requestId)
  if (requestKey !== null) {
    const earlier = await findSubmission(db, { account: by.account, requestKey, since: at - IDEMPOTENCY_WINDOW_MS }, isSubmissionResult)
    if (earlier !== null) return earlier
  }
  await checkQuota(plan)
  const label = await resolveLabel(db, by.account, { wanted: call.label, at })
  const { from, subject, emailType } = call.body
  const request = { from, subject, label: label?.name ?? null, broadcast: null, emailType, headers: call.userHeaders }
  const ledgerState = await decideRequests(context, snapshot, {
    db,
    by,
    request,
    messageId,
    planned,
    labelId: label?.id ?? null,
    isQueued: true,
    at,
  })
  await enqueue(db, ledgerState, { ...plan, label: label?.name ?? null })
  await commitLedgerState(db, ledgerState, { now: at, notify: () => true })
  const answer = { messageId, recipients: planned.map((each) => recipientResult(ledgerState, each)) }
  if (requestKey !== null) await saveSubmission(db, { account: by.account, requestKey, at, answer })
  return answer
}

/**
 * What was asked for today counts, whatever became of it. Requests of one account follow each other here: the row that each of them changes
 * lets two that run at once not both see the room that is for one.
 */
async function checkQuota({ db, by, planned, recipientsPerDay, at }: SubmissionPlan): Promise<void> {
  if (recipientsPerDay === null) return
  await reserveSequenceNumbers(db, by.account, 'quota', planned.length)
  const from = at - (at % DAY_MS)
  const sums = await sumCounters(db, by.account, { windows: [{ from, to: from + DAY_MS }], metrics: ['request'] })
  const used = sums.reduce((sum, { n }) => sum + n, 0)
  if (used + planned.length > recipientsPerDay)
    throw new Fault('quota_exceeded', `${used} of ${recipientsPerDay} recipients of this day are used (submission.recipientsPerDay)`)
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
  if (found === null) throw new Fault('not_found', 'no label has this number')
  return { id: wanted.id, name: found.name }
}

/** Who may be sent to waits: whoever a list or his own address has answered does not. */
async function enqueue(
  db: Database,
  ledgerState: LedgerState,
  { by, call, messageId, planned, senderDomain, at, label }: SubmissionPlan & { readonly label: string | null },
): Promise<void> {
  const mails = planned.flatMap(({ deliveryId, address }, index): NewQueuedMessage[] => {
    if (address === null || ledgerState.deliveries.get(deliveryId)?.status !== STATUS_SENDING) return []
    const { recipient = '', variables = {} } = call.recipients[index] ?? {}
    const deliveryMonth = monthOfDelivery(deliveryId)
    return [
      {
        deliveryId,
        deliveryMonth,
        recipient: parseBareAddress(recipient) ?? address.address,
        domain: address.domain,
        senderDomain,
        variables,
        acceptedAt: at,
        dueAt: 0,
      },
    ]
  })
  const body: Composition = { ...call.body, label, apiUser: by.apiUser }
  await addQueuedMessages(db, by.account, { bodyId: messageId, content: JSON.stringify(body), createdAt: at }, mails)
}

const STATUS_SENDING = 18

function recipientResult(ledgerState: LedgerState, { deliveryId, recipient, emailId }: PlannedDelivery): SubmittedRecipient {
  const row = ledgerState.deliveries.get(deliveryId)
  return { recipient: recipient ?? '', emailId, status: row?.status ?? STATUS_SENDING, subStatus: row?.subStatus ?? null }
}

/** What this door has written itself. */
function isSubmissionResult(value: unknown): value is SubmissionResult {
  return typeof value === 'object' && value !== null && 'messageId' in value && 'recipients' in value && Array.isArray(value.recipients)
}
