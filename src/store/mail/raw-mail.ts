/**
 * raw-mail - the bytes of a received report, for a limited time
 *
 * They are in store/mail/mail-bodies, and found through the report row. Reports that version 0.1 stored have no content digest: their bytes are
 * in `raw_mails` until their retention ends, and nothing is added there.
 *
 * See also: store/mail/reports, store/facts/ledger-state (which writes).
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { decompressBytes } from '../engine/compression.ts'
import { compressedColumn, createTableMapping, hexColumn, hexToBytes, integerColumn } from '../engine/mapping.ts'
import { IN_ITS_MONTH } from './reports.ts'
import { findReportReferencesForOperator, releaseMailBodies, removeOldBodyReferencesForOperator } from './mail-bodies.ts'

/** A mail of version 0.1. `size` is the size of the mail, of which less may have been kept. */
type RawMail = { readonly digest: string; readonly receivedAt: number; readonly size: number; readonly body: Uint8Array }

export const RAW_MAILS = createTableMapping<RawMail>('raw_mails', ['received_at', 'digest'], {
  receivedAt: integerColumn('received_at'),
  digest: hexColumn('digest'),
  size: integerColumn('size'),
  body: compressedColumn('body', 'mail'),
})

/** Reads the bytes of a mail of this account. Returns null if it does not exist, has expired, or belongs to another account. */
export async function findRawMail(reader: DatabaseReader, account: number, digest: string): Promise<Buffer | null> {
  return readRawMail(reader, 'and r.account_id = $2', [hexToBytes(digest), account])
}

/** As {@link findRawMail}, in any account. */
export async function findRawMailForOperator(reader: DatabaseReader, digest: string): Promise<Buffer | null> {
  return readRawMail(reader, '', [hexToBytes(digest)])
}

async function readRawMail(
  reader: DatabaseReader,
  ownerCondition: string,
  params: readonly (Uint8Array | number)[],
): Promise<Buffer | null> {
  const report = `r.digest = $1 and ${IN_ITS_MONTH}`
  const sql = `select b.body from reports r cross join mail_body_references f cross join mail_bodies b
    where ${report} ${ownerCondition} and f.content = r.content and f.kind = 'report' and f.account_id = r.account_id
      and f.digest = r.digest and b.content = f.content
    union all
    select m.body from reports r cross join raw_mails m
    where ${report} ${ownerCondition} and r.content is null and m.received_at = r.received_at and m.digest = r.digest`
  const body = (await reader.one(sql, params))?.['body']
  return body instanceof Uint8Array ? decompressBytes(body) : null
}

/** Removes at most `limit` mails that were received before a moment, oldest first. Returns how many. */
export async function removeOldRawMailsForOperator(db: Database, before: number, limit: number): Promise<number> {
  const old = await db.run(
    `delete from raw_mails where (received_at, digest) in (select m.received_at, m.digest from raw_mails m
     where m.received_at < $1 order by m.received_at, m.digest limit $2)`,
    [before, limit],
  )
  return old + (await removeOldBodyReferencesForOperator(db, { kind: 'report', before, limit: limit - old }))
}

/** Removes one mail, for an erasure. Returns whether it existed. */
export async function removeRawMailForOperator(db: Database, digest: string): Promise<boolean> {
  const references = await findReportReferencesForOperator(db, [digest])
  await releaseMailBodies(db, references)
  const sql = `delete from raw_mails where digest = $1 and received_at in (select n.received_at from report_digests n where n.digest = $1)`
  return (await db.run(sql, [hexToBytes(digest)])) + references.length > 0
}
