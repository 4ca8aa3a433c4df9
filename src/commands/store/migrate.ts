/**
 * migrate - moves an installation from one store to another, mostly from SQLite to PostgreSQL, and partitions a PostgreSQL store
 *
 * No daemon may run on either store. The target must be empty or hold an interrupted copy of the same source, which is continued. Counts the rows of
 * every table on both sides at the end.
 *
 * See also: store/backup/copy-store, store/partitions/conversion, docs/BACKUP.md.
 */
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { acquireServeLock } from '../../daemon/serve-lock.ts'
import { Fault } from '../../errors.ts'
import { databaseUrlOf } from '../../settings/load.ts'
import type { Settings } from '../../settings/schema.ts'
import { engineLimitsOf } from '../../settings/store.ts'
import { COPIED_TABLES, COPY_SOURCE, copyTable } from '../../store/backup/copy-store.ts'
import type { Engine } from '../../store/engine/engine.ts'
import { initializeMetadataForOperator, readMetadataForOperator } from '../../store/engine/metadata.ts'
import { migrate } from '../../store/engine/migrate.ts'
import { openEngine } from '../../store/engine/open-engine.ts'
import { partitionNewStore, partitionTable } from '../../store/partitions/conversion.ts'
import { monthsAhead, PARTITIONED_TABLES } from '../../store/partitions/partitioned-tables.ts'
import { createPartitionsAhead, createPartitionsOf, listStoredMonthsForOperator } from '../../store/partitions/partitions.ts'
import { loadConfigFor, type DefineCommand } from '../command.ts'
import { printLines } from '../output.ts'
import { createProgressBar } from '../progress.ts'

export const migrateCommand: DefineCommand = (command) => {
  command
    .argument('<source>', 'the URL of the store, such as sqlite:/var/lib/bounced/bounced.db')
    .argument('<target>', 'the URL of an empty store, such as postgres://user:password@host/database')
    .action(async (source: string, target: string, _options: object, _self: Command) => {
      const lock = source.startsWith('sqlite:') ? acquireServeLock(dirname(source.slice('sqlite:'.length))) : null
      try {
        await copyStore(source, target)
      } finally {
        lock?.release()
      }
    })
  command
    .command('partitions')
    .description('convert a PostgreSQL store to partitions by month; stop all nodes first')
    .action(async (_options: object, self: Command) => partitionStore(loadConfigFor(self).settings))
}

/** Converts one table after the other; an interrupted conversion is continued by the same command. */
async function partitionStore(settings: Settings): Promise<void> {
  const url = databaseUrlOf(settings)
  if (url.startsWith('sqlite:')) throw new Fault('bad_request', 'the store is on SQLite, which has no partitions')
  const engine = await openEngine(url, engineLimitsOf(settings.store))
  try {
    await migrate(engine, Date.now())
    for (const table of PARTITIONED_TABLES) {
      const rows = await partitionTable(engine, table, Date.now())
      printLines(`${table.name}: ${rows === null ? 'is partitioned already' : `${rows} rows are partitioned by month`}`)
    }
    await createPartitionsAhead(engine, Date.now())
    printLines('The conversion is complete. Run "bounced rebuild --check", then start the nodes.')
  } finally {
    await engine.close()
  }
}

async function copyStore(sourceUrl: string, targetUrl: string): Promise<void> {
  process.umask(0o077)
  const source = await openEngine(sourceUrl)
  try {
    const target = await openEngine(targetUrl)
    try {
      await copyAll(source, target)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

async function copyAll(source: Engine, target: Engine): Promise<void> {
  await migrate(source, Date.now())
  await migrate(target, Date.now())
  await partitionNewStore(target, Date.now())
  await claimTarget(source, target)
  await createPartitionsOf(target, [...monthsAhead(Date.now()), ...(await listStoredMonthsForOperator(source.bulkRead))])
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort(new Fault('conflict', 'interrupted: the same command continues the copy')))
  const bar = await createProgressBar('rows')
  const lines: string[] = []
  for (const table of COPIED_TABLES) {
    const { name, rows, inTarget } = await copyTable(source, target, table, {
      onProgress: (_name, done, total) => bar.update(done, total),
      signal: interrupt.signal,
    })
    if (rows > 0) lines.push(`${name}: ${rows} rows`)
    // The name of the source is one row more.
    if (rows !== inTarget - (name === 'meta' ? 1 : 0))
      throw new Fault('conflict', `${name} has ${rows} rows in the source and ${inTarget} in the target: was one of them in use?`)
  }
  bar.stop()
  await target.tx((db) => db.run('delete from meta where name = $1', [COPY_SOURCE]))
  printLines(
    ...lines,
    'The copy is complete. Set the new store (database, BOUNCED_DATABASE) and the same master key, then run "bounced rebuild --check".',
  )
}

/** Makes sure that the target is empty, or an interrupted copy of this source. Faults: conflict, bad_request. */
async function claimTarget(source: Engine, target: Engine): Promise<void> {
  const key = await readMetadataForOperator(source.read, 'master-key')
  if (key === null) throw new Fault('bad_request', 'the source is an empty store: there is nothing to copy')
  await target.tx(async (db) => {
    const isEmpty = (await db.one('select 1 as one from accounts limit 1')) === null
    const claimed = isEmpty ? await initializeMetadataForOperator(db, COPY_SOURCE, key) : await readMetadataForOperator(db, COPY_SOURCE)
    if (claimed !== key) throw new Fault('conflict', 'the target holds data of its own: name an empty database')
  })
}
