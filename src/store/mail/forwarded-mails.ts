/**
 * forwarded-mails - inbound mail for the domains of an account, as received, compressed, for a limited time
 *
 * The bytes are in store/mail/mail-bodies, whatever the number of recipients. A mail that version 0.1 stored has its bytes in its row.
 *
 * See also: store/mail/forward-domains, service/forward/forward-mail, settings (retention.routeDays).
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { decompressBytes } from '../engine/compression.ts'
import {
  hexToBytes,
  booleanColumn,
  hexColumn,
  integerColumn,
  nullableColumn,
  compressedColumn,
  createTableMapping,
  textColumn,
} from '../engine/mapping.ts'
import { createSqlFilter } from '../engine/filter.ts'
import { releaseMailBodies, removeOldBodyReferencesForOperator, saveMailBodies } from './mail-bodies.ts'

/** Of a truncated mail, `body` is the beginning. */
export type ForwardedMail = {
  readonly account: number
  readonly digest: string
  readonly receivedAt: number
  readonly size: number
  readonly truncated: boolean
  readonly mailFrom: string
  readonly rcptTo: string
  readonly peer: string | null
  readonly body: Uint8Array
}

/** `body` is written empty and read compressed. `content` is the digest of the bytes; null in a mail that has them in its row. */
type ForwardedMailRow = ForwardedMail & { readonly content: string | null }

export const FORWARDED_MAILS = createTableMapping<ForwardedMailRow>('route_mails', ['account_id', 'digest'], {
  account: integerColumn('account_id'),
  digest: hexColumn('digest'),
  receivedAt: integerColumn('received_at'),
  size: integerColumn('size'),
  truncated: booleanColumn('truncated'),
  mailFrom: textColumn('mail_from', 'owner'),
  rcptTo: textColumn('rcpt_to', 'owner'),
  peer: nullableColumn(textColumn('peer', 'none')),
  body: compressedColumn('body', 'mail'),
  content: nullableColumn(hexColumn('content')),
})

/** Adds mails. An existing one stays as it is. */
export async function insertForwardedMails(db: Database, mails: readonly (ForwardedMail & { readonly content: string })[]): Promise<void> {
  const rows = mails.map((mail) => ({ ...mail, body: new Uint8Array(0) }))
  await Promise.all([
    db.insertMany(FORWARDED_MAILS, rows, 'ignore'),
    saveMailBodies(
      db,
      mails.map(({ content, account, digest, receivedAt, body }) => ({ content, kind: 'inbound', account, digest, receivedAt, body })),
    ),
  ])
}

/** Finds one mail, decompressed. Returns null if it does not exist, has expired, or belongs to another account. */
export async function findForwardedMail(reader: DatabaseReader, account: number, digest: string): Promise<ForwardedMail | null> {
  const sql = `select ${FORWARDED_MAILS.columns('m')}, b.body as shared from route_mails m left join mail_bodies b on b.content = m.content
    where m.account_id = $1 and m.digest = $2`
  const row = await reader.one(sql, [account, hexToBytes(digest)])
  if (row === null) return null
  const { content: _, ...mail } = FORWARDED_MAILS.decode(row)
  return { ...mail, body: await decompressBytes(row['shared'] instanceof Uint8Array ? row['shared'] : mail.body) }
}

export type ForwardedMailSummary = Omit<ForwardedMail, 'body' | 'account'>

/** One page of an account's mails without their bytes, newest first. */
export async function listForwardedMails(
  reader: DatabaseReader,
  account: number,
  page: { readonly limit: number; readonly after: Pick<ForwardedMail, 'receivedAt' | 'digest'> | null },
): Promise<readonly ForwardedMailSummary[]> {
  const where = createSqlFilter('m.account_id = ?', account)
  const { after } = page
  if (after !== null)
    where.and(`(m.received_at, m.digest) < (${where.addParameter(after.receivedAt)}, ${where.addParameter(hexToBytes(after.digest))})`)
  const columns = 'm.digest, m.received_at, m.size, m.truncated, m.mail_from, m.rcpt_to, m.peer, m.account_id'
  const sql = `select ${columns} from route_mails m where ${where.sql()} order by m.received_at desc, m.digest desc limit ${where.addParameter(page.limit)}`
  const rows = await reader.all(sql, where.parameters())
  return rows.map((row) => {
    const {
      body: _,
      account: _account,
      content: _content,
      ...summary
    } = FORWARDED_MAILS.decode({ ...row, body: new Uint8Array(0), content: null })
    return summary
  })
}

/** Removes at most `limit` mails that were received before a moment, oldest first. Returns how many. */
export async function removeOldForwardedMailsForOperator(db: Database, before: number, limit: number): Promise<number> {
  await removeOldBodyReferencesForOperator(db, { kind: 'inbound', before, limit })
  return db.run(
    `delete from route_mails where (account_id, digest) in
     (select m.account_id, m.digest from route_mails m where m.received_at < $1 order by m.received_at limit $2)`,
    [before, limit],
  )
}

/** Removes one mail and what it needs, for an erasure. Returns how many were there: 1 or 0. */
export async function removeForwardedMail(db: Database, account: number, digest: Uint8Array): Promise<number> {
  const row = await db.one(`select ${FORWARDED_MAILS.columns('m')} from route_mails m where m.account_id = $1 and m.digest = $2`, [
    account,
    digest,
  ])
  if (row === null) return 0
  const { content, ...mail } = FORWARDED_MAILS.decode(row)
  if (content !== null) await releaseMailBodies(db, [{ ...mail, content, kind: 'inbound' }])
  return db.run('delete from route_mails where account_id = $1 and digest = $2', [account, digest])
}
