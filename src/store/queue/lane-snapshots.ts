/**
 * lane-snapshots - the lanes of the delivery queue as the nodes that deliver them last saw them, and their throughput over time
 *
 * Snapshots of the memories of the nodes, so that any node can serve them. The heartbeat holds the time of the last check of any; if it is old, no node
 * delivers. Intervals are kept as long as the charts reach: five seconds for an hour, minutes for a day.
 *
 * See also: service/deliver/lane-snapshots (which writes), queue/observe/lane-view (the status of a lane), queue/observe/throughput.
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
  /** The node that delivers the lane. */
  readonly node: string
}

/** Widths of the intervals in milliseconds. */
export const SERIES_INTERVAL_MS = { fives: 5_000, minutes: 60_000 } as const
export type SeriesInterval = keyof typeof SERIES_INTERVAL_MS

/** How long each series is kept. */
const SERIES_RETENTION_MS = { fives: 3_600_000, minutes: 86_400_000 } as const satisfies Record<SeriesInterval, number>

/** Messages enqueued (`ins`), attempted (`tries`) and dequeued (`outs`) in the interval that begins at `at`. */
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
  node: textColumn('node', 'none'),
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

/**
 * The changes since the last snapshot. `changed` has messages; `empty` has none, and another node may deliver the lane. `replacesAll`: remove every lane of
 * the node first, when it starts to deliver.
 */
export type LaneSnapshotChanges = {
  readonly changed: readonly LaneSnapshotRow[]
  readonly empty: readonly LaneSnapshotRow[]
  readonly removed: readonly LaneRef[]
  readonly throughput: readonly LaneThroughputRow[]
  readonly replacesAll: boolean
}

const HEARTBEAT_NAME = 'queue.pulse'

/** When a delivering node last checked the queue, and which node. */
type DeliveryHeartbeat = { readonly at: number; readonly node: string }

const sortByLane = <R extends LaneRef>(rows: readonly R[]): readonly R[] =>
  rows.toSorted((a, b) => a.account - b.account || (a.domain < b.domain ? -1 : a.domain > b.domain ? 1 : 0))

/** Saves a snapshot and the heartbeat, and removes intervals that the charts no longer show. */
export async function saveLaneSnapshotsForOperator(
  db: Database,
  changes: LaneSnapshotChanges,
  heartbeat: DeliveryHeartbeat,
): Promise<void> {
  // Rows without a node are those of an older version.
  if (changes.replacesAll) await db.run("delete from queue_lanes where node in ($1, '')", [heartbeat.node])
  const drop = 'delete from queue_lanes where account_id = $1 and domain = $2 and node = $3'
  const old = Object.entries(SERIES_INTERVAL_MS).map(([name, width]) => [width, heartbeat.at - seriesRetentionOf(name)])
  await Promise.all([
    ...changes.empty.map(({ account, domain }) => db.run(drop, [account, domain, heartbeat.node])),
    ...changes.removed.map(({ account, domain }) => db.run(drop, [account, domain, heartbeat.node])),
    db.upsertMany(LANE_SNAPSHOTS, sortByLane(changes.changed)),
    db.insertMany(LANE_SNAPSHOTS, sortByLane(changes.empty), 'ignore'),
    db.upsertMany(LANE_THROUGHPUT, sortByLane(changes.throughput)),
    ...old.map((params) => db.run('delete from queue_steps where width = $1 and at < $2', params)),
    writeMetadataForOperator(db, HEARTBEAT_NAME, JSON.stringify(heartbeat)),
  ])
}

const seriesRetentionOf = (name: string): number => (name === 'fives' ? SERIES_RETENTION_MS.fives : SERIES_RETENTION_MS.minutes)

/** Reads the heartbeat, or null if no node has ever delivered from this store. */
export async function readHeartbeatForOperator(reader: DatabaseReader): Promise<DeliveryHeartbeat | null> {
  const value = await readMetadataForOperator(reader, HEARTBEAT_NAME)
  // Checked cast: only saveLaneSnapshotsForOperator writes it.
  return value === null ? null : (JSON.parse(value) as DeliveryHeartbeat)
}

type LanePage = { readonly after: string | null; readonly limit: number }

/** Lists the lanes of an account by domain, or one of them. */
export async function listLaneSnapshots(
  reader: DatabaseReader,
  account: number,
  { domain, after, limit }: LanePage & { readonly domain: string | null },
): Promise<readonly LaneSnapshotRow[]> {
  const sql = `select ${LANE_SNAPSHOTS.columns('l')} from queue_lanes l where l.account_id = $1 and l.domain > $2
    ${domain === null ? '' : 'and l.domain = $4'} order by l.domain limit $3`
  return (await reader.all(sql, [account, after ?? '', limit, ...(domain === null ? [] : [domain])])).map(LANE_SNAPSHOTS.decode)
}

/** Lists the lanes of all accounts, by account and domain. */
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

/** One interval of a series, summed over the selection. */
export type ThroughputPoint = Pick<LaneThroughputRow, 'at' | 'ins' | 'tries' | 'outs'>

/**
 * Lists the series of one lane of an account or of all its lanes; with account null, of all accounts, for the operator. Intervals without
 * messages are left out.
 */
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
