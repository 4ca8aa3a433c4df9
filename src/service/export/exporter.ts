/**
 * exporter - writes the files that accounts have asked for, a page at a time
 *
 * A turn takes jobs while there is room; each page is read by itself on the engine's second reader, written as one chunk, and kept in a
 * short transaction that also moves the job's cursor and prolongs its lease. So memory is that of a page however long the file gets, the
 * writer is never held, and what a crash or a stop cuts off goes on behind its last chunk, here or on another node. What the store cannot do now
 * comes again; what fails otherwise is `failed` with its reason, and can be asked to go on.
 *
 * See also: service/export/exports (who asks), store/exports, service/export/export-kinds.
 */
import { randomUUID } from 'node:crypto'
import { Fault, isRetryable } from '../../errors.ts'
import {
  expireOldExportsForOperator,
  claimExportForOperator,
  saveExportProgress,
  transitionExport,
  removeExpiredExportsForOperator,
  type ExportChange,
  type ExportRow,
} from '../../store/exports.ts'
import type { ExportSignal } from '../../store/export-states.ts'
import type { Cell } from './csv.ts'
import { fileHead, fileLines, compressChunk } from './export-file.ts'
import { EXPORT_KINDS } from './export-kinds.ts'
import type { ExportStep } from './export-kinds.ts'
import type { Context } from '../context.ts'

export type ExporterRules = {
  /** Days that a file is kept. */
  readonly keepDays: number
  /** Jobs of one account that run at once. */
  readonly perAccount: number
  /** Jobs that this node runs at once. */
  readonly atOnce: number
}

export type Exporter = {
  /** Takes what waits and clears what is kept no longer. Never throws. */
  readonly tick: () => Promise<void>
  /** Resolves when no job runs here. */
  readonly waitUntilIdle: () => Promise<void>
  /** Jobs stop behind their page and are given back. Idempotent. */
  readonly close: () => Promise<void>
}

const DAY_MS = 86_400_000
/** Rows of a page: DESIGN, Store. */
const PAGE_ROWS = 1_000
/** Pages without a row before the cursor is kept all the same: the lease must not run out over a rare filter. */
const MAX_EMPTY_PAGES = 20
/** A page takes milliseconds; a node that says nothing for so long is dead. */
const LEASE_MS = 60_000
/** Before a job is taken again that the store could not serve. */
const RETRY_DELAY_MS = 5_000
/** Starts that get no page done. */
const MAX_ATTEMPTS = 5
/** Chunks that one transaction removes: a few megabytes. */
const PURGE_CHUNKS = 50
/** An idle table costs one indexed read. */
const TICK_INTERVAL_MS = 1_000

type ExporterInternals = {
  readonly context: Context
  readonly rules: ExporterRules
  readonly lease: string
  readonly state: { isClosing: boolean }
}

/** Makes the exporter; it does nothing until a turn. */
export function createExporter(context: Context, rules: ExporterRules): Exporter {
  const internals: ExporterInternals = { context, rules, lease: randomUUID(), state: { isClosing: false } }
  const jobs = new Set<Promise<void>>()
  // One at a time: two would take more jobs than there is room for.
  let currentTick: Promise<void> | null = null
  const waitUntilIdle = async (): Promise<void> => {
    await currentTick
    while (jobs.size > 0) await Promise.all(jobs)
  }
  const claimJobs = async (): Promise<void> => {
    try {
      await expireFiles(internals)
      while (jobs.size < rules.atOnce && !internals.state.isClosing) {
        const job = await claimJob(internals)
        if (job === null) return
        const work = runJob(internals, job).finally(() => jobs.delete(work))
        jobs.add(work)
      }
    } catch (error) {
      context.telemetry.log.error({ err: error }, 'exports could not be taken; they are asked for again')
    }
  }
  return {
    tick: () =>
      (currentTick ??= claimJobs().finally(() => {
        currentTick = null
      })),
    waitUntilIdle,
    close: async () => {
      internals.state.isClosing = true
      await waitUntilIdle()
    },
  }
}

/** Turns from now on; the answer ends the turns and then the exporter. */
export function startExporter(exporter: Exporter): () => Promise<void> {
  const timer = setInterval(() => void exporter.tick(), TICK_INTERVAL_MS)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await exporter.close()
  }
}

async function claimJob({ context, rules, lease }: ExporterInternals): Promise<ExportRow | null> {
  const now = context.now()
  // Asked first without a lock: mostly there is nothing.
  const waiting = await context.engine.read.one("select 1 as one from exports where state in ('queued', 'running') limit 1")
  if (waiting === null) return null
  const claim = { now, leaseUntil: now + LEASE_MS, lease, perAccount: rules.perAccount }
  return context.engine.tx((db) => claimExportForOperator(db, claim), { lockName: 'exports' })
}

/** Files that are kept no longer go, a few chunks a transaction; rows of jobs stay as long once more, to be looked at. */
async function expireFiles({ context, rules, state }: ExporterInternals): Promise<void> {
  const now = context.now()
  const expired = await context.engine.read.one(
    "select 1 as one from exports where (state in ('done', 'failed') and expires_at <= $1) or state = 'removed' or (state = 'expired' and (chunks > 0 or ended_at < $2)) limit 1",
    [now, now - rules.keepDays * DAY_MS],
  )
  if (expired === null) return
  await context.engine.tx((db) => expireOldExportsForOperator(db, now), { visibility: 'latest' })
  await purgeExports(context, now - rules.keepDays * DAY_MS, () => state.isClosing)
}

/** Removes the chunks of files that ended, a few a transaction, and jobs that ended before a moment. Idempotent. */
export async function purgeExports({ engine }: Context, before: number, shouldStop: () => boolean = () => false): Promise<void> {
  for (let gone = PURGE_CHUNKS; gone === PURGE_CHUNKS && !shouldStop();)
    gone = await engine.tx((db) => removeExpiredExportsForOperator(db, before, PURGE_CHUNKS), { lockName: 'exports' })
}

async function runJob(internals: ExporterInternals, job: ExportRow): Promise<void> {
  const { context } = internals
  const { account, exportId } = job
  context.telemetry.log.info({ account, exportId, kind: job.kind, rows: job.rows }, 'an export begins')
  try {
    if (job.attempts > MAX_ATTEMPTS) throw new Fault('internal', `it was begun ${MAX_ATTEMPTS} times and got no page done`)
    const end = await writeFile(internals, job)
    if (end === 'stopped') await signalJob(internals, job, 'dropped', { at: context.now() })
    if (end === 'done') context.telemetry.count('bounced_exports_total', { outcome: 'ended' })
  } catch (error) {
    await failJob(internals, job, error)
  }
}

async function signalJob({ context }: ExporterInternals, job: ExportRow, signal: ExportSignal, change: ExportChange): Promise<void> {
  const moved = await context.engine.tx((db) => transitionExport(db, job, signal, { ...change, lease: job.lease }), {
    visibility: 'latest',
  })
  if (moved) context.telemetry.count('bounced_exports_total', { outcome: signal })
}

async function failJob(internals: ExporterInternals, job: ExportRow, error: unknown): Promise<void> {
  const { context, rules } = internals
  const { account, exportId } = job
  context.telemetry.log.error({ account, exportId, err: error }, 'an export did not get done')
  const message = error instanceof Fault ? error.message : `an error of our own; the log has it under ${exportId}`
  const at = context.now()
  const failure: ExportChange = { at, error: message.slice(0, 500), expiresAt: at + rules.keepDays * DAY_MS }
  try {
    if (isRetryable(error)) await signalJob(internals, job, 'dropped', { at, claimableAt: at + RETRY_DELAY_MS })
    else await signalJob(internals, job, 'broken', failure)
  } catch (cause) {
    // Its lease runs out, and it is taken again.
    context.telemetry.log.error({ account, exportId, err: cause }, 'an export could not be given back')
  }
}

type WriteEnd = 'done' | 'stopped' | 'lost'

/** Page after page. `lost`: somebody else has the job, or it is gone. */
async function writeFile(internals: ExporterInternals, first: ExportRow): Promise<WriteEnd> {
  let job: ExportRow | null = first
  for (let isLast = false; !isLast;) {
    if (internals.state.isClosing) return 'stopped'
    const page: ExportPage = await readExportPage(internals, job)
    isLast = page.next === null
    job = await saveExportPage(internals, job, page)
    if (job === null) return 'lost'
  }
  return 'done'
}

type ExportPage = { readonly rows: readonly (readonly Cell[])[]; readonly next: ExportStep['next'] }

/** Steps until a page is full, the end is there, or enough was looked at. */
async function readExportPage(
  { context }: ExporterInternals,
  { account, kind, filters, from, to, cursor }: ExportRow,
): Promise<ExportPage> {
  const rows: (readonly Cell[])[] = []
  let after = cursor
  for (let steps = 0; steps < MAX_EMPTY_PAGES; steps++) {
    const stride = { from, to, after, look: PAGE_ROWS }
    const step: ExportStep = await EXPORT_KINDS[kind].step(context.engine.bulkRead, { account, filters, now: context.now(), stride })
    rows.push(...step.rows)
    after = step.next
    if (after === null || rows.length >= PAGE_ROWS) break
  }
  return { rows, next: after }
}

/** One chunk and one transaction, which also ends a job that has no more; null: the job is not ours any more. */
async function saveExportPage(
  { context, rules }: ExporterInternals,
  job: ExportRow,
  { rows, next }: ExportPage,
): Promise<ExportRow | null> {
  const head = job.chunks === 0 ? fileHead(job) : ''
  const text = head + (await fileLines(job, rows))
  // A gzip file of nothing has a member too.
  const chunk = text === '' && job.chunks > 0 ? null : await compressChunk(text)
  const size = job.gzip ? (chunk?.byteLength ?? 0) : Buffer.byteLength(text)
  const now = context.now()
  const done = { cursor: next, rows: job.rows + rows.length, bytes: job.bytes + size, leaseUntil: now + LEASE_MS }
  const ending = { at: now, expiresAt: now + rules.keepDays * DAY_MS, lease: job.lease }
  const isOurs = await context.engine.tx(
    async (db) => {
      const isKept = await saveExportProgress(db, job, { ...done, chunk })
      return isKept && next === null ? transitionExport(db, job, 'ended', ending) : isKept
    },
    { visibility: 'latest' },
  )
  if (!isOurs) return null
  context.telemetry.count('bounced_export_rows_total', {}, rows.length)
  return { ...job, ...done, chunks: job.chunks + (chunk === null ? 0 : 1), attempts: 0 }
}
