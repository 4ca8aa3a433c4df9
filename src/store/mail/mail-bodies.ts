/**
 * mail-bodies - the bytes of received mails, stored once by their digest, with a row for each report or inbound mail that needs them
 *
 * Bytes exist exactly as long as a reference to them exists. Both are written and removed in one transaction, so a crash leaves no
 * difference. On PostgreSQL another node may remove the last reference while this one adds one: both lock the row of the bytes first, and
 * adding also changes that row, so that the one that comes second runs again and sees what the first has done.
 *
 * See also: store/mail/raw-mail (reports), store/mail/forwarded-mails (inbound mail), docs/RETENTION.md.
 */
import type { Database, DatabaseReader, KeyTuples } from '../engine/engine.ts'
import {
  bytesToHex,
  compressedColumn,
  createTableMapping,
  hexColumn,
  hexToBytes,
  integerColumn,
  textEnumColumn,
} from '../engine/mapping.ts'

/** `content` is the SHA-256 of the bytes. `body` is written as received and read compressed; `size` is its length. */
type MailBody = { readonly content: string; readonly size: number; readonly body: Uint8Array }

/** One report (`reports`) or one inbound mail (`route_mails`) that needs the bytes. `digest` is its own. */
export type BodyReference = {
  readonly content: string
  readonly kind: 'report' | 'inbound'
  readonly account: number
  readonly digest: string
  readonly receivedAt: number
}

/** A reference together with its bytes. */
export type ReferencedBody = BodyReference & Pick<MailBody, 'body'>

export const MAIL_BODIES = createTableMapping<MailBody>('mail_bodies', ['content'], {
  content: hexColumn('content'),
  size: integerColumn('size'),
  body: compressedColumn('body', 'mail'),
})

export const BODY_REFERENCES = createTableMapping<BodyReference>('mail_body_references', ['content', 'kind', 'account_id', 'digest'], {
  content: hexColumn('content'),
  kind: textEnumColumn<BodyReference['kind']>('kind'),
  account: integerColumn('account_id'),
  digest: hexColumn('digest'),
  receivedAt: integerColumn('received_at'),
})

/** Adds references, and the bytes that are not stored yet. A reference that exists stays as it is. Run it in a transaction. */
export async function saveMailBodies(db: Database, mails: readonly ReferencedBody[]): Promise<void> {
  if (mails.length === 0) return
  const bodies = new Map(mails.map(({ content, body }) => [content, { content, size: body.length, body }]))
  // SQLite has one writer: there is nothing to lock, and the insert ignores what exists.
  const known = db.kind === 'sqlite' ? new Set<string>() : await lockBodies(db, [...bodies.keys()])
  const isNew = ({ content }: MailBody): boolean => !known.has(content)
  await Promise.all([
    touchBodies(db, [...known]),
    db.insertMany(MAIL_BODIES, [...bodies.values()].filter(isNew).toSorted(byContent), 'ignore'),
    db.insertMany(BODY_REFERENCES, mails.toSorted(byContent), 'ignore'),
  ])
}

/** Removes references, and the bytes of which they were the last ones. Run it in a transaction. */
export async function releaseMailBodies(db: Database, references: readonly BodyReference[]): Promise<void> {
  if (references.length === 0) return
  const contents = contentKeys(references.map(({ content }) => content))
  await lockBodies(db, [...new Set(references.map(({ content }) => content))])
  const keys = references.map(({ content, kind, account, digest }) => [hexToBytes(content), kind, account, hexToBytes(digest)])
  const keySql =
    'delete from mail_body_references where (content, kind, account_id, digest) in (select k.k1, k.k2, k.k3, k.k4 from {keys} k)'
  await db.inKeys(keySql, { types: ['bytes', 'text', 'int', 'bytes'], rows: keys })
  await db.inKeys(
    `delete from mail_bodies where content in (select k.k1 from {keys} k)
     and not exists (select 1 from mail_body_references f where f.content = mail_bodies.content)`,
    contents,
  )
}

/** Removes at most `limit` references of one kind whose mails were received before a moment, oldest first. Returns how many. */
export async function removeOldBodyReferencesForOperator(
  db: Database,
  { kind, before, limit }: { readonly kind: BodyReference['kind']; readonly before: number; readonly limit: number },
): Promise<number> {
  const sql = `select ${BODY_REFERENCES.columns('f')} from mail_body_references f where f.kind = $1 and f.received_at < $2
    order by f.received_at limit $3`
  const references = (await db.all(sql, [kind, before, limit])).map(BODY_REFERENCES.decode)
  await releaseMailBodies(db, references)
  return references.length
}

/** Removes the bytes of a mail with everything that needs them, for an erasure. Returns how many reports and inbound mails that were. */
export async function removeMailBodyForOperator(db: Database, content: Uint8Array): Promise<number> {
  await lockBodies(db, [bytesToHex(content)])
  const inbound = `select f.account_id, f.digest from mail_body_references f where f.content = $1 and f.kind = 'inbound'`
  await db.run(`delete from route_mails where (account_id, digest) in (${inbound})`, [content])
  const removed = await db.run('delete from mail_body_references where content = $1', [content])
  await db.run('delete from mail_bodies where content = $1', [content])
  return removed
}

/** The references of these reports. */
export async function findReportReferencesForOperator(
  reader: DatabaseReader,
  digests: readonly string[],
): Promise<readonly BodyReference[]> {
  const sql = `select ${BODY_REFERENCES.columns('f')} from {keys} k cross join report_digests n cross join reports r
    cross join mail_body_references f
    where n.digest = k.k1 and r.digest = n.digest and r.received_at = n.received_at and f.content = r.content and f.kind = 'report' and f.account_id = r.account_id and f.digest = r.digest`
  return (await reader.inKeys(sql, contentKeys(digests))).map(BODY_REFERENCES.decode)
}

/** How many different mails are stored, and how many bytes they occupy, compressed; on PostgreSQL with the pages around them. */
export async function measureMailBodiesForOperator(reader: DatabaseReader): Promise<{ readonly mails: number; readonly bytes: number }> {
  const bytes = reader.kind === 'sqlite' ? 'sum(length(b.body))' : "pg_total_relation_size('mail_bodies')"
  const row = await reader.one(`select count(*) as mails, ${bytes} as bytes from mail_bodies b`)
  return { mails: Number(row?.['mails'] ?? 0), bytes: Number(row?.['bytes'] ?? 0) }
}

/** Locks the rows of bytes in one order everywhere. Resolves to those that exist. */
async function lockBodies(db: Database, contents: readonly string[]): Promise<ReadonlySet<string>> {
  const sql = 'select b.content from {keys} k cross join mail_bodies b where b.content = k.k1 order by b.content {lock b}'
  const rows = await db.inKeys(sql, contentKeys(contents))
  return new Set(rows.map(({ content }) => (content instanceof Uint8Array ? bytesToHex(content) : '')))
}

/** A lock alone leaves no trace: a transaction that waits for it, in a snapshot that is older, would not see the new reference. */
async function touchBodies(db: Database, contents: readonly string[]): Promise<void> {
  if (db.kind !== 'postgres') return
  await db.inKeys('update mail_bodies set size = size where content in (select k.k1 from {keys} k)', contentKeys(contents))
}

const contentKeys = (contents: readonly string[]): KeyTuples => ({
  types: ['bytes'],
  rows: [...new Set(contents)].toSorted().map((content) => [hexToBytes(content)]),
})

const byContent = (a: { readonly content: string }, b: { readonly content: string }): number => (a.content < b.content ? -1 : 1)
