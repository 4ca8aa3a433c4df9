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
import { addressesIn } from '../mail/mime/address.ts'
import { headerAll, headerEntries, headerRaw, decodeWords } from '../mail/mime/header.ts'
import { parseMime } from '../mail/mime/mime.ts'

export type ReadMail = {
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

export type MailReader = {
  /** Never rejects. */
  readonly read: (raw: Uint8Array) => Promise<ReadMail>
  readonly close: () => Promise<void>
}

export type MailReaderOptions = { readonly limitMs?: number; readonly begin?: () => Worker }

/** A mail of 5 MB takes a few tenths of a second; the first waits for the thread to begin, which on a busy machine takes seconds. */
const LIMIT_MS = 8_000
/** A mail of 5 MB takes some sixty. */
const HEAP_MB = 192
/** A thread that nobody needs gives its memory back. */
const IDLE_MS = 30_000

const startWorker = (): Worker =>
  new Worker(new URL('./mime-reader-worker.ts', import.meta.url), { resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } })

const readSchema = z.object({
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
export function createMailReader({ limitMs = LIMIT_MS, begin = startWorker }: MailReaderOptions = {}): MailReader {
  let worker: Worker | null = null
  let last: Promise<unknown> = Promise.resolve()
  let idle: NodeJS.Timeout | undefined
  const drop = async (): Promise<void> => {
    clearTimeout(idle)
    const gone = worker
    worker = null
    await gone?.terminate()
  }
  const readOne = async (raw: Uint8Array): Promise<ReadMail> => {
    clearTimeout(idle)
    worker ??= begin()
    worker.unref()
    const read = readSchema.safeParse(await answerOf(worker, raw, limitMs))
    if (!read.success) await drop()
    idle = setTimeout(() => void drop(), IDLE_MS).unref()
    return read.success ? read.data : readHeaders(raw)
  }
  return {
    read: (raw) => {
      const reading = last.then(() => readOne(raw))
      last = reading.catch(() => undefined)
      return reading.catch(() => readHeaders(raw))
    },
    close: async () => {
      await last
      await drop()
    },
  }
}

/** What the thread says, or null when it died or took too long. */
function answerOf(worker: Worker, raw: Uint8Array, limitMs: number): Promise<unknown> {
  return new Promise((resolve) => {
    const settle = (value: unknown): void => {
      clearTimeout(timer)
      for (const name of ['message', 'error', 'exit'] as const) worker.off(name, name === 'message' ? settle : fail)
      resolve(value)
    }
    const fail = (): void => settle(null)
    const timer = setTimeout(fail, limitMs)
    worker.on('message', settle)
    worker.on('error', fail)
    worker.on('exit', fail)
    worker.postMessage(raw)
  })
}

const MAX_HEADER_FIELDS = 500
const MAX_REFERENCE = 8_192
/** Characters of all fields: many times what any mail of people bears. */
const MAX_HEADERS = 262_144

/** The header fields of a mail, by our own scanner. Total. */
export function readHeaders(raw: Uint8Array): ReadMail {
  const { headers } = parseMime(raw, { isShallow: true }).root
  const named = (name: string): { readonly address: string; readonly name: string } => {
    const value = headerRaw(headers, name) ?? ''
    const found = addressesIn(value)[0]
    const words = found === undefined ? '' : decodeWords(value.slice(0, found.index)).replaceAll(/["<]/g, '').trim()
    return { address: found?.address ?? '', name: words }
  }
  const from = named('from')
  const to = named('to')
  const reference = [...headerAll(headers, 'references'), ...headerAll(headers, 'in-reply-to')].join(' ').replaceAll(/\s+/g, ' ').trim()
  const subject = decodeWords(headerRaw(headers, 'subject') ?? '')
  const who = { from: from.address, fromName: from.name, to: to.address, toName: to.name }
  return {
    ...who,
    subject,
    html: '',
    text: '',
    headers: recordOf(headerEntries(headers, MAX_HEADER_FIELDS)),
    reference: reference.slice(0, MAX_REFERENCE),
  }
}

/** Names to values; one that stands more than once is a list. Any name may occur. What would make them too long together is left out. */
export function recordOf(entries: Iterable<readonly [name: string, value: string]>): ReadMail['headers'] {
  const fields = new Map<string, string[]>()
  let room = MAX_HEADERS
  for (const [name, value] of entries) {
    room -= name.length + value.length
    if (room < 0) break
    fields.set(name, [...(fields.get(name) ?? []), value])
  }
  return Object.fromEntries([...fields].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]))
}
