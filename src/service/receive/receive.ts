/**
 * receive - processes received mails: load, decide, commit, and only then respond
 *
 * `submit` resolves after the durable commit of raw mail, facts, projections and outbox. Sessions that wait at the same time share one commit.
 * A mail that was received before changes nothing. A mail that cannot be processed is stored as `unreadable` and does not affect others. If
 * the store is unavailable, `submit` throws Fault store_busy; the client's MTA then retries.
 *
 * See also: service/receive/prepare, service/receive/match-and-decide, service/batcher.
 */
import type { ReportMatch } from '../../correlate/match.ts'
import { NO_AUTHENTICATION_RESULTS, type SignatureVerifier } from '../../mail-auth/verify-signatures.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { parseReport } from '../../mail/report-parser.ts'
import type { ReferencedBody } from '../../store/mail/mail-bodies.ts'
import { addReportCopies, type ReportCopyRow } from '../../store/mail/report-copies.ts'
import type { ReportRow } from '../../store/mail/reports.ts'
import { createBatcher } from '../batcher.ts'
import { dryRunTransaction } from '../dry-run.ts'
import type { FloodMonitor } from './flood-monitor.ts'
import { matchAndDecide, momentOf, loadNeedsOf, type MatchContext } from './match-and-decide.ts'
import { contentDigestOf, type IncomingMail } from './incoming-mail.ts'
import { oncePerData } from './once-per-data.ts'
import type { ReceiveResult } from './receive-result.ts'
import { firstTry } from './pending-verifier.ts'
import { prepareMail, type PreparedMail } from './prepare.ts'
import type { Context } from '../context.ts'
import { planCopyOf } from '../report-copies/plan-copy.ts'
import { mapInTimeSlices } from '../time-slice.ts'
import { traceMatch, traceResult } from './trace-report.ts'
import { transact, type Decision, type LedgerTransaction } from '../transact.ts'

type ReceiverOptions = {
  readonly prover: SignatureVerifier
  /** Decides, and stores nothing. */
  readonly dryRun: boolean
  /** Whether replayed mails notify webhook endpoints. Mails that somebody sent to us always do. */
  readonly notifyReplays: boolean
  /** Whether senders get copies of reports, if their accounts want them. */
  readonly copiesReports?: boolean
  /** Absent in commands, where no flood can occur. */
  readonly floodMonitor?: FloodMonitor
}

export type Receiver = {
  /** Resolves after the durable commit. Idempotent. Faults: store_busy. */
  readonly submit: (mail: IncomingMail) => Promise<ReceiveResult>
  /** Resolves when no mail is being processed. */
  readonly waitUntilIdle: () => Promise<void>
}

/** Large enough to share the cost of a commit, small enough to keep each commit short. */
const MAX_MAILS = 200
const MAX_BYTES = 4_194_304
/** SQLite has one writer; PostgreSQL commits in parallel. */
const MAX_CONCURRENT_BATCHES = { sqlite: 1, postgres: 4 } as const

/** Creates the receiver of a daemon or of a replay. */
export function createReceiver(context: Context, options: ReceiverOptions): Receiver {
  const verifyOnce: SignatureVerifier = oncePerData(options.prover)
  const batcher = createBatcher<PreparedMail, ReceiveResult>({
    maxItems: MAX_MAILS,
    maxBytes: MAX_BYTES,
    bytesOf: ({ mail }) => mail.raw,
    accountOf: accountNumberOf,
    maxConcurrent: MAX_CONCURRENT_BATCHES[context.engine.kind],
    processBatch: (items) => receiveBatch(context, options, items),
    handleFailedItem: async (item, error) => {
      const { sessionId } = item.mail
      context.telemetry.log.error({ sessionId, digest: item.digest, err: error }, 'mail could not be processed; it is stored as unreadable')
      const [result] = await receiveBatch(context, options, [{ ...item, report: parseReport(new Uint8Array(0)), references: [] }])
      if (result === undefined) throw error
      return result
    },
  })
  return {
    submit: async (mail) => {
      const snapshot = await context.accountCache.snapshot()
      const item = await prepareMail(context, verifyOnce, snapshot, mail)
      options.floodMonitor?.count(item, snapshot)
      const result = await batcher.submit(item)
      logResult(context, mail, result)
      return result
    },
    waitUntilIdle: async () => {
      await Promise.all([batcher.waitUntilIdle(), options.floodMonitor?.waitUntilIdle()])
    },
  }
}

/** The account number in the first valid token, to take turns by; 0: none. */
const accountNumberOf = ({ references }: PreparedMail): number =>
  references.flatMap((reference) => ('token' in reference && reference.token.state === 'valid' ? reference.token.account : []))[0] ?? 0

function logResult({ telemetry, counterBuffer }: Context, mail: IncomingMail, result: ReceiveResult): void {
  const { kind, digest, account, deliveryId, isDuplicate: repeated, inboxReason: inbox, facts } = result
  if (repeated) telemetry.count('bounced_mails_duplicate_total')
  else telemetry.count('bounced_mails_received_total', { kind })
  if (inbox !== null) telemetry.count('bounced_inbox_total', { reason: inbox })
  traceResult(telemetry, mail, result)
  if (mail.source !== 'replay' && !repeated) counterBuffer.count(facts, 1)
  const events = facts.map(({ id, kind: what }) => `${what} ${id}`)
  telemetry.log.info({ sessionId: mail.sessionId, digest, kind, account, deliveryId, repeated, inbox, events }, 'mail accepted')
}

/** Processes all items in one transaction. Resolves to their results, in the same order. */
async function receiveBatch(context: Context, options: ReceiverOptions, items: readonly PreparedMail[]): Promise<readonly ReceiveResult[]> {
  const snapshot = await context.accountCache.snapshot()
  const startedAt = performance.now()
  const decide = (transaction: LedgerTransaction): Promise<Decision<readonly ReceiveResult[]>> =>
    decideBatch({ context, snapshot, loaded: transaction, apply: transaction.apply, db: transaction.db }, options, items)
  const needs = loadNeedsOf(context, items, snapshot)
  const results = options.dryRun ? await dryRunTransaction(context, needs, decide) : await transact(context, needs, decide)
  context.telemetry.observe('bounced_batch_mails', items.length)
  context.telemetry.observe('bounced_receive_stage_seconds', (performance.now() - startedAt) / 1_000, { stage: 'commit' })
  return results
}

type DecisionContext = Omit<MatchContext, 'item'> & Pick<LedgerTransaction, 'apply' | 'db'>

type OnMatch = (matched: { readonly item: PreparedMail; readonly match: ReportMatch<DeliveryRow> }) => void

/** Decides the items in order: each sees the changes of those before. A full batch takes tens of milliseconds, so it yields in between. */
async function decideBatch(
  decisionContext: DecisionContext,
  { notifyReplays, copiesReports = false }: ReceiverOptions,
  items: readonly PreparedMail[],
): Promise<Decision<readonly ReceiveResult[]>> {
  const fresh = newItems(items, decisionContext.loaded.knownDigests)
  const copies: ReportCopyRow[] = []
  const onMatch: OnMatch = ({ item, match }) => {
    const copy = copiesReports ? planCopyOf(decisionContext.context, decisionContext.snapshot, { item, match }) : null
    if (copy !== null) copies.push(copy)
  }
  const results = await mapInTimeSlices(items, (item) =>
    fresh.has(item) ? decideMail(decisionContext, item, onMatch) : duplicateResult(item),
  )
  await addReportCopies(decisionContext.db, copies)
  const kept = items.flatMap((item, n) => {
    const result = results[n]
    return result === undefined || !fresh.has(item) ? [] : [{ item, result }]
  })
  const mailOfFact = new Map(kept.flatMap(({ item, result }) => result.facts.map((fact) => [fact, item.mail] as const)))
  return {
    result: results,
    reports: kept.map(({ item, result }) => reportRow(item, result.account)),
    pendingVerifications: kept.flatMap(({ item, result }) =>
      result.inboxReason === 'pending' ? [firstTry(item, result.account, decisionContext.context.now())] : [],
    ),
    rawMails: kept.map(({ item, result }) => rawMailOf(item, result.account)),
    notify: (fact) => notifyReplays || (mailOfFact.get(fact)?.source ?? 'replay') !== 'replay',
    originOf: (fact) => mailOfFact.get(fact) ?? null,
  }
}

/** The first item of each digest that is not stored yet. */
function newItems(items: readonly PreparedMail[], known: ReadonlySet<string>): ReadonlySet<PreparedMail> {
  const first = new Map<string, PreparedMail>()
  for (const item of items) if (!known.has(item.digest) && !first.has(item.digest)) first.set(item.digest, item)
  return new Set(first.values())
}

function duplicateResult({ digest, report }: PreparedMail): ReceiveResult {
  return { digest, kind: report.kind, account: 0, deliveryId: null, isDuplicate: true, inboxReason: null, facts: [], subStatuses: [] }
}

/** Decides one mail and applies its facts, so that the next one sees them. */
function decideMail({ context, snapshot, loaded, apply }: DecisionContext, item: PreparedMail, onMatch: OnMatch): ReceiveResult {
  const isVouched = item.mail.trustAs === 'operator'
  const { match, facts: decided } = matchAndDecide({ context, snapshot, loaded, item }, isVouched)
  const audit = (): Fact =>
    createAuditFact(
      match.account,
      'replay.trust-as-operator',
      { digest: item.digest },
      { actor: 'operator', moment: momentOf(context, item) },
    )
  const facts = isVouched && match.account !== 0 && decided.length > 0 ? [...decided, audit()] : decided
  apply(facts)
  traceMatch(context.telemetry, item, match)
  onMatch({ item, match })
  return resultOf(item, match, facts)
}

function resultOf({ digest, report }: PreparedMail, match: ReportMatch<DeliveryRow>, facts: readonly Fact[]): ReceiveResult {
  const inbox = facts.find((fact) => fact.kind === 'inbox')
  return {
    digest,
    kind: report.kind,
    account: match.account,
    deliveryId: match.deliveryId,
    isDuplicate: false,
    inboxReason: inbox?.data.reason ?? null,
    facts,
    subStatuses: facts.flatMap((fact) => (fact.kind === 'failed' ? (fact.data.effect?.subStatus ?? []) : [])),
  }
}

function reportRow({ mail, digest, report, authentication }: PreparedMail, account: number): ReportRow {
  const { receivedAt, size, truncated, peer, envelope, source, sessionId } = mail
  const row = { digest, account, receivedAt, kind: report.kind, size, truncated, peer, mailFrom: envelope.from, rcptTo: envelope.to }
  const auth = authentication === NO_AUTHENTICATION_RESULTS ? null : authentication
  return { ...row, source, sessionId, auth, content: contentDigestOf(mail) }
}

function rawMailOf({ mail, digest }: PreparedMail, account: number): ReferencedBody {
  return { content: contentDigestOf(mail), kind: 'report', account, digest, receivedAt: mail.receivedAt, body: mail.raw }
}
