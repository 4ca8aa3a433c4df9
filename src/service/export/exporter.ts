/**
 * exporter - writes export files in the background, one page at a time
 *
 * A tick claims jobs while slots are free. Each page is read on the engine's reader for long scans, in small steps that are formatted as they
 * arrive, stored as one chunk, and committed together with the cursor and the renewed lease. So memory is bounded by one page of text and one
 * step of rows, whatever the size of the file, and the writer is never blocked. A job
 * that a crash or a shutdown interrupts, or that makes room for another account's, continues after its last chunk, here or on another node. A job that the store cannot serve at present
 * is retried. A job that fails otherwise becomes `failed` with a reason, and can be retried by its account.
 *
 * See also: service/export/exports (the API), store/exports, service/export/export-kinds.
 */
import { randomUUID } from 'node:crypto'
import { Fault, isRetryable } from '../../errors.ts'
import {
  expireOldExportsForOperator,
  claimExportForOperator,
  isOtherExportWaiting,
  saveExportProgress,
  transitionExport,
  removeExpiredExportsForOperator,
  type ExportChange,
  type ExportRow,
} from '../../store/exports.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import type { ExportSignal } from '../../store/export-states.ts'
import { createChunkWriter, fileHead, fileLines } from './export-file.ts'
import { EXPORT_KINDS, type ExportStep } from './export-kinds.ts'
import type { Context } from '../context.ts'

type ExporterRules = {
  /** Days to keep a file. */
  readonly keepDays: number
  /** Jobs of one account that may run at the same time. */
  readonly perAccount: number
  /** Jobs that this node runs at the same time. */
  readonly atOnce: number
  /** The pages after which a job goes back to the queue if another account waits. */
  readonly pagesPerSlice?: number
}

export type Exporter = {
  /** Starts queued jobs and removes expired files. Never throws. */
  readonly tick: () => Promise<void>
  /** Resolves when this node runs no job. */
  readonly waitUntilIdle: () => Promise<void>
  /** Stops each job after its current page and releases it for another node. Idempotent. */
  readonly close: () => Promise<void>
}

const DAY_MS = 86_400_000
/** Rows after which a page ends: its transaction costs little for each of them. */
const PAGE_ROWS = 1_000
/** Bytes after which a page ends: rows with long subjects and send logs fill it earlier. */
const PAGE_BYTES = 2_097_152
/** Rows of one step. They live as objects until they are formatted, so that few of them outlive the young generation, and other work waits for a few milliseconds at most. */
const STEP_ROWS = 250
/** Rows that a step reads after one that found few: with a filter that matches few rows, the number of steps counts. */
const SPARSE_STEP_ROWS = 1_000
/** A second or so. */
const PAGES_PER_SLICE = 20
/** Scan steps in a page: with a filter that matches few rows, the lease must still be renewed in time. */
const MAX_STEPS_PER_PAGE = 20
/** A page takes milliseconds. A node that does not renew its lease for this long is considered dead. */
const LEASE_MS = 60_000
/** The delay before a job is claimed again after the store was unavailable. */
const RETRY_DELAY_MS = 5_000
/** A job fails after this many starts without a completed page. */
const MAX_ATTEMPTS = 5
/** Chunks that one transaction removes: a few megabytes. */
const PURGE_CHUNKS = 50
/** The longest time before a queued job starts. A tick with nothing to do costs one indexed read. */
const TICK_INTERVAL_MS = 1_000

type ExporterInternals = {
  readonly context: Context
  readonly rules: ExporterRules
  readonly lease: string
  readonly state: { isClosing: boolean }
}

/** Creates the exporter. It does nothing until `tick` is called. */
export function createExporter(context: Context, rules: ExporterRules): Exporter {
  const internals: ExporterInternals = { context, rules, lease: randomUUID(), state: { isClosing: false } }
  const jobs = new Set<Promise<void>>()
  // One tick at a time: two could claim more jobs than may run.
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
      context.telemetry.log.error({ err: error }, 'export jobs could not be claimed; they will be claimed later')
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

/** Calls `tick` at intervals. The returned function stops that, and then closes the exporter. */
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
  // Check without a lock first: usually there is no job.
  const waiting = await context.engine.read.one("select 1 as one from exports where state in ('queued', 'running') limit 1")
  if (waiting === null) return null
  const claim = { now, leaseUntil: now + LEASE_MS, lease, perAccount: rules.perAccount }
  return context.engine.tx((db) => claimExportForOperator(db, claim), { lockName: 'exports' })
}

/** Removes expired files, a few chunks a transaction. The rows of the jobs stay for the same time again, so that people can inspect them. */
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

/** Removes the chunks of expired files, a few a transaction, and jobs that ended before a moment (epoch ms). Idempotent. */
export async function purgeExports({ engine }: Context, before: number, shouldStop: () => boolean = () => false): Promise<void> {
  for (let removed = PURGE_CHUNKS; removed === PURGE_CHUNKS && !shouldStop();)
    removed = await engine.tx((db) => removeExpiredExportsForOperator(db, before, PURGE_CHUNKS), { lockName: 'exports' })
}

async function runJob(internals: ExporterInternals, job: ExportRow): Promise<void> {
  const { context } = internals
  const { account, exportId } = job
  context.telemetry.log.info({ account, exportId, kind: job.kind, rows: job.rows }, 'export started')
  try {
    if (job.attempts > MAX_ATTEMPTS) throw new Fault('internal', `the export was started ${MAX_ATTEMPTS} times without completing a page`)
    const end = await writeFile(internals, job)
    const at = context.now()
    if (end === 'stopped') await signalJob(internals, job, 'released', { at })
    if (end === 'yielded') await signalJob(internals, job, 'released', { at, claimableAt: at })
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
  context.telemetry.log.error({ account, exportId, err: error }, 'export failed')
  const message = error instanceof Fault ? error.message : `internal error; the log describes it under ${exportId}`
  const at = context.now()
  const failure: ExportChange = { at, error: message.slice(0, 500), expiresAt: at + rules.keepDays * DAY_MS }
  try {
    if (isRetryable(error)) await signalJob(internals, job, 'released', { at, claimableAt: at + RETRY_DELAY_MS })
    else await signalJob(internals, job, 'failed', failure)
  } catch (cause) {
    // The lease expires, and the job is claimed again.
    context.telemetry.log.error({ account, exportId, err: cause }, 'export job could not be released')
  }
}

type WriteEnd = 'done' | 'stopped' | 'lost' | 'yielded'

/** Writes page after page. `lost`: another node has claimed the job, or it was removed. `yielded`: a job of another account waits. */
async function writeFile(internals: ExporterInternals, first: ExportRow): Promise<WriteEnd> {
  let job: ExportRow | null = first
  let pages = 0
  for (let isLast = false; !isLast;) {
    if (internals.state.isClosing) return 'stopped'
    const page: ExportPage = await readExportPage(internals, job)
    isLast = page.next === null
    job = await saveExportPage(internals, job, page)
    if (job === null) return 'lost'
    pages += 1
    if (!isLast && pages % (internals.rules.pagesPerSlice ?? PAGES_PER_SLICE) === 0 && (await isOtherAccountWaiting(internals, job)))
      return 'yielded'
  }
  return 'done'
}

const isOtherAccountWaiting = ({ context }: ExporterInternals, { account }: ExportRow): Promise<boolean> =>
  isOtherExportWaiting(context.engine.read, account, context.now())

/** `chunk` is one gzip member, or null if there is no text. */
type ExportPage = {
  readonly rows: number
  readonly textBytes: number
  readonly chunk: Buffer | null
  readonly next: ExportStep['next']
}

/** Reads, formats and compresses rows step by step until a page is full, the rows end, or the number of steps is reached. */
async function readExportPage({ context }: ExporterInternals, job: ExportRow): Promise<ExportPage> {
  const { account, kind, filters, from, to, cursor } = job
  const reader = chooseReader(context, job)
  const writer = createChunkWriter()
  if (job.chunks === 0) await writer.write(fileHead(job))
  let [after, rows, maxRows] = [cursor, 0, STEP_ROWS]
  for (let steps = 0; steps < MAX_STEPS_PER_PAGE && rows < PAGE_ROWS && writer.textBytes() < PAGE_BYTES; steps++) {
    const stride = { from, to, after, maxRows }
    const step: ExportStep = await EXPORT_KINDS[kind].readStep(reader, { account, filters, now: context.now(), stride })
    await writer.write(await fileLines(job, step.rows))
    rows += step.rows.length
    after = step.next
    if (after === null) break
    maxRows = step.rows.length * 2 < maxRows ? SPARSE_STEP_ROWS : STEP_ROWS
  }
  const chunk = await writer.end()
  // An empty file still needs one member.
  const isEmpty = writer.textBytes() === 0 && job.chunks > 0
  return { rows, textBytes: writer.textBytes(), chunk: isEmpty ? null : chunk, next: after }
}

/** The reader for long scans, of a replica if one may be read. */
function chooseReader({ engine: { bulkRead, replica }, now }: Context, { startedAt }: ExportRow): DatabaseReader {
  // An erasure expires the exports that run. One that has begun since must not find the address on a replica that is behind.
  const isSafe = startedAt !== null && now() - startedAt > replica.maxLagMillis
  return replica.maxLagMillis > 0 && isSafe ? replica.bulkRead : bulkRead
}

/** Stores one chunk in one transaction, which also ends the job after its last page. Resolves to null if the lease was lost. */
async function saveExportPage(
  { context, rules }: ExporterInternals,
  job: ExportRow,
  { rows, textBytes, chunk, next }: ExportPage,
): Promise<ExportRow | null> {
  const size = job.gzip ? (chunk?.byteLength ?? 0) : textBytes
  const now = context.now()
  const progress = { cursor: next, rows: job.rows + rows, bytes: job.bytes + size, leaseUntil: now + LEASE_MS }
  const ending = { at: now, expiresAt: now + rules.keepDays * DAY_MS, lease: job.lease }
  const isHeld = await context.engine.tx(
    async (db) => {
      const isSaved = await saveExportProgress(db, job, { ...progress, chunk })
      return isSaved && next === null ? transitionExport(db, job, 'ended', ending) : isSaved
    },
    { visibility: 'latest' },
  )
  if (!isHeld) return null
  context.telemetry.count('bounced_export_rows_total', {}, rows)
  return { ...job, ...progress, chunks: job.chunks + (chunk === null ? 0 : 1), attempts: 0 }
}
