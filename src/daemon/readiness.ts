/**
 * readiness - whether the daemon can do its work: it is not shutting down, the store takes a write, and the store's file is still the one that is open
 *
 * A read is no proof: a full or read-only disk still answers reads. A file that was removed or replaced (a restored backup, a wrong rsync) stays open
 * and takes writes that nobody finds again. One check runs at a time, however many ask; who waits for longer than the time limit is told so. With
 * PostgreSQL the write itself ends at the time limit, so that the check after a silence does not wait for the one that the silence has hit.
 *
 * See also: http/server/health (the routes), http/admin, docs/DEBUGGING.md.
 */
import { stat } from 'node:fs/promises'
import type { Engine } from '../store/engine/engine.ts'
import { writeMetadataForOperator } from '../store/engine/metadata.ts'
import type { Telemetry } from '../telemetry.ts'

/** Null: ready. Otherwise the reason why not, for an operator. */
type ReadinessProblem = string | null

export type Readiness = {
  /** Checks now. Total. */
  readonly check: () => Promise<ReadinessProblem>
  /** The result of a check that is at most a second old, so that strangers cannot cause a write with each request. Total. */
  readonly recent: () => Promise<ReadinessProblem>
}

type ReadinessOptions = {
  readonly engine: Pick<Engine, 'tx'>
  /** The file of SQLite; null with PostgreSQL. */
  readonly file: string | null
  readonly isOpen: () => boolean
  readonly telemetry: Pick<Telemetry, 'log'>
  readonly now: () => number
  /** Milliseconds since any moment. */
  readonly elapsed: () => number
  readonly timeoutMs?: number
}

const MAX_AGE_MS = 1_000

/** A commit takes milliseconds. Orchestrators wait for one to five seconds. */
const TIMEOUT_MS = 2_000

/** Creates the check. Call it right after the store is opened: it remembers which file that is. */
export async function createReadiness(options: ReadinessOptions): Promise<Readiness> {
  const { telemetry, elapsed, timeoutMs = TIMEOUT_MS } = options
  const probe = createProbe(options, options.file === null ? [] : await openedFilesOf(options.file))
  let running: Promise<ReadinessProblem> | null = null
  let last: { readonly at: number; readonly problem: ReadinessProblem } | null = null
  const check = async (): Promise<ReadinessProblem> => {
    running ??= probe().finally(() => (running = null))
    const problem = await withinTime(running, timeoutMs)
    if (problem !== (last?.problem ?? null)) {
      if (problem === null) telemetry.log.info('ready again')
      else telemetry.log.error({ problem }, 'not ready')
    }
    last = { at: elapsed(), problem }
    return problem
  }
  return { check, recent: async () => (last !== null && elapsed() - last.at < MAX_AGE_MS ? last.problem : check()) }
}

type OpenedFile = { readonly path: string; readonly identity: string }

/** The database and its log. The log may not exist before the first write. */
async function openedFilesOf(file: string): Promise<OpenedFile[]> {
  const found = await Promise.all([file, `${file}-wal`].map(async (path) => ({ path, identity: await identityOf(path) })))
  return found.flatMap(({ path, identity }) => (identity === null ? [] : [{ path, identity }]))
}

async function identityOf(path: string): Promise<string | null> {
  const found = await stat(path, { bigint: true }).catch(() => null)
  return found === null ? null : `${found.dev}:${found.ino}`
}

function createProbe(
  { engine, file, isOpen, now, timeoutMs = TIMEOUT_MS }: ReadinessOptions,
  initialFiles: readonly OpenedFile[],
): () => Promise<ReadinessProblem> {
  let files = initialFiles
  return async () => {
    if (!isOpen()) return 'the daemon is shutting down'
    for (const { path, identity } of files)
      if ((await identityOf(path)) !== identity)
        return `${path} was removed or replaced while it was open: stop the daemon, restore the file, start again`
    try {
      await engine.tx((db) => writeMetadataForOperator(db, 'readiness', String(now())), { visibility: 'latest', deadlineMillis: timeoutMs })
      if (file !== null && files.length < 2) files = await openedFilesOf(file)
      return null
    } catch (error) {
      return `the store takes no write: ${error instanceof Error ? error.message : String(error)}`
    }
  }
}

async function withinTime(running: Promise<ReadinessProblem>, timeoutMs: number): Promise<ReadinessProblem> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<ReadinessProblem>((resolve) => {
    timer = setTimeout(() => resolve(`the store took no write within ${timeoutMs} ms`), timeoutMs)
  })
  try {
    return await Promise.race([running, timeout])
  } finally {
    clearTimeout(timer)
  }
}
