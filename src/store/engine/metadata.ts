/**
 * metadata - single values that belong to the whole installation, by name
 */
import type { Database, DatabaseReader } from './engine.ts'
import { createTableMapping, textColumn } from './mapping.ts'

export const METADATA = createTableMapping<{ readonly name: string; readonly value: string }>('meta', ['name'], {
  name: textColumn('name', 'none'),
  value: textColumn('value', 'none'),
})

/** The value, or null. */
export async function readMetadataForOperator(reader: DatabaseReader, name: string): Promise<string | null> {
  const row = await reader.one('select value from meta where name = $1', [name])
  return row === null ? null : String(row['value'])
}

/** Writes a value over whatever was there. */
export async function writeMetadataForOperator(db: Database, name: string, value: string): Promise<void> {
  await db.run('insert into meta (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value', [name, value])
}

/** Writes a value unless there is one; what is there now. Two nodes that start together agree. */
export async function initializeMetadataForOperator(db: Database, name: string, value: string): Promise<string> {
  await db.run('insert into meta (name, value) values ($1, $2) on conflict (name) do nothing', [name, value])
  return (await readMetadataForOperator(db, name)) ?? value
}
