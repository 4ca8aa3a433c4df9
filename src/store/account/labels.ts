/**
 * labels - an account's names for its kinds of mail
 *
 * A label has a number for the API and a name for people. Both are unique in the account. A removed label is hidden everywhere, but its
 * number and name stay for the statistics of the mails that carried it. The name can be used again.
 *
 * See also: service/admin/labels (which changes them), store/facts/counters (which counts by number).
 */
import { Fault } from '../../errors.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { reserveSequenceNumbers } from '../engine/sequences.ts'
import { integerColumn, nullableColumn, createTableMapping, textColumn } from '../engine/mapping.ts'
import { createSqlFilter, MAX_FILTER_VALUES } from '../engine/filter.ts'

export type Label = {
  readonly account: number
  readonly labelId: number
  readonly name: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly deletedAt: number | null
}

type StoredLabel = Label & { readonly folded: string }

export const LABELS = createTableMapping<StoredLabel>('labels', ['account_id', 'label_id'], {
  account: integerColumn('account_id'),
  labelId: integerColumn('label_id'),
  name: textColumn('name', 'none'),
  folded: textColumn('folded', 'none'),
  createdAt: integerColumn('created_at'),
  updatedAt: integerColumn('updated_at'),
  deletedAt: nullableColumn(integerColumn('deleted_at')),
})

const COLUMNS = LABELS.columns('l')

/** Finds the labels with these names, and creates those that are missing. Returns the number of each name. */
export async function ensureLabels(
  db: Database,
  account: number,
  names: readonly string[],
  at: number,
): Promise<ReadonlyMap<string, number>> {
  const wanted = [...new Set(names)]
  const found = await findLabelIdsByName(db, account, wanted)
  const missing = wanted.filter((name) => !found.has(name)).toSorted()
  const inserted = await insertLabels(db, account, missing, at)
  return new Map([...found, ...inserted.map(({ name, labelId }) => [name, labelId] as const)])
}

async function insertLabels(db: Database, account: number, names: readonly string[], at: number): Promise<readonly Label[]> {
  if (names.length === 0) return []
  // Numbers start at 1: 0 means no label in counters.
  const first = (await reserveSequenceNumbers(db, account, 'label', names.length)) + 1
  const times = { createdAt: at, updatedAt: at, deletedAt: null }
  const rows = names.map((name, i) => ({ account, labelId: first + i, name, folded: name.toLowerCase(), ...times }))
  await db.insertMany(LABELS, rows)
  return rows
}

async function findLabelIdsByName(reader: DatabaseReader, account: number, names: readonly string[]): Promise<Map<string, number>> {
  const sql = `select l.name, l.label_id from {keys} k cross join labels l
    where l.account_id = $1 and l.name = k.k1 and l.deleted_at is null`
  const rows = await reader.inKeys(sql, { types: ['text'], rows: names.map((name) => [name]) }, [account])
  return new Map(rows.map((row) => [String(row['name']), Number(row['label_id'])]))
}

/**
 * Lists one page of labels by number, after one of them or from a position, optionally those whose name contains `query`, ignoring case.
 * `total` counts all of them.
 */
export async function listLabels(
  reader: DatabaseReader,
  account: number,
  page: { readonly query?: string; readonly after?: number; readonly start?: number; readonly limit: number },
): Promise<{ readonly rows: readonly Label[]; readonly total: number }> {
  const where = createSqlFilter('l.account_id = ?', account).and('l.deleted_at is null')
  if (page.query !== undefined) where.andIfGiven(`l.folded like ? escape '\\'`, toLikePattern(page.query))
  const counted = reader.one(`select count(*) as n from labels l where ${where.sql()}`, [...where.parameters()])
  where.andIfGiven('l.label_id > ?', page.after)
  const sql = `select ${COLUMNS} from labels l where ${where.sql()} order by l.label_id limit ${where.addParameter(page.limit)} offset ${where.addParameter(page.start ?? 0)}`
  const [rows, total] = await Promise.all([reader.all(sql, where.parameters()), counted])
  return { rows: rows.map(LABELS.decode), total: Number(total?.['n'] ?? 0) }
}

const toLikePattern = (part: string): string => `%${part.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`

/** Finds one label, or null if it does not exist or was removed. */
export async function findLabel(reader: DatabaseReader, account: number, labelId: number): Promise<Label | null> {
  const sql = `select ${COLUMNS} from labels l where l.account_id = $1 and l.label_id = $2 and l.deleted_at is null`
  const row = await reader.one(sql, [account, labelId])
  return row === null ? null : LABELS.decode(row)
}

/** Finds the names of these numbers, removed labels included. Numbers that never existed are left out. */
export async function findLabelNames(
  reader: DatabaseReader,
  account: number,
  labelIds: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const sql = 'select l.label_id, l.name from {keys} k cross join labels l where l.account_id = $1 and l.label_id = k.k1'
  const rows = await reader.inKeys(sql, { types: ['int'], rows: labelIds.map((id) => [id]) }, [account])
  return new Map(rows.map((row) => [Number(row['label_id']), String(row['name'])]))
}

/**
 * Finds the numbers of the labels whose name contains one of these parts, ignoring case, removed labels included. Returns at most as many
 * as a filter accepts.
 */
export async function findLabelIdsLike(reader: DatabaseReader, account: number, parts: readonly string[]): Promise<readonly number[]> {
  const where = createSqlFilter('l.account_id = ?', account)
  const likeConditions = parts.map((part) => `l.folded like ${where.addParameter(toLikePattern(part))} escape '\\'`)
  if (likeConditions.length === 0) return []
  const sql = `select l.label_id from labels l where ${where.sql()} and (${likeConditions.join(' or ')}) order by l.label_id limit ${MAX_FILTER_VALUES}`
  return (await reader.all(sql, where.parameters())).map((row) => Number(row['label_id']))
}

/** Creates a label. Throws Fault conflict if the name is taken. */
export async function addLabel(db: Database, account: number, name: string, at: number): Promise<Label> {
  if ((await findLabelIdsByName(db, account, [name])).size > 0) throw nameTakenFault(name)
  const [label] = await insertLabels(db, account, [name], at)
  if (label === undefined) throw new Fault('internal', 'a label was not added')
  return label
}

/** Renames a label. Returns whether it existed. Throws Fault conflict if the name is taken. */
export async function renameLabel(
  db: Database,
  account: number,
  label: { readonly labelId: number; readonly name: string; readonly at: number },
): Promise<boolean> {
  const holder = (await findLabelIdsByName(db, account, [label.name])).get(label.name)
  if (holder !== undefined && holder !== label.labelId) throw nameTakenFault(label.name)
  const sql = 'update labels set name = $1, folded = $2, updated_at = $3 where account_id = $4 and label_id = $5 and deleted_at is null'
  return (await db.run(sql, [label.name, label.name.toLowerCase(), label.at, account, label.labelId])) > 0
}

const nameTakenFault = (name: string): Fault => new Fault('conflict', `the label "${name}" already exists`)

/** Removes a label. Returns whether it existed. Mails and statistics keep its number and name. */
export async function removeLabel(db: Database, account: number, labelId: number, at: number): Promise<boolean> {
  const sql = 'update labels set deleted_at = $1 where account_id = $2 and label_id = $3 and deleted_at is null'
  return (await db.run(sql, [at, account, labelId])) > 0
}
