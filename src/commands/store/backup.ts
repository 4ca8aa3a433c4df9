/**
 * backup - copies the store to one file, beside a running daemon
 *
 * SQLite only: for PostgreSQL it says what to use instead.
 *
 * See also: store/backup/sqlite-backup, commands/store/restore, docs/BACKUP.md.
 */
import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import { databaseUrlOf } from '../../settings/load.ts'
import { backUpSqlite } from '../../store/backup/sqlite-backup.ts'
import { loadConfigFor, type DefineCommand } from '../command.ts'
import { printLines } from '../output.ts'

export const backupCommand: DefineCommand = (command) => {
  command.argument('<file>', 'the file to write; it must not exist').action((file: string, _options: object, self: Command) => {
    const { settings } = loadConfigFor(self)
    const url = databaseUrlOf(settings)
    if (!url.startsWith('sqlite:'))
      throw new Fault('bad_request', 'the store is on PostgreSQL: back it up with pg_dump or with point-in-time recovery (docs/BACKUP.md)')
    // The copy holds what the store holds: it is for its owner only.
    process.umask(0o077)
    const { bytes, deliveries, queued } = backUpSqlite(url.slice('sqlite:'.length), file)
    printLines(
      `${file}: ${bytes} bytes, ${deliveries} deliveries, ${queued} messages in the delivery queue`,
      settings.masterKey === undefined
        ? `The copy is of no use without ${settings.data}/master.key: keep a copy of that file in another place.`
        : 'The copy is of no use without the master key (masterKey): keep it in another place.',
    )
  })
}
