/**
 * reclassify-page - one page of a reclassification: reads failed deliveries, classifies their replies, and decides what follows
 *
 * The reading and the classification run outside of a transaction, so that intake never waits for them. The decision runs in one: it loads
 * and locks the deliveries with all their facts, decides from what is in force then, and saves facts, projections and the progress of the
 * job together. A dry run is the same transaction, rolled back, so that it says exactly what would happen.
 *
 * See also: service/reclassify/reclassifier (which runs pages), ledger/decide/reclassification, ledger/decide/reclassified-lists.
 */
import type { RuleTable } from '../../classify/rule-table.ts'
import type { Verdict } from '../../classify/verdict.ts'
import { decideReclassifiedLists, type ListChoice } from '../../ledger/decide/reclassified-lists.ts'
import {
  decideReclassification,
  decideUndo,
  listStoredFailures,
  type Reclassifier,
  type StoredFailure,
} from '../../ledger/decide/reclassification.ts'
import { isStatusChanged, type SummarisedChange } from '../../ledger/decide/reclassification-summary.ts'
import { classifyStoredReply } from '../../ledger/decide/stored-reply.ts'
import type { Fact, FactOf } from '../../ledger/facts/fact.ts'
import { type DeliveryRow, receivingSiteOf, suppressionKey, type LedgerState } from '../../ledger/project/state.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { findFactsBySubject, type SubjectRef } from '../../store/facts/facts.ts'
import type { LedgerStateNeeds } from '../../store/facts/ledger-state.ts'
import { listFailedDeliveries, type FailedDeliveryCursor, type ReclassificationRow } from '../../store/reclassifications.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Context } from '../context.ts'
import type { LedgerTransaction } from '../transact.ts'
import { findStoredGroup } from './stored-mail.ts'

/** Deliveries in a page: some 100 ms of reading, and a few milliseconds of writing. */
const PAGE_SIZE = 200

/** A job with the table that it classifies by; null: it undoes another job. */
export type ReclassificationRun = { readonly job: ReclassificationRow; readonly table: RuleTable | null }

/** One failure to be decided: a new verdict about its reply, or its undo. */
type Candidate = { readonly verdict: Verdict | null }

export type ReclassificationPage = {
  readonly examined: number
  readonly unreadable: number
  readonly read: number
  /** Null: this was the last page. */
  readonly next: FailedDeliveryCursor | null
  /** The deliveries that may change, with their candidates by the id of the fact in force. */
  readonly deliveries: readonly DeliveryRow[]
  readonly candidates: ReadonlyMap<string, Candidate>
}

/** Reads the next page of a job and classifies it. `accounts`: in rising order. Faults: store_busy. */
export async function readReclassificationPage(
  context: Context,
  { job, table }: ReclassificationRun,
  accounts: readonly number[],
): Promise<ReclassificationPage> {
  const reader = context.engine.bulkRead
  const { rows, next } = await readDeliveries(reader, job, accounts)
  const facts = Map.groupBy(await findFactsBySubject(reader, rows.map(subjectOf)), ({ subject }) => subject)
  const candidates = new Map<string, Candidate>()
  const deliveries: DeliveryRow[] = []
  let [examined, unreadable] = [0, 0]
  for (const delivery of rows) {
    let isCandidate = false
    for (const failure of listStoredFailures(facts.get(delivery.deliveryId) ?? [], job)) {
      const candidate = table === null ? undoOf(job, failure) : await classifyFailure(context, table, { delivery, failure })
      if (candidate === 'other-job') continue
      examined += 1
      if (candidate === null) unreadable += 1
      if (candidate === null || candidate === 'same') continue
      candidates.set(failure.fact.id, candidate)
      isCandidate = true
    }
    if (isCandidate) deliveries.push(delivery)
  }
  return { examined, unreadable, read: rows.length, next, deliveries, candidates }
}

const subjectOf = ({ account, deliveryId }: DeliveryRow): SubjectRef => ({ account, subject: deliveryId })

async function readDeliveries(
  reader: DatabaseReader,
  job: ReclassificationRow,
  accounts: readonly number[],
): Promise<{ readonly rows: readonly DeliveryRow[]; readonly next: FailedDeliveryCursor | null }> {
  const account = job.cursor?.account ?? accounts[0]
  if (account === undefined) return { rows: [], next: null }
  // The cursor before the first delivery of an account has no delivery.
  const after = job.cursor === null || job.cursor.deliveryId === '' ? null : job.cursor
  const rows = await listFailedDeliveries(reader, { account, modifiedSince: job.since }, { after, limit: PAGE_SIZE })
  const last = rows.at(-1)
  if (last !== undefined && rows.length === PAGE_SIZE)
    return { rows, next: { account, requestedAt: last.requestedAt, deliveryId: last.deliveryId } }
  const following = accounts.find((each) => each > account)
  return { rows, next: following === undefined ? null : { account: following, requestedAt: 0, deliveryId: '' } }
}

const undoOf = ({ undoes }: ReclassificationRow, { fact }: StoredFailure): Candidate | 'other-job' =>
  fact.kind === 'reclassified' && fact.data.job === undoes ? { verdict: null } : 'other-job'

/** Null: too little of the reply is stored. `same`: the verdict has the same reason and permanence. */
async function classifyFailure(
  context: Context,
  table: RuleTable,
  { delivery, failure }: { readonly delivery: DeliveryRow; readonly failure: StoredFailure },
): Promise<Candidate | 'same' | null> {
  const { reply, verdict: old, effect } = failure
  const verdict = classifyStoredReply(table, reply, { delivery, stored: await findStoredGroup(context, reply) })
  if (verdict === null) return null
  return verdict.reason === old.reason && verdict.permanence === old.permanence && verdict.weak === effect.weak ? 'same' : { verdict }
}

/** Reasons that feed the bounce list, at once or when they repeat. */
const LISTED_REASONS: ReadonlySet<string> = new Set(['not-exist', 'mailbox-disabled', 'domain-not-exist', 'mailbox-full'])

/** What the decision about a page must load. The window of a site is loaded only where a failure may enter a bounce list. */
export function reclassificationNeedsOf(page: ReclassificationPage, snapshot: AccountSnapshot): LedgerStateNeeds {
  const refs = page.deliveries.map(({ account, deliveryId }) => ({ account, deliveryId }))
  const mayFeedLists = [...page.candidates.values()].some(({ verdict }) => verdict === null || LISTED_REASONS.has(verdict.reason))
  const sites = page.deliveries.map((row) => ({ site: receivingSiteOf(row) ?? row.domain, at: row.statusAt }))
  return {
    deliveries: refs,
    facts: refs,
    history: true,
    sharedList: snapshot.accounts.some(({ settings }) => settings.sharedList),
    ...(mayFeedLists ? { sites } : {}),
  }
}

/** Applies the replacements of a page, and the list changes that are chosen, to the loaded state. */
export async function decideReclassificationPage(
  { job, lists }: { readonly job: ReclassificationRow; readonly lists: ListChoice },
  {
    page,
    snapshot,
    transaction,
  }: {
    readonly page: ReclassificationPage
    readonly snapshot: AccountSnapshot
    readonly transaction: LedgerTransaction
  },
): Promise<readonly SummarisedChange[]> {
  const { ledgerState: ledger, db, moment, apply } = transaction
  const entries = await loadEntryFacts(db, ledger)
  const changes: SummarisedChange[] = []
  for (const { account, deliveryId } of page.deliveries) {
    const by: Reclassifier = { job: job.jobId, actor: actorOf(job), settings: snapshot.settingsOf(account), moment }
    for (const failure of listStoredFailures(ledger.facts.get(deliveryId) ?? [], job)) {
      const candidate = page.candidates.get(failure.fact.id)
      const before = ledger.deliveries.get(deliveryId)
      if (candidate === undefined || before === undefined) continue
      const replacement = decideCandidate(job, { ledger, delivery: before, failure, candidate }, by)
      if (replacement === null || apply([replacement]) === 0) continue
      const after = ledger.deliveries.get(deliveryId) ?? before
      const listFacts = decideReclassifiedLists({ ledger, delivery: after, failure, replacement, ...entries }, lists, by)
      apply(listFacts)
      const { effect, verdict } = replacement.data
      if (effect !== null && verdict !== null) changes.push({ before, after, failure, effect, verdict, listFacts })
    }
  }
  return changes
}

type CandidateFailure = {
  readonly ledger: LedgerState
  readonly delivery: DeliveryRow
  readonly failure: StoredFailure
  readonly candidate: Candidate
}

function decideCandidate(
  { undoes }: ReclassificationRow,
  { ledger, delivery, failure, candidate: { verdict } }: CandidateFailure,
  by: Reclassifier,
): FactOf<'reclassified'> | null {
  if (verdict !== null) return decideReclassification({ ledger, delivery, failure }, verdict, by)
  return undoes === null ? null : decideUndo({ delivery, failure, facts: ledger.facts.get(delivery.deliveryId) ?? [] }, undoes, by)
}

/** The operator who approved the job; in a dry run, who asked for it. */
const actorOf = ({ appliedBy, askedBy }: ReclassificationRow): string => appliedBy ?? askedBy

type EntryFacts = { readonly listFacts: readonly Fact[]; readonly factsOf: (deliveryId: string) => readonly Fact[] | null }

/** The list facts of the entries that may be removed or restored, and the facts of the deliveries that made them. */
async function loadEntryFacts(db: DatabaseReader, ledger: LedgerState): Promise<EntryFacts> {
  const addresses = new Map(
    [...ledger.deliveries.values()].flatMap(({ account, addressHash }) =>
      addressHash === null ? [] : [account, 0].map((owner) => [`${owner}/${addressHash}`, { account: owner, addressHash }] as const),
    ),
  )
  const known = [...addresses.values()].filter((owner) => ledger.suppressions.has(suppressionKey({ ...owner, list: 'bounce', scope: '' })))
  const subjects = known.map(({ account, addressHash }) => ({ account, subject: `list:bounce:${addressHash}:` }))
  const listFacts = subjects.length === 0 ? [] : await findFactsBySubject(db, subjects)
  const others = listFacts.flatMap(({ account, deliveryId }) =>
    deliveryId === null || ledger.facts.has(deliveryId) ? [] : [{ account, subject: deliveryId }],
  )
  const otherFacts = others.length === 0 ? [] : await findFactsBySubject(db, others)
  const factsByOther = Map.groupBy(otherFacts, ({ subject }) => subject)
  return { listFacts, factsOf: (deliveryId) => ledger.facts.get(deliveryId) ?? factsByOther.get(deliveryId) ?? null }
}

/** Whether a fact of an applied page notifies webhook endpoints: its delivery has another status because of it. */
export function notifiesOf(changes: readonly SummarisedChange[], ledger: LedgerState): (fact: Fact) => boolean {
  const changed = new Set(
    changes.filter(({ before, after }) => isStatusChanged(before, after)).map(({ after: { deliveryId } }) => deliveryId),
  )
  return (fact) =>
    fact.kind === 'reclassified' &&
    fact.deliveryId !== null &&
    changed.has(fact.deliveryId) &&
    ledger.deliveries.get(fact.deliveryId)?.statusFact === fact.id
}
