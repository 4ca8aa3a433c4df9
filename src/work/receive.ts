/**
 * receive - mails become facts: load, decide, save, and only then an answer
 *
 * `submit` resolves after the durable commit of raw mail, facts, projections and outbox. Sessions that wait at the same time share a
 * commit. A mail that came before changes nothing. A mail that cannot be decided is kept raw as `unreadable` and harms no other.
 * Store away: Fault `store_busy`, and the remote server comes again.
 *
 * See also: work/prepare, work/batch, ledger/decide, DESIGN (250 means committed).
 */
import { classify } from '../classify/classify.ts'
import { subjectOfReport } from '../classify/clues.ts'
import type { RuleTable } from '../classify/table.ts'
import type { Verdict } from '../classify/verdict.ts'
import { matchReport, type Match } from '../correlate/match.ts'
import { NO_PROOFS, type Proofs, type Prover } from '../edge/auth.ts'
import { audit } from '../ledger/decidebyhand.ts'
import { decideReport } from '../ledger/decide.ts'
import type { Fact } from '../ledger/fact.ts'
import { applyFacts } from '../ledger/fold.ts'
import type { DeliveryRow } from '../ledger/world.ts'
import { parseReport, type Report } from '../mail/report.ts'
import type { ReportRow } from '../store/schema.ts'
import { doorKey, loadWorld, type Loaded, type WorldNeeds } from '../store/world.ts'
import { createBatcher } from './batch.ts'
import type { Page } from './book.ts'
import { commitWorld } from './commit.ts'
import type { IncomingMail } from './mail.ts'
import type { Outcome } from './outcome.ts'
import { prepare, type Prepared } from './prepare.ts'
import type { Shop } from './shop.ts'

export type ReceiverOptions = {
  readonly prover: Prover
  /** Decide, and keep nothing. */
  readonly dryRun: boolean
  /** Whether endpoints hear of what a replayed mail changed; of mail by SMTP they always do. */
  readonly notifyReplays: boolean
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
      const outcome = await batcher.submit(await prepare(shop, options.prover, page, mail))
      note(shop, mail, outcome)
      return outcome
    },
    idle: batcher.idle,
  }
}

function note({ telemetry }: Shop, mail: IncomingMail, outcome: Outcome): void {
  const { kind, digest, account, deliveryId, repeated, inbox, facts } = outcome
  if (repeated) telemetry.count('bounced_mails_repeated_total')
  else telemetry.count('bounced_mails_received_total', { kind })
  if (inbox !== null) telemetry.count('bounced_inbox_total', { reason: inbox })
  for (const fact of facts) if (fact.kind === 'alarm') telemetry.count('bounced_alarms_total', { alarm: fact.data.alarm })
  const events = facts.map(({ id, kind: what }) => `${what} ${id}`)
  telemetry.log.info({ sessionId: mail.sessionId, digest, kind, account, deliveryId, repeated, inbox, events }, 'mail taken')
}

/** One transaction over all items; answers in their order. */
async function receiveBatch(shop: Shop, options: ReceiverOptions, items: readonly Prepared[]): Promise<readonly Outcome[]> {
  const page = await shop.book.open()
  const needs = needsOf(items, page)
  const undo = new Error('a dry run keeps nothing')
  let outcomes: readonly Outcome[] = []
  const began = performance.now()
  try {
    await shop.engine.tx(async (db) => {
      const loaded = await loadWorld(db, needs)
      const fresh = freshItems(items, loaded.knownDigests)
      outcomes = items.map((item) => (fresh.has(item) ? decideOne(shop, page, loaded, item) : repeatedOutcome(item)))
      if (options.dryRun) throw undo
      const kept = items.flatMap((item, n) => {
        const outcome = outcomes[n]
        return outcome === undefined || !fresh.has(item) ? [] : [{ item, outcome }]
      })
      const bySmtp = new Set(kept.filter(({ item }) => item.mail.source === 'smtp').flatMap(({ outcome }) => outcome.facts))
      await commitWorld(db, loaded.world, {
        reports: kept.map(({ item, outcome }) => reportRow(item, outcome.account)),
        rawMails: kept.map(({ item: { mail, digest, body } }) => ({ digest, receivedAt: mail.receivedAt, size: mail.size, body })),
        now: shop.now(),
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

/** The first of each digest, unless the store has it. */
function freshItems(items: readonly Prepared[], known: ReadonlySet<string>): ReadonlySet<Prepared> {
  const first = new Map<string, Prepared>()
  for (const item of items) if (!known.has(item.digest) && !first.has(item.digest)) first.set(item.digest, item)
  return new Set(first.values())
}

/** Everything that the clues of a batch may point at. A bare Message-ID names no account: every account is asked. */
function needsOf(items: readonly Prepared[], page: Page): WorldNeeds {
  const deliveries = new Map<string, { account: number; deliveryId: string }>()
  const messageIds = new Set<string>()
  const emailIds = new Set<string>()
  for (const { clues } of items) {
    for (const clue of clues) {
      if ('token' in clue) {
        const owner = page.accountOf(clue.token.account)
        if (owner !== null) deliveries.set(clue.token.deliveryId, { account: owner.account, deliveryId: clue.token.deliveryId })
      } else if (!hasValidToken(clues)) (clue.via === 'message-id' ? messageIds : emailIds).add(clue.value)
    }
  }
  const everywhere = <T>(names: ReadonlySet<string>, make: (account: number, name: string) => T): readonly T[] =>
    page.accounts.flatMap(({ account }) => [...names].map((name) => make(account, name)))
  return {
    deliveries: [...deliveries.values()],
    messageIdHeaders: everywhere(messageIds, (account, messageIdHeader) => ({ account, messageIdHeader })),
    emailIds: everywhere(emailIds, (account, emailId) => ({ account, emailId })),
    subjects: items.flatMap((item) => accountsOf(item, page).map((account) => ({ account, subject: `mail:${item.digest}` }))),
    digests: items.map(({ digest }) => digest),
    history: items.some(({ report }) => report.kind === 'bounce'),
    shared: page.accounts.some(({ settings }) => settings.sharedList),
    sitesAt: Math.max(...items.map(({ mail }) => mail.at)),
  }
}

const hasValidToken = (clues: Prepared['clues']): boolean => clues.some((clue) => 'token' in clue && clue.token.state === 'valid')

/** Whose inbox a mail may come into: nobody's, or that of an account whose number a token bears. */
function accountsOf({ clues }: Prepared, page: Page): readonly number[] {
  const owners = clues.flatMap((clue) => ('token' in clue ? (page.accountOf(clue.token.account)?.account ?? []) : []))
  return [0, ...new Set(owners)]
}

function repeatedOutcome({ digest, report }: Prepared): Outcome {
  return { digest, kind: report.kind, account: 0, deliveryId: null, repeated: true, inbox: null, facts: [], subStatuses: [] }
}

/** Decides one mail and folds its facts into the world, so that the next one sees them. */
function decideOne(shop: Shop, page: Page, loaded: Loaded, item: Prepared): Outcome {
  const { mail, report, digest, clues, proofs } = item
  const match = matchOf(shop, page, loaded, item)
  const settings = page.settingsOf(match.account)
  const moment = { at: mail.at, receivedAt: mail.receivedAt, ids: shop.ids }
  const decided = decideReport({
    world: loaded.world,
    report,
    verdicts: verdictsOf(shop, report, match.delivery, proofs),
    match,
    digest,
    isForPeople: isForPeople(mail.envelope.to) && clues.length === 0,
    reporter: reporterOf(report, proofs),
    settings,
    moment,
  })
  const isVouched = mail.trustAs === 'operator' && match.account !== 0 && decided.length > 0
  const hand = { actor: 'operator', settings, moment }
  const facts: readonly Fact[] = isVouched ? [...decided, audit(match.account, 'replay.trust-as-operator', { digest }, hand)] : decided
  applyFacts(loaded.world, facts)
  return outcomeOf(item, match, facts)
}

function matchOf(
  shop: Shop,
  page: Page,
  { world, byEmailId, byMessageIdHeader }: Loaded,
  { mail, report, clues, proofs }: Prepared,
): Match<DeliveryRow> {
  return matchReport<DeliveryRow>({
    report,
    clues,
    loaded: {
      byId: (deliveryId) => world.deliveries.get(deliveryId) ?? null,
      byName: ({ via, value }) =>
        page.accounts.flatMap(({ account }) => {
          const key = doorKey(account, value)
          const one = byEmailId.get(key)
          return via === 'message-id' ? (byMessageIdHeader.get(key) ?? []) : one === undefined ? [] : [one]
        }),
    },
    auth: proofs,
    reporters: shop.reporters,
    accountOf: page.accountOf,
    trustOf: (account) => page.settingsOf(account).trust,
    at: mail.at,
    vouched: mail.trustAs === 'operator',
  })
}

function verdictsOf(shop: Shop, report: Report, delivery: DeliveryRow | null, proofs: Proofs): readonly (Verdict | null)[] {
  const dkimDomain = proofs.dkim.find((each) => each.valid && each.aligned)?.domain ?? null
  const table: RuleTable = shop.rules()
  return report.recipients.map((recipient) => {
    if (recipient.action !== 'failed' && recipient.action !== 'delayed') return null
    const verdict = classify(table, subjectOfReport(recipient, { deliveryMx: delivery?.mx ?? null, dkimDomain }))
    shop.telemetry.count('bounced_verdicts_total', { reason: verdict.reason, table: verdict.evidence.provider ?? 'common' })
    return verdict
  })
}

/** RFC 5321 §4.5.1, RFC 2142. */
const FOR_PEOPLE = new Set(['postmaster', 'abuse'])

const isForPeople = (to: string): boolean => FOR_PEOPLE.has((to.split('@')[0] ?? '').toLowerCase())

/** The aligned DKIM domain, else the domain of From. */
function reporterOf(report: Report, proofs: Proofs): string {
  const signed = proofs.dkim.find((each) => each.valid && each.aligned)
  return signed?.domain ?? report.from?.slice(report.from.lastIndexOf('@') + 1) ?? ''
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
