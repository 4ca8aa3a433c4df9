/**
 * commit-stamp - a value that changes with every commit
 *
 * While two stamps of one reader are equal, every query has the same result. Cheap on both engines: SQLite counts the commits of all
 * other connections, PostgreSQL names the transactions that a reader sees.
 *
 * https://www.sqlite.org/pragma.html#pragma_data_version, https://www.postgresql.org/docs/current/functions-info.html
 * (pg_current_snapshot).
 * See also: http/sendcloud/response-cache.
 */
import type { EngineKind, DatabaseReader } from './engine.ts'

const STAMP_QUERIES: Readonly<Record<EngineKind, string>> = {
  sqlite: 'pragma data_version',
  postgres: 'select pg_current_snapshot()::text as data_version',
}

/** Returns the current stamp. */
export async function readCommitStamp(reader: DatabaseReader): Promise<string> {
  const row = await reader.one(STAMP_QUERIES[reader.kind])
  return String(row?.['data_version'] ?? '')
}
