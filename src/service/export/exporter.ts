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
  ageExportsForOperator,
  claimExportForOperator,
  saveExportProgress,
  signalExport,
  sweepExportsForOperator,
  type ExportChange,
  type ExportRow,
} from '../../store/exports.ts'
import type { ExportSignal } from '../../store/export-states.ts'
import type { Cell } from './csv.ts'
import { fileHead, fileLines, packChunk } from './export-file.ts'
import { EXPORT_KINDS } from './export-kinds.ts'
import type { ExportStep } from './export-kinds.ts'
import type { Shop } from '../context.ts'

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
  readonly turn: () => Promise<void>
  /** Resolves when no job runs here. */
  readonly idle: () => Promise<void>
  /** Jobs stop behind their page and are given back. Idempotent. */
  readonly close: () => Promise<void>
}

const DAY_MS = 86_400_000
/** Rows of a page: DESIGN, Store. */
const PAGE = 1_000
/** Pages without a row before the cursor is kept all the same: the lease must not run out over a rare filter. */
const EMPTY_PAGES = 20
/** A page takes milliseconds; a node that says nothing for so long is dead. */
const LEASE_MS = 60_000
/** Before a job is taken again that the store could not serve. */
const REST_MS = 5_000
/** Starts that get no page done. */
const MAX_ATTEMPTS = 5
/** Chunks that one transaction removes: a few megabytes. */
const SWEPT = 50
/** An idle table costs one indexed read. */
const EVERY_MS = 1_000

type Running = { readonly shop: Shop; readonly rules: ExporterRules; readonly lease: string; readonly state: { isClosing: boolean } }

/** Makes the exporter; it does nothing until a turn. */
export function createExporter(shop: Shop, rules: ExporterRules): Exporter {
  const running: Running = { shop, rules, lease: randomUUID(), state: { isClosing: false } }
  const jobs = new Set<Promise<void>>()
  // One at a time: two would take more jobs than there is room for.
  let turning: Promise<void> | null = null
  const idle = async (): Promise<void> => {
    await turning
    while (jobs.size > 0) await Promise.all(jobs)
  }
  const look = async (): Promise<void> => {
    try {
      await clear(running)
      while (jobs.size < rules.atOnce && !running.state.isClosing) {
        const job = await take(running)
        if (job === null) return
        const work = runJob(running, job).finally(() => jobs.delete(work))
        jobs.add(work)
      }
    } catch (error) {
      shop.telemetry.log.error({ err: error }, 'exports could not be taken; they are asked for again')
    }
  }
  return {
    turn: () =>
      (turning ??= look().finally(() => {
        turning = null
      })),
    idle,
    close: async () => {
      running.state.isClosing = true
      await idle()
    },
  }
}

/** Turns from now on; the answer ends the turns and then the exporter. */
export function startExporter(exporter: Exporter): () => Promise<void> {
  const timer = setInterval(() => void exporter.turn(), EVERY_MS)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await exporter.close()
  }
}

async function take({ shop, rules, lease }: Running): Promise<ExportRow | null> {
  const now = shop.now()
  // Asked first without a lock: mostly there is nothing.
  const waits = await shop.engine.read.one("select 1 as one from exports where state in ('queued', 'running') limit 1")
  if (waits === null) return null
  const claim = { now, leaseUntil: now + LEASE_MS, lease, perAccount: rules.perAccount }
  return shop.engine.tx((db) => claimExportForOperator(db, claim), { lock: 'exports' })
}

/** Files that are kept no longer go, a few chunks a transaction; rows of jobs stay as long once more, to be looked at. */
async function clear({ shop, rules, state }: Running): Promise<void> {
  const now = shop.now()
  const old = await shop.engine.read.one(
    "select 1 as one from exports where (state in ('done', 'failed') and expires_at <= $1) or state = 'removed' or (state = 'expired' and (chunks > 0 or ended_at < $2)) limit 1",
    [now, now - rules.keepDays * DAY_MS],
  )
  if (old === null) return
  await shop.engine.tx((db) => ageExportsForOperator(db, now), { sees: 'latest' })
  await sweepExports(shop, now - rules.keepDays * DAY_MS, () => state.isClosing)
}

/** Removes the chunks of files that ended, a few a transaction, and jobs that ended before a moment. Idempotent. */
export async function sweepExports({ engine }: Shop, before: number, mustStop: () => boolean = () => false): Promise<void> {
  for (let gone = SWEPT; gone === SWEPT && !mustStop();)
    gone = await engine.tx((db) => sweepExportsForOperator(db, before, SWEPT), { lock: 'exports' })
}

async function runJob(running: Running, job: ExportRow): Promise<void> {
  const { shop } = running
  const { account, exportId } = job
  shop.telemetry.log.info({ account, exportId, kind: job.kind, rows: job.rows }, 'an export begins')
  try {
    if (job.attempts > MAX_ATTEMPTS) throw new Fault('internal', `it was begun ${MAX_ATTEMPTS} times and got no page done`)
    const end = await writeFile(running, job)
    if (end === 'stopped') await settle(running, job, 'dropped', { at: shop.now() })
    if (end === 'done') shop.telemetry.count('bounced_exports_total', { outcome: 'ended' })
  } catch (error) {
    await fail(running, job, error)
  }
}

async function settle({ shop }: Running, job: ExportRow, signal: ExportSignal, change: ExportChange): Promise<void> {
  const moved = await shop.engine.tx((db) => signalExport(db, job, signal, { ...change, lease: job.lease }), { sees: 'latest' })
  if (moved) shop.telemetry.count('bounced_exports_total', { outcome: signal })
}

async function fail(running: Running, job: ExportRow, error: unknown): Promise<void> {
  const { shop, rules } = running
  const { account, exportId } = job
  shop.telemetry.log.error({ account, exportId, err: error }, 'an export did not get done')
  const words = error instanceof Fault ? error.message : `an error of our own; the log has it under ${exportId}`
  const at = shop.now()
  const lasting: ExportChange = { at, error: words.slice(0, 500), expiresAt: at + rules.keepDays * DAY_MS }
  try {
    if (isRetryable(error)) await settle(running, job, 'dropped', { at, restUntil: at + REST_MS })
    else await settle(running, job, 'broken', lasting)
  } catch (cause) {
    // Its lease runs out, and it is taken again.
    shop.telemetry.log.error({ account, exportId, err: cause }, 'an export could not be given back')
  }
}

type End = 'done' | 'stopped' | 'lost'

/** Page after page. `lost`: somebody else has the job, or it is gone. */
async function writeFile(running: Running, first: ExportRow): Promise<End> {
  let job: ExportRow | null = first
  for (let isLast = false; !isLast;) {
    if (running.state.isClosing) return 'stopped'
    const page: Page = await readPage(running, job)
    isLast = page.next === null
    job = await keepPage(running, job, page)
    if (job === null) return 'lost'
  }
  return 'done'
}

type Page = { readonly rows: readonly (readonly Cell[])[]; readonly next: ExportStep['next'] }

/** Steps until a page is full, the end is there, or enough was looked at. */
async function readPage({ shop }: Running, { account, kind, filters, from, to, cursor }: ExportRow): Promise<Page> {
  const rows: (readonly Cell[])[] = []
  let after = cursor
  for (let steps = 0; steps < EMPTY_PAGES; steps++) {
    const stride = { from, to, after, look: PAGE }
    const step: ExportStep = await EXPORT_KINDS[kind].step(shop.engine.bulk, { account, filters, now: shop.now(), stride })
    rows.push(...step.rows)
    after = step.next
    if (after === null || rows.length >= PAGE) break
  }
  return { rows, next: after }
}

/** One chunk and one transaction, which also ends a job that has no more; null: the job is not ours any more. */
async function keepPage({ shop, rules }: Running, job: ExportRow, { rows, next }: Page): Promise<ExportRow | null> {
  const head = job.chunks === 0 ? fileHead(job) : ''
  const text = head + (await fileLines(job, rows))
  // A gzip file of nothing has a member too.
  const chunk = text === '' && job.chunks > 0 ? null : await packChunk(text)
  const size = job.gzip ? (chunk?.byteLength ?? 0) : Buffer.byteLength(text)
  const now = shop.now()
  const done = { cursor: next, rows: job.rows + rows.length, bytes: job.bytes + size, leaseUntil: now + LEASE_MS }
  const ending = { at: now, expiresAt: now + rules.keepDays * DAY_MS, lease: job.lease }
  const isOurs = await shop.engine.tx(
    async (db) => {
      const isKept = await saveExportProgress(db, job, { ...done, chunk })
      return isKept && next === null ? signalExport(db, job, 'ended', ending) : isKept
    },
    { sees: 'latest' },
  )
  if (!isOurs) return null
  shop.telemetry.count('bounced_export_rows_total', {}, rows.length)
  return { ...job, ...done, chunks: job.chunks + (chunk === null ? 0 : 1), attempts: 0 }
}
