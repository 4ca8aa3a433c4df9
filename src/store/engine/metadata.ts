/** metadata - named values of the whole installation */
import type { Database, DatabaseReader } from './engine.ts'
import { createTableMapping, textColumn } from './mapping.ts'

export const METADATA = createTableMapping<{ readonly name: string; readonly value: string }>('meta', ['name'], {
  name: textColumn('name', 'none'),
  value: textColumn('value', 'none'),
})

/** Reads a value, or null. */
export async function readMetadataForOperator(reader: DatabaseReader, name: string): Promise<string | null> {
  const row = await reader.one('select value from meta where name = $1', [name])
  return row === null ? null : String(row['value'])
}

/** Writes a value, replacing an existing one. */
export async function writeMetadataForOperator(db: Database, name: string, value: string): Promise<void> {
  await db.run('insert into meta (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value', [name, value])
}

export async function removeMetadataForOperator(db: Database, name: string): Promise<void> {
  await db.run('delete from meta where name = $1', [name])
}

/** Writes a value unless one exists. Returns the value in force, so that two nodes that start together agree. */
export async function initializeMetadataForOperator(db: Database, name: string, value: string): Promise<string> {
  await db.run('insert into meta (name, value) values ($1, $2) on conflict (name) do nothing', [name, value])
  return (await readMetadataForOperator(db, name)) ?? value
}
