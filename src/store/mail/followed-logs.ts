/**
 * followed-logs - how far each log was read
 *
 * The position is saved in the transaction that records what the lines before it say, so that no line is lost or counted twice. The revision rises
 * with each save: a reader whose position is outdated, because another one follows the same log, is refused.
 *
 * See also: import/log-file (the position in a file), service/follow/record-lines.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { createTableMapping, integerColumn, jsonColumn, textColumn } from '../engine/mapping.ts'

/** A place in a log file that survives its rotation. */
export type LogPosition = {
  /** Bytes before it, all of them whole lines. */
  readonly offset: number
  /** The SHA-256 of the first `headBytes` of the file, by which it is found under another name. */
  readonly head: string
  readonly headBytes: number
}

export type FollowedLog = {
  /** The node and the file. */
  readonly source: string
  readonly position: LogPosition
  /** The columns that the last header line named. */
  readonly columns: readonly string[]
  /** The hosts that wrote its lines. */
  readonly hosts: readonly string[]
  readonly revision: number
  readonly updatedAt: number
}

export const FOLLOWED_LOGS = createTableMapping<FollowedLog>('followed_logs', ['source'], {
  source: textColumn('source', 'none'),
  position: jsonColumn<LogPosition>('position', 'none'),
  columns: jsonColumn<readonly string[]>('columns', 'none'),
  hosts: jsonColumn<readonly string[]>('hosts', 'none'),
  revision: integerColumn('revision'),
  updatedAt: integerColumn('updated_at'),
})

const COLUMNS = FOLLOWED_LOGS.columns('l')

/** Null: the log was never read. */
export async function findFollowedLogForOperator(reader: DatabaseReader, source: string): Promise<FollowedLog | null> {
  const row = await reader.one(`select ${COLUMNS} from followed_logs l where l.source = $1`, [source])
  return row === null ? null : FOLLOWED_LOGS.decode(row)
}

/** The hosts that wrote any log that is followed. */
export async function listFollowedHostsForOperator(reader: DatabaseReader): Promise<readonly string[]> {
  const rows = await reader.all(`select ${COLUMNS} from followed_logs l`)
  return [...new Set(rows.flatMap((row) => FOLLOWED_LOGS.decode(row).hosts))]
}

/** Saves the next position of a log. False: another reader has saved one since `log.revision`, and nothing changed. */
export async function saveFollowedLogForOperator(db: Database, log: FollowedLog): Promise<boolean> {
  const next = { ...log, revision: log.revision + 1 }
  if (log.revision === 0) return (await db.insertMany(FOLLOWED_LOGS, [next], 'ignore')) === 1
  const { position, columns, hosts, revision, updatedAt, source } = next
  const changed = await db.run(
    'update followed_logs set position = $1, columns = $2, hosts = $3, revision = $4, updated_at = $5 where source = $6 and revision = $7',
    [JSON.stringify(position), JSON.stringify(columns), JSON.stringify(hosts), revision, updatedAt, source, log.revision],
  )
  return changed === 1
}
