/**
 * serve-lock - the exclusive lock that a running daemon holds on its data folder
 *
 * The lock is an exclusive transaction on `serve.lock`, an SQLite file of its own. The kernel frees it when the process ends, however it ends, so
 * there is no pid file that can be stale. At most one daemon holds the lock of a folder.
 *
 * See also: daemon/command-server (removes a stale socket under this lock), commands/command-runner (asks whether a daemon runs).
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { prepareDataFolder } from '../config/folder-access.ts'
import { Fault } from '../errors.ts'

export type ServeLock = { readonly release: () => void }

const LOCK_FILE = 'serve.lock'

/** A command holds a shared lock for microseconds while it looks; the start of a daemon outlasts that. */
const LOCK_TIMEOUT_MS = 1_000

/** SQLITE_BUSY: another connection holds the lock. */
const SQLITE_BUSY = 5
/** The disk is full. */
const SQLITE_FULL = 13

/** Takes the lock of a data folder, which it creates where it is missing. Faults: conflict (another daemon holds the lock), config_invalid, store_busy. */
export function acquireServeLock(folder: string): ServeLock {
  // The folder and its files are for their owner only.
  process.umask(0o077)
  let database: DatabaseSync | null = null
  try {
    prepareDataFolder(folder)
    database = new DatabaseSync(join(folder, LOCK_FILE), { timeout: LOCK_TIMEOUT_MS })
    database.exec('begin exclusive')
  } catch (cause) {
    database?.close()
    throw lockFault(folder, cause)
  }
  const held = database
  return {
    release: () => {
      if (held.isOpen) held.close()
    },
  }
}

/** Whether a running daemon holds the lock of a data folder. Never blocks. Faults: config_invalid (the lock file cannot be read). */
export function isServeLockHeld(folder: string): boolean {
  const path = join(folder, LOCK_FILE)
  if (!existsSync(path)) return false
  let database: DatabaseSync | null = null
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: 0 })
    database.prepare('select count(*) from sqlite_schema').get()
    return false
  } catch (cause) {
    if (isBusy(cause)) return true
    throw lockFault(folder, cause)
  } finally {
    database?.close()
  }
}

const isSqliteError = (error: unknown, code: number): boolean => error instanceof Error && 'errcode' in error && error.errcode === code

const isBusy = (error: unknown): boolean => isSqliteError(error, SQLITE_BUSY)

function lockFault(folder: string, cause: unknown): Fault {
  if (cause instanceof Fault) return cause
  if (isSqliteError(cause, SQLITE_FULL))
    return new Fault('store_busy', `the data folder ${folder} is on a disk that is full: make room`, { cause })
  if (isBusy(cause))
    return new Fault('conflict', `another daemon runs on the data folder ${folder}; stop it, or choose another with BOUNCED_DATA`)
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new Fault('config_invalid', `the data folder ${folder} cannot be used: ${reason}`, { cause })
}
