/**
 * raw-mail - the bytes of a received mail, compressed, for a limited time
 *
 * The engine compresses the body when it writes it (store/engine/compression). A mail is found by its digest through its report row,
 * which holds its time and its account.
 *
 * See also: store/mail/reports, store/facts/ledger-state (which writes).
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { decompressBytes } from '../engine/compression.ts'
import { compressedColumn, createTableMapping, hexColumn, hexToBytes, integerColumn } from '../engine/mapping.ts'

/** `body` is written as received and read compressed. `size` is the size of the mail, of which less may have been kept. */
export type RawMail = { readonly digest: string; readonly receivedAt: number; readonly size: number; readonly body: Uint8Array }

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
  const sql = `select ${RAW_MAILS.columns('m')} from reports r cross join raw_mails m
    where r.digest = $1 ${ownerCondition} and m.received_at = r.received_at and m.digest = r.digest`
  const row = await reader.one(sql, params)
  return row === null ? null : decompressBytes(RAW_MAILS.decode(row).body)
}

/** Removes at most `limit` mails that were received before a moment, oldest first. Returns how many. */
export async function removeOldRawMailsForOperator(db: Database, before: number, limit: number): Promise<number> {
  return db.run(
    `delete from raw_mails where (received_at, digest) in (select m.received_at, m.digest from raw_mails m
     where m.received_at < $1 order by m.received_at, m.digest limit $2)`,
    [before, limit],
  )
}

/** Removes one mail, for an erasure. Returns whether it existed. */
export async function removeRawMailForOperator(db: Database, digest: string): Promise<boolean> {
  const sql = `delete from raw_mails where digest = $1 and received_at in (select r.received_at from reports r where r.digest = $1)`
  return (await db.run(sql, [hexToBytes(digest)])) > 0
}
