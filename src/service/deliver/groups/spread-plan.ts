/**
 * spread-plan - which lane groups a node should acquire or release, so that all nodes hold the same number
 *
 * Every node has the same target for each node: an equal share, and one group more for the nodes that hold most already, so that few groups move. A node above
 * its target releases groups; a node below it acquires groups that nobody holds, or whose node is silent. If no node joins or falls silent, every group is held
 * after three rounds of all nodes at most: one for the releases, one for the acquisitions, and rarely one more, because a node acts on the ranks of its moment.
 *
 * Pure. See also: service/deliver/groups/group-spread (which acts on it), store/queue/lane-groups.
 */

type SpreadInput = {
  /** This node. */
  readonly node: string
  /** The nodes with a current lease, this one included. */
  readonly liveNodes: readonly string[]
  /** The node that holds each group, by its number; '' for a free one. */
  readonly holders: readonly string[]
}

type SpreadPlan = { readonly acquire: readonly number[]; readonly release: readonly number[] }

/** Plans the next step of one node. Total: a node that is not live acquires and releases nothing. */
export function planSpread({ node, liveNodes, holders }: SpreadInput): SpreadPlan {
  const live = new Set(liveNodes)
  const groupsOf = (name: string): number[] => holders.flatMap((holder, group) => (holder === name ? [group] : []))
  const ranked = [...live]
    .map((name) => ({ name, held: groupsOf(name).length }))
    .toSorted((a, b) => b.held - a.held || (a.name < b.name ? -1 : 1))
  const rank = ranked.findIndex(({ name }) => name === node)
  if (rank === -1) return { acquire: [], release: [] }
  const target = Math.floor(holders.length / ranked.length) + (rank < holders.length % ranked.length ? 1 : 0)
  const own = groupsOf(node)
  const available = holders.flatMap((holder, group) => (live.has(holder) ? [] : [group]))
  return { acquire: available.slice(0, Math.max(0, target - own.length)), release: own.slice(target) }
}
