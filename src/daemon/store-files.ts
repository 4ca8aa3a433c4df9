/**
 * store-files - stops a start that would take a lost store for a new one
 *
 * A copy of `bounced.db` that was made beside a running daemon lacks what lies in its log. SQLite opens such a copy without a word, and removes a
 * log whose file is empty. The daemon would then begin like a first start: no mail known, no list, new secrets. So an empty store starts only where
 * nothing tells of an earlier one, or where the operator says that it is new (setting `newStore`).
 *
 * https://www.sqlite.org/wal.html. See also: daemon/bootstrap, config/master-key-file, docs/RELIABILITY.md.
 */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../errors.ts'
import type { Engine } from '../store/engine/engine.ts'

type StoreFiles = {
  readonly file: string
  /** The data folder. */
  readonly folder: string
  /** The operator says that the store is new. */
  readonly isConfirmed: boolean
}

const WHAT_TO_DO = 'restore the backup, or set newStore (BOUNCED_NEW_STORE=true) once to begin with an empty store'

/** Call it before the store is opened. Throws Fault config_invalid. */
export function checkStoreFiles({ file, folder, isConfirmed }: StoreFiles): void {
  if (sizeOf(file) > 0 || isConfirmed) return
  if (sizeOf(`${file}-wal`) > 0)
    throw new Fault(
      'config_invalid',
      `${file} is missing or empty, but its log ${file}-wal is not: restore both files from the same moment`,
    )
  const key = join(folder, 'master.key')
  if (existsSync(key)) throw new Fault('config_invalid', `${file} is missing or empty, but ${key} belongs to a store: ${WHAT_TO_DO}`)
}

/** Call it before the schema is created, for a file that was there before. Throws Fault config_invalid. */
export async function checkStoreTables(engine: Engine, file: string): Promise<void> {
  const row = await engine.read.one("select count(*) as n from sqlite_schema where type = 'table'")
  if (Number(row?.['n']) > 0) return
  const text = `${file} has no tables: it is a copy that lacks its log (${file}-wal), or its first start was interrupted: ${WHAT_TO_DO}`
  throw new Fault('config_invalid', text)
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
