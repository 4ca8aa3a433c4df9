/**
 * receive - mails become facts: load, decide, save, and only then an answer
 *
 * `submit` resolves after the durable commit of raw mail, facts, projections and outbox. Sessions that wait at the same time share a
 * commit. A mail that came before changes nothing. A mail that cannot be decided is kept raw as `unreadable` and harms no other.
 * Store away: Fault `store_busy`, and the remote server comes again.
 *
 * See also: service/receive/prepare, service/receive/match-and-decide, service/batcher, DESIGN (250 means committed).
 */
import type { ReportMatch } from '../../correlate/match.ts'
import { NO_AUTHENTICATION_RESULTS, type SignatureVerifier } from '../../mail-auth/verify-signatures.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { parseReport } from '../../mail/report.ts'
import type { ReportRow } from '../../store/mail/reports.ts'
import { loadLedgerState, type LoadedLedgerState } from '../../store/facts/ledger-state.ts'
import { logAlarms } from '../alarm-log.ts'
import { createBatcher } from '../batcher.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { commitLedgerState } from '../commit.ts'
import type { FloodMonitor } from './flood-monitor.ts'
import { matchAndDecide, momentOf, loadNeedsOf } from './match-and-decide.ts'
import type { IncomingMail } from './incoming-mail.ts'
import type { ReceiveResult } from './receive-result.ts'
import { prepareMail, type PreparedMail } from './prepare.ts'
import type { Context } from '../context.ts'
import { mapInTimeSlices } from '../time-slice.ts'

export type ReceiverOptions = {
  readonly prover: SignatureVerifier
  /** Decide, and keep nothing. */
  readonly dryRun: boolean
  /** Whether endpoints hear of what a replayed mail changed; of mail by SMTP they always do. */
  readonly notifyReplays: boolean
  /** Counts what comes; absent where nobody floods (commands). */
  readonly floodMonitor?: FloodMonitor
}

export type Receiver = {
  /** Faults: store_busy. */
  readonly submit: (mail: IncomingMail) => Promise<ReceiveResult>
  /** Resolves when nothing is under way. */
  readonly waitUntilIdle: () => Promise<void>
}

/** DESIGN, Store: a batch closes at 200 mails or 4 MB. */
const MAX_MAILS = 200
const MAX_BYTES = 4_194_304
/** One writer with SQLite; PostgreSQL commits side by side. */
const MAX_CONCURRENT_BATCHES = { sqlite: 1, postgres: 4 } as const

/** Makes the receiver of a daemon or of a replay. */
export function createReceiver(context: Context, options: ReceiverOptions): Receiver {
  const batcher = createBatcher<PreparedMail, ReceiveResult>({
    maxItems: MAX_MAILS,
    maxBytes: MAX_BYTES,
    sizeOf: ({ mail }) => mail.raw.length,
    maxConcurrent: MAX_CONCURRENT_BATCHES[context.engine.kind],
    processBatch: (items) => receiveBatch(context, options, items),
    handleFailedItem: async (item, error) => {
      const { sessionId } = item.mail
      context.telemetry.log.error(
        { sessionId, digest: item.digest, err: error },
        'a mail could not be decided; it is kept raw as unreadable',
      )
      const [result] = await receiveBatch(context, options, [{ ...item, report: parseReport(new Uint8Array(0)), references: [] }])
      if (result === undefined) throw error
      return result
    },
  })
  return {
    submit: async (mail) => {
      const snapshot = await context.accountCache.snapshot()
      const item = await prepareMail(context, options.prover, snapshot, mail)
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

function logResult({ telemetry, counterBuffer }: Context, mail: IncomingMail, result: ReceiveResult): void {
  const { kind, digest, account, deliveryId, isDuplicate: repeated, inboxReason: inbox, facts } = result
  if (repeated) telemetry.count('bounced_mails_duplicate_total')
  else telemetry.count('bounced_mails_received_total', { kind })
  if (inbox !== null) telemetry.count('bounced_inbox_total', { reason: inbox })
  logAlarms(telemetry, facts)
  if (mail.source === 'smtp' && !repeated) counterBuffer.count(facts, 1)
  const events = facts.map(({ id, kind: what }) => `${what} ${id}`)
  telemetry.log.info({ sessionId: mail.sessionId, digest, kind, account, deliveryId, repeated, inbox, events }, 'mail taken')
}

/** One transaction over all items; answers in their order. */
async function receiveBatch(context: Context, options: ReceiverOptions, items: readonly PreparedMail[]): Promise<readonly ReceiveResult[]> {
  const snapshot = await context.accountCache.snapshot()
  const needs = loadNeedsOf(context, items, snapshot)
  const undo = new Error('a dry run keeps nothing')
  let results: readonly ReceiveResult[] = []
  const began = performance.now()
  try {
    await context.engine.tx(async (db) => {
      const loaded = await loadLedgerState(db, needs)
      const fresh = newItems(items, loaded.knownDigests)
      results = await decideBatch({ context, snapshot, loaded }, items, fresh)
      if (options.dryRun) throw undo
      const kept = items.flatMap((item, n) => {
        const result = results[n]
        return result === undefined || !fresh.has(item) ? [] : [{ item, outcome: result }]
      })
      const factsBySmtp = new Set(kept.filter(({ item }) => item.mail.source === 'smtp').flatMap(({ outcome: result }) => result.facts))
      await commitLedgerState(db, loaded.ledgerState, {
        reports: kept.map(({ item, outcome: result }) => reportRow(item, result.account)),
        rawMails: kept.map(({ item: { mail, digest } }) => ({ digest, receivedAt: mail.receivedAt, size: mail.size, body: mail.raw })),
        now: context.now(),
        egressIps: context.egressIps,
        notify: (fact) => options.notifyReplays || factsBySmtp.has(fact),
      })
    })
  } catch (error) {
    if (error !== undo) throw error
  }
  context.telemetry.observe('bounced_batch_mails', items.length)
  context.telemetry.observe('bounced_receive_stage_seconds', (performance.now() - began) / 1_000, { stage: 'commit' })
  return results
}

type DecisionContext = { readonly context: Context; readonly snapshot: AccountSnapshot; readonly loaded: LoadedLedgerState }

/** In their order, for each sees what the one before has changed. Others have their turn between them: a full batch takes tens of milliseconds. */
const decideBatch = (
  decisionContext: DecisionContext,
  items: readonly PreparedMail[],
  fresh: ReadonlySet<PreparedMail>,
): Promise<readonly ReceiveResult[]> =>
  mapInTimeSlices(items, (item) => (fresh.has(item) ? decideMail(decisionContext, item) : duplicateResult(item)))

/** The first of each digest, unless the store has it. */
function newItems(items: readonly PreparedMail[], known: ReadonlySet<string>): ReadonlySet<PreparedMail> {
  const first = new Map<string, PreparedMail>()
  for (const item of items) if (!known.has(item.digest) && !first.has(item.digest)) first.set(item.digest, item)
  return new Set(first.values())
}

function duplicateResult({ digest, report }: PreparedMail): ReceiveResult {
  return { digest, kind: report.kind, account: 0, deliveryId: null, isDuplicate: true, inboxReason: null, facts: [], subStatuses: [] }
}

/** Decides one mail and folds its facts into the world, so that the next one sees them. */
function decideMail({ context, snapshot, loaded }: DecisionContext, item: PreparedMail): ReceiveResult {
  const vouched = item.mail.trustAs === 'operator'
  const { match, facts: decided } = matchAndDecide({ context, snapshot, loaded, item }, vouched)
  const actionContext = { actor: 'operator', settings: snapshot.settingsOf(match.account), moment: momentOf(context, item) }
  const isVouched = vouched && match.account !== 0 && decided.length > 0
  const facts = isVouched
    ? [...decided, createAuditFact(match.account, 'replay.trust-as-operator', { digest: item.digest }, actionContext)]
    : decided
  applyFacts(loaded.ledgerState, facts)
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

function reportRow({ mail, digest, report, proofs }: PreparedMail, account: number): ReportRow {
  const { receivedAt, size, truncated, peer, envelope, source, sessionId } = mail
  const row = { digest, account, receivedAt, kind: report.kind, size, truncated, peer, mailFrom: envelope.from, rcptTo: envelope.to }
  return { ...row, source, sessionId, auth: proofs === NO_AUTHENTICATION_RESULTS ? null : proofs }
}
