/**
 * exports - jobs that an account asks for, looks at, takes the file of, tries again and deletes
 *
 * See also: service/export/exporter (who writes them), http/api/exports, docs/EXPORTS.md.
 */
import { Fault } from '../../errors.ts'
import {
  countOpenExports,
  EXPORTS,
  findExport,
  listExports,
  readExportChunk,
  signalExport,
  type ExportFilters,
  type ExportRow,
} from '../../store/exports.ts'
import { unpackChunk } from './export-file.ts'
import { EXPORT_KINDS } from './export-kinds.ts'
import type { KindRow } from './export-kinds.ts'
import type { Asker } from '../submit/register.ts'
import type { Shop } from '../context.ts'

export type ExportCall = Pick<ExportRow, 'kind' | 'format' | 'gzip' | 'bom' | 'from' | 'to' | 'filters'>

export type ExportLimits = {
  /** Longest time of one file. */
  readonly days: number
  /** Jobs of one account that wait or run. */
  readonly waiting: number
}

/** The file of a job: its bytes as they are handed out, piece by piece. Faults while it is read: not_found, where it was deleted meanwhile. */
export type ExportContent = { readonly job: ExportRow; readonly pieces: AsyncIterable<Uint8Array> }

export type Exports = {
  /** Faults: bad_request (time, filters), rate_limited (exports.waiting). */
  readonly ask: (by: Asker, call: ExportCall) => Promise<ExportRow>
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
export function createExports(shop: Shop, limits: ExportLimits, nudge: () => void): Exports {
  const { engine } = shop
  const need = async (account: number, exportId: string): Promise<ExportRow> => {
    const job = await findExport(engine.read, account, exportId)
    if (job === null) throw new Fault('not_found', 'there is no such export')
    return job
  }
  return {
    ask: async (by, call) => {
      checkCall(call, limits)
      const job = jobOf(shop, by, call)
      await engine.tx(async (db) => {
        if ((await countOpenExports(db, by.account)) >= limits.waiting)
          throw new Fault('rate_limited', `${limits.waiting} exports of this account wait or run already (exports.waiting)`)
        await db.insertMany(EXPORTS, [job])
      })
      nudge()
      return job
    },
    list: (account, page) => listExports(engine.read, account, page),
    find: (account, exportId) => findExport(engine.read, account, exportId),
    content: async (account, exportId) => {
      const job = await need(account, exportId)
      if (job.state === 'expired') throw new Fault('not_found', `the file is no longer kept: ${job.error ?? 'exports.keepDays'}`)
      if (job.state !== 'done') throw new Fault('conflict', `the file is not there: the export is ${job.state}`)
      return { job, pieces: piecesOf(shop, job) }
    },
    retry: async (account, exportId) => {
      const job = await need(account, exportId)
      if (!(await engine.tx((db) => signalExport(db, job, 'retried', { at: shop.now() }), { sees: 'latest' })))
        throw new Fault('conflict', `only a failed export can be tried again; this one is ${job.state}`)
      nudge()
      return need(account, exportId)
    },
    remove: async (account, exportId) => {
      const job = await findExport(engine.read, account, exportId)
      if (job === null) return false
      return engine.tx((db) => signalExport(db, job, 'removed', { at: shop.now() }), { sees: 'latest' })
    },
  }
}

/** Faults: bad_request. */
function checkCall({ kind, from, to, filters }: ExportCall, { days }: ExportLimits): void {
  if (from >= to) throw new Fault('bad_request', 'since must lie before until')
  if (to - from > days * DAY_MS) throw new Fault('bad_request', `one export spans at most ${days} days (exports.days); ask for several`)
  checkFilters(kind, filters)
}

/** Whether a kind knows these filters, and has those that it needs. Faults: bad_request. */
export function checkFilters(kind: ExportRow['kind'], filters: ExportFilters): void {
  const { takes, needs }: KindRow = EXPORT_KINDS[kind]
  const known: readonly string[] = takes
  const [strange] = Object.keys(filters).filter((name) => !known.includes(name))
  if (strange !== undefined) throw new Fault('bad_request', `filters: ${kind} knows no ${strange}; it takes ${known.join(', ')}`)
  const missing = needs.find((name) => filters[name] === undefined)
  if (missing !== undefined) throw new Fault('bad_request', `filters: ${kind} needs ${missing}`)
}

function jobOf({ now, ids }: Shop, by: Asker, call: ExportCall): ExportRow {
  const at = now()
  return {
    ...call,
    account: by.account,
    exportId: ids.next(at),
    state: 'queued',
    askedBy: by.byOperator === true ? `operator for ${by.apiUser}` : by.apiUser,
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

async function* piecesOf({ engine }: Shop, job: ExportRow): AsyncGenerator<Uint8Array> {
  for (let n = 0; n < job.chunks; n++) {
    const chunk = await readExportChunk(engine.bulk, job, n)
    if (chunk === null) throw new Fault('not_found', 'the file was deleted meanwhile')
    yield job.gzip ? chunk : await unpackChunk(chunk)
  }
}

/** How much of the time is behind it, from 0 to 1. */
export function progressOf({ state, cursor, from, to }: ExportRow): number {
  if (state === 'done' || state === 'expired') return 1
  const at = Number(cursor?.['requestedAt'] ?? cursor?.['from'] ?? from)
  return Math.round(Math.min(1, Math.max(0, (at - from) / (to - from))) * 1_000) / 1_000
}
