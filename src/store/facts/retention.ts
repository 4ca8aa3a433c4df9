/**
 * retention - finds what has exceeded its retention and removes it, a few rows a transaction
 *
 * A delivery is removed with all its facts; what its tokens may still need is kept (store/facts/retired-deliveries). A mail is removed
 * with its report row, its bytes, its inbox row and its facts. List facts, list entries, the counters of accounts and the operator's
 * facts (audits, mass-bounce holds, alarms) stay. A transaction that would write to a delivery that is being removed waits for its lock
 * and finds it gone.
 *
 * See also: service/admin/retire (the procedure), store/facts/rebuild (which ignores what was retired).
 */
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import { siteCountersOf } from '../../ledger/project/counters.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { retiredDeliveryOf } from '../../ledger/project/retired-delivery.ts'
import type { DeliveryRow, SiteCounterRow } from '../../ledger/project/state.ts'
import type { Database, KeyTuples, DatabaseReader } from '../engine/engine.ts'
import { readMetadataForOperator, writeMetadataForOperator } from '../engine/metadata.ts'
import { OUTBOX } from '../webhook/outbox.ts'
import type { EndpointRef, OutboxRow } from '../webhook/outbox.ts'
import { addRetiredDeliveries } from './retired-deliveries.ts'
import { DELIVERIES } from '../mail/delivery-columns.ts'
import { findReportReferencesForOperator, releaseMailBodies, type BodyReference } from '../mail/mail-bodies.ts'
import { listReportDigestsForOperator, removeReportDigestsForOperator } from '../mail/report-digests.ts'
import { SITE_COUNTERS } from '../schema.ts'
import type { StoredSiteCounter } from '../schema.ts'
import { hexToBytes, uuidToBytes, bytesToHex, bytesToUuid } from '../engine/mapping.ts'

/** The retention cutoff: deliveries requested before it are retired, or are being retired. 0: none yet. */
export async function readRetentionCutoffForOperator(reader: DatabaseReader): Promise<number> {
  return Number((await readMetadataForOperator(reader, CUTOFF_NAME)) ?? 0)
}

/** Advances the cutoff before anything is removed. An earlier cutoff changes nothing. Returns the cutoff in force. */
export async function advanceRetentionCutoffForOperator(db: Database, before: number): Promise<number> {
  const now = await readRetentionCutoffForOperator(db)
  if (before <= now) return now
  await writeMetadataForOperator(db, CUTOFF_NAME, String(before))
  return before
}

const CUTOFF_NAME = 'retired_before'

/** Metadata while retention holds because the clock is far ahead: the newest mail (epoch ms). */
export const RETIREMENT_HELD = 'retirement_held'

/** When the newest message was requested or the newest mail whose bytes are stored was received (epoch ms); null: there is none. */
export async function findNewestMailTimeForOperator(reader: DatabaseReader): Promise<number | null> {
  const requested = `select max(n.at) as at from (select (select d.requested_at from deliveries d where d.account_id = a.account_id
    order by d.requested_at desc limit 1) as at from accounts a) n`
  const received = 'select max(f.received_at) as at from mail_body_references f where f.kind = $1'
  const rows = await Promise.all([
    reader.one(requested),
    reader.one(received, ['report' satisfies BodyReference['kind']]),
    reader.one(received, ['inbound' satisfies BodyReference['kind']]),
  ])
  const times = rows.flatMap((row) => (row === null || row['at'] === null ? [] : [Number(row['at'])]))
  return times.length === 0 ? null : Math.max(...times)
}

/** Lists the oldest deliveries of an account that were requested before a moment. */
export async function listOldDeliveryIds(
  reader: DatabaseReader,
  account: number,
  before: number,
  limit: number,
): Promise<readonly string[]> {
  const sql = `select d.delivery_id from deliveries d where d.account_id = $1 and d.requested_at < $2
    order by d.requested_at, d.delivery_id limit $3`
  return (await reader.all(sql, [account, before, limit])).map((row) => String(row['delivery_id']))
}

/** Counts the deliveries of an account that were requested before a moment. */
export async function countOldDeliveries(reader: DatabaseReader, account: number, before: number): Promise<number> {
  const sql = 'select count(*) as n from deliveries d where d.account_id = $1 and d.requested_at < $2'
  return Number((await reader.one(sql, [account, before]))?.['n'] ?? 0)
}

type RemovedCounts = { readonly deliveries: number; readonly facts: number }

/**
 * Removes deliveries with their facts, and subtracts them from the counters of their sites, whose week may still be open. The account's
 * own counters stay. A remainder of deliveries from `firstValidId` on is kept, because their tokens are still valid.
 */
export async function removeDeliveries(
  db: Database,
  account: number,
  { ids, firstValidId }: { readonly ids: readonly string[]; readonly firstValidId: string },
): Promise<RemovedCounts> {
  const keys: KeyTuples = { types: ['text', 'int'], rows: ids.toSorted().map((id) => [id, monthOfDelivery(id)]) }
  const lockSql = `select ${DELIVERIES.columns('d')} from {keys} k cross join deliveries d where d.account_id = $1 and d.delivery_id = k.k1
    and d.delivery_month = k.k2
    order by d.account_id, d.delivery_id {lock d}`
  const rows = (await db.inKeys(lockSql, keys, [account])).map(DELIVERIES.decode)
  const deleteFactsSql =
    'delete from events where account_id = $1 and (subject, delivery_month) in (select k.k1, k.k2 from {keys} k) returning 1 as gone'
  const deleteDeliveriesSql =
    'delete from deliveries where account_id = $1 and (delivery_id, delivery_month) in (select k.k1, k.k2 from {keys} k) returning 1 as gone'
  const [factRows, deliveryRows] = [await db.inKeys(deleteFactsSql, keys, [account]), await db.inKeys(deleteDeliveriesSql, keys, [account])]
  const retired = rows.filter(({ deliveryId }) => deliveryId >= firstValidId).flatMap((row) => retiredDeliveryOf(row) ?? [])
  await addRetiredDeliveries(db, retired)
  await db.upsertMany(SITE_COUNTERS, negateSiteCounters(rows, db.counterSlot), { addColumns: ['n'] })
  return { deliveries: deliveryRows.length, facts: factRows.length }
}

/** The negative counts of these rows, sorted by key. */
function negateSiteCounters(rows: readonly DeliveryRow[], slot: number): readonly StoredSiteCounter[] {
  const sums = Map.groupBy(rows.flatMap(siteCountersOf), ({ site, quarter, metric }: SiteCounterRow) => `${site}/${quarter}/${metric}`)
  return [...sums]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, group]) => {
      const [first] = group
      return first === undefined ? [] : [{ ...first, slot, n: -group.reduce((sum, { n }) => sum + n, 0) }]
    })
}

/** A received mail. `account` is null if its report does not exist any more. */
type ReceivedMailRef = { readonly digest: string; readonly account: number | null; readonly receivedAt: number }

/** Lists the oldest `limit` mails that were received before a moment. */
export async function listOldMailsForOperator(reader: DatabaseReader, before: number, limit: number): Promise<readonly ReceivedMailRef[]> {
  const old = await listReportDigestsForOperator(reader, { from: 0, to: before, limit })
  const sql = 'select r.digest, r.account_id from {keys} k cross join reports r where r.digest = k.k1 and r.received_at = k.k2'
  const keys = old.map(({ digest, receivedAt }) => [hexToBytes(digest), receivedAt])
  const rows = await reader.inKeys(sql, { types: ['bytes', 'int'], rows: keys })
  const accounts = new Map(
    rows.map((row) => [row['digest'] instanceof Uint8Array ? bytesToHex(row['digest']) : '', Number(row['account_id'])]),
  )
  return old.map((mail) => ({ ...mail, account: accounts.get(mail.digest) ?? null }))
}

/** Removes mails with everything that is stored about them. `keepsReport`: the report itself is in a partition that is dropped afterwards. */
export async function removeReceivedMailsForOperator(
  db: Database,
  mails: readonly ReceivedMailRef[],
  keepsReport: (receivedAt: number) => boolean = () => false,
): Promise<void> {
  const keys: KeyTuples = { types: ['bytes'], rows: mails.map(({ digest }) => [hexToBytes(digest)]) }
  const inbox = await db.inKeys('select i.account_id, i.digest from {keys} k cross join inbox i where i.digest = k.k1', keys)
  const waiting = inbox.map(
    (row) => [Number(row['account_id']), row['digest'] instanceof Uint8Array ? bytesToHex(row['digest']) : ''] as const,
  )
  const owners = [...mails.flatMap(({ account, digest }) => [[account ?? 0, digest] as const, [0, digest] as const]), ...waiting]
  const subjects = new Map(owners.map(([account, digest]) => [`${account}/${digest}`, [account, `mail:${digest}`]]))
  const timesOf = (refs: readonly ReceivedMailRef[]): KeyTuples => ({
    types: ['int', 'bytes'],
    rows: refs.map(({ receivedAt, digest }) => [receivedAt, hexToBytes(digest)]),
  })
  const ofSubjects = 'delete from events where (account_id, subject) in (select k.k1, k.k2 from {keys} k) and delivery_month = 0'
  await db.inKeys(ofSubjects, { types: ['int', 'text'], rows: [...subjects.values()] })
  await db.inKeys('delete from inbox where digest in (select k.k1 from {keys} k)', keys)
  const digests = mails.map(({ digest }) => digest)
  await releaseMailBodies(db, await findReportReferencesForOperator(db, digests))
  await db.inKeys('delete from raw_mails where (received_at, digest) in (select k.k1, k.k2 from {keys} k)', timesOf(mails))
  const removed = timesOf(mails.filter(({ receivedAt }) => !keepsReport(receivedAt)))
  await db.inKeys('delete from reports where (received_at, digest) in (select k.k1, k.k2 from {keys} k)', removed)
  await removeReportDigestsForOperator(db, digests)
}

/** A fact that may belong to nothing that is retired by itself. */
type FactHead = { readonly id: string; readonly kind: Fact['kind'] }

/**
 * Scans one page of an account's facts in the order of their ids, after `after` and before `before`. Fewer than `maxRows` facts: this was
 * the last page.
 */
export async function scanOldFacts(
  reader: DatabaseReader,
  account: number,
  page: { readonly after: string; readonly before: string; readonly maxRows: number },
): Promise<readonly FactHead[]> {
  const sql = 'select e.id, e.kind from events e where e.account_id = $1 and e.id > $2 and e.id < $3 order by e.id limit $4'
  const rows = await reader.all(sql, [account, uuidToBytes(page.after), uuidToBytes(page.before), page.maxRows])
  // Checked cast: only our own code writes the column, from the same type.
  return rows.map((row) => ({
    id: row['id'] instanceof Uint8Array ? bytesToUuid(row['id']) : '',
    kind: String(row['kind']) as Fact['kind'],
  }))
}

export async function removeFacts(db: Database, account: number, ids: readonly string[]): Promise<void> {
  const keys: KeyTuples = { types: ['bytes'], rows: ids.map((id) => [uuidToBytes(id)]) }
  await db.inKeys('delete from events where account_id = $1 and id in (select k.k1 from {keys} k)', keys, [account])
}

/** Finds the next endpoint, by key, that has events in the outbox, or null. */
export async function findNextOutboxEndpointForOperator(reader: DatabaseReader, after: EndpointRef | null): Promise<EndpointRef | null> {
  const sql = `select o.account_id, o.endpoint_id from outbox o where (o.account_id, o.endpoint_id) > ($1, $2)
    order by o.account_id, o.endpoint_id limit 1`
  const row = await reader.one(sql, [after?.account ?? -1, after?.endpointId ?? -1])
  return row === null ? null : { account: Number(row['account_id']), endpointId: Number(row['endpoint_id']) }
}

/** Lists the events of one endpoint below an id. They have waited so long that their facts are gone. Ids are in the order of time. */
export async function listOldOutbox(
  reader: DatabaseReader,
  endpoint: EndpointRef,
  below: string,
  limit: number,
): Promise<readonly OutboxRow[]> {
  const sql = `select ${OUTBOX.columns('o')} from outbox o where o.account_id = $1 and o.endpoint_id = $2 and o.event_id < $3
    order by o.event_id limit $4`
  return (await reader.all(sql, [endpoint.account, endpoint.endpointId, uuidToBytes(below), limit])).map(OUTBOX.decode)
}

/** How many there are. */
export async function countOldOutbox(reader: DatabaseReader, endpoint: EndpointRef, below: string): Promise<number> {
  const sql = 'select count(*) as n from outbox o where o.account_id = $1 and o.endpoint_id = $2 and o.event_id < $3'
  return Number((await reader.one(sql, [endpoint.account, endpoint.endpointId, uuidToBytes(below)]))?.['n'] ?? 0)
}

export async function removeOutboxForOperator(db: Database, rows: readonly OutboxRow[]): Promise<void> {
  const keys = rows.map(({ account, endpointId, eventId }) => [account, endpointId, uuidToBytes(eventId)])
  const sql = 'delete from outbox where (account_id, endpoint_id, event_id) in (select k.k1, k.k2, k.k3 from {keys} k)'
  await db.inKeys(sql, { types: ['int', 'int', 'bytes'], rows: keys })
}

/** Lists old counters of sites. Only the last week is ever read. */
export async function listOldSiteCountersForOperator(
  reader: DatabaseReader,
  before: number,
  limit: number,
): Promise<readonly StoredSiteCounter[]> {
  const sql = `select ${SITE_COUNTERS.columns('c')} from site_counters c where c.quarter < $1 limit $2`
  return (await reader.all(sql, [before, limit])).map(SITE_COUNTERS.decode)
}

export async function removeSiteCountersForOperator(db: Database, rows: readonly StoredSiteCounter[]): Promise<void> {
  const keys = rows.map(({ site, quarter, metric, slot }) => [site, quarter, metric, slot])
  const sql = 'delete from site_counters where (site, quarter, metric, slot) in (select k.k1, k.k2, k.k3, k.k4 from {keys} k)'
  await db.inKeys(sql, { types: ['text', 'int', 'text', 'int'], rows: keys })
}
