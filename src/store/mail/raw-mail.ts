/**
 * raw-mail - the bytes of a mail as they came, compressed, for a limited time
 *
 * The engine packs the body as it writes it (store/engine/compression). A mail is found by its digest through its
 * report row, which knows its time and whose it is.
 *
 * See also: store/mail/reports, store/facts/ledger-state (which writes).
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { decompressBytes } from '../engine/compression.ts'
import { compressedColumn, createTableMapping, hexColumn, hexToBytes, integerColumn } from '../engine/mapping.ts'

/** `body` goes in as it came and comes out packed; `size` is the mail's own, which may be more than was kept of it. */
export type RawMail = { readonly digest: string; readonly receivedAt: number; readonly size: number; readonly body: Uint8Array }

export const RAW_MAILS = createTableMapping<RawMail>('raw_mails', ['received_at', 'digest'], {
  receivedAt: integerColumn('received_at'),
  digest: hexColumn('digest'),
  size: integerColumn('size'),
  body: compressedColumn('body', 'mail'),
})

/** The bytes of a mail of this account; null where it is not there, not there any more, or another's. */
export async function findRawMail(reader: DatabaseReader, account: number, digest: string): Promise<Buffer | null> {
  return readRawMail(reader, 'and r.account_id = $2', [hexToBytes(digest), account])
}

/** As {@link findRawMail}, whoever's it is. */
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

/** Removes mails received before a moment, oldest first, at most `limit`; how many went. */
export async function removeOldRawMailsForOperator(db: Database, before: number, limit: number): Promise<number> {
  return db.run(
    `delete from raw_mails where (received_at, digest) in (select m.received_at, m.digest from raw_mails m
     where m.received_at < $1 order by m.received_at, m.digest limit $2)`,
    [before, limit],
  )
}

/** Removes one mail, as when an address is erased; whether it was there. */
export async function removeRawMailForOperator(db: Database, digest: string): Promise<boolean> {
  const sql = `delete from raw_mails where digest = $1 and received_at in (select r.received_at from reports r where r.digest = $1)`
  return (await db.run(sql, [hexToBytes(digest)])) > 0
}
