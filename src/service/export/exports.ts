/**
 * exports - export jobs as an account sees them: request, list, download, retry, delete
 *
 * See also: service/export/exporter (writes the files), http/api/exports, docs/EXPORTS.md.
 */
import { Fault } from '../../errors.ts'
import {
  countUnfinishedExports,
  EXPORTS,
  findExport,
  listExports,
  readExportChunk,
  transitionExport,
  type ExportFilters,
  type ExportRow,
} from '../../store/exports.ts'
import { decompressChunk } from './export-file.ts'
import { EXPORT_KINDS, type ExportKindSpec } from './export-kinds.ts'
import type { Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { requireDiskSpace } from '../disk-space.ts'

export type ExportRequest = Pick<ExportRow, 'kind' | 'format' | 'gzip' | 'bom' | 'from' | 'to' | 'filters'>

type ExportLimits = {
  /** The longest period of one export, in days. */
  readonly days: number
  /** The most unfinished jobs of one account. */
  readonly waiting: number
}

/** The file of a job as a stream of chunks. Faults while it is read: not_found (the file was deleted in the meantime). */
type ExportContent = { readonly job: ExportRow; readonly chunks: AsyncIterable<Uint8Array> }

export type ExportService = {
  /** Queues a job. Faults: bad_request (period, filters), rate_limited (setting exports.waiting). */
  readonly request: (caller: Caller, request: ExportRequest) => Promise<ExportRow>
  readonly list: (account: number, page: { readonly after: string | null; readonly limit: number }) => Promise<readonly ExportRow[]>
  readonly find: (account: number, exportId: string) => Promise<ExportRow | null>
  /** Faults: not_found, conflict (not done yet, or failed). */
  readonly content: (account: number, exportId: string) => Promise<ExportContent>
  /** Queues a failed job again; it continues after its last page. Faults: not_found, conflict (not failed). */
  readonly retry: (account: number, exportId: string) => Promise<ExportRow>
  /** Resolves to false if there is no such job. */
  readonly remove: (account: number, exportId: string) => Promise<boolean>
}

const DAY_MS = 86_400_000

/** `onQueued` is called after a job was queued, to wake the exporter. */
export function createExportService(context: Context, limits: ExportLimits, onQueued: () => void): ExportService {
  const { engine } = context
  const findOrFail = async (account: number, exportId: string): Promise<ExportRow> => {
    const job = await findExport(engine.read, account, exportId)
    if (job === null) throw new Fault('not_found', 'there is no such export')
    return job
  }
  return {
    request: async (caller, request) => {
      requireDiskSpace(context)
      const job = await queueJob(context, limits, newJob(context, caller, request))
      onQueued()
      return job
    },
    list: (account, page) => listExports(engine.read, account, page),
    find: (account, exportId) => findExport(engine.read, account, exportId),
    content: async (account, exportId) => {
      const job = await findOrFail(account, exportId)
      if (job.state === 'expired') throw new Fault('not_found', `the file is no longer stored: ${job.error ?? 'exports.keepDays'}`)
      if (job.state !== 'done') throw new Fault('conflict', `there is no file: the export is ${job.state}`)
      return { job, chunks: fileChunks(context, job) }
    },
    retry: async (account, exportId) => {
      const job = await findOrFail(account, exportId)
      if (!(await engine.tx((db) => transitionExport(db, job, 'retried', { at: context.now() }), { visibility: 'latest' })))
        throw new Fault('conflict', `only a failed export can be retried; this one is ${job.state}`)
      onQueued()
      return findOrFail(account, exportId)
    },
    remove: async (account, exportId) => {
      const job = await findExport(engine.read, account, exportId)
      if (job === null) return false
      return engine.tx((db) => transitionExport(db, job, 'removed', { at: context.now() }), { visibility: 'latest' })
    },
  }
}

async function queueJob({ engine }: Context, limits: ExportLimits, job: ExportRow): Promise<ExportRow> {
  checkRequest(job, limits)
  await engine.tx(async (db) => {
    if ((await countUnfinishedExports(db, job.account)) >= limits.waiting)
      throw new Fault('rate_limited', `${limits.waiting} exports of this account are queued or running (setting exports.waiting)`)
    await db.insertMany(EXPORTS, [job])
  })
  return job
}

/** Faults: bad_request. */
function checkRequest({ kind, from, to, filters }: ExportRequest, { days }: ExportLimits): void {
  if (from >= to) throw new Fault('bad_request', 'since must be before until')
  if (to - from > days * DAY_MS)
    throw new Fault('bad_request', `one export covers at most ${days} days (setting exports.days); request several exports`)
  checkFilters(kind, filters)
}

/** Checks the filters of a kind. Faults: bad_request (a filter is not allowed, or a required one is missing). */
export function checkFilters(kind: ExportRow['kind'], filters: ExportFilters): void {
  const { allowedFilters, requiredFilters }: ExportKindSpec = EXPORT_KINDS[kind]
  const allowed: readonly string[] = allowedFilters
  const [unknownFilter] = Object.keys(filters).filter((name) => !allowed.includes(name))
  if (unknownFilter !== undefined)
    throw new Fault('bad_request', `filters: ${kind} has no filter ${unknownFilter}; it has ${allowed.join(', ')}`)
  const missing = requiredFilters.find((name) => filters[name] === undefined)
  if (missing !== undefined) throw new Fault('bad_request', `filters: ${kind} needs ${missing}`)
}

function newJob({ now, ids }: Context, caller: Caller, request: ExportRequest): ExportRow {
  const at = now()
  return {
    ...request,
    account: caller.account,
    exportId: ids.next(at),
    state: 'queued',
    askedBy: caller.isOperator === true ? `operator for ${caller.apiUser}` : caller.apiUser,
    createdAt: at,
    startedAt: null,
    endedAt: null,
    expiresAt: null,
    rows: 0,
    bytes: 0,
    chunks: 0,
    attempts: 0,
    cursor: null,
    lease: '',
    leaseUntil: 0,
    error: null,
  }
}

async function* fileChunks({ engine }: Context, job: ExportRow): AsyncGenerator<Uint8Array> {
  for (let n = 0; n < job.chunks; n++) {
    const chunk = await readExportChunk(engine.bulkRead, job, n)
    if (chunk === null) throw new Fault('not_found', 'the file was deleted while it was read')
    yield job.gzip ? chunk : await decompressChunk(chunk)
  }
}

/** The share of the period that the job has covered, from 0 to 1. */
export function progressOf({ state, cursor, from, to }: ExportRow): number {
  if (state === 'done' || state === 'expired') return 1
  const at = Number(cursor?.['requestedAt'] ?? cursor?.['from'] ?? from)
  return Math.round(Math.min(1, Math.max(0, (at - from) / (to - from))) * 1_000) / 1_000
}
