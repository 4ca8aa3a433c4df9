/**
 * ledger-state - loads the state that a batch needs, and saves the state that it has decided
 *
 * Load and save belong in one transaction. Load locks the rows that may change in one order everywhere: deliveries, inbox, list entries,
 * sites, each by one statement that sorts by key. Whatever names a delivery (id, emailId, Message-ID, recipient) is looked up without a lock first, so
 * that two transactions that name the same deliveries differently never wait for each other. Save writes in the same order and sends everything in one pipeline. Counters are only added to.
 *
 * See also: ledger/project/state (the value), ledger/project/fold (which changes it), store/engine/engine (snapshots and locks).
 */
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { addressKey, createLedgerState, inboxKey, receivingSiteOf, suppressionKey } from '../../ledger/project/state.ts'
import type { DeliveryRow, LedgerState } from '../../ledger/project/state.ts'
import { listRecentDeliveriesByAddress } from '../mail/deliveries.ts'
import type { Database, KeyTuples } from '../engine/engine.ts'
import { appendFacts, findFactsBySubject, findFactKeys } from './facts.ts'
import type { SubjectRef } from './facts.ts'
import { findDeliveriesByMessageIdForOperator, type MessageIdHeaderRef } from '../mail/message-id-lookup.ts'
import { findRecentMails, recentMailKey, type RecentMailRef } from '../mail/recent-mails.ts'
import { findInboxItemsForOperator } from '../mail/inbox.ts'
import { OUTBOX, type OutboxRow } from '../webhook/outbox.ts'
import { PENDING_VERIFICATIONS, type PendingVerification } from '../mail/pending-verifications.ts'
import { saveMailBodies, type ReferencedBody } from '../mail/mail-bodies.ts'
import { findRetiredDeliveries } from './retired-deliveries.ts'
import { findKnownDigestsForOperator } from '../mail/report-digests.ts'
import { insertReports, type ReportRow } from '../mail/reports.ts'
import { DELIVERIES, REGISTERED_COLUMNS } from '../mail/delivery-columns.ts'
import { COUNTERS, INBOX, SITE_COUNTERS, SITE_STATES, SUPPRESSIONS } from '../schema.ts'
import { loadSites, type SiteMoment } from './site-window.ts'
import { findSuppressions } from '../lists/suppressions.ts'

type DeliveryRef = { readonly account: number; readonly deliveryId: string }
export type AddressRef = { readonly account: number; readonly addressHash: string }

/** What to load. The addresses of the deliveries that are found are loaded as well. */
export type LedgerStateNeeds = {
  readonly deliveries?: readonly DeliveryRef[]
  readonly emailIds?: readonly { readonly account: number; readonly emailId: string }[]
  readonly messageIdHeaders?: readonly MessageIdHeaderRef[]
  /** Recipients that a VERP address names, and when. */
  readonly recentMails?: readonly RecentMailRef[]
  /** Also load the remainders of those `deliveries` that were retired, with the list entries of their addresses. */
  readonly retiredDeliveries?: boolean
  /** Deliveries whose facts are all needed. The facts of rows with `reclassified` are always loaded. */
  readonly facts?: readonly DeliveryRef[]
  /** Subjects without a delivery (`mail:…`, `address:…`), whose fact keys are needed. */
  readonly subjects?: readonly SubjectRef[]
  readonly addresses?: readonly AddressRef[]
  /** Also load the last deliveries to every address, for the ladders and the mass-bounce guard. */
  readonly history?: boolean
  /** Also load the entries of the shared list (account 0). */
  readonly sharedList?: boolean
  /** Sites, each with the moment whose preceding 7 days are counted. */
  readonly sites?: readonly SiteMoment[]
  /** Also load the sites of the deliveries that are found, at this moment. */
  readonly sitesAt?: number
  readonly digests?: readonly string[]
}

export type LoadedLedgerState = {
  readonly ledgerState: LedgerState
  /** The digests of `needs.digests` that are stored: these mails were received before. */
  readonly knownDigests: ReadonlySet<string>
  /** Deliveries found by emailId or by Message-ID header. If several deliveries have one header, up to three of them. */
  readonly byEmailId: ReadonlyMap<string, DeliveryRow>
  readonly byMessageIdHeader: ReadonlyMap<string, readonly DeliveryRow[]>
  /** Up to two deliveries by {@link recentMailKey}. */
  readonly byRecentMail: ReadonlyMap<string, readonly DeliveryRow[]>
}

/** Rows that are saved together with the state. */
export type AccompanyingRows = {
  readonly reports?: readonly ReportRow[]
  readonly pendingVerifications?: readonly PendingVerification[]
  readonly rawMails?: readonly ReferencedBody[]
  readonly outbox?: readonly OutboxRow[]
}

/** The keys of `byEmailId` and `byMessageIdHeader`. */
export const accountScopedKey = (account: number, name: string): string => `${account}/${name}`

/**
 * Ladders need the latest hits, the repeat ladder those of two weeks. A test address with thousands of deliveries must not fill a batch.
 */
const MAX_ADDRESS_HISTORY = 32

/** Loads and locks the state. Call it first in the transaction that saves. */
export async function loadLedgerState(db: Database, needs: LedgerStateNeeds): Promise<LoadedLedgerState> {
  const ledgerState = createLedgerState()
  const messageIds = needs.messageIdHeaders ?? []
  const emailIds = new Set((needs.emailIds ?? []).map(({ account, emailId }) => accountScopedKey(account, emailId)))
  const [sameEmailId, sameHeader, recent] = await Promise.all([
    findDeliveriesByEmailId(db, needs.emailIds ?? []),
    messageIds.length === 0 ? [] : findDeliveriesByMessageIdForOperator(db, messageIds),
    findRecentMails(db, needs.recentMails ?? []),
  ])
  const [rows, knownDigests, inbox] = await Promise.all([
    lockDeliveries(db, [...(needs.deliveries ?? []), ...sameEmailId, ...sameHeader, ...recent]),
    findKnownDigestsForOperator(db, needs.digests ?? []),
    findInboxItemsForOperator(db, needs.digests ?? [], true),
  ])
  for (const row of rows) ledgerState.deliveries.set(row.deliveryId, row)
  if (needs.retiredDeliveries === true) await loadRetiredDeliveries(db, ledgerState, needs.deliveries ?? [])
  for (const row of inbox) ledgerState.inbox.set(inboxKey(row.digest), row)
  await Promise.all([
    loadAddresses(db, ledgerState, needs),
    loadFacts(db, ledgerState, needs),
    loadSites(db, ledgerState, collectSites(ledgerState, needs)),
  ])
  return {
    ledgerState,
    knownDigests,
    byEmailId: new Map(
      rows.map((row) => [accountScopedKey(row.account, row.emailId ?? ''), row] as const).filter(([key]) => emailIds.has(key)),
    ),
    byMessageIdHeader: Map.groupBy(rowsOf(rows, sameHeader), (row) => accountScopedKey(row.account, row.messageIdHeader ?? '')),
    byRecentMail: new Map([...Map.groupBy(recent, recentMailKey)].map(([key, refs]) => [key, rowsOf(rows, refs)])),
  }
}

const rowsOf = (rows: readonly DeliveryRow[], refs: readonly DeliveryRef[]): readonly DeliveryRow[] => {
  const ids = new Set(refs.map(({ deliveryId }) => deliveryId))
  return rows.filter(({ deliveryId }) => ids.has(deliveryId))
}

/** Runs after the lookup of the deliveries: a delivery that was retired while its lock was awaited is found here. */
async function loadRetiredDeliveries(db: Database, ledgerState: LedgerState, wanted: readonly DeliveryRef[]): Promise<void> {
  const missing = wanted.filter(({ deliveryId }) => !ledgerState.deliveries.has(deliveryId))
  for (const row of missing.length === 0 ? [] : await findRetiredDeliveries(db, missing)) ledgerState.retired.set(row.deliveryId, row)
}

function collectSites(ledgerState: LedgerState, needs: LedgerStateNeeds): readonly SiteMoment[] {
  const { sites = [], sitesAt: at } = needs
  if (at === undefined) return sites
  return [...sites, ...[...ledgerState.deliveries.values()].map((row) => ({ site: receivingSiteOf(row) ?? row.domain, at }))]
}

const DELIVERY_COLUMNS = DELIVERIES.columns('d')

/** Locks in key order. No other statement of a load may lock deliveries. */
async function lockDeliveries(db: Database, wanted: readonly DeliveryRef[]): Promise<readonly DeliveryRow[]> {
  const sql = `select ${DELIVERY_COLUMNS} from {keys} k cross join deliveries d where d.account_id = k.k1 and d.delivery_id = k.k2
    and d.delivery_month = k.k3 order by d.account_id, d.delivery_id {lock d}`
  const rows = uniqueKeys(wanted.map(({ account, deliveryId }) => [account, deliveryId, monthOfDelivery(deliveryId)]))
  return (await db.inKeys(sql, { types: ['int', 'text', 'int'], rows })).map(DELIVERIES.decode)
}

/** The emailId of a delivery never changes; only erasure removes it. */
async function findDeliveriesByEmailId(db: Database, wanted: NonNullable<LedgerStateNeeds['emailIds']>): Promise<readonly DeliveryRef[]> {
  const sql = `select d.account_id, d.delivery_id from {keys} k cross join deliveries d
    where d.account_id = k.k1 and d.email_id is not null and d.email_id = k.k2`
  const rows = uniqueKeys(wanted.map(({ account, emailId }) => [account, emailId]))
  const found = await db.inKeys(sql, { types: ['int', 'text'], rows })
  return found.map((row) => ({ account: Number(row['account_id']), deliveryId: String(row['delivery_id']) }))
}

function uniqueKeys(rows: KeyTuples['rows']): KeyTuples['rows'] {
  return [...new Map(rows.map((row) => [row.join('/'), row])).values()]
}

async function loadAddresses(db: Database, ledgerState: LedgerState, needs: LedgerStateNeeds): Promise<void> {
  const named = (needs.addresses ?? []).map((address) => [addressKey(address.account, address.addressHash), address] as const)
  const found = [...ledgerState.deliveries.values(), ...ledgerState.retired.values()].flatMap(({ account, addressHash }) =>
    addressHash === null ? [] : [[addressKey(account, addressHash), { account, addressHash }] as const],
  )
  const addresses = [...new Map([...named, ...found]).values()]
  const owners = needs.sharedList === true ? [...addresses, ...toSharedListAddresses(addresses)] : addresses
  const [entries, history] = await Promise.all([
    findSuppressions(db, owners, true),
    needs.history === true
      ? listRecentDeliveriesByAddress(db, addresses, MAX_ADDRESS_HISTORY, ledgerState.deliveries)
      : Promise.resolve([]),
  ])
  for (const row of entries) ledgerState.suppressions.set(suppressionKey(row), row)
  if (needs.history === true)
    for (const { account, addressHash } of addresses) ledgerState.addressHistory.set(addressKey(account, addressHash), new Map())
  for (const row of history) ledgerState.addressHistory.get(addressKey(row.account, row.addressHash ?? ''))?.set(row.deliveryId, row)
}

function toSharedListAddresses(addresses: readonly AddressRef[]): readonly AddressRef[] {
  return [...new Set(addresses.map(({ addressHash }) => addressHash))].map((addressHash) => ({ account: 0, addressHash }))
}

async function loadFacts(db: Database, ledgerState: LedgerState, needs: LedgerStateNeeds): Promise<void> {
  const rows = [...ledgerState.deliveries.values()]
  const whole = new Map((needs.facts ?? []).map((ref) => [ref.deliveryId, ref]))
  for (const row of rows) if (row.reclassified) whole.set(row.deliveryId, row)
  const named = (needs.deliveries ?? []).map(({ account, deliveryId }) => ({ account, subject: deliveryId }))
  const subjects = [...rows.map(({ account, deliveryId }) => ({ account, subject: deliveryId })), ...named, ...(needs.subjects ?? [])]
  const [seen, facts] = await Promise.all([
    findFactKeys(db, [...new Map(subjects.map((ref) => [accountScopedKey(ref.account, ref.subject), ref])).values()]),
    findFactsBySubject(
      db,
      [...whole.values()].map(({ account, deliveryId }) => ({ account, subject: deliveryId })),
    ),
  ])
  for (const key of seen) ledgerState.seenKeys.add(key)
  for (const { deliveryId } of whole.values()) ledgerState.facts.set(deliveryId, [])
  for (const fact of facts) ledgerState.facts.get(fact.subject)?.push(fact)
}

/**
 * Saves new facts, changed rows, counters, reports, raw mails and the outbox. Throws Fault conflict if a fact or a report already exists:
 * the transaction is void, and the caller must load again.
 */
export async function saveLedgerState(db: Database, ledgerState: LedgerState, accompanyingRows: AccompanyingRows = {}): Promise<void> {
  const { dirty } = ledgerState
  await Promise.all([
    insertReports(db, accompanyingRows.reports ?? []),
    db.insertMany(PENDING_VERIFICATIONS, accompanyingRows.pendingVerifications ?? []),
    saveMailBodies(db, accompanyingRows.rawMails ?? []),
    saveDeliveries(db, ledgerState),
    db.upsertMany(SUPPRESSIONS, changedRows(ledgerState.suppressions, dirty.suppressions)),
    db.upsertMany(INBOX, changedRows(ledgerState.inbox, dirty.inbox)),
    db.upsertMany(SITE_STATES, changedRows(ledgerState.sites, dirty.sites)),
    appendFacts(db, ledgerState.newFacts),
    saveCounters(db, ledgerState),
    db.insertMany(OUTBOX, accompanyingRows.outbox ?? [], 'ignore'),
  ])
}

/** Facts that write the registered columns of a delivery. */
const REGISTERING_KINDS: readonly Fact['kind'][] = ['request', 'stub', 'erased']

/**
 * The registered columns of a delivery never change, and half of the indexes are on them. A report therefore updates the other columns
 * and leaves the pages of those indexes alone. State without new facts is a repair and is written whole.
 */
async function saveDeliveries(db: Database, ledgerState: LedgerState): Promise<void> {
  const rows = changedRows(ledgerState.deliveries, ledgerState.dirty.deliveries)
  const registered = new Set(
    ledgerState.newFacts.filter(({ kind }) => REGISTERING_KINDS.includes(kind)).map(({ deliveryId }) => deliveryId),
  )
  const isWrittenWhole = (row: DeliveryRow): boolean =>
    ledgerState.newFacts.length === 0 || !row.registered || registered.has(row.deliveryId)
  const whole = rows.filter(isWrittenWhole)
  const partial = rows.filter((row) => !isWrittenWhole(row))
  await Promise.all([db.upsertMany(DELIVERIES, whole), db.upsertMany(DELIVERIES, partial, { keepColumns: REGISTERED_COLUMNS })])
}

/** Adds the changes to the counters. */
async function saveCounters(db: Database, ledgerState: LedgerState): Promise<void> {
  const { counterSlot: slot } = db
  const counters = [...ledgerState.dirty.counters].filter(([, { n }]) => n !== 0)
  const sites = [...ledgerState.dirty.siteCounters].filter(([, { n }]) => n !== 0)
  const inOrder = <Row>(entries: readonly (readonly [string, Row])[]): readonly Row[] =>
    sortedBy(entries, ([key]) => key).map(([, row]) => row)
  await Promise.all([
    db.upsertMany(
      COUNTERS,
      inOrder(counters).map((row) => ({ ...row, slot })),
      { addColumns: ['n'] },
    ),
    db.upsertMany(
      SITE_COUNTERS,
      inOrder(sites).map((row) => ({ ...row, slot })),
      { addColumns: ['n'] },
    ),
  ])
}

function changedRows<Row>(rows: ReadonlyMap<string, Row>, keys: ReadonlySet<string>): readonly Row[] {
  return [...keys].toSorted().flatMap((key) => rows.get(key) ?? [])
}

function sortedBy<Row>(rows: readonly Row[], keyOf: (row: Row) => string): readonly Row[] {
  return rows.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}
