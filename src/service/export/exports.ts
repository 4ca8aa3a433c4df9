/**
 * exports - jobs that an account asks for, looks at, takes the file of, tries again and deletes
 *
 * See also: service/export/exporter (who writes them), http/api/exports, docs/EXPORTS.md.
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
import { EXPORT_KINDS } from './export-kinds.ts'
import type { ExportKindSpec } from './export-kinds.ts'
import type { Caller } from '../caller.ts'
import type { Context } from '../context.ts'

export type ExportRequest = Pick<ExportRow, 'kind' | 'format' | 'gzip' | 'bom' | 'from' | 'to' | 'filters'>

export type ExportLimits = {
  /** Longest time of one file. */
  readonly days: number
  /** Jobs of one account that wait or run. */
  readonly waiting: number
}

/** The file of a job: its bytes as they are handed out, piece by piece. Faults while it is read: not_found, where it was deleted meanwhile. */
export type ExportContent = { readonly job: ExportRow; readonly pieces: AsyncIterable<Uint8Array> }

export type ExportService = {
  /** Faults: bad_request (time, filters), rate_limited (exports.waiting). */
  readonly request: (by: Caller, call: ExportRequest) => Promise<ExportRow>
  readonly list: (account: number, page: { readonly after: string | null; readonly limit: number }) => Promise<readonly ExportRow[]>
  readonly find: (account: number, exportId: string) => Promise<ExportRow | null>
  /** Faults: not_found, conflict (not done yet, or failed). */
  readonly content: (account: number, exportId: string) => Promise<ExportContent>
  /** A failed job goes on behind its last page. Faults: not_found, conflict. */
  readonly retry: (account: number, exportId: string) => Promise<ExportRow>
  /** False: there is none. */
  readonly remove: (account: number, exportId: string) => Promise<boolean>
}

const DAY_MS = 86_400_000

/** `nudge`: a job waits. */
export function createExportService(context: Context, limits: ExportLimits, onQueued: () => void): ExportService {
  const { engine } = context
  const findOrFail = async (account: number, exportId: string): Promise<ExportRow> => {
    const job = await findExport(engine.read, account, exportId)
    if (job === null) throw new Fault('not_found', 'there is no such export')
    return job
  }
  return {
    request: async (by, call) => {
      checkRequest(call, limits)
      const job = newJob(context, by, call)
      await engine.tx(async (db) => {
        if ((await countUnfinishedExports(db, by.account)) >= limits.waiting)
          throw new Fault('rate_limited', `${limits.waiting} exports of this account wait or run already (exports.waiting)`)
        await db.insertMany(EXPORTS, [job])
      })
      onQueued()
      return job
    },
    list: (account, page) => listExports(engine.read, account, page),
    find: (account, exportId) => findExport(engine.read, account, exportId),
    content: async (account, exportId) => {
      const job = await findOrFail(account, exportId)
      if (job.state === 'expired') throw new Fault('not_found', `the file is no longer kept: ${job.error ?? 'exports.keepDays'}`)
      if (job.state !== 'done') throw new Fault('conflict', `the file is not there: the export is ${job.state}`)
      return { job, pieces: fileChunks(context, job) }
    },
    retry: async (account, exportId) => {
      const job = await findOrFail(account, exportId)
      if (!(await engine.tx((db) => transitionExport(db, job, 'retried', { at: context.now() }), { visibility: 'latest' })))
        throw new Fault('conflict', `only a failed export can be tried again; this one is ${job.state}`)
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

/** Faults: bad_request. */
function checkRequest({ kind, from, to, filters }: ExportRequest, { days }: ExportLimits): void {
  if (from >= to) throw new Fault('bad_request', 'since must lie before until')
  if (to - from > days * DAY_MS) throw new Fault('bad_request', `one export spans at most ${days} days (exports.days); ask for several`)
  checkFilters(kind, filters)
}

/** Whether a kind knows these filters, and has those that it needs. Faults: bad_request. */
export function checkFilters(kind: ExportRow['kind'], filters: ExportFilters): void {
  const { takes, needs }: ExportKindSpec = EXPORT_KINDS[kind]
  const known: readonly string[] = takes
  const [unknownFilter] = Object.keys(filters).filter((name) => !known.includes(name))
  if (unknownFilter !== undefined)
    throw new Fault('bad_request', `filters: ${kind} knows no ${unknownFilter}; it takes ${known.join(', ')}`)
  const missing = needs.find((name) => filters[name] === undefined)
  if (missing !== undefined) throw new Fault('bad_request', `filters: ${kind} needs ${missing}`)
}

function newJob({ now, ids }: Context, by: Caller, call: ExportRequest): ExportRow {
  const at = now()
  return {
    ...call,
    account: by.account,
    exportId: ids.next(at),
    state: 'queued',
    askedBy: by.isOperator === true ? `operator for ${by.apiUser}` : by.apiUser,
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
    if (chunk === null) throw new Fault('not_found', 'the file was deleted meanwhile')
    yield job.gzip ? chunk : await decompressChunk(chunk)
  }
}

/** How much of the time is behind it, from 0 to 1. */
export function progressOf({ state, cursor, from, to }: ExportRow): number {
  if (state === 'done' || state === 'expired') return 1
  const at = Number(cursor?.['requestedAt'] ?? cursor?.['from'] ?? from)
  return Math.round(Math.min(1, Math.max(0, (at - from) / (to - from))) * 1_000) / 1_000
}
