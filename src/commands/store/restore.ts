/**
 * restore - puts a backup in the place of the store
 *
 * No daemon may run on the data folder. The file is checked, copied beside the store and renamed, so that an interrupted restore leaves the old store in
 * place. The old store is kept under another name.
 *
 * See also: store/backup/sqlite-backup, commands/store/backup, docs/BACKUP.md.
 */
import { copyFileSync, existsSync, renameSync, rmSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { fingerprintOf } from '../../config/master-key.ts'
import { loadMasterKey } from '../../config/master-key-file.ts'
import { acquireServeLock } from '../../daemon/serve-lock.ts'
import { Fault } from '../../errors.ts'
import { discardQueue } from '../../service/admin/discard-queue.ts'
import { databaseUrlOf } from '../../settings/load.ts'
import type { Settings } from '../../settings/schema.ts'
import { inspectStoreFile, publish, type StoreFile } from '../../store/backup/sqlite-backup.ts'
import { loadConfigFor, type DefineCommand } from '../command.ts'
import { printLines } from '../output.ts'
import { withStoreOf } from '../with-store.ts'

type RestoreOptions = { readonly force?: true; readonly queued?: 'send' | 'discard' }

export const restoreCommand: DefineCommand = (command) => {
  command
    .argument('<file>', 'a file that "bounced backup" wrote')
    .option('--force', 'replace a store that exists; it is kept under another name')
    .addOption(
      new Option(
        '--queued <what>',
        'what to do with messages that waited in the delivery queue: some may have been sent since the backup',
      ).choices(['send', 'discard']),
    )
    .action(async (file: string, options: RestoreOptions, self: Command) => restore(loadConfigFor(self).settings, file, options))
}

async function restore(settings: Settings, file: string, options: RestoreOptions): Promise<void> {
  const url = databaseUrlOf(settings)
  if (!url.startsWith('sqlite:'))
    throw new Fault('bad_request', 'the store is on PostgreSQL: restore it with its own tools (docs/BACKUP.md)')
  const lock = acquireServeLock(settings.data)
  try {
    const backup = inspectStoreFile(file)
    checkMasterKey(settings, backup)
    if (backup.queued > 0 && options.queued === undefined)
      throw new Fault(
        'bad_request',
        `${backup.queued} messages waited in the delivery queue when the backup was made, and some may have been sent since: say --queued send or --queued discard`,
      )
    const kept = replaceStore(url.slice('sqlite:'.length), file, options.force === true)
    printLines(`${backup.deliveries} deliveries were restored from ${file}`, ...(kept === null ? [] : [`The old store is ${kept}.`]))
    if (options.queued === 'discard' && backup.queued > 0)
      printLines(
        `${await withStoreOf(settings, ({ context }) => discardQueue(context), false)} queued messages were ended without being sent`,
      )
  } finally {
    lock.release()
  }
}

/** A store can be opened only with the key under which its secrets are encrypted. */
function checkMasterKey(settings: Settings, { masterKey }: StoreFile): void {
  const { key } = loadMasterKey({ configured: settings.masterKey ?? null, folder: settings.data, isEmbedded: true, mayGenerate: false })
  if (masterKey !== '' && fingerprintOf(key) !== masterKey)
    throw new Fault(
      'config_invalid',
      `the backup was made with another master key: put that key into ${settings.data}/master.key, or set masterKey`,
    )
}

/** Puts a copy of `file` at `path`. Returns the new name of the store that was there, or null. */
function replaceStore(path: string, file: string, isForced: boolean): string | null {
  const isReplacing = existsSync(path)
  if (isReplacing && !isForced) throw new Fault('conflict', `${path} exists: say --force to replace it; it is kept under another name`)
  const partial = `${path}.partial`
  rmSync(partial, { force: true })
  copyFileSync(file, partial)
  const kept = isReplacing ? `${path}.replaced-${new Date().toISOString().replaceAll(/[:.]/g, '')}` : null
  // The log of the old store belongs to the old store.
  for (const suffix of ['-wal', '-shm', '']) {
    if (!existsSync(path + suffix)) continue
    if (kept === null) rmSync(path + suffix)
    else renameSync(path + suffix, kept + suffix)
  }
  publish(partial, path)
  return kept
}
