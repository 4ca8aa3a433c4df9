/**
 * group-spread - acquires and releases lane groups of a node, so that all nodes hold equal shares
 *
 * Reads once a second who holds what, and changes it in one transaction at a time over all nodes. The groups of a node whose lease has expired are free. A node
 * that takes them fences the silent node first.
 *
 * See also: service/deliver/groups/spread-plan (the shares), store/queue/lane-groups, service/deliver/delivery-loop (what follows from a change).
 */
import type { HeldGroups } from '../../../queue/lane-group.ts'
import type { Lease } from '../../../store/engine/lease.ts'
import { holdsLease } from '../../../store/engine/lease.ts'
import { settleQueueCommandsForOperator } from '../../../store/queue/commands.ts'
import { assignGroupsForOperator, freeGroupsOfForOperator, readGroupHoldersForOperator } from '../../../store/queue/lane-groups.ts'
import type { Context } from '../../context.ts'
import { planSpread } from './spread-plan.ts'

export type GroupSpread = {
  /** Whether a spread would change the groups that this node holds. Faults: store_busy. */
  readonly isDue: (held: HeldGroups) => Promise<boolean>
  /** Acquires or releases groups, and returns those that this node holds now: none if it has lost its lease. Faults: store_busy. */
  readonly spread: (lease: Lease) => Promise<HeldGroups>
}

/** Creates the spread of one node. */
export function createGroupSpread({ engine, now }: Pick<Context, 'engine' | 'now'>, node: string): GroupSpread {
  return {
    isDue: async (held) => {
      const state = await readGroupHoldersForOperator(engine.read, now())
      const { acquire, release } = planSpread({ node, ...state })
      return acquire.length + release.length > 0 || groupsOf(state.holders, node).size !== held.size
    },
    spread: (lease) =>
      engine.tx(
        async (db) => {
          if (!(await holdsLease(db, lease))) return new Set()
          const before = await readGroupHoldersForOperator(db, now())
          const silent = new Set(before.holders.filter((holder) => holder !== '' && !before.liveNodes.includes(holder)))
          await freeGroupsOfForOperator(db, [...silent], now())
          const state = await readGroupHoldersForOperator(db, now())
          const { acquire, release } = planSpread({ node, ...state })
          await assignGroupsForOperator(db, release, '')
          await assignGroupsForOperator(db, acquire, node)
          await settleQueueCommandsForOperator(db, now())
          const { holders } = await readGroupHoldersForOperator(db, now())
          return groupsOf(holders, node)
        },
        { visibility: 'latest', lockName: 'lane groups' },
      ),
  }
}

const groupsOf = (holders: readonly string[], node: string): ReadonlySet<number> =>
  new Set(holders.flatMap((holder, group) => (holder === node ? [group] : [])))
