/**
 * record-lines - records what the lines of a log say, and how far it was read, in one transaction
 *
 * Lines become attempts with `asynchronous: false`, by the same way as reported attempts, so that statuses, lists, webhooks and statistics follow. A
 * line that is read again changes nothing. An expiry takes the cause of the delivery's last deferral.
 *
 * See also: mta-log/queue-join, service/follow/delivery-finder, service/submit/record-attempt, docs/FOLLOW.md.
 */
import { hash } from 'node:crypto'
import { siteOf } from '../../classify/provider.ts'
import { normaliseAddress } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import type { ObservedAttempt } from '../../ledger/decide/attempt.ts'
import type { AttemptData } from '../../ledger/facts/delivery-facts.ts'
import type { Fact, FactOf } from '../../ledger/facts/fact.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { parseReply } from '../../mail/smtp/reply.ts'
import type { RelayMatcher } from '../../mta-log/hand-over.ts'
import type { LogOutcome } from '../../mta-log/log-outcome.ts'
import { joinLines, type JoinCounts, type JoinedOutcome, type JoinResult } from '../../mta-log/queue-join.ts'
import type { Database } from '../../store/engine/engine.ts'
import { saveFollowedLogForOperator, type FollowedLog } from '../../store/mail/followed-logs.ts'
import { findFollowedMessagesForOperator, saveFollowedMessagesForOperator } from '../../store/mail/followed-messages.ts'
import type { LedgerStateNeeds } from '../../store/facts/ledger-state.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Context } from '../context.ts'
import { addAdviceInputsForOperator } from '../../store/queue/advice.ts'
import { toInputRow } from '../advise/reported-outcomes.ts'
import { type AttemptRecord, recordExternalAttempt } from '../submit/record-attempt.ts'
import { transact, type LedgerTransaction } from '../transact.ts'
import { createDeliveryFinder, ownSenderOf } from './delivery-finder.ts'
import { entriesInScope, entriesToStore } from './queue-scope.ts'

type LogBatch = {
  readonly lines: readonly LogOutcome[]
  /** The host of lines that name none. */
  readonly host: string
  /** The log with its position after the lines; null: it has none, as standard input. */
  readonly log: FollowedLog | null
  /** Whether the changes notify webhook endpoints. */
  readonly notify: boolean
  readonly isOwnRelay: RelayMatcher
  /** Only mails of this account are found; null: those of all. */
  readonly account: number | null
}

/** How many outcomes changed what is known of a mail (`recorded`), were known before, or concern no mail of ours. */
export type RecordedCounts = JoinCounts & {
  readonly recorded: number
  readonly known: number
  readonly byResult: Readonly<Record<JoinedOutcome['result'], number>>
}

/** Records a batch. Faults: conflict (another reader follows the log), store_busy. */
export async function recordLines(context: Context, batch: LogBatch): Promise<RecordedCounts> {
  const snapshot = await context.accountCache.snapshot()
  const lines = batch.lines.map((line) => hideForeignSender(line, context))
  let joined: JoinResult = NOTHING_JOINED
  const needs = async (db: Database): Promise<LedgerStateNeeds> => {
    joined = await joinInStore(context, db, { ...batch, lines }, snapshot)
    return needsOf(context, snapshot, joined)
  }
  const { counts, facts } = await transact(context, needs, async (transaction) => {
    const recorded = joined.outcomes.map((outcome) => recordOutcome(context, snapshot, transaction, outcome))
    await saveFollowedMessagesForOperator(transaction.db, {
      changed: entriesToStore(joined.changed, batch.account),
      removed: entriesToStore(joined.removed, batch.account),
    })
    await feedAdvice(context, transaction, recorded)
    if (batch.log !== null && !(await saveFollowedLogForOperator(transaction.db, batch.log)))
      throw new Fault('conflict', `${batch.log.source}: another process follows this log`)
    return { result: { counts: countsOf(joined, recorded), facts: transaction.ledgerState.newFacts }, notify: () => batch.notify }
  })
  context.counterBuffer.count(facts)
  for (const [result, count] of Object.entries(counts.byResult)) context.telemetry.count('bounced_log_outcomes_total', { result }, count)
  context.telemetry.count('bounced_log_outcomes_total', { result: 'handed-over' }, counts.handedOver)
  context.telemetry.count('bounced_log_outcomes_total', { result: 'unmatched' }, counts.unmatched)
  return counts
}

const NOTHING_JOINED: JoinResult = { outcomes: [], changed: [], removed: [], counts: { matched: 0, unmatched: 0, handedOver: 0 } }

/** Addresses of other senders of the MTA are not stored; a digest tells them apart. */
function hideForeignSender(line: LogOutcome, { domains }: Context): LogOutcome {
  if (line.sender === null || line.sender === '') return line
  return { ...line, sender: ownSenderOf(line.sender, domains) ?? `#${hash('sha256', line.sender).slice(0, 16)}` }
}

async function joinInStore(context: Context, db: Database, batch: LogBatch, snapshot: AccountSnapshot): Promise<JoinResult> {
  const { lines, host, isOwnRelay } = batch
  const { account } = batch
  const stored = await findFollowedMessagesForOperator(
    db,
    lines.flatMap(({ queueId, queuedAs }) => (queuedAs === null ? queueId : [queueId, queuedAs])),
  )
  const entries = entriesInScope(stored, account)
  const find = await createDeliveryFinder(db, { snapshot, domains: context.domains, account, lines, entries })
  return joinLines({ lines, entries, find, isOwnRelay, host, now: context.now() })
}

function needsOf(context: Context, snapshot: AccountSnapshot, { outcomes }: JoinResult): LedgerStateNeeds {
  return {
    deliveries: outcomes.map(({ delivery }) => delivery),
    facts: outcomes.filter(({ result }) => result === 'expired').map(({ delivery }) => delivery),
    history: true,
    sharedList: snapshot.accounts.some(({ settings }) => settings.sharedList),
    sitesAt: context.now(),
  }
}

type RecordedOutcome = {
  readonly account: number
  readonly result: JoinedOutcome['result']
  readonly isKnown: boolean
  readonly advice: AttemptRecord['outcome']
}

/** Recent outcomes teach the backoff keys of each account's MTA. */
async function feedAdvice(
  context: Context,
  { db, moment }: LedgerTransaction,
  recorded: readonly (RecordedOutcome | null)[],
): Promise<void> {
  const lessons = recorded.flatMap((each) =>
    each === null || each.advice === null ? [] : [{ account: each.account, advice: each.advice }],
  )
  const rows = [...Map.groupBy(lessons, ({ account }) => account)].map(([account, group]) =>
    toInputRow(context, account, { outcomes: group.map(({ advice }) => advice) }, moment.at),
  )
  if (rows.length > 0) await addAdviceInputsForOperator(db, rows)
}

/** Null: the delivery is no longer in the store. */
function recordOutcome(
  context: Context,
  snapshot: AccountSnapshot,
  transaction: LedgerTransaction,
  outcome: JoinedOutcome,
): RecordedOutcome | null {
  const { account, deliveryId } = outcome.delivery
  const delivery = transaction.ledgerState.deliveries.get(deliveryId)
  if (delivery === undefined || delivery.account !== account) return null
  const facts = transaction.ledgerState.facts.get(deliveryId) ?? []
  const { fact, outcome: advice } = recordExternalAttempt(context, transaction, {
    delivery,
    attempt: attemptOf(context, delivery, outcome, facts),
    settings: snapshot.settingsOf(account),
    at: outcome.at,
    isForwarded: isOtherDomain(outcome.line.recipient, delivery),
  })
  return { account, result: outcome.result, isKnown: fact === null, advice }
}

function isOtherDomain(recipient: string | null, { domain }: DeliveryRow): boolean {
  const final = recipient === null ? null : (normaliseAddress(recipient)?.domain ?? null)
  return final !== null && final !== domain
}

function attemptOf(context: Context, delivery: DeliveryRow, outcome: JoinedOutcome, facts: readonly Fact[]): ObservedAttempt {
  const { line, result } = outcome
  const reply = result === 'expired' ? replyOfExpiry(line, facts) : result === 'sent' ? replyOfDelivery(line) : replyOfRefusal(line)
  const mx = line.relay?.kind === 'host' ? (line.relay.name ?? line.relay.ip) : reply.mx
  return {
    n: line.attempt,
    ...reply,
    mx,
    egressIp: line.egressIp,
    site: siteOf(context.rules(), { mx, domain: delivery.domain }).site,
    final: result !== 'deferred',
    source: 'log',
    log: { host: outcome.host, queueId: line.queueId, digest: digestOf(outcome) },
  }
}

type ReplyFields = Pick<ObservedAttempt, 'code' | 'status' | 'text' | 'error' | 'mx'>

const replyOfDelivery = (line: LogOutcome): ReplyFields => ({
  code: line.code !== null && line.code < 300 ? line.code : 250,
  status: line.dsn,
  text: line.text,
  error: null,
  mx: null,
})

const replyOfRefusal = ({ code, dsn, text, error }: LogOutcome): ReplyFields => ({
  code: code !== null && code >= 400 ? code : null,
  status: parseReply(text).status ?? dsn,
  text,
  error,
  mx: null,
})

/** RFC 3463 §3.5: delivery time expired. */
const EXPIRED: ReplyFields = { code: null, status: '4.4.7', text: 'delivery time expired', error: null, mx: null }

/** What the MTA says last, else the last deferral, else nothing but that it expired. */
function replyOfExpiry(line: LogOutcome, facts: readonly Fact[]): ReplyFields {
  if (line.code !== null || line.error !== null) return replyOfRefusal(line)
  const attempts = facts.filter((fact): fact is FactOf<'attempt'> => fact.kind === 'attempt' && !fact.data.final)
  const last: AttemptData | undefined = attempts.toSorted((a, b) => a.at - b.at).at(-1)?.data
  return last === undefined ? EXPIRED : { code: last.code, status: last.status, text: last.text, error: last.error, mx: last.mx }
}

/** The same line has the same digest, from whichever file it is read. */
function digestOf({ line, host, result, delivery }: JoinedOutcome): string {
  const { queueId, time, recipient, dsn, text } = line
  return hash('sha256', JSON.stringify([host, queueId, time, recipient, result, dsn, text, delivery.deliveryId])).slice(0, 32)
}

function countsOf({ counts }: JoinResult, recorded: readonly (RecordedOutcome | null)[]): RecordedCounts {
  const found = recorded.filter((each) => each !== null)
  const fresh = found.filter(({ isKnown }) => !isKnown)
  const count = (result: JoinedOutcome['result']): number => fresh.filter((each) => each.result === result).length
  const gone = recorded.length - found.length
  return {
    matched: found.length,
    unmatched: counts.unmatched + gone,
    handedOver: counts.handedOver,
    recorded: fresh.length,
    known: found.length - fresh.length,
    byResult: { sent: count('sent'), deferred: count('deferred'), bounced: count('bounced'), expired: count('expired') },
  }
}
