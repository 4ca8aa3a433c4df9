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
import { growsTooLarge } from '../../compose/size-bound.ts'
import { knowAddress } from '../../correlate/address-hash.ts'
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import { Fault } from '../../errors.ts'
import { bareAddress } from '../../mail/mime/address.ts'
import type { World } from '../../ledger/project/state.ts'
import type { Db } from '../../store/engine/engine.ts'
import { sumCounters } from '../../store/facts/counters.ts'
import { ensureLabels, findLabel } from '../../store/account/labels.ts'
import { addQueued, type NewMail } from '../../store/queue/queued-mail.ts'
import { takeBlock } from '../../store/engine/sequences.ts'
import { findSubmission, saveSubmission } from '../../store/mail/submissions.ts'
import type { Page } from '../account-cache.ts'
import { commitWorld } from '../commit.ts'
import type { Asker } from './register.ts'
import { decideRequests, planRecipient, type Planned } from './register-recipients.ts'
import { createDeliveryIds, type Shop } from '../context.ts'

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

export type Submitted = { readonly messageId: string; readonly recipients: readonly SubmittedRecipient[] }
export type Submit = (by: Asker, call: Submission) => Promise<Submitted>

/** `nudge`: mail waits, whoever delivers may look. */
export type SubmitOptions = {
  readonly nudge: () => void
  /** What one account may send to in a day (UTC); null or absent: as many as it likes. */
  readonly recipientsPerDay?: number | null
}

/** How long a repeat is answered as before, as the vendor does. */
export const REPEAT_MS = 3_600_000

/**
 * Makes the door. Faults of a call: forbidden (not from this domain), bad_request (no sender, or a text grows beyond all bounds), not_found (no such label),
 * quota_exceeded, store_busy.
 */
export function createSubmit(shop: Shop, { nudge, recipientsPerDay = null }: SubmitOptions): Submit {
  const takeIds = createDeliveryIds(shop.engine)
  return async (by, call) => {
    const sender = knowAddress(call.body.from)
    if (sender === null) throw new Fault('bad_request', 'from is no address')
    const variables = call.recipients.map((each) => each.variables)
    if (growsTooLarge(call.body, variables)) throw new Fault('bad_request', 'with its variables put in, the mail is too large')
    const page = await shop.book.open()
    if (!maySendFrom(page.settingsOf(by.account).senderDomains, sender.domain))
      throw new Fault('forbidden', 'the account may not send from this domain (senderDomains)')
    const at = shop.now()
    const ids = await takeIds(by.account, call.recipients.length, at)
    const messageId = `${ids[0] ?? ''}m`
    const planned = call.recipients.map(({ recipient }, index) =>
      planRecipient(
        { recipient, contactTypes: null, isKnown: false },
        { deliveryId: ids[index] ?? '', keyIndex: page.signingIndex },
        { messageId, index, from: call.body.from, ownMessageId: call.body.messageId },
      ),
    )
    const done = await shop.engine.tx((db) =>
      save(shop, page, { db, by, call, messageId, planned, senderDomain: sender.domain, recipientsPerDay, at }),
    )
    if (done.messageId === messageId) shop.telemetry.count('bounced_registrations_total', {}, planned.length)
    nudge()
    return done
  }
}

/** A domain stands for those below it, too; none at all stands for any. */
function maySendFrom(domains: readonly string[], from: string): boolean {
  return domains.length === 0 || domains.some((domain) => from === domain || from.endsWith(`.${domain}`))
}

type Saving = {
  readonly db: Db
  readonly by: Asker
  readonly call: Submission
  readonly messageId: string
  readonly planned: readonly Planned[]
  readonly senderDomain: string
  readonly recipientsPerDay: number | null
  readonly at: number
}

async function save(shop: Shop, page: Page, saving: Saving): Promise<Submitted> {
  const { db, by, call, messageId, planned, at } = saving
  const requestKey = call.requestId === null ? null : hash('sha256', call.requestId)
  if (requestKey !== null) {
    const before = await findSubmission(db, { account: by.account, requestKey, since: at - REPEAT_MS }, isSubmitted)
    if (before !== null) return before
  }
  await checkQuota(saving)
  const label = await labelOf(db, by.account, { wanted: call.label, at })
  const { from, subject, emailType } = call.body
  const request = { from, subject, label: label?.name ?? null, broadcast: null, emailType, headers: call.userHeaders }
  const world = await decideRequests(shop, page, { db, by, request, messageId, planned, labelId: label?.id ?? null, isQueued: true, at })
  await queue(db, world, { ...saving, label: label?.name ?? null })
  await commitWorld(db, world, { now: at, notify: () => true })
  const answer = { messageId, recipients: planned.map((each) => answerOf(world, each)) }
  if (requestKey !== null) await saveSubmission(db, { account: by.account, requestKey, at, answer })
  return answer
}

/**
 * What was asked for today counts, whatever became of it. Requests of one account follow each other here: the row that each of them changes
 * lets two that run at once not both see the room that is for one.
 */
async function checkQuota({ db, by, planned, recipientsPerDay, at }: Saving): Promise<void> {
  if (recipientsPerDay === null) return
  await takeBlock(db, by.account, 'quota', planned.length)
  const from = at - (at % DAY_MS)
  const sums = await sumCounters(db, by.account, { windows: [{ from, to: from + DAY_MS }], metrics: ['request'] })
  const used = sums.reduce((sum, { n }) => sum + n, 0)
  if (used + planned.length > recipientsPerDay)
    throw new Fault('quota_exceeded', `${used} of ${recipientsPerDay} recipients of this day are used (submission.recipientsPerDay)`)
}

const DAY_MS = 86_400_000

async function labelOf(
  db: Db,
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
async function queue(
  db: Db,
  world: World,
  { by, call, messageId, planned, senderDomain, at, label }: Saving & { readonly label: string | null },
): Promise<void> {
  const mails = planned.flatMap(({ deliveryId, address }, index): NewMail[] => {
    if (address === null || world.deliveries.get(deliveryId)?.status !== SENDING) return []
    const { recipient = '', variables = {} } = call.recipients[index] ?? {}
    const deliveryMonth = monthOfDelivery(deliveryId)
    return [
      {
        deliveryId,
        deliveryMonth,
        recipient: bareAddress(recipient) ?? address.address,
        domain: address.domain,
        senderDomain,
        variables,
        acceptedAt: at,
        dueAt: 0,
      },
    ]
  })
  const body: Composition = { ...call.body, label, apiUser: by.apiUser }
  await addQueued(db, by.account, { bodyId: messageId, content: JSON.stringify(body), createdAt: at }, mails)
}

const SENDING = 18

function answerOf(world: World, { deliveryId, recipient, emailId }: Planned): SubmittedRecipient {
  const row = world.deliveries.get(deliveryId)
  return { recipient: recipient ?? '', emailId, status: row?.status ?? SENDING, subStatus: row?.subStatus ?? null }
}

/** What this door has written itself. */
function isSubmitted(value: unknown): value is Submitted {
  return typeof value === 'object' && value !== null && 'messageId' in value && 'recipients' in value && Array.isArray(value.recipients)
}
