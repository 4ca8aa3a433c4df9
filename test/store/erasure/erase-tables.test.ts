/**
 * erase-tables.test - after an erasure no column of any table holds the address, on both engines
 *
 * The rows are derived from the descriptions of the tables: every column that may hold an address holds one. The search reads every
 * column of every table that the migrations create, and unpacks bytes.
 */
import { gzipSync, gunzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { eraseAddress } from '../../../src/service/admin/erase.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { baseType } from '../../../src/store/engine/table.ts'
import type { PersonalData, Table } from '../../../src/store/engine/table.ts'
import type { SqlValue } from '../../../src/store/engine/value.ts'
import { TABLES } from '../../../src/store/tables.ts'
import { makeContext } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { TABLE_NAMES } from '../sample.ts'

const START = Date.UTC(2026, 10, 20, 12)

/** Values of columns that need a word from a closed list or a key of another row. */
const COLUMN_VALUES: Readonly<Record<string, SqlValue>> = {
  'events.kind': 'audit',
  'events.subject': 'site:example.net',
  'list_events.kind': 'list',
  'list_events.subject': 'list:bounce:x:',
  'exports.state': 'done',
  'exports.kind': 'status',
  'exports.format': 'ndjson',
  'queue_commands.state': 'done',
}

/** Values of each kind of personal data that quote an address. */
const CONTENTS: Readonly<Record<Exclude<PersonalData, 'none'>, (address: string) => SqlValue>> = {
  address: (address) => address,
  owner: (address) => address,
  text: (address) => `550 5.1.1 <${address}> unknown, ${address}`,
  json: (address) => JSON.stringify({ recipient: address, list: [`m1x0$${address}`, { text: `for ${address}.` }] }),
  fact: (address) => JSON.stringify({ actor: address, what: 'test', detail: { reply: `<${address}> unknown` } }),
  mail: (address) => zstdCompressSync(Buffer.from(`To: ${address}\r\n\r\nHello ${address}\r\n`)),
  composition: (address) =>
    zstdCompressSync(
      JSON.stringify({ to: [address], plain: `Hello ${address}`, raw: Buffer.from(`To: <${address}>\r\n\r\nx`).toString('base64') }),
    ),
  file: (address) => gzipSync(`{"recipient":"${address}"}\n`),
}

const isPersonal = (table: Table): boolean => Object.values(table.personalData).some((content) => content !== 'none')

/** A row in which every personal column holds the address. Rows of one table differ in `n`. */
function rowOf(table: Table, address: string, n: number): Readonly<Record<string, SqlValue>> {
  const cells = Object.entries(table.columns).map(([column, type]) => {
    const content = table.personalData[column] ?? 'none'
    const given = COLUMN_VALUES[`${table.name}.${column}`]
    if (content !== 'none') return [column, CONTENTS[content](address)] as const
    if (given !== undefined) return [column, given] as const
    if (column === 'account_id') return [column, 1] as const
    const values = { int: n, text: `x${n}`, bytes: Buffer.alloc(16, n) }
    return [column, values[baseType(type)]] as const
  })
  return Object.fromEntries(cells)
}

async function insertRow(engine: Engine, table: Table, row: Readonly<Record<string, SqlValue>>): Promise<void> {
  const columns = Object.keys(row)
  const sql = `insert into ${table.name} (${columns.join(', ')}) values (${columns.map((_, i) => `$${i + 1}`).join(', ')})`
  await engine.tx((db) => db.run(sql, Object.values(row)))
}

/** The bytes as text, and decompressed if they are compressed. */
function textsOf(value: SqlValue | undefined): readonly string[] {
  if (typeof value === 'string') return [value]
  if (!(value instanceof Uint8Array)) return []
  const unpacked = [zstdDecompressSync, gunzipSync].flatMap((unpack) => {
    try {
      return [unpack(value).toString()]
    } catch {
      return []
    }
  })
  const base64 = unpacked.flatMap((text) =>
    [...text.matchAll(/"raw":"([^"]*)"/g)].map(([, raw = '']) => Buffer.from(raw, 'base64').toString()),
  )
  return [Buffer.from(value).toString(), ...unpacked, ...base64]
}

/** `table.column` of every cell that holds the address, in any letter case. */
async function findCells(engine: Engine, address: string): Promise<readonly string[]> {
  const found = new Set<string>()
  for (const { name } of await engine.read.all(TABLE_NAMES[engine.kind]))
    for (const row of await engine.read.all(`select * from ${String(name)}`))
      for (const [column, value] of Object.entries(row))
        if (textsOf(value).some((text) => text.toLowerCase().includes(address))) found.add(`${String(name)}.${column}`)
  return [...found].toSorted()
}

const ADDRESSES = ['marked.person@example.org', '"marked person"@example.org', 'märked@example.org']

describe.each(engines)('erase-tables: $kind', ({ open }) => {
  test.each(ADDRESSES)('%s', async (address) => {
    const { engine } = await open()
    const context = await makeContext(engine, { now: START }, [{}])
    const personal = TABLES.filter(isPersonal)
    for (const table of personal) {
      await insertRow(engine, table, rowOf(table, address, 1))
      await insertRow(engine, table, rowOf(table, address.toUpperCase(), 2))
      await insertRow(engine, table, rowOf(table, 'somebody.else@example.org', 3))
    }
    const columns = personal.flatMap((table) =>
      Object.entries(table.personalData).flatMap(([column, content]) => (content === 'none' ? [] : [`${table.name}.${column}`])),
    )
    const others = await findCells(engine, 'somebody.else@example.org')
    expect(others).toEqual(columns.toSorted())

    await eraseAddress(context, address, 'operator')

    const [local = ''] = address.split('@')
    expect(await findCells(engine, local.replaceAll('"', ''))).toEqual([])
    // Every file of the account expires, since another row of it may have held the address.
    const expired = ['export_chunks.body', 'exports.error']
    const left = others.filter((cell) => !expired.includes(cell))
    expect((await findCells(engine, 'somebody.else@example.org')).filter((cell) => !expired.includes(cell))).toEqual(left)
  })
})
