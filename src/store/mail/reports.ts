/**
 * reports - one row for each mail that came, by the digest of its DATA and its envelope recipient
 *
 * The row settles a mail that is delivered twice: it is there, so the second one changes nothing.
 *
 * See also: store/facts/ledger-state (which writes), store/mail/raw-mail.
 */
import type { DatabaseReader } from '../engine/engine.ts'
import { REPORTS } from '../schema.ts'
import type { ReportRow } from '../schema.ts'
import { hexToBytes, bytesToHex } from '../engine/mapping.ts'

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
