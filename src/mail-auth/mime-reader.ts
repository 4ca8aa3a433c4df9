/**
 * mime-reader - a mail that a person wrote, read whole by mailparser, in a thread of its own
 *
 * Strangers write these mails: one that is too much for the library costs its thread, never the daemon. A mail gets eight seconds and the
 * thread a bounded heap; what ends either is read by our own scanner, which knows header fields alone. What is read is cut to sizes that a
 * webhook can carry.
 *
 * See also: mail-auth/mime-reader-worker (the thread), mail/mime/mime (the scanner), service/forward/forward-body.
 */
import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import { extractAddresses } from '../mail/mime/address.ts'
import { getHeaders, getHeaderEntries, getRawHeader, decodeEncodedWords } from '../mail/mime/header.ts'
import { parseMime } from '../mail/mime/mime.ts'

export type MailContent = {
  readonly from: string
  readonly fromName: string
  readonly to: string
  readonly toName: string
  readonly subject: string
  readonly html: string
  readonly text: string
  /** Fields as they stand; one that stands more than once is a list. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  /** Message-IDs that it answers, parted by spaces. */
  readonly reference: string
}

export type MimeReader = {
  /** Never rejects. */
  readonly read: (raw: Uint8Array) => Promise<MailContent>
  readonly close: () => Promise<void>
}

type MimeReaderOptions = { readonly timeLimitMs?: number; readonly createWorker?: () => Worker }

/** A mail of 5 MB takes a few tenths of a second; the first waits for the thread to begin, which on a busy machine takes seconds. */
const TIME_LIMIT_MS = 8_000
/** A mail of 5 MB takes some sixty. */
const HEAP_MB = 192
/** A thread that nobody needs gives its memory back. */
const IDLE_MS = 30_000

const startWorker = (): Worker =>
  new Worker(new URL('./mime-reader-worker.ts', import.meta.url), { resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } })

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

/** Makes the reader; its thread begins with the first mail. One mail at a time. */
export function createMimeReader({ timeLimitMs = TIME_LIMIT_MS, createWorker = startWorker }: MimeReaderOptions = {}): MimeReader {
  let worker: Worker | null = null
  let previousRead: Promise<unknown> = Promise.resolve()
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
    read: (raw) => {
      const reading = previousRead.then(() => readOne(raw))
      previousRead = reading.catch(() => undefined)
      return reading.catch(() => readHeaderOnly(raw))
    },
    close: async () => {
      await previousRead
      await stopWorker()
    },
  }
}

/** What the thread says, or null when it died or took too long. */
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

const MAX_HEADER_FIELDS = 500
const MAX_REFERENCE_CHARACTERS = 8_192
/** Characters of all fields: many times what any mail of people bears. */
const MAX_HEADER_CHARACTERS = 262_144

/** The header fields of a mail, by our own scanner. Total. */
export function readHeaderOnly(raw: Uint8Array): MailContent {
  const { headers } = parseMime(raw, { isShallow: true }).root
  const readAddress = (name: string): { readonly address: string; readonly name: string } => {
    const value = getRawHeader(headers, name) ?? ''
    const found = extractAddresses(value)[0]
    const displayName = found === undefined ? '' : decodeEncodedWords(value.slice(0, found.index)).replaceAll(/["<]/g, '').trim()
    return { address: found?.address ?? '', name: displayName }
  }
  const from = readAddress('from')
  const to = readAddress('to')
  const reference = [...getHeaders(headers, 'references'), ...getHeaders(headers, 'in-reply-to')].join(' ').replaceAll(/\s+/g, ' ').trim()
  const subject = decodeEncodedWords(getRawHeader(headers, 'subject') ?? '')
  const addressFields = { from: from.address, fromName: from.name, to: to.address, toName: to.name }
  return {
    ...addressFields,
    subject,
    html: '',
    text: '',
    headers: toHeaderRecord(getHeaderEntries(headers, MAX_HEADER_FIELDS)),
    reference: reference.slice(0, MAX_REFERENCE_CHARACTERS),
  }
}

/** Names to values; one that stands more than once is a list. Any name may occur. What would make them too long together is left out. */
export function toHeaderRecord(entries: Iterable<readonly [name: string, value: string]>): MailContent['headers'] {
  const fields = new Map<string, string[]>()
  let remainingCharacters = MAX_HEADER_CHARACTERS
  for (const [name, value] of entries) {
    remainingCharacters -= name.length + value.length
    if (remainingCharacters < 0) break
    fields.set(name, [...(fields.get(name) ?? []), value])
  }
  return Object.fromEntries([...fields].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]))
}
