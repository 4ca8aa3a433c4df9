/**
 * lane-groups - which node delivers which groups of lanes
 *
 * Each node that delivers holds a lease of its own, `deliver/NODE`, and writes its name to the groups that it holds. A group belongs to its node as long as that
 * node's lease is current; a node that takes the groups of a silent one first raises the term of its lease, so that the silent node can commit nothing as their
 * holder (store/engine/lease, holdsLease).
 *
 * Nodes of version 0.x before lane groups delivered alone under the lease `deliver`. All nodes with groups hold that lease together, so that an older node stands by
 * beside them, and they stand by while an older node has it.
 *
 * See also: queue/lane-group, service/deliver/groups/group-spread.
 */
import { LANE_GROUPS } from '../../queue/lane-group.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { isCurrentSql, type Lease } from '../engine/lease.ts'
import { readStoreClock } from '../engine/shared-clock.ts'
import { createTableMapping, integerColumn, textColumn } from '../engine/mapping.ts'

/** `node` '': nobody holds the group, as without a row. */
type LaneGroupRow = { readonly group: number; readonly node: string }

export const LANE_GROUP_ROWS = createTableMapping<LaneGroupRow>('queue_groups', ['lane_group'], {
  group: integerColumn('lane_group'),
  node: textColumn('node', 'none'),
})

const LEASE_PREFIX = 'deliver/'

/** The name of a node's lease. */
export const leaseNameOf = (node: string): string => `${LEASE_PREFIX}${node}`

/** The name of a node, and the name in the marks of its messages under one term of its lease. Another process of the node has another term. */
const nodeOfLease = (name: string): string => name.slice(LEASE_PREFIX.length)
export const markNameOf = ({ name, term }: Pick<Lease, 'name' | 'term'>): string => `${nodeOfLease(name)} ${term}`

/** The node that made a mark. */
export const nodeOfMark = (mark: string): string => mark.slice(0, mark.lastIndexOf(' '))

/** Who holds each group, which nodes have a current lease, and their names in marks. */
type GroupHolders = {
  readonly holders: readonly string[]
  readonly liveNodes: readonly string[]
  readonly liveMarks: readonly string[]
}

/** Reads who holds each group. `now` is the clock of this process. */
export async function readGroupHoldersForOperator(reader: DatabaseReader, now: number): Promise<GroupHolders> {
  const clock = await readStoreClock(reader, now)
  const [groups, leases] = await Promise.all([
    reader.all(`select ${LANE_GROUP_ROWS.columns('g')} from queue_groups g`),
    reader.all(
      `select l.name, l.term from queue_lease l where l.name >= 'deliver/' and l.name < 'deliver0' and ${isCurrentSql('l.until_at', '$1')}`,
      [clock],
    ),
  ])
  const holders = Array.from({ length: LANE_GROUPS }, () => '')
  for (const { group, node } of groups.map(LANE_GROUP_ROWS.decode)) holders[group] = node
  const live = leases.map((row) => ({ name: String(row['name']), term: Number(row['term']) }))
  return { holders, liveNodes: live.map(({ name }) => nodeOfLease(name)), liveMarks: live.map(markNameOf) }
}

/**
 * Frees the groups of nodes that are silent, after which these nodes can commit nothing as holders. A node that has renewed its lease meanwhile keeps them.
 */
export async function freeGroupsOfForOperator(db: Database, nodes: readonly string[], now: number): Promise<void> {
  const clock = await readStoreClock(db, now)
  for (const node of nodes.toSorted()) {
    const sql = `update queue_lease set term = term + 1, until_at = 0 where name = $1 and not ${isCurrentSql('until_at', '$2')}`
    if ((await db.run(sql, [leaseNameOf(node), clock])) === 0) continue
    await db.run("update queue_groups set node = '' where node = $1", [node])
    await db.run('delete from queue_lanes where node = $1', [node])
  }
}

/** The name of a node that comes back within a day is still known. */
const DEAD_NODE_MS = 86_400_000

/** Removes the leases of nodes that hold no group and have been gone for a day, or have closed. Returns how many. */
export async function removeDeadLeasesForOperator(db: Database, now: number): Promise<number> {
  const clock = await readStoreClock(db, now)
  return db.run(
    `delete from queue_lease where name >= 'deliver/' and name < 'deliver0' and until_at < $1
       and not exists (select 1 from queue_groups g where $2 || g.node = queue_lease.name)`,
    [clock - DEAD_NODE_MS, LEASE_PREFIX],
  )
}

/** Gives groups to a node; '' frees them. */
export async function assignGroupsForOperator(db: Database, groups: readonly number[], node: string): Promise<void> {
  const rows = groups.toSorted((a, b) => a - b).map((group) => ({ group, node }))
  await db.upsertMany(LANE_GROUP_ROWS, rows)
}

const SHARED_LEASE = 'deliver'
const SHARED_HOLDER = 'lane groups'

/** Holds the lease of older versions together with all nodes that share groups. Returns false while an older node has it. */
export async function holdSharedLeaseForOperator(
  db: Database,
  { node, now, leaseMs }: { readonly node: string; readonly now: number; readonly leaseMs: number },
): Promise<boolean> {
  const clock = await readStoreClock(db, now)
  // An older version that ended on this node left the lease behind.
  const sql = `insert into queue_lease (name, holder, term, until_at) values ($1, $2, 1, $3)
    on conflict (name) do update set until_at = excluded.until_at, holder = excluded.holder,
      term = queue_lease.term + case when queue_lease.holder = excluded.holder then 0 else 1 end
    where queue_lease.holder in (excluded.holder, $5) or not ${isCurrentSql('queue_lease.until_at', '$4')}`
  return (await db.run(sql, [SHARED_LEASE, SHARED_HOLDER, clock + leaseMs, clock, node])) === 1
}

/** A condition on a table with the column `lane_group`. Groups are numbers of our own, so the text is safe. */
export const inGroupsSql = (held: ReadonlySet<number>): string =>
  held.size === LANE_GROUPS ? '1 = 1' : held.size === 0 ? '1 = 0' : `lane_group in (${[...held].toSorted((a, b) => a - b).join(', ')})`
