/**
 * reports - one row for each mail that came, by the digest of its DATA and its envelope recipient
 *
 * The row settles a mail that is delivered twice: it is there, so the second one changes nothing.
 *
 * See also: store/facts/ledger-state (which writes), store/mail/raw-mail.
 */
import type { DatabaseReader } from '../engine/engine.ts'
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

/** A mail that came, once for each digest of its DATA and envelope recipient. */
export type ReportRow = {
  readonly digest: string
  /** Whose it is; 0 where it points at nobody. */
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
  /** What its signatures and its peer proved; null where nothing was asked. */
  readonly auth: AuthenticationResults | null
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
})

const COLUMNS = REPORTS.columns('r')

/** Which of these digests are stored. Names nobody's mail: it is asked before anybody knows whose a mail is. */
export async function findKnownDigestsForOperator(reader: DatabaseReader, digests: readonly string[]): Promise<ReadonlySet<string>> {
  const keys = { types: ['bytes'], rows: digests.map((digest) => [hexToBytes(digest)]) } as const
  const rows = await reader.inKeys('select r.digest from {keys} k cross join reports r where r.digest = k.k1', keys)
  return new Set(rows.map(({ digest }) => (digest instanceof Uint8Array ? bytesToHex(digest) : '')))
}

/** How and when a mail came, whoever's it is; null: it is not stored. */
export async function findReportForOperator(reader: DatabaseReader, digest: string): Promise<ReportRow | null> {
  const row = await reader.one(`select ${COLUMNS} from reports r where r.digest = $1`, [hexToBytes(digest)])
  return row === null ? null : REPORTS.decode(row)
}
