/**
 * erase-tables - removes an address from every table of the schema
 *
 * Follows the descriptions of the columns (store/engine/table, PersonalData), table by table. Facts come first: a delivery whose facts
 * quote the address is folded again, so that `rebuild --check` finds no difference. Reads go through the reader for long scans; each page
 * that has something to change is one transaction. Idempotent.
 *
 * See also: service/admin/erase (which also erases by the index of the address), store/erasure/mentions (the scans).
 */
import { isUtf8 } from 'node:buffer'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { containsAddress, redactAddress, redactFact, redactText } from '../../ledger/decide/redact.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { foldDeliveryFacts } from '../../ledger/project/delivery.ts'
import { parseReport } from '../../mail/report-parser.ts'
import { compressBytes, decompressBytes } from '../../store/engine/compression.ts'
import type { Database } from '../../store/engine/engine.ts'
import { bytesToUuid } from '../../store/engine/mapping.ts'
import type { PersonalData, Table } from '../../store/engine/table.ts'
import {
  columnsOf,
  eraseMentionsForOperator,
  keyOf,
  overwriteBytesForOperator,
  removeRowsForOperator,
  scanBytesForOperator,
  scanMentionsForOperator,
  textColumnsOf,
  type RowKey,
} from '../../store/erasure/mentions.ts'
import { redactRow, stringsOf } from '../../store/erasure/redact-row.ts'
import { transitionExport } from '../../store/exports.ts'
import { findFactsByKeyForOperator, findFactsBySubject, overwriteFactData } from '../../store/facts/facts.ts'
import { FACT_TABLES } from '../../store/facts/rebuild.ts'
import { DELIVERIES } from '../../store/mail/delivery-columns.ts'
import { findDeliveriesByIds } from '../../store/mail/deliveries.ts'
import { TABLES } from '../../store/tables.ts'
import type { Context } from '../context.ts'

/** Rows that one read looks at. */
const PAGE_SIZE = 10_000

/** Compressed values that one read unpacks: a few megabytes. */
const BYTES_PAGE_SIZE = 100

/** Erases one spelling of an address from every table. Returns how many mails that came in were removed. */
export async function eraseFromTables(context: Context, address: string): Promise<{ readonly mails: number }> {
  for (const name of ['events', 'list_events'] as const) await eraseFacts(context, name, address)
  let mails = 0
  for (const table of TABLES) {
    const removed = (await eraseBytes(context, table, address)) + (await eraseTexts(context, table, address))
    if (columnsOf(table, ['mail']).length > 0) mails += removed
  }
  return { mails }
}

/** Every page of a table in which one of `columns` quotes the address, one transaction a page. */
async function forEachMention(
  { engine }: Context,
  table: Table,
  search: { readonly columns: readonly string[]; readonly address: string },
  erase: (db: Database, keys: readonly RowKey[]) => Promise<void>,
): Promise<void> {
  for (let after: RowKey | null = null; ;) {
    const page: Awaited<ReturnType<typeof scanMentionsForOperator>> = await scanMentionsForOperator(engine.bulkRead, table, search, {
      after,
      limit: PAGE_SIZE,
    })
    if (page.rows.length > 0)
      await engine.tx((db) =>
        erase(
          db,
          page.rows.map((row) => keyOf(table, row)),
        ),
      )
    if (page.next === null) return
    after = page.next
  }
}

async function eraseTexts(context: Context, table: Table, address: string): Promise<number> {
  const columns = textColumnsOf(table)
  let removed = 0
  if (columns.length === 0) return removed
  await forEachMention(context, table, { columns, address }, async (db, keys) => {
    removed += await eraseMentionsForOperator(db, table, keys, address)
  })
  return removed
}

async function eraseFacts(context: Context, name: keyof typeof FACT_TABLES, address: string): Promise<void> {
  const mapping = FACT_TABLES[name]
  const search = { columns: columnsOf(mapping.table, ['fact']), address }
  await forEachMention(context, mapping.table, search, async (db, keys) => {
    const found = await findFactsByKeyForOperator(db, keys.map(factKeyOf), mapping)
    for (const [account, facts] of Map.groupBy(found, (fact) => fact.account)) await redactFacts(db, account, facts, address)
  })
}

/** The columns of the key of both tables of facts: account, subject, month and dedup key. */
const factKeyOf = ([account, subject, deliveryMonth, dedupKey]: RowKey): Pick<
  Fact,
  'account' | 'subject' | 'deliveryMonth' | 'dedupKey'
> => ({
  account: Number(account),
  subject: String(subject),
  deliveryMonth: Number(deliveryMonth),
  dedupKey: String(dedupKey),
})

/** Redacts facts of one account, and folds the deliveries that they belong to again. */
async function redactFacts(db: Database, account: number, facts: readonly Fact[], address: string): Promise<void> {
  await overwriteFactData(
    db,
    account,
    facts.map((fact) => redactFact(fact, address)),
  )
  const ids = new Set(facts.flatMap(({ deliveryId, subject }) => (deliveryId === subject ? [deliveryId] : [])))
  const deliveries = await findDeliveriesByIds(db, account, [...ids])
  const all = await findFactsBySubject(
    db,
    deliveries.map(({ deliveryId }) => ({ account, subject: deliveryId })),
  )
  const bySubject = Map.groupBy(all, ({ subject }) => subject)
  const folded = deliveries.map((row) => foldDeliveryFacts(bySubject.get(row.deliveryId) ?? []) ?? redactRow(DELIVERIES, row, address))
  await db.upsertMany(DELIVERIES, folded)
}

/** How the bytes of a column are read, and what an erasure does with a row whose bytes quote the address. */
type BytesErasure = {
  readonly isMention: (bytes: Uint8Array, address: string) => Promise<boolean>
  /** Returns how many rows were removed. */
  readonly erase: (
    db: Database,
    target: { readonly table: Table; readonly column: string; readonly key: RowKey; readonly bytes: Uint8Array },
    erasure: { readonly address: string; readonly now: number },
  ) => Promise<number>
}

const gunzipBytes = promisify(gunzip)

const BYTES_ERASURES = {
  mail: {
    isMention: async (bytes, address) => isMailMention(await decompressBytes(bytes), address),
    erase: (db, { table, key }) => removeRowsForOperator(db, table, [key]),
  },
  composition: {
    isMention: async (bytes, address) => {
      const text = (await decompressBytes(bytes)).toString()
      return text !== redactComposition(text, address)
    },
    erase: async (db, { table, column, key, bytes }, { address }) => {
      const content = redactComposition((await decompressBytes(bytes)).toString(), address)
      await overwriteBytesForOperator(db, table, column, { key, bytes: await compressBytes(Buffer.from(content)) })
      return 0
    },
  },
  file: {
    isMention: async (bytes, address) => containsAddress((await gunzipBytes(bytes)).toString(), address),
    erase: async (db, { key: [account, exportId] }, { now }) => {
      if (!(exportId instanceof Uint8Array)) return 0
      const change = { at: now, error: 'an address in it was erased; request the export again' }
      await transitionExport(db, { account: Number(account), exportId: bytesToUuid(exportId) }, 'erased', change)
      return 0
    },
  },
} as const satisfies Partial<Record<PersonalData, BytesErasure>>

async function eraseBytes({ engine, now }: Context, table: Table, address: string): Promise<number> {
  let removed = 0
  for (const content of ['mail', 'composition', 'file'] as const) {
    const erasure: BytesErasure = BYTES_ERASURES[content]
    for (const column of columnsOf(table, [content])) {
      for (let after: RowKey | null = null; ;) {
        const page: Awaited<ReturnType<typeof scanBytesForOperator>> = await scanBytesForOperator(engine.bulkRead, table, column, {
          after,
          limit: BYTES_PAGE_SIZE,
        })
        const found = await filterAsync(page.rows, ({ bytes }) => erasure.isMention(bytes, address))
        if (found.length > 0)
          removed += await engine.tx(async (db) => {
            let count = 0
            for (const row of found) count += await erasure.erase(db, { table, column, ...row }, { address, now: now() })
            return count
          })
        if (page.next === null) break
        after = page.next
      }
    }
  }
  return removed
}

async function filterAsync<T>(items: readonly T[], isWanted: (item: T) => Promise<boolean>): Promise<readonly T[]> {
  const wanted = await Promise.all(items.map(isWanted))
  return items.filter((_, i) => wanted[i])
}

/** Searches the bytes of a mail, and its text as the parser reads it: encoded words, base64, quoted-printable. */
function isMailMention(raw: Buffer, address: string): boolean {
  return [raw.toString('latin1'), raw.toString(), stringsOf(parseReport(raw)).join('\n')].some((text) => containsAddress(text, address))
}

/**
 * A composition (compose/composition) as JSON, without the address. Of a mail that the sender made (`raw`, base64) the text outside of
 * encoded parts is redacted. The composition is removed with its last queued message.
 */
function redactComposition(text: string, address: string): string {
  const composition: unknown = redactText(JSON.parse(text), address)
  if (typeof composition !== 'object' || composition === null || !('raw' in composition) || typeof composition.raw !== 'string')
    return JSON.stringify(composition)
  const raw = Buffer.from(composition.raw, 'base64')
  const encoding = isUtf8(raw) ? 'utf8' : 'latin1'
  const redacted = redactAddress(raw.toString(encoding), address)
  return JSON.stringify({ ...composition, raw: Buffer.from(redacted, encoding).toString('base64') })
}
