/**
 * event-sources - the email service providers whose events an account takes, each with what its requests prove themselves with
 *
 * The id of a source is random, and stands in the URL that the ESP calls. See also: service/esp/event-sources, config/vault.
 */
import type { Esp } from '../../esp-events/esp-event.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import {
  bytesColumn,
  createTableMapping,
  integerColumn,
  jsonColumn,
  nullableColumn,
  textColumn,
  textEnumColumn,
} from '../engine/mapping.ts'

export type EventSource = {
  readonly account: number
  readonly sourceId: string
  readonly esp: Esp
  /** The SNS topics whose messages are taken; empty for other ESPs. */
  readonly topics: readonly string[]
  /** The encrypted key or password; null for SNS. */
  readonly sealed: Uint8Array | null
  readonly createdAt: number
}

export const EVENT_SOURCES = createTableMapping<EventSource>('event_sources', ['account_id', 'source_id'], {
  account: integerColumn('account_id'),
  sourceId: textColumn('source_id', 'none'),
  esp: textEnumColumn<Esp>('esp'),
  topics: jsonColumn<readonly string[]>('topics', 'none'),
  sealed: nullableColumn(bytesColumn('sealed', 'none')),
  createdAt: integerColumn('created_at'),
})

const COLUMNS = EVENT_SOURCES.columns('s')

/** Adds a source. */
export async function addEventSource(db: Database, source: EventSource): Promise<void> {
  await db.insertMany(EVENT_SOURCES, [source])
}

/** Lists the sources of an account, the oldest first. */
export async function listEventSources(reader: DatabaseReader, account: number): Promise<readonly EventSource[]> {
  const sql = `select ${COLUMNS} from event_sources s where s.account_id = $1 order by s.created_at, s.source_id`
  return (await reader.all(sql, [account])).map(EVENT_SOURCES.decode)
}

/** Finds the source that a URL names, in any account. */
export async function findEventSourceForOperator(reader: DatabaseReader, sourceId: string): Promise<EventSource | null> {
  const [row] = await reader.all(`select ${COLUMNS} from event_sources s where s.source_id = $1`, [sourceId])
  return row === undefined ? null : EVENT_SOURCES.decode(row)
}

/** Removes a source. Returns whether it existed. */
export async function removeEventSource(db: Database, account: number, sourceId: string): Promise<boolean> {
  return (await db.run('delete from event_sources where account_id = $1 and source_id = $2', [account, sourceId])) > 0
}
