/**
 * exports - jobs that write a file of an account's rows, and the chunks of those files
 *
 * A file is in the store and not on a node, so any node can continue it and any node can serve it. Each chunk is a gzip member (RFC 1952
 * §2.2: concatenated members are one file). It is written in the transaction that moves the job's cursor, so a job that crashed continues
 * after its last chunk. A job is claimed by its state and a lease. A node that has lost the lease changes nothing.
 *
 * See also: store/export-states (the states), service/export/exporter (which writes the files), service/export/exports (the service).
 */
import type { Proof } from '../ledger/facts/decision.ts'
import type { ListName } from '../ledger/facts/list-facts.ts'
import type { BroadcastResult } from '../ledger/project/broadcast-result.ts'
import type { DeliveryRow } from '../ledger/project/state.ts'
import type { Database, DatabaseReader } from './engine/engine.ts'
import { transitionsFor } from './export-states.ts'
import type { ExportSignal, ExportState } from './export-states.ts'
import {
  bytesColumn,
  uuidToBytes,
  booleanColumn,
  integerColumn,
  jsonColumn,
  nullableColumn,
  createTableMapping,
  textColumn,
  uuidColumn,
  textEnumColumn,
} from './engine/mapping.ts'
import type { SqlValue } from './engine/value.ts'

export const EXPORT_KIND_NAMES = ['status', 'suppressions', 'results', 'engagement'] as const
export type ExportKind = (typeof EXPORT_KIND_NAMES)[number]
export const EXPORT_FORMATS = ['csv', 'ndjson'] as const
type ExportFormat = (typeof EXPORT_FORMATS)[number]

/** Which rows. Each kind of export accepts some of these filters: service/export/export-kinds. */
export type ExportFilters = {
  readonly status?: DeliveryRow['status']
  readonly subStatus?: number
  readonly fault?: NonNullable<DeliveryRow['fault']>
  readonly reason?: string
  readonly recipient?: string
  readonly label?: string
  readonly apiUser?: string
  readonly emailType?: DeliveryRow['emailType']
  readonly requestIp?: string
  readonly egressIp?: string
  readonly broadcast?: string
  readonly result?: BroadcastResult
  readonly engagement?: 'open' | 'click'
  readonly list?: ListName
  readonly site?: string
  readonly rule?: string
  readonly proof?: Proof
  readonly inForce?: boolean
}

/** The key of the last row that the scan has read. */
export type ExportCursor = Readonly<Record<string, string | number>>

export type ExportRow = {
  readonly account: number
  readonly exportId: string
  readonly kind: ExportKind
  readonly format: ExportFormat
  readonly gzip: boolean
  /** A byte order mark before CSV: spreadsheets recognise UTF-8 by it. */
  readonly bom: boolean
  readonly filters: ExportFilters
  /** The time range of the rows: [from, to). */
  readonly from: number
  readonly to: number
  readonly state: ExportState
  readonly askedBy: string
  readonly createdAt: number
  readonly startedAt: number | null
  readonly endedAt: number | null
  /** When the file expires. */
  readonly expiresAt: number | null
  readonly rows: number
  /** The size of the file as it is served. */
  readonly bytes: number
  readonly chunks: number
  /** Starts since the last chunk. */
  readonly attempts: number
  readonly cursor: ExportCursor | null
  readonly lease: string
  /** End of the lease. For a queued job: not to be claimed before this time. */
  readonly leaseUntil: number
  readonly error: string | null
}

export const EXPORTS = createTableMapping<ExportRow>('exports', ['account_id', 'export_id'], {
  account: integerColumn('account_id'),
  exportId: uuidColumn('export_id'),
  kind: textEnumColumn<ExportKind>('kind'),
  format: textEnumColumn<ExportFormat>('format'),
  gzip: booleanColumn('gzip'),
  bom: booleanColumn('bom'),
  filters: jsonColumn<ExportFilters>('filters', 'json'),
  from: integerColumn('from_at'),
  to: integerColumn('to_at'),
  state: textEnumColumn<ExportState>('state'),
  askedBy: textColumn('asked_by', 'text'),
  createdAt: integerColumn('created_at'),
  startedAt: nullableColumn(integerColumn('started_at')),
  endedAt: nullableColumn(integerColumn('ended_at')),
  expiresAt: nullableColumn(integerColumn('expires_at')),
  rows: integerColumn('rows_done'),
  bytes: integerColumn('bytes_done'),
  chunks: integerColumn('chunks'),
  attempts: integerColumn('attempts'),
  cursor: nullableColumn(jsonColumn<ExportCursor>('last_key', 'none')),
  lease: textColumn('lease', 'none'),
  leaseUntil: integerColumn('lease_until'),
  error: nullableColumn(textColumn('error', 'text')),
})

type ExportChunk = { readonly account: number; readonly exportId: string; readonly n: number; readonly body: Uint8Array }

export const EXPORT_CHUNKS = createTableMapping<ExportChunk>('export_chunks', ['account_id', 'export_id', 'n'], {
  account: integerColumn('account_id'),
  exportId: uuidColumn('export_id'),
  n: integerColumn('n'),
  body: bytesColumn('body', 'file'),
})

const COLUMNS = EXPORTS.columns('x')

/** Lists the jobs of an account, newest first, after one of them. Jobs that it has deleted are left out. */
export async function listExports(
  reader: DatabaseReader,
  account: number,
  page: { readonly after: string | null; readonly limit: number },
): Promise<readonly ExportRow[]> {
  const afterCondition = page.after === null ? '' : 'and x.export_id < $3'
  const sql = `select ${COLUMNS} from exports x where x.account_id = $1 and x.state <> 'removed' ${afterCondition} order by x.export_id desc limit $2`
  return (await reader.all(sql, [account, page.limit, ...(page.after === null ? [] : [uuidToBytes(page.after)])])).map(EXPORTS.decode)
}

/** Finds one job of an account, or null. */
export async function findExport(reader: DatabaseReader, account: number, exportId: string): Promise<ExportRow | null> {
  const sql = `select ${COLUMNS} from exports x where x.account_id = $1 and x.export_id = $2 and x.state <> 'removed'`
  const row = await reader.one(sql, [account, uuidToBytes(exportId)])
  return row === null ? null : EXPORTS.decode(row)
}

/** Counts the queued and running jobs of an account. */
export async function countUnfinishedExports(reader: DatabaseReader, account: number): Promise<number> {
  const row = await reader.one("select count(*) as n from exports x where x.account_id = $1 and x.state in ('queued', 'running')", [
    account,
  ])
  return Number(row?.['n'] ?? 0)
}

/** Reads one chunk, or null if it was removed. */
export async function readExportChunk(reader: DatabaseReader, { account, exportId }: ExportRef, n: number): Promise<Uint8Array | null> {
  const sql = `select ${EXPORT_CHUNKS.columns('c')} from export_chunks c where c.account_id = $1 and c.export_id = $2 and c.n = $3`
  const row = await reader.one(sql, [account, uuidToBytes(exportId), n])
  return row === null ? null : EXPORT_CHUNKS.decode(row).body
}

type ExportRef = Pick<ExportRow, 'account' | 'exportId'>

type ExportClaim = {
  readonly now: number
  readonly leaseUntil: number
  readonly lease: string
  /** Most jobs of one account that run at the same time, over all nodes. */
  readonly perAccount: number
}

/** When a job of the account last started or was put back: accounts take turns, whatever the number of their jobs. */
const ACCOUNT_SERVED_AT = `(select max(case when r.state = 'queued' and r.lease_until > coalesce(r.started_at, 0) then r.lease_until
  else coalesce(r.started_at, 0) end) from exports r where r.account_id = exports.account_id)`

/** Whether a job of another account could start now. */
export async function isOtherExportWaiting(db: DatabaseReader, account: number, now: number): Promise<boolean> {
  const sql = "select 1 as one from exports where state = 'queued' and account_id <> $1 and lease_until <= $2 limit 1"
  return (await db.one(sql, [account, now])) !== null
}

/** Claims the oldest job that is queued or whose lease has expired, or null. Run it under a lock, or an account may exceed its limit. */
export async function claimExportForOperator(db: Database, { now, leaseUntil, lease, perAccount }: ExportClaim): Promise<ExportRow | null> {
  const [row] = await db.claim({
    table: EXPORTS.table,
    where: `state in ('queued', 'running') and lease_until <= $1 and (select count(*) from exports r
      where r.account_id = exports.account_id and r.state = 'running' and r.lease_until > $1) < $4`,
    order: `${ACCOUNT_SERVED_AT}, created_at, export_id`,
    set: "state = 'running', lease = $3, lease_until = $2, attempts = attempts + 1, started_at = coalesce(started_at, $1), error = null",
    params: [now, leaseUntil, lease, perAccount],
    limit: 1,
  })
  return row === undefined ? null : EXPORTS.decode(row)
}

/** What a node has written since its last progress. */
type ExportProgress = Pick<ExportRow, 'cursor' | 'rows' | 'bytes' | 'leaseUntil'> & { readonly chunk: Uint8Array | null }

/**
 * Saves a chunk and the progress of a job, under its lease. Returns false if another node has the job or it was removed; nothing is saved
 * then.
 */
export async function saveExportProgress(db: Database, job: ExportRow, progress: ExportProgress): Promise<boolean> {
  const { cursor, rows, bytes: size, leaseUntil, chunk } = progress
  const changed = await db.run(
    `update exports set last_key = $1, rows_done = $2, bytes_done = $3, chunks = chunks + $4, attempts = 0, lease_until = $5
     where account_id = $6 and export_id = $7 and state = 'running' and lease = $8`,
    [
      cursor === null ? null : JSON.stringify(cursor),
      rows,
      size,
      chunk === null ? 0 : 1,
      leaseUntil,
      job.account,
      uuidToBytes(job.exportId),
      job.lease,
    ],
  )
  if (changed === 0) return false
  const { account, exportId, chunks: n } = job
  if (chunk !== null) await db.insertMany(EXPORT_CHUNKS, [{ account, exportId, n, body: chunk }])
  return true
}

/** What a transition writes besides the state. */
export type ExportChange = {
  readonly at: number
  readonly expiresAt?: number | null
  readonly error?: string | null
  readonly lease?: string
  readonly claimableAt?: number
}

/** Moves one job by a signal. Returns false if the signal has no effect in its state, or another node holds the lease. */
export async function transitionExport(
  db: Database,
  { account, exportId }: ExportRef,
  signal: ExportSignal,
  change: ExportChange,
): Promise<boolean> {
  const { sql, params } = buildTransitionSql(signal, change)
  const leaseCondition = change.lease === undefined ? '' : `and lease = $${params.length + 3}`
  const key: readonly SqlValue[] = [account, uuidToBytes(exportId), ...(change.lease === undefined ? [] : [change.lease])]
  return (
    (await db.run(`${sql} and account_id = $${params.length + 1} and export_id = $${params.length + 2} ${leaseCondition}`, [
      ...params,
      ...key,
    ])) > 0
  )
}

/** Expires every export of an account that may hold what was erased. A queued export without a chunk holds nothing. */
export async function expireErasedExports(db: Database, account: number, change: ExportChange): Promise<number> {
  const { sql, params } = buildTransitionSql('erased', change)
  return db.run(`${sql} and (state <> 'queued' or chunks > 0) and account_id = $${params.length + 1}`, [...params, account])
}

/** Expires the files whose time is over. */
export async function expireOldExportsForOperator(db: Database, now: number): Promise<number> {
  const { sql, params } = buildTransitionSql('aged', { at: now })
  return db.run(`${sql} and expires_at <= $${params.length + 1}`, [...params, now])
}

function buildTransitionSql(
  signal: ExportSignal,
  { expiresAt = null, error = null, claimableAt = 0, at }: ExportChange,
): { sql: string; params: readonly SqlValue[] } {
  const { from, to } = transitionsFor(signal)
  // A job that is queued again has not ended. A job that has ended keeps its time.
  const ended = to === 'queued' ? 'cast(null as bigint)' : 'ended_at'
  const sql = `update exports set state = '${to}', ended_at = coalesce(${ended}, $1), expires_at = coalesce($2, expires_at),
    error = coalesce($3, error), lease = '', lease_until = $4${signal === 'retried' ? ', attempts = 0' : ''}
    where state in (${from.map((state) => `'${state}'`).join(', ')})`
  return { sql, params: [to === 'queued' ? null : at, expiresAt, error, claimableAt] }
}

/**
 * Removes at most `limit` chunks of expired and deleted exports, then deleted jobs and jobs that ended before `before`. Returns how many
 * chunks were removed.
 */
export async function removeExpiredExportsForOperator(db: Database, before: number, limit: number): Promise<number> {
  const removed = await db.run(
    `delete from export_chunks where (account_id, export_id, n) in (select c.account_id, c.export_id, c.n from exports x
     cross join export_chunks c where c.account_id = x.account_id and c.export_id = x.export_id
     and x.state in ('expired', 'removed') and x.chunks > 0 limit $1)`,
    [limit],
  )
  if (removed === limit) return removed
  await db.run("update exports set chunks = 0 where state in ('expired', 'removed') and chunks > 0")
  await db.run("delete from exports where chunks = 0 and (state = 'removed' or (state = 'expired' and ended_at < $1))", [before])
  return removed
}
