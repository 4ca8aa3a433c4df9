/**
 * mime-reader - reads a whole mail with mailparser, in a thread of its own
 *
 * These mails are untrusted: one that crashes the library ends its thread and never the daemon. A mail has a time limit and the thread a
 * bounded heap. Accounts take turns, so that costly mails of one delay no other for more than one mail. If either ends the reading, only the header fields are read, by our own scanner. The result is cut to sizes that a webhook can carry.
 *
 * See also: mail-auth/mime-reader-worker (the thread), mail-auth/mail-content, service/forward/forward-body.
 */
import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import { createFairRunner } from '../net/fair-runner.ts'
import { workerUrl } from '../worker-url.ts'
import { readHeaderOnly, type MailContent } from './mail-content.ts'

export type MimeReader = {
  /** Reads a mail of an account: accounts take turns. Never rejects. */
  readonly read: (account: number, raw: Uint8Array) => Promise<MailContent>
  readonly close: () => Promise<void>
}

type MimeReaderOptions = { readonly timeLimitMs?: number; readonly createWorker?: () => Worker }

/** A mail of 5 MB takes a few tenths of a second; the first one also waits for the thread, which takes seconds to start on a busy machine. */
const TIME_LIMIT_MS = 8_000
/** A mail of 5 MB takes about 60. */
const HEAP_MB = 192
/** A small young generation returns the memory of mails soon. */
const YOUNG_MB = 8
/** An idle thread ends and frees its memory. */
const IDLE_MS = 30_000

const startWorker = (): Worker =>
  new Worker(workerUrl('./mime-reader-worker', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: YOUNG_MB },
  })

const mailContentSchema = z.object({
  from: z.string(),
  fromName: z.string(),
  to: z.string(),
  toName: z.string(),
  subject: z.string(),
  html: z.string(),
  text: z.string(),
  headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
  reference: z.string(),
})

/** Creates the reader. Its thread starts with the first mail and reads one mail at a time. */
export function createMimeReader({ timeLimitMs = TIME_LIMIT_MS, createWorker = startWorker }: MimeReaderOptions = {}): MimeReader {
  let worker: Worker | null = null
  const runner = createFairRunner()
  let idleTimer: NodeJS.Timeout | undefined
  const stopWorker = async (): Promise<void> => {
    clearTimeout(idleTimer)
    const stoppedWorker = worker
    worker = null
    await stoppedWorker?.terminate()
  }
  const readOne = async (raw: Uint8Array): Promise<MailContent> => {
    clearTimeout(idleTimer)
    worker ??= createWorker()
    worker.unref()
    const read = mailContentSchema.safeParse(await requestFromWorker(worker, raw, timeLimitMs))
    if (!read.success) await stopWorker()
    idleTimer = setTimeout(() => void stopWorker(), IDLE_MS).unref()
    return read.success ? read.data : readHeaderOnly(raw)
  }
  return {
    read: (account, raw) => runner.run(account, () => readOne(raw)).catch(() => readHeaderOnly(raw)),
    close: async () => {
      await runner.waitUntilIdle()
      await stopWorker()
    },
  }
}

/** The result of the thread; null if it ended or took too long. */
function requestFromWorker(worker: Worker, raw: Uint8Array, timeLimitMs: number): Promise<unknown> {
  return new Promise((resolve) => {
    const settle = (value: unknown): void => {
      clearTimeout(timer)
      for (const name of ['message', 'error', 'exit'] as const) worker.off(name, name === 'message' ? settle : fail)
      resolve(value)
    }
    const fail = (): void => settle(null)
    const timer = setTimeout(fail, timeLimitMs)
    worker.on('message', settle)
    worker.on('error', fail)
    worker.on('exit', fail)
    worker.postMessage(raw)
  })
}
