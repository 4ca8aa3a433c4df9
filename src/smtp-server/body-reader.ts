/**
 * body-reader - reads the bytes of one DATA command within the memory budget
 *
 * A mail up to `maxBytes` is kept whole. Of a larger mail the first `TRUNCATED_MAIL_BYTES` are kept. The digest covers every byte as it
 * arrived; the kept bytes have CR LF at every line ending.
 *
 * See also: net/byte-budget, smtp-server/line-endings, service/receive/incoming-mail.
 */
import { createHash, hash as sha256, type Hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { CHUNK_OVERHEAD_BYTES, type ByteBudget, type OpenBody } from '../net/byte-budget.ts'
import { TRUNCATED_MAIL_BYTES, type IncomingMail } from '../service/receive/incoming-mail.ts'
import { normaliseLineEndings } from './line-endings.ts'

type ReceivedBody = Pick<IncomingMail, 'raw' | 'size' | 'truncated' | 'dataDigest'>

/** `release` returns the bytes to the budget; call it once the mail has been answered. */
type BudgetedBody = { readonly body: ReceivedBody; readonly release: () => void }

type BodyReaderOptions = {
  readonly maxBytes: number
  readonly budget: ByteBudget
  readonly now: () => number
  /** Called when the budget ends this body to free memory. */
  readonly onAborted: () => void
}

/** Reads a stream to its end. Resolves to null when the peer disconnected or the budget ended the body. */
export function readBody(stream: Readable, { maxBytes, budget, now, onAborted }: BodyReaderOptions): Promise<BudgetedBody | null> {
  const collector = createCollector(maxBytes)
  return new Promise((resolve) => {
    const open: OpenBody = budget.open(() => {
      collector.clear()
      resolve(null)
      onAborted()
    }, now())
    stream.on('data', (chunk: Buffer) => {
      collector.add(chunk)
      budget.addBytes(open, collector.memoryBytes() - open.bytes, now())
    })
    stream.on('end', () => {
      budget.markComplete(open)
      resolve({ body: collector.finish(), release: () => budget.release(open) })
    })
    stream.on('close', () => {
      if (stream.readableEnded) return
      collector.clear()
      budget.release(open)
      resolve(null)
    })
  })
}

type Collector = {
  readonly add: (chunk: Buffer) => void
  /** Bytes that the kept chunks occupy, with the overhead of each. */
  readonly memoryBytes: () => number
  readonly finish: () => ReceivedBody
  readonly clear: () => void
}

function createCollector(maxBytes: number): Collector {
  /** Null up to `maxBytes`: a mail within the limit is hashed in one call at its end. */
  let hash: Hash | null = null
  let chunks: Buffer[] = []
  let keptBytes = 0
  let size = 0
  const keep = (kept: Buffer[]): void => {
    chunks = kept
    keptBytes = kept.reduce((sum, { length }) => sum + length, 0)
  }
  return {
    add: (chunk) => {
      size += chunk.length
      if (size <= maxBytes) {
        chunks.push(chunk)
        keptBytes += chunk.length
        return
      }
      hash ??= chunks.reduce((partial, each) => partial.update(each), createHash('sha256'))
      hash.update(chunk)
      // Copied, so that the larger buffer behind it can be freed.
      if (keptBytes > TRUNCATED_MAIL_BYTES) keep([Buffer.from(Buffer.concat(chunks, keptBytes).subarray(0, TRUNCATED_MAIL_BYTES))])
    },
    memoryBytes: () => keptBytes + chunks.length * CHUNK_OVERHEAD_BYTES,
    finish: () => {
      const [only] = chunks
      const whole = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, keptBytes)
      chunks = []
      const dataDigest = hash?.digest('hex') ?? sha256('sha256', whole)
      return { raw: normaliseLineEndings(whole), size, truncated: size > maxBytes, dataDigest }
    },
    clear: () => keep([]),
  }
}
