/**
 * secret-file - reads a file that holds a secret, which only its owner may read or change
 *
 * See also: config/owner-only, config/master-key-file, mailbox/imap-session (passwords and tokens of mailboxes).
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { Fault } from '../errors.ts'
import { fileFault, type FileRole } from '../file-fault.ts'
import { requireOwnerOnly } from './owner-only.ts'

/** The text of the file; null: there is none. Throws Fault config_invalid where other users can read or replace it, or where it cannot be read. */
export function readSecretFile(role: FileRole): string | null {
  const { path, remedy } = role
  try {
    const handle = openSync(path, 'r')
    try {
      requireOwnerOnly(path, fstatSync(handle).mode, remedy)
      return readFileSync(handle, 'utf8')
    } finally {
      closeSync(handle)
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    throw fileFault(role, cause)
  }
}
