/**
 * record-events - records the events of an ESP as the same facts that SMTP replies and reports by mail make
 *
 * | outcome                                   | recorded as                                                        |
 * |-------------------------------------------|--------------------------------------------------------------------|
 * | `delivered`, `deferred`, `refused`        | an attempt, classified by our rules                                |
 * | `bounced`, `complaint`, `unsubscribe`     | a report, which is kept raw                                        |
 * | `failed`                                  | a report if the mail was delivered before, else an attempt         |
 * | `open`, `click`                           | like those of our own links                                        |
 *
 * A failure, a complaint or an unsubscribe of which no delivery is known goes to the account's inbox; other events without a delivery are only counted.
 * Idempotent: a repeated event has the same dedup keys and the same digest.
 *
 * See also: service/esp/match-event, esp-events/event-report, service/receive/match-and-decide, ledger/decide/attempt.
 */
import { hash } from 'node:crypto'
import { siteOf } from '../../classify/provider.ts'
import type { ReportMatch } from '../../correlate/match.ts'
import { NO_SIGNATURE } from '../../correlate/report-signature.ts'
import type { Esp, EspEvent } from '../../esp-events/esp-event.ts'
import { isReportEvent, writeEventReport, type ReportEvent } from '../../esp-events/event-report.ts'
import { isItemFault } from '../../errors.ts'
import type { ObservedAttempt } from '../../ledger/decide/attempt.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { NO_AUTHENTICATION_RESULTS } from '../../mail-auth/verify-signatures.ts'
import { parseReport } from '../../mail/report-parser.ts'
import { parseReply } from '../../mail/smtp/reply.ts'
import type { ReferencedBody } from '../../store/mail/mail-bodies.ts'
import type { ReportRow } from '../../store/mail/reports.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Context } from '../context.ts'
import { contentDigestOf, reportDigest, type IncomingMail } from '../receive/incoming-mail.ts'
import { decideForMatch } from '../receive/match-and-decide.ts'
import type { PreparedMail } from '../receive/prepare.ts'
import { mapInTimeSlices } from '../time-slice.ts'
import type { EngagementService } from '../track/engagement-service.ts'
import { recordExternalAttempt } from '../submit/record-attempt.ts'
import { transact, type LedgerTransaction } from '../transact.ts'
import { deliveryNeedsOf, findDeliveryOfEvent, referEvent, type ReferredEvent } from './match-event.ts'

type EventBatch = { readonly account: number; readonly esp: Esp; readonly sourceId: string; readonly events: readonly EspEvent[] }

/** What became of an event. `unmatched`: no delivery is known. `unreadable`: it cannot be processed, and others are not kept back by it. */
export type RecordedState = 'recorded' | 'repeated' | 'inbox' | 'unmatched' | 'unreadable'

/** One transaction has so many events, so that others come in between. */
const EVENTS_PER_TRANSACTION = 200

/** Records the events, in order. Resolves to what became of each. Faults: store_busy; those of whole transactions before are kept. */
export async function recordEvents(context: Context, engagement: EngagementService, batch: EventBatch): Promise<readonly RecordedState[]> {
  const states: RecordedState[] = []
  for (let from = 0; from < batch.events.length; from += EVENTS_PER_TRANSACTION)
    states.push(
      ...(await recordWithIsolation(context, engagement, { ...batch, events: batch.events.slice(from, from + EVENTS_PER_TRANSACTION) })),
    )
  return states
}

/** Records a slice. If an event of it cannot be processed, its halves are recorded by themselves, until that event is alone. */
async function recordWithIsolation(context: Context, engagement: EngagementService, batch: EventBatch): Promise<readonly RecordedState[]> {
  const { events, account, esp } = batch
  try {
    return await recordSlice(context, engagement, batch)
  } catch (error) {
    if (!isItemFault(error)) throw error
    const [event] = events
    if (events.length <= 1) {
      context.telemetry.log.error({ account, esp, event: event?.id, err: error }, 'an event could not be processed')
      return events.map(() => 'unreadable')
    }
    const middle = Math.ceil(events.length / 2)
    const first = await recordWithIsolation(context, engagement, { ...batch, events: events.slice(0, middle) })
    return [...first, ...(await recordWithIsolation(context, engagement, { ...batch, events: events.slice(middle) }))]
  }
}

async function recordSlice(context: Context, engagement: EngagementService, batch: EventBatch): Promise<readonly RecordedState[]> {
  const { account, events } = batch
  const snapshot = await context.accountCache.snapshot()
  const items = events.map((event) => createItem(context, batch, referEvent(context, snapshot, account, event)))
  const digests = items.map(({ digest }) => digest)
  const { results, facts } = await transact(
    context,
    async (db) => ({
      ...(await deliveryNeedsOf(db, account, items)),
      subjects: digests.map((digest) => ({ account, subject: `mail:${digest}` })),
      digests,
      history: true,
      sharedList: snapshot.settingsOf(account).sharedList,
      sitesAt: context.now(),
    }),
    async (transaction) => {
      const work = { context, snapshot, batch, transaction, seen: new Set(transaction.knownDigests) }
      const decided = await mapInTimeSlices(items, (item) => decideItem(work, item))
      return {
        result: { results: decided, facts: transaction.ledgerState.newFacts },
        reports: decided.flatMap(({ report }) => report?.row ?? []),
        rawMails: decided.flatMap(({ report }) => report?.body ?? []),
      }
    },
  )
  context.counterBuffer.count(facts)
  await Promise.all(results.flatMap(({ engaged }) => (engaged === null ? [] : [engagement.record(engaged)])))
  return results.map(({ state }) => state)
}

type EventItem = ReferredEvent & { readonly digest: string; readonly at: number; readonly now: number }

function createItem({ now }: Context, { account, esp, sourceId }: EventBatch, referred: ReferredEvent): EventItem {
  const receivedAt = now()
  const digest = reportDigest(hash('sha256', JSON.stringify([account, esp, sourceId, referred.event.id])), referred.event.recipient)
  return { ...referred, digest, at: Math.min(referred.event.at ?? receivedAt, receivedAt), now: receivedAt }
}

type EventWork = {
  readonly context: Context
  readonly snapshot: AccountSnapshot
  readonly batch: EventBatch
  readonly transaction: LedgerTransaction
  /** The digests of reports that are stored, or will be. */
  readonly seen: Set<string>
}

type ItemResult = {
  readonly state: RecordedState
  readonly report: { readonly row: ReportRow; readonly body: ReferencedBody } | null
  readonly engaged: Parameters<EngagementService['record']>[0] | null
}

const settled = (state: RecordedState): ItemResult => ({ state, report: null, engaged: null })

/** Decides one event and applies its facts, so that the next one sees them. */
function decideItem(work: EventWork, item: EventItem): ItemResult {
  const { event } = item
  const { account } = work.batch
  const delivery = findDeliveryOfEvent(work.transaction, account, item)
  if (isReportEvent(event) && (delivery === null || isAfterDelivery(event, delivery)))
    return decideReportEvent(work, item, { event, delivery })
  if (delivery === null) return settled('unmatched')
  if (work.snapshot.blocks.isMailBlocked(delivery)) return settled('unmatched')
  const { outcome, url, ip, userAgent } = event
  if (outcome !== 'open' && outcome !== 'click') return settled(decideAttemptEvent(work, item, delivery) ? 'recorded' : 'repeated')
  const { deliveryId } = delivery
  const engaged = {
    kind: outcome,
    account,
    deliveryId,
    url,
    ip: ip ?? '',
    userAgent,
    method: 'GET',
    purpose: null,
    receivedAt: item.at,
  } as const
  return { state: 'recorded', report: null, engaged }
}

/** Whether an event is a report about mail that was accepted, and not the reply to an attempt. */
function isAfterDelivery({ outcome }: EspEvent, { status, asynchronous, deliveredAt }: DeliveryRow): boolean {
  if (outcome !== 'failed') return outcome !== 'refused'
  // What was refused in the session stays so, whatever the order in which events come again.
  const isRefused = (status === 4 || status === 5) && !asynchronous
  return deliveredAt !== null && !isRefused
}

function decideAttemptEvent({ context, snapshot, transaction, batch }: EventWork, item: EventItem, delivery: DeliveryRow): boolean {
  const { event } = item
  const { code, status } = parseReply(event.reply)
  const isDelivered = event.outcome === 'delivered'
  const attempt: ObservedAttempt = {
    n: event.outcome === 'deferred' ? event.attempt : null,
    // An ESP may leave out the reply to what it delivered. What it did not deliver was not accepted, whatever the text says.
    code: isDelivered ? (code !== null && code < 300 ? code : 250) : code !== null && code < 300 ? null : code,
    status,
    text: event.reply,
    error: null,
    mx: event.mx,
    egressIp: null,
    site: siteOf(context.rules(), { mx: event.mx, domain: delivery.domain }).site,
    final: event.outcome !== 'deferred',
    source: 'api',
  }
  const settings = snapshot.settingsOf(batch.account)
  return recordExternalAttempt(context, transaction, { delivery, attempt, settings, at: item.at }).fact !== null
}

type ReportInput = { readonly event: ReportEvent; readonly delivery: DeliveryRow | null }

function decideReportEvent(work: EventWork, item: EventItem, { event, delivery }: ReportInput): ItemResult {
  const { context, snapshot, batch, transaction, seen } = work
  if (seen.has(item.digest)) return settled('repeated')
  seen.add(item.digest)
  const prepared = prepareReport(batch, item, event)
  const { account } = batch
  const isBlocked = snapshot.blocks.isMailBlocked({ account, deliveryId: delivery?.deliveryId ?? null })
  const match: ReportMatch<DeliveryRow> = {
    account,
    deliveryId: delivery?.deliveryId ?? null,
    delivery,
    stub: false,
    weak: false,
    via: delivery === null ? null : 'event',
    proof: delivery === null || isBlocked ? null : 'event',
    problem: isBlocked ? 'cut' : delivery === null ? 'unmatched' : null,
  }
  const facts = decideForMatch({ context, snapshot, loaded: transaction, item: prepared }, match)
  transaction.apply(facts)
  const isInInbox = facts.some(({ kind }) => kind === 'inbox')
  return { state: isInInbox ? 'inbox' : 'recorded', report: storedReportOf(prepared, account), engaged: null }
}

function prepareReport({ esp, sourceId }: EventBatch, { digest, at, now: receivedAt }: EventItem, event: ReportEvent): PreparedMail {
  const raw = writeEventReport(esp, event, at)
  const mail: IncomingMail = {
    raw,
    size: raw.length,
    truncated: false,
    dataDigest: digest,
    envelope: { from: '', to: '' },
    peer: null,
    helo: null,
    at,
    receivedAt,
    source: 'event',
    trustAs: null,
    sessionId: `${esp}:${sourceId}`,
  }
  const report = parseReport(raw)
  return { mail, digest, report, references: [], authentication: NO_AUTHENTICATION_RESULTS, signature: NO_SIGNATURE }
}

function storedReportOf(
  { mail, digest, report }: PreparedMail,
  account: number,
): { readonly row: ReportRow; readonly body: ReferencedBody } {
  const { receivedAt, size, truncated, peer, envelope, source, sessionId, raw } = mail
  const content = contentDigestOf(mail)
  return {
    row: {
      digest,
      account,
      receivedAt,
      kind: report.kind,
      size,
      truncated,
      peer,
      mailFrom: envelope.from,
      rcptTo: envelope.to,
      source,
      sessionId,
      auth: null,
      content,
    },
    body: { content, kind: 'report', account, digest, receivedAt, body: raw },
  }
}
