/**
 * labels - an account's names for its kinds of mail
 *
 * A label has a number for the doors and a name for people; both are unique in the account.
 */
import { Fault } from '../error.ts'
import type { Db, Reader } from './engine.ts'
import { takeBlock } from './sequences.ts'
import { int, shapeOf, text } from './shape.ts'
import { createWhere } from './where.ts'

export type Label = {
  readonly account: number
  readonly labelId: number
  readonly name: string
  readonly createdAt: number
  readonly updatedAt: number
}

type StoredLabel = Label & { readonly folded: string }

const LABELS = shapeOf<StoredLabel>('labels', ['account_id', 'label_id'], {
  account: int('account_id'),
  labelId: int('label_id'),
  name: text('name'),
  folded: text('folded'),
  createdAt: int('created_at'),
  updatedAt: int('updated_at'),
})

const COLUMNS = LABELS.columns('l')

/** The labels of these names, made where they are missing. */
export async function ensureLabels(db: Db, account: number, names: readonly string[], at: number): Promise<ReadonlyMap<string, number>> {
  const wanted = [...new Set(names)]
  const found = await byNames(db, account, wanted)
  const missing = wanted.filter((name) => !found.has(name)).toSorted()
  if (missing.length === 0) return found
  // Numbers start at 1: 0 is "no label" in counters.
  const first = (await takeBlock(db, account, 'label', missing.length)) + 1
  await db.insertMany(
    LABELS,
    missing.map((name, i) => ({ account, labelId: first + i, name, folded: name.toLowerCase(), createdAt: at, updatedAt: at })),
  )
  return new Map([...found, ...missing.map((name, i) => [name, first + i] as const)])
}

async function byNames(reader: Reader, account: number, names: readonly string[]): Promise<Map<string, number>> {
  const sql = 'select l.name, l.label_id from {keys} k cross join labels l where l.account_id = $1 and l.name = k.k1'
  const rows = await reader.inKeys(sql, { types: ['text'], rows: names.map((name) => [name]) }, [account])
  return new Map(rows.map((row) => [String(row['name']), Number(row['label_id'])]))
}

/** One page of labels by number, those whose name holds `query` in any case; `total` counts them all. */
export async function listLabels(
  reader: Reader,
  account: number,
  page: { readonly query?: string; readonly start?: number; readonly limit: number },
): Promise<{ readonly rows: readonly Label[]; readonly total: number }> {
  const where = createWhere('l.account_id = ?', account)
  if (page.query !== undefined) where.when(`l.folded like ? escape '\\'`, `%${page.query.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`)
  const counted = reader.one(`select count(*) as n from labels l where ${where.sql()}`, [...where.params()])
  const sql = `select ${COLUMNS} from labels l where ${where.sql()} order by l.label_id limit ${where.param(page.limit)} offset ${where.param(page.start ?? 0)}`
  const [rows, total] = await Promise.all([reader.all(sql, where.params()), counted])
  return { rows: rows.map(LABELS.decode), total: Number(total?.['n'] ?? 0) }
}

/** One label, or null. */
export async function findLabel(reader: Reader, account: number, labelId: number): Promise<Label | null> {
  const row = await reader.one(`select ${COLUMNS} from labels l where l.account_id = $1 and l.label_id = $2`, [account, labelId])
  return row === null ? null : LABELS.decode(row)
}

/** Renames a label; whether it was there. Throws Fault conflict where the name is taken. */
export async function renameLabel(
  db: Db,
  account: number,
  label: { readonly labelId: number; readonly name: string; readonly at: number },
): Promise<boolean> {
  const taken = (await byNames(db, account, [label.name])).get(label.name)
  if (taken !== undefined && taken !== label.labelId) throw new Fault('conflict', `the label "${label.name}" is there already`)
  const sql = 'update labels set name = $1, folded = $2, updated_at = $3 where account_id = $4 and label_id = $5'
  return (await db.run(sql, [label.name, label.name.toLowerCase(), label.at, account, label.labelId])) > 0
}

/** Removes a label; whether it was there. Mails keep its number and name. */
export async function removeLabel(db: Db, account: number, labelId: number): Promise<boolean> {
  return (await db.run('delete from labels where account_id = $1 and label_id = $2', [account, labelId])) > 0
}
