/**
 * receive - mails become facts: load, decide, save, and only then an answer
 *
 * `submit` resolves after the durable commit of raw mail, facts, projections and outbox. Sessions that wait at the same time share a
 * commit. A mail that came before changes nothing. A mail that cannot be decided is kept raw as `unreadable` and harms no other.
 * Store away: Fault `store_busy`, and the remote server comes again.
 *
 * See also: service/receive/prepare, service/receive/match-and-decide, service/batcher, DESIGN (250 means committed).
 */
import type { Match } from '../../correlate/match.ts'
import { NO_PROOFS, type Prover } from '../../mail-auth/verify-signatures.ts'
import { audit } from '../../ledger/decide/operator-action.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { parseReport } from '../../mail/report.ts'
import type { ReportRow } from '../../store/schema.ts'
import { loadWorld, type Loaded } from '../../store/facts/ledger-state.ts'
import { tellAlarms } from '../alarm-log.ts'
import { createBatcher } from '../batcher.ts'
import type { Page } from '../account-cache.ts'
import { commitWorld } from '../commit.ts'
import type { FloodWatch } from './flood-monitor.ts'
import { judge, momentOf, needsOf } from './match-and-decide.ts'
import type { IncomingMail } from './incoming-mail.ts'
import type { Outcome } from './receive-result.ts'
import { prepare, type Prepared } from './prepare.ts'
import type { Shop } from '../context.ts'
import { inSlices } from '../time-slice.ts'

export type ReceiverOptions = {
  readonly prover: Prover
  /** Decide, and keep nothing. */
  readonly dryRun: boolean
  /** Whether endpoints hear of what a replayed mail changed; of mail by SMTP they always do. */
  readonly notifyReplays: boolean
  /** Counts what comes; absent where nobody floods (commands). */
  readonly watch?: FloodWatch
}

export type Receiver = {
  /** Faults: store_busy. */
  readonly submit: (mail: IncomingMail) => Promise<Outcome>
  /** Resolves when nothing is under way. */
  readonly idle: () => Promise<void>
}

/** DESIGN, Store: a batch closes at 200 mails or 4 MB. */
const MAX_MAILS = 200
const MAX_BYTES = 4_194_304
/** One writer with SQLite; PostgreSQL commits side by side. */
const LANES = { sqlite: 1, postgres: 4 } as const

/** Makes the receiver of a daemon or of a replay. */
export function createReceiver(shop: Shop, options: ReceiverOptions): Receiver {
  const batcher = createBatcher<Prepared, Outcome>({
    maxItems: MAX_MAILS,
    maxBytes: MAX_BYTES,
    sizeOf: ({ mail }) => mail.raw.length,
    lanes: LANES[shop.engine.kind],
    work: (items) => receiveBatch(shop, options, items),
    culprit: async (item, error) => {
      const { sessionId } = item.mail
      shop.telemetry.log.error({ sessionId, digest: item.digest, err: error }, 'a mail could not be decided; it is kept raw as unreadable')
      const [outcome] = await receiveBatch(shop, options, [{ ...item, report: parseReport(new Uint8Array(0)), clues: [] }])
      if (outcome === undefined) throw error
      return outcome
    },
  })
  return {
    submit: async (mail) => {
      const page = await shop.book.open()
      const item = await prepare(shop, options.prover, page, mail)
      options.watch?.count(item, page)
      const outcome = await batcher.submit(item)
      note(shop, mail, outcome)
      return outcome
    },
    idle: async () => {
      await Promise.all([batcher.idle(), options.watch?.idle()])
    },
  }
}

function note({ telemetry, watch }: Shop, mail: IncomingMail, outcome: Outcome): void {
  const { kind, digest, account, deliveryId, repeated, inbox, facts } = outcome
  if (repeated) telemetry.count('bounced_mails_repeated_total')
  else telemetry.count('bounced_mails_received_total', { kind })
  if (inbox !== null) telemetry.count('bounced_inbox_total', { reason: inbox })
  tellAlarms(telemetry, facts)
  if (mail.source === 'smtp' && !repeated) watch.count(facts, 1)
  const events = facts.map(({ id, kind: what }) => `${what} ${id}`)
  telemetry.log.info({ sessionId: mail.sessionId, digest, kind, account, deliveryId, repeated, inbox, events }, 'mail taken')
}

/** One transaction over all items; answers in their order. */
async function receiveBatch(shop: Shop, options: ReceiverOptions, items: readonly Prepared[]): Promise<readonly Outcome[]> {
  const page = await shop.book.open()
  const needs = needsOf(shop, items, page)
  const undo = new Error('a dry run keeps nothing')
  let outcomes: readonly Outcome[] = []
  const began = performance.now()
  try {
    await shop.engine.tx(async (db) => {
      const loaded = await loadWorld(db, needs)
      const fresh = freshItems(items, loaded.knownDigests)
      outcomes = await decideAll({ shop, page, loaded }, items, fresh)
      if (options.dryRun) throw undo
      const kept = items.flatMap((item, n) => {
        const outcome = outcomes[n]
        return outcome === undefined || !fresh.has(item) ? [] : [{ item, outcome }]
      })
      const bySmtp = new Set(kept.filter(({ item }) => item.mail.source === 'smtp').flatMap(({ outcome }) => outcome.facts))
      await commitWorld(db, loaded.world, {
        reports: kept.map(({ item, outcome }) => reportRow(item, outcome.account)),
        rawMails: kept.map(({ item: { mail, digest } }) => ({ digest, receivedAt: mail.receivedAt, size: mail.size, body: mail.raw })),
        now: shop.now(),
        egressIps: shop.egressIps,
        notify: (fact) => options.notifyReplays || bySmtp.has(fact),
      })
    })
  } catch (error) {
    if (error !== undo) throw error
  }
  shop.telemetry.observe('bounced_batch_mails', items.length)
  shop.telemetry.observe('bounced_stage_seconds', (performance.now() - began) / 1_000, { stage: 'commit' })
  return outcomes
}

type Deciding = { readonly shop: Shop; readonly page: Page; readonly loaded: Loaded }

/** In their order, for each sees what the one before has changed. Others have their turn between them: a full batch takes tens of milliseconds. */
const decideAll = (deciding: Deciding, items: readonly Prepared[], fresh: ReadonlySet<Prepared>): Promise<readonly Outcome[]> =>
  inSlices(items, (item) => (fresh.has(item) ? decideOne(deciding, item) : repeatedOutcome(item)))

/** The first of each digest, unless the store has it. */
function freshItems(items: readonly Prepared[], known: ReadonlySet<string>): ReadonlySet<Prepared> {
  const first = new Map<string, Prepared>()
  for (const item of items) if (!known.has(item.digest) && !first.has(item.digest)) first.set(item.digest, item)
  return new Set(first.values())
}

function repeatedOutcome({ digest, report }: Prepared): Outcome {
  return { digest, kind: report.kind, account: 0, deliveryId: null, repeated: true, inbox: null, facts: [], subStatuses: [] }
}

/** Decides one mail and folds its facts into the world, so that the next one sees them. */
function decideOne({ shop, page, loaded }: Deciding, item: Prepared): Outcome {
  const vouched = item.mail.trustAs === 'operator'
  const { match, facts: decided } = judge({ shop, page, loaded, item }, vouched)
  const hand = { actor: 'operator', settings: page.settingsOf(match.account), moment: momentOf(shop, item) }
  const isVouched = vouched && match.account !== 0 && decided.length > 0
  const facts = isVouched ? [...decided, audit(match.account, 'replay.trust-as-operator', { digest: item.digest }, hand)] : decided
  applyFacts(loaded.world, facts)
  return outcomeOf(item, match, facts)
}

function outcomeOf({ digest, report }: Prepared, match: Match<DeliveryRow>, facts: readonly Fact[]): Outcome {
  const inbox = facts.find((fact) => fact.kind === 'inbox')
  return {
    digest,
    kind: report.kind,
    account: match.account,
    deliveryId: match.deliveryId,
    repeated: false,
    inbox: inbox?.data.reason ?? null,
    facts,
    subStatuses: facts.flatMap((fact) => (fact.kind === 'failed' ? (fact.data.effect?.subStatus ?? []) : [])),
  }
}

function reportRow({ mail, digest, report, proofs }: Prepared, account: number): ReportRow {
  const { receivedAt, size, truncated, peer, envelope, source, sessionId } = mail
  const row = { digest, account, receivedAt, kind: report.kind, size, truncated, peer, mailFrom: envelope.from, rcptTo: envelope.to }
  return { ...row, source, sessionId, auth: proofs === NO_PROOFS ? null : proofs }
}
