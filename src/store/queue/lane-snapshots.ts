/**
 * lane-snapshots - how the lanes of the delivery queue stand, as the delivering node last saw them, and their rates step by step
 *
 * A picture of what lies in one node's memory, so that any node can answer. The pulse says when the picture was last looked at: an old one
 * means that nobody delivers. Steps are kept as long as charts reach: five seconds for an hour, minutes for a day.
 *
 * See also: service/deliver/lane-snapshots (who writes), queue/observe/lane-view (a status), queue/observe/throughput (steps).
 */
import type { LaneStatus } from '../../queue/observe/lane-view.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { readMetadataForOperator, writeMetadataForOperator } from '../engine/metadata.ts'
import { integerColumn, jsonColumn, createTableMapping, textColumn } from '../engine/mapping.ts'

export type LaneSnapshotRow = {
  readonly account: number
  readonly domain: string
  readonly status: LaneStatus
  readonly savedAt: number
}

/** Widths of steps in milliseconds. */
export const SERIES_INTERVAL_MS = { fives: 5_000, minutes: 60_000 } as const
export type SeriesInterval = keyof typeof SERIES_INTERVAL_MS

/** How far back each series reaches. */
const SERIES_RETENTION_MS = { fives: 3_600_000, minutes: 86_400_000 } as const satisfies Record<SeriesInterval, number>

/** What came in, was tried and went out in the step that begins at `at`. */
export type LaneThroughputRow = {
  readonly account: number
  readonly domain: string
  readonly width: number
  readonly at: number
  readonly ins: number
  readonly tries: number
  readonly outs: number
}

export const LANE_SNAPSHOTS = createTableMapping<LaneSnapshotRow>('queue_lanes', ['account_id', 'domain'], {
  account: integerColumn('account_id'),
  domain: textColumn('domain', 'none'),
  status: jsonColumn<LaneStatus>('status', 'json'),
  savedAt: integerColumn('saved_at'),
})

export const LANE_THROUGHPUT = createTableMapping<LaneThroughputRow>('queue_steps', ['account_id', 'domain', 'width', 'at'], {
  account: integerColumn('account_id'),
  domain: textColumn('domain', 'none'),
  width: integerColumn('width'),
  at: integerColumn('at'),
  ins: integerColumn('ins'),
  tries: integerColumn('tries'),
  outs: integerColumn('outs'),
})

export type LaneRef = Pick<LaneSnapshotRow, 'account' | 'domain'>

/** What changed since the last picture. `all`: forget every lane first (a node begins). */
export type LaneSnapshotChanges = {
  readonly changed: readonly LaneSnapshotRow[]
  readonly removed: readonly LaneRef[]
  readonly throughput: readonly LaneThroughputRow[]
  readonly replacesAll: boolean
}

const HEARTBEAT_NAME = 'queue.pulse'

/** When a delivering node last looked, and which. */
type DeliveryHeartbeat = { readonly at: number; readonly node: string }

const sortByLane = <R extends LaneRef>(rows: readonly R[]): readonly R[] =>
  rows.toSorted((a, b) => a.account - b.account || (a.domain < b.domain ? -1 : a.domain > b.domain ? 1 : 0))

/** Writes a picture and its pulse; steps that charts no longer reach go with it. */
export async function saveLaneSnapshotsForOperator(
  db: Database,
  changes: LaneSnapshotChanges,
  heartbeat: DeliveryHeartbeat,
): Promise<void> {
  if (changes.replacesAll) await db.run('delete from queue_lanes', [])
  const drop = 'delete from queue_lanes where account_id = $1 and domain = $2'
  const old = Object.entries(SERIES_INTERVAL_MS).map(([name, width]) => [width, heartbeat.at - seriesRetentionOf(name)])
  await Promise.all([
    ...changes.removed.map(({ account, domain }) => db.run(drop, [account, domain])),
    db.upsertMany(LANE_SNAPSHOTS, sortByLane(changes.changed)),
    db.upsertMany(LANE_THROUGHPUT, sortByLane(changes.throughput)),
    ...old.map((params) => db.run('delete from queue_steps where width = $1 and at < $2', params)),
    writeMetadataForOperator(db, HEARTBEAT_NAME, JSON.stringify(heartbeat)),
  ])
}

const seriesRetentionOf = (name: string): number => (name === 'fives' ? SERIES_RETENTION_MS.fives : SERIES_RETENTION_MS.minutes)

/** When the last picture was made; null: no node has ever delivered from this store. */
export async function readHeartbeatForOperator(reader: DatabaseReader): Promise<DeliveryHeartbeat | null> {
  const value = await readMetadataForOperator(reader, HEARTBEAT_NAME)
  // The checked door: only saveLanesForOperator writes it.
  return value === null ? null : (JSON.parse(value) as DeliveryHeartbeat)
}

type LanePage = { readonly after: string | null; readonly limit: number }

/** Lanes of an account by domain, or the one that is named. */
export async function listLaneSnapshots(
  reader: DatabaseReader,
  account: number,
  { domain, after, limit }: LanePage & { readonly domain: string | null },
): Promise<readonly LaneSnapshotRow[]> {
  const sql = `select ${LANE_SNAPSHOTS.columns('l')} from queue_lanes l where l.account_id = $1 and l.domain > $2
    ${domain === null ? '' : 'and l.domain = $4'} order by l.domain limit $3`
  return (await reader.all(sql, [account, after ?? '', limit, ...(domain === null ? [] : [domain])])).map(LANE_SNAPSHOTS.decode)
}

/** The same over all accounts, by account and domain. */
export async function listLaneSnapshotsForOperator(
  reader: DatabaseReader,
  { domain, after, limit }: { readonly domain: string | null; readonly after: LaneRef | null; readonly limit: number },
): Promise<readonly LaneSnapshotRow[]> {
  const afterLane = after ?? { account: -1, domain: '' }
  const sql = `select ${LANE_SNAPSHOTS.columns('l')} from queue_lanes l where (l.account_id, l.domain) > ($1, $2)
    ${domain === null ? '' : 'and l.domain = $4'} order by l.account_id, l.domain limit $3`
  const params = [afterLane.account, afterLane.domain, limit, ...(domain === null ? [] : [domain])]
  return (await reader.all(sql, params)).map(LANE_SNAPSHOTS.decode)
}

/** One step of a series, summed over what was asked for. */
export type ThroughputPoint = Pick<LaneThroughputRow, 'at' | 'ins' | 'tries' | 'outs'>

/** The series of an account's lane, or of all its lanes; account null: of everybody's, for the operator. Quiet steps are left out. */
export async function listThroughputForOperator(
  reader: DatabaseReader,
  selection: { readonly account: number | null; readonly domain: string | null; readonly width: SeriesInterval; readonly now: number },
): Promise<readonly ThroughputPoint[]> {
  const conditions = ['s.width = $1', 's.at > $2']
  const params: (number | string)[] = [SERIES_INTERVAL_MS[selection.width], selection.now - SERIES_RETENTION_MS[selection.width]]
  if (selection.account !== null) conditions.push(`s.account_id = $${params.push(selection.account)}`)
  if (selection.domain !== null) conditions.push(`s.domain = $${params.push(selection.domain)}`)
  const sql = `select s.at, sum(s.ins) as ins, sum(s.tries) as tries, sum(s.outs) as outs from queue_steps s
    where ${conditions.join(' and ')} group by s.at order by s.at`
  return (await reader.all(sql, params)).map((row) => ({
    at: Number(row['at']),
    ins: Number(row['ins']),
    tries: Number(row['tries']),
    outs: Number(row['outs']),
  }))
}
