/** store-files.test - a lost or half-copied SQLite store stops the start, and a store that does not work takes no mail */
import {
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, test } from 'vitest'
import { isItemFault } from '../../src/errors.ts'
import { openContext, type Runtime } from '../../src/daemon/bootstrap.ts'
import { loadConfig } from '../../src/settings/load.ts'
import { createTelemetry } from '../../src/telemetry.ts'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const telemetry = await createTelemetry({ level: 'silent', format: 'json' })

async function openFolder(data: string, env: Record<string, string> = {}): Promise<Runtime> {
  const { settings } = loadConfig({ BOUNCED_DATA: data, ...env })
  return openContext({ settings, telemetry })
}

/** A folder with a store that was closed in order. */
async function usedFolder(): Promise<string> {
  const data = mkdtempSync(join(tmpdir(), 'bounced-files-'))
  folders.push(data)
  const runtime = await openFolder(data)
  expect(runtime.firstCredentials).not.toBeNull()
  await runtime.close()
  return data
}

test('a copy of bounced.db and its key opens with everything after a clean stop', async () => {
  const data = await usedFolder()
  const copy = mkdtempSync(join(tmpdir(), 'bounced-files-'))
  folders.push(copy)
  for (const name of ['bounced.db', 'master.key']) copyFileSync(join(data, name), join(copy, name))
  const runtime = await openFolder(copy)
  expect(runtime.firstCredentials).toBeNull()
  await runtime.close()
})

const losses = [
  ['the file is gone', (data: string) => rmSync(join(data, 'bounced.db')), /bounced\.db is missing or empty, but .*master\.key/],
  ['the file is empty', (data: string) => truncateSync(join(data, 'bounced.db')), /missing or empty, but .*master\.key/],
  [
    'the log is there without the file',
    (data: string) => renameSync(join(data, 'bounced.db'), join(data, 'bounced.db-wal')),
    /its log .*bounced\.db-wal is not/,
  ],
  [
    'the file was copied before its log had moved into it',
    (data: string) => {
      // A header page without tables: what lies in the file while its tables lie in the log.
      truncateSync(join(data, 'bounced.db'))
      writeFileSync(join(data, 'bounced.db'), emptyDatabase())
    },
    /has no tables.*BOUNCED_NEW_STORE/,
  ],
] as const

test.each(losses)('%s: the start stops, and newStore begins with an empty store', async (_, lose, message) => {
  const data = await usedFolder()
  lose(data)
  await expect(openFolder(data)).rejects.toMatchObject({ code: 'config_invalid', message: expect.stringMatching(message) })
  const runtime = await openFolder(data, { BOUNCED_NEW_STORE: 'true' })
  expect(runtime.firstCredentials).not.toBeNull()
  await runtime.close()
})

test('damaged pages are faults of the store, never of a mail', async () => {
  const data = await usedFolder()
  const file = join(data, 'bounced.db')
  const size = statSync(file).size
  const handle = openSync(file, 'r+')
  // The header and the schema stay, so that the store opens.
  for (let offset = 16 * 4_096; offset < size; offset += 4_096) writeSync(handle, Buffer.alloc(4_096, 0x5a), 0, 4_096, offset)
  closeSync(handle)
  const error = await openFolder(data).then(
    async ({ context, close }) => {
      const found = await context.engine.read.all('select * from events').catch((cause: unknown) => cause)
      await close()
      return found
    },
    (cause: unknown) => cause,
  )
  expect([error, isItemFault(error)]).toMatchObject([{ code: 'store_busy' }, false])
})

/** One page with the header of a database in WAL mode, and no table. */
function emptyDatabase(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'bounced-files-'))
  folders.push(folder)
  const path = join(folder, 'empty.db')
  const database = new DatabaseSync(path)
  database.exec('pragma journal_mode = wal; pragma user_version = 1')
  database.close()
  return readFileSync(path)
}
