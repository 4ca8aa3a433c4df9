/**
 * replica - reads from a streaming replica that is at most so far behind, and from the primary where there is none
 *
 * Once a second, both servers are asked for their position in the write-ahead log. The replica is behind by the time since the primary was at the position
 * that the replica has replayed, so that neither a clock nor an idle primary counts. It is used while that time is below the limit and it answers;
 * a read that it fails is repeated on the primary, and it is not used again before the next measurement.
 *
 * https://www.postgresql.org/docs/current/hot-standby.html. See also: store/engine/engine (ReplicaReads), docs/SCALE.md.
 */
import { Fault } from '../../../errors.ts'
import type { DatabaseReader, ReplicaReads, ReplicaStatus } from '../engine.ts'
import type { SqlRow } from '../value.ts'

type ReplicaOptions = {
  readonly maxLagMillis: number
  readonly onStatus: (status: ReplicaStatus) => void
  readonly primary: Readers
  readonly replica: Readers
}

type Readers = { readonly read: DatabaseReader; readonly bulkRead: DatabaseReader }

type WatchedReplica = ReplicaReads & { readonly stop: () => void }

const MEASURE_INTERVAL_MS = 1_000

/** The bytes of a log position are far below 2^53. The system identifier is that of the cluster and of all its replicas. */
const PRIMARY_SQL = `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint as position, (select system_identifier from pg_control_system())::text as system`
const REPLICA_SQL = `select case when pg_is_in_recovery() then 1 else 0 end as recovers, pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint as position,
  (select system_identifier from pg_control_system())::text as system`

/** Where the primary was, and when: `at` on the monotonic clock, before the question. */
type Mark = { readonly at: number; readonly position: number }

type ReplicaState = ReplicaOptions & {
  /** Oldest first. At most those within the limit, and the last one before. */
  marks: readonly Mark[]
  isUsed: boolean
  generation: number
}

/** Begins to measure. Until the first measurement, the primary is read. */
export function watchReplica(options: ReplicaOptions): WatchedReplica {
  const state: ReplicaState = { ...options, marks: [], isUsed: false, generation: 0 }
  let running: Promise<void> | null = null
  const tick = (): void => {
    running ??= measure(state).finally(() => {
      running = null
    })
  }
  tick()
  const timer = setInterval(tick, MEASURE_INTERVAL_MS)
  timer.unref()
  return {
    read: fallBack(state, 'read'),
    bulkRead: fallBack(state, 'bulkRead'),
    maxLagMillis: options.maxLagMillis,
    generation: () => state.generation,
    stop: () => clearInterval(timer),
  }
}

/** Never rejects. */
async function measure(state: ReplicaState): Promise<void> {
  const { primary, replica, maxLagMillis } = state
  try {
    const at = performance.now()
    const [own, other] = await Promise.all([primary.read.one(PRIMARY_SQL), askReplica(replica.read)])
    state.marks = keepMarks([...state.marks, { at, position: Number(own?.['position']) }], at - maxLagMillis)
    const problem = problemOf(own, other)
    if (problem !== null) return report(state, { isUsed: false, lagMillis: null, problem })
    const lagMillis = lagAt(state.marks, Number(other?.['position']), performance.now())
    const isUsed = lagMillis !== null && lagMillis <= maxLagMillis
    report(state, { isUsed, lagMillis, problem: isUsed ? null : `it is more than ${maxLagMillis / 1_000} s behind` })
  } catch (error) {
    report(state, { isUsed: false, lagMillis: null, problem: error instanceof Error ? error.message : String(error) })
  }
}

const askReplica = (read: DatabaseReader): Promise<SqlRow | null> =>
  read.one(REPLICA_SQL).catch((error: unknown) => {
    throw new Fault('store_busy', 'it does not answer', { cause: error })
  })

function problemOf(own: SqlRow | null, other: SqlRow | null): string | null {
  if (other?.['recovers'] !== 1) return 'it is no replica: it takes writes'
  return own?.['system'] === other['system'] ? null : 'it is a replica of another database'
}

/** Drops the marks that are older than the last one before a moment. */
function keepMarks(marks: readonly Mark[], from: number): readonly Mark[] {
  const first = marks.findLastIndex(({ at }) => at < from)
  return first <= 0 ? marks : marks.slice(first)
}

/** How long ago the primary was where the replica is; null: longer than the marks tell. */
function lagAt(marks: readonly Mark[], replayed: number, now: number): number | null {
  const reached = marks.findLast(({ position }) => position <= replayed)
  return reached === undefined ? null : now - reached.at
}

function report(state: ReplicaState, status: ReplicaStatus): void {
  if (status.isUsed !== state.isUsed) state.generation += 1
  state.isUsed = status.isUsed
  state.onStatus(status)
}

/** Reads from the replica while it is used, and from the primary otherwise and where the replica fails. */
function fallBack(state: ReplicaState, name: keyof Readers): DatabaseReader {
  const [primary, replica] = [state.primary[name], state.replica[name]]
  const run = async <T>(query: (reader: DatabaseReader) => Promise<T>): Promise<T> => {
    if (!state.isUsed) return query(primary)
    try {
      return await query(replica)
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'store_busy') throw error
      report(state, { isUsed: false, lagMillis: null, problem: error.message })
      return query(primary)
    }
  }
  return {
    kind: primary.kind,
    all: (sql, params) => run((reader) => reader.all(sql, params)),
    one: (sql, params) => run((reader) => reader.one(sql, params)),
    inKeys: (sql, keys, params) => run((reader) => reader.inKeys(sql, keys, params)),
  }
}
