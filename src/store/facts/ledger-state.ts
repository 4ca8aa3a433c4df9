/**
 * ledger-state - what a batch needs to know, loaded; what it has decided, saved
 *
 * Load and save belong into one transaction. Load locks what may change, in one order everywhere: deliveries, lists, inbox, sites, each
 * sorted by key; save writes in the same order and sends everything in one flight. Counters are only added to.
 *
 * See also: ledger/project/state (the value), ledger/project/fold (what changes it), store/engine/engine (snapshots and locks).
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import {
  addressKey,
  addSiteCount,
  emptyWorld,
  inboxKey,
  quarterOf,
  QUARTER_MS,
  receivingSite,
  suppressionKey,
} from '../../ledger/project/state.ts'
import type { DeliveryRow, SiteMetric, World } from '../../ledger/project/state.ts'
import { historyOf } from '../mail/deliveries.ts'
import type { Db, Keys } from '../engine/engine.ts'
import { appendFacts, factsOf, seenKeysOf } from './facts.ts'
import type { SubjectRef } from './facts.ts'
import { inboxOfForOperator } from '../mail/inbox.ts'
import { OUTBOX, type OutboxRow } from '../webhook/outbox.ts'
import type { RawMail } from '../mail/raw-mail.ts'
import { findRemains } from './retired-deliveries.ts'
import { knownDigestsForOperator } from '../mail/reports.ts'
import { COUNTERS, DELIVERIES, INBOX, RAW_MAILS, REGISTERED_COLUMNS, REPORTS, SITE_COUNTERS, SITE_STATES, SUPPRESSIONS } from '../schema.ts'
import type { ReportRow } from '../schema.ts'
import { suppressionsOf } from '../lists/suppressions.ts'

export type DeliveryRef = { readonly account: number; readonly deliveryId: string }
export type AddressRef = { readonly account: number; readonly addressHash: string }

/** What to load. The addresses of the deliveries that are found are loaded as well, without being named. */
export type WorldNeeds = {
  readonly deliveries?: readonly DeliveryRef[]
  readonly emailIds?: readonly { readonly account: number; readonly emailId: string }[]
  readonly messageIdHeaders?: readonly { readonly account: number; readonly messageIdHeader: string }[]
  /** Also load what is kept of those of `deliveries` that were retired, with the entries of their addresses. */
  readonly remains?: boolean
  /** Deliveries of which all facts are needed; those whose row says `reclassified` are loaded unasked. */
  readonly facts?: readonly DeliveryRef[]
  /** Subjects tied to no delivery (`mail:…`, `address:…`), for what was seen under them. */
  readonly subjects?: readonly SubjectRef[]
  readonly addresses?: readonly AddressRef[]
  /** Also load the last deliveries to every address: what ladders and the brake look at. */
  readonly history?: boolean
  /** Also load the entries of the list that an operator shares (account 0). */
  readonly shared?: boolean
  /** Sites with the moment whose last 7 days are counted. */
  readonly sites?: readonly { readonly site: string; readonly at: number }[]
  /** Also load the sites of the deliveries that are found, at this moment. */
  readonly sitesAt?: number
  readonly digests?: readonly string[]
}

export type Loaded = {
  readonly world: World
  /** Digests of `needs.digests` that are stored: the mail came before. */
  readonly knownDigests: ReadonlySet<string>
  /** Deliveries found by emailId or by Message-ID header; more than one by a header proves nothing. */
  readonly byEmailId: ReadonlyMap<string, DeliveryRow>
  readonly byMessageIdHeader: ReadonlyMap<string, readonly DeliveryRow[]>
}

/** What goes into the store beside the world. */
export type SaveExtras = {
  readonly reports?: readonly ReportRow[]
  readonly rawMails?: readonly RawMail[]
  readonly outbox?: readonly OutboxRow[]
}

/** The keys of `byEmailId` and `byMessageIdHeader`. */
export const doorKey = (account: number, name: string): string => `${account}/${name}`

/** Ladders need the few latest hits, the repeat ladder two weeks of them; a test address with thousands of mails must not fill a batch. */
export const HISTORY_LIMIT = 32

const WEEK_MS = 7 * 86_400_000

/** Older quarters are summed into one: the brake asks for the last two and for the week, never for one old quarter. */
const RECENT_QUARTERS = 4

/** Loads and locks. Run it first in the transaction that saves. */
export async function loadWorld(db: Db, needs: WorldNeeds): Promise<Loaded> {
  const world = emptyWorld()
  const [byId, byEmail, byHeader, knownDigests, inbox] = await Promise.all([
    deliveriesById(db, needs.deliveries ?? []),
    deliveriesByEmailId(db, needs.emailIds ?? []),
    deliveriesByHeader(db, needs.messageIdHeaders ?? []),
    knownDigestsForOperator(db, needs.digests ?? []),
    inboxOfForOperator(db, needs.digests ?? [], true),
  ])
  for (const row of [...byId, ...byEmail, ...byHeader]) world.deliveries.set(row.deliveryId, row)
  if (needs.remains === true) await loadRemains(db, world, needs.deliveries ?? [])
  for (const row of inbox) world.inbox.set(inboxKey(row.digest), row)
  await Promise.all([loadAddresses(db, world, needs), loadFacts(db, world, needs), loadSites(db, world, sitesOf(world, needs))])
  return {
    world,
    knownDigests,
    byEmailId: new Map(byEmail.map((row) => [doorKey(row.account, row.emailId ?? ''), row])),
    byMessageIdHeader: Map.groupBy(byHeader, (row) => doorKey(row.account, row.messageIdHeader ?? '')),
  }
}

/** After the deliveries: one that was retired while it was waited for is found here. */
async function loadRemains(db: Db, world: World, wanted: readonly DeliveryRef[]): Promise<void> {
  const missing = wanted.filter(({ deliveryId }) => !world.deliveries.has(deliveryId))
  for (const row of missing.length === 0 ? [] : await findRemains(db, missing)) world.remains.set(row.deliveryId, row)
}

function sitesOf(world: World, needs: WorldNeeds): NonNullable<WorldNeeds['sites']> {
  const { sites = [], sitesAt: at } = needs
  if (at === undefined) return sites
  return [...sites, ...[...world.deliveries.values()].map((row) => ({ site: receivingSite(row) ?? row.domain, at }))]
}

const DELIVERY = DELIVERIES.columns('d')
const IN_ORDER = 'order by d.account_id, d.delivery_id {lock d}'

async function deliveriesById(db: Db, wanted: readonly DeliveryRef[]): Promise<readonly DeliveryRow[]> {
  const sql = `select ${DELIVERY} from {keys} k cross join deliveries d where d.account_id = k.k1 and d.delivery_id = k.k2 ${IN_ORDER}`
  return readDeliveries(
    db,
    sql,
    wanted.map(({ account, deliveryId }) => [account, deliveryId]),
  )
}

async function deliveriesByEmailId(db: Db, wanted: NonNullable<WorldNeeds['emailIds']>): Promise<readonly DeliveryRow[]> {
  const same = 'd.account_id = k.k1 and d.email_id is not null and d.email_id = k.k2'
  return readDeliveries(
    db,
    `select ${DELIVERY} from {keys} k cross join deliveries d where ${same} ${IN_ORDER}`,
    wanted.map(({ account, emailId }) => [account, emailId]),
  )
}

async function deliveriesByHeader(db: Db, wanted: NonNullable<WorldNeeds['messageIdHeaders']>): Promise<readonly DeliveryRow[]> {
  const same = 'd.account_id = k.k1 and d.message_id_header is not null and d.message_id_header = k.k2'
  return readDeliveries(
    db,
    `select ${DELIVERY} from {keys} k cross join deliveries d where ${same} ${IN_ORDER}`,
    wanted.map(({ account, messageIdHeader }) => [account, messageIdHeader]),
  )
}

async function readDeliveries(db: Db, sql: string, rows: Keys['rows']): Promise<readonly DeliveryRow[]> {
  return (await db.inKeys(sql, { types: ['int', 'text'], rows: unique(rows) })).map(DELIVERIES.decode)
}

function unique(rows: Keys['rows']): Keys['rows'] {
  return [...new Map(rows.map((row) => [row.join('/'), row])).values()]
}

async function loadAddresses(db: Db, world: World, needs: WorldNeeds): Promise<void> {
  const named = (needs.addresses ?? []).map((address) => [addressKey(address.account, address.addressHash), address] as const)
  const found = [...world.deliveries.values(), ...world.remains.values()].flatMap(({ account, addressHash }) =>
    addressHash === null ? [] : [[addressKey(account, addressHash), { account, addressHash }] as const],
  )
  const addresses = [...new Map([...named, ...found]).values()]
  const owners = needs.shared === true ? [...addresses, ...sharedOf(addresses)] : addresses
  const [entries, history] = await Promise.all([
    suppressionsOf(db, owners, true),
    needs.history === true ? historyOf(db, addresses, HISTORY_LIMIT, world.deliveries) : Promise.resolve([]),
  ])
  for (const row of entries) world.suppressions.set(suppressionKey(row), row)
  if (needs.history === true)
    for (const { account, addressHash } of addresses) world.history.set(addressKey(account, addressHash), new Map())
  for (const row of history) world.history.get(addressKey(row.account, row.addressHash ?? ''))?.set(row.deliveryId, row)
}

function sharedOf(addresses: readonly AddressRef[]): readonly AddressRef[] {
  return [...new Set(addresses.map(({ addressHash }) => addressHash))].map((addressHash) => ({ account: 0, addressHash }))
}

async function loadFacts(db: Db, world: World, needs: WorldNeeds): Promise<void> {
  const rows = [...world.deliveries.values()]
  const whole = new Map((needs.facts ?? []).map((ref) => [ref.deliveryId, ref]))
  for (const row of rows) if (row.reclassified) whole.set(row.deliveryId, row)
  const named = (needs.deliveries ?? []).map(({ account, deliveryId }) => ({ account, subject: deliveryId }))
  const subjects = [...rows.map(({ account, deliveryId }) => ({ account, subject: deliveryId })), ...named, ...(needs.subjects ?? [])]
  const [seen, facts] = await Promise.all([
    seenKeysOf(db, [...new Map(subjects.map((ref) => [doorKey(ref.account, ref.subject), ref])).values()]),
    factsOf(
      db,
      [...whole.values()].map(({ account, deliveryId }) => ({ account, subject: deliveryId })),
    ),
  ])
  for (const key of seen) world.seen.add(key)
  for (const { deliveryId } of whole.values()) world.facts.set(deliveryId, [])
  for (const fact of facts) world.facts.get(fact.subject)?.push(fact)
}

async function loadSites(db: Db, world: World, wanted: NonNullable<WorldNeeds['sites']>): Promise<void> {
  const moments = Map.groupBy(wanted, ({ site }) => site)
  const windows = [...moments].map(([site, hits]) => [site, ...weekOf(hits.map(({ at }) => at))])
  const counts = `select c.site, c.metric, case when c.quarter >= k.k3 then c.quarter else k.k4 end as quarter, sum(c.n) as n
    from {keys} k cross join site_counters c where c.site = k.k1 and c.quarter >= k.k2 group by 1, 2, 3`
  const states = `select ${SITE_STATES.columns('s')} from {keys} k cross join site_states s where s.site = k.k1 order by s.site {lock s}`
  const [sums, rows] = await Promise.all([
    db.inKeys(counts, { types: ['text', 'int', 'int', 'int'], rows: windows }),
    db.inKeys(states, { types: ['text'], rows: [...moments.keys()].map((site) => [site]) }),
  ])
  for (const row of sums)
    addSiteCount(world, {
      site: String(row['site']),
      quarter: Number(row['quarter']),
      metric: metricOf(row['metric']),
      n: Number(row['n']),
    })
  for (const state of rows.map(SITE_STATES.decode)) world.sites.set(state.site, state)
}

/**
 * Where the week before some moments begins, from where its quarters are told apart, and the quarter that stands for all before. Moments
 * of one quarter-hour or two share the sum; those of a replay lie further apart, and each needs its own quarters.
 */
function weekOf(moments: readonly number[]): readonly [number, number, number] {
  const first = quarterOf(Math.min(...moments))
  const last = quarterOf(Math.max(...moments))
  const from = first - QUARTER_MS - WEEK_MS
  return [from, last - first <= QUARTER_MS ? first - RECENT_QUARTERS * QUARTER_MS : from, last - WEEK_MS]
}

// Only our own code writes the column, from the same type.
const metricOf = (value: unknown): SiteMetric => String(value) as SiteMetric

/**
 * Writes new facts, changed rows, counters, reports, raw mails and the outbox. Throws Fault conflict where a fact or a report is there
 * already: the transaction is void and must load again.
 */
export async function saveWorld(db: Db, world: World, extras: SaveExtras = {}): Promise<void> {
  const { dirty } = world
  await Promise.all([
    db.insertMany(
      REPORTS,
      sortedBy(extras.reports ?? [], ({ digest }) => digest),
    ),
    db.insertMany(RAW_MAILS, extras.rawMails ?? []),
    saveDeliveries(db, world),
    db.upsertMany(SUPPRESSIONS, changed(world.suppressions, dirty.suppressions)),
    db.upsertMany(INBOX, changed(world.inbox, dirty.inbox)),
    db.upsertMany(SITE_STATES, changed(world.sites, dirty.sites)),
    appendFacts(db, world.fresh),
    saveCounters(db, world),
    db.insertMany(OUTBOX, extras.outbox ?? [], 'ignore'),
  ])
}

/** Facts that write what a delivery was registered with. */
const REGISTERING: readonly Fact['kind'][] = ['request', 'stub', 'erased']

/**
 * What a delivery was registered with never changes after, and half of the indexes stand on it: a report then rewrites the row alone
 * and leaves their pages, spread over the whole file, in peace. A world without fresh facts is somebody's repair: all of it is written.
 */
async function saveDeliveries(db: Db, world: World): Promise<void> {
  const rows = changed(world.deliveries, world.dirty.deliveries)
  const registered = new Set(world.fresh.filter(({ kind }) => REGISTERING.includes(kind)).map(({ deliveryId }) => deliveryId))
  const isWhole = (row: DeliveryRow): boolean => world.fresh.length === 0 || !row.registered || registered.has(row.deliveryId)
  const whole = rows.filter(isWhole)
  const moved = rows.filter((row) => !isWhole(row))
  await Promise.all([db.upsertMany(DELIVERIES, whole), db.upsertMany(DELIVERIES, moved, { keep: REGISTERED_COLUMNS })])
}

/** Adds the world's deltas to the counters. */
async function saveCounters(db: Db, world: World): Promise<void> {
  const { slot } = db
  const counters = [...world.dirty.counters].filter(([, { n }]) => n !== 0)
  const sites = [...world.dirty.siteCounters].filter(([, { n }]) => n !== 0)
  const inOrder = <Row>(entries: readonly (readonly [string, Row])[]): readonly Row[] =>
    sortedBy(entries, ([key]) => key).map(([, row]) => row)
  await Promise.all([
    db.upsertMany(
      COUNTERS,
      inOrder(counters).map((row) => ({ ...row, slot })),
      { add: ['n'] },
    ),
    db.upsertMany(
      SITE_COUNTERS,
      inOrder(sites).map((row) => ({ ...row, slot })),
      { add: ['n'] },
    ),
  ])
}

function changed<Row>(rows: ReadonlyMap<string, Row>, keys: ReadonlySet<string>): readonly Row[] {
  return [...keys].toSorted().flatMap((key) => rows.get(key) ?? [])
}

function sortedBy<Row>(rows: readonly Row[], keyOf: (row: Row) => string): readonly Row[] {
  return rows.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}
