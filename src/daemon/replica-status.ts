/**
 * replica-status - tells the operator whether reads go to the replica: two gauges, and one line in the log for each change
 *
 * See also: store/engine/postgres/replica, docs/SCALE.md.
 */
import type { ReplicaStatus } from '../store/engine/engine.ts'
import type { Telemetry } from '../telemetry.ts'

/** Creates the listener. */
export function createReplicaListener({ log, setGauge }: Pick<Telemetry, 'log' | 'setGauge'>): (status: ReplicaStatus) => void {
  let wasUsed: boolean | null = null
  return ({ isUsed, lagMillis, problem }) => {
    setGauge('bounced_replica_used', isUsed ? 1 : 0)
    if (lagMillis !== null) setGauge('bounced_replica_lag_seconds', lagMillis / 1_000)
    if (isUsed === wasUsed) return
    wasUsed = isUsed
    if (isUsed) log.info('lists, statistics and exports are read from the replica')
    else log.warn({ problem }, 'the replica is not used: lists, statistics and exports are read from the primary')
  }
}
