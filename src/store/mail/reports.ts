/**
 * reports - one row for each received mail, by the digest of its DATA and its envelope recipient
 *
 * The row makes a second delivery of the same mail harmless: the row exists, so nothing changes.
 *
 * See also: store/facts/ledger-state (which writes), store/mail/raw-mail.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import type { AuthenticationResults } from '../../mail-auth/verify-signatures.ts'
import {
  booleanColumn,
  bytesToHex,
  createTableMapping,
  hexColumn,
  hexToBytes,
  integerColumn,
  jsonColumn,
  nullableColumn,
  textColumn,
} from '../engine/mapping.ts'

/** A received mail, once for each digest of its DATA and envelope recipient. */
export type ReportRow = {
  readonly digest: string
  /** The account that it points at; 0: none. */
  readonly account: number
  readonly receivedAt: number
  readonly kind: string
  readonly size: number
  readonly truncated: boolean
  readonly peer: string | null
  readonly mailFrom: string
  readonly rcptTo: string
  readonly source: string
  readonly sessionId: string
  /** The authentication results; null if nothing was checked. */
  readonly auth: AuthenticationResults | null
  /** The digest of the stored bytes (store/mail/mail-bodies); null in a report that version 0.1 stored. */
  readonly content: string | null
}

export const REPORTS = createTableMapping<ReportRow>('reports', ['digest'], {
  digest: hexColumn('digest'),
  account: integerColumn('account_id'),
  receivedAt: integerColumn('received_at'),
  kind: textColumn('kind', 'none'),
  size: integerColumn('size'),
  truncated: booleanColumn('truncated'),
  peer: nullableColumn(textColumn('peer', 'none')),
  mailFrom: textColumn('mail_from', 'address'),
  rcptTo: textColumn('rcpt_to', 'address'),
  source: textColumn('source', 'none'),
  sessionId: textColumn('session_id', 'none'),
  auth: nullableColumn(jsonColumn<AuthenticationResults>('auth', 'json')),
  content: nullableColumn(hexColumn('content')),
})

/** Replaces the authentication results of a mail that was verified again. */
export async function saveReportAuthentication(db: Database, account: number, digest: string, auth: AuthenticationResults): Promise<void> {
  await db.run('update reports set auth = $3 where account_id = $1 and digest = $2', [account, hexToBytes(digest), JSON.stringify(auth)])
}

const COLUMNS = REPORTS.columns('r')

/** Finds which of these digests are stored, in any account: the account of a mail is not known yet. */
export async function findKnownDigestsForOperator(reader: DatabaseReader, digests: readonly string[]): Promise<ReadonlySet<string>> {
  const keys = { types: ['bytes'], rows: digests.map((digest) => [hexToBytes(digest)]) } as const
  const rows = await reader.inKeys('select r.digest from {keys} k cross join reports r where r.digest = k.k1', keys)
  return new Set(rows.map(({ digest }) => (digest instanceof Uint8Array ? bytesToHex(digest) : '')))
}

/** Finds the row of a mail in any account, or null. */
export async function findReportForOperator(reader: DatabaseReader, digest: string): Promise<ReportRow | null> {
  const row = await reader.one(`select ${COLUMNS} from reports r where r.digest = $1`, [hexToBytes(digest)])
  return row === null ? null : REPORTS.decode(row)
}
