/**
 * body-reader - the bytes of one DATA command, within the budget
 *
 * Up to `limit` the whole mail is kept; of a larger one the first `KEPT_OF_LARGE` bytes. The digest is over every byte as it came, what is kept has
 * CR LF wherever a line ends. See also: net/byte-budget, smtp-server/line-endings, service/receive/incoming-mail.
 */
import { createHash, hash as sha256, type Hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { TRUNCATED_MAIL_BYTES } from '../service/receive/incoming-mail.ts'
import { CHUNK_OVERHEAD_BYTES, type ByteBudget, type OpenBody } from '../net/byte-budget.ts'
import { normaliseLineEndings } from './line-endings.ts'

export type ReceivedBody = { readonly raw: Uint8Array; readonly size: number; readonly truncated: boolean; readonly dataDigest: string }

/** `release` gives the bytes back to the budget, once the mail has been answered. */
export type BudgetedBody = { readonly body: ReceivedBody; readonly release: () => void }

export type BodyReaderOptions = {
  readonly maxBytes: number
  readonly budget: ByteBudget
  readonly now: () => number
  readonly onAborted: () => void
}

/** Reads a stream to its end. Null when the peer went away or the budget ended it. */
export function readBody(stream: Readable, options: BodyReaderOptions): Promise<BudgetedBody | null> {
  const { maxBytes, budget, now } = options
  // A mail within the limit is hashed whole at its end: one call instead of an object a mail.
  let hash: Hash | null = null
  let chunks: Buffer[] = []
  let keptBytes = 0
  let size = 0
  return new Promise((resolve) => {
    const body: OpenBody = budget.open(() => {
      chunks = []
      resolve(null)
      options.onAborted()
    }, now())
    const append = (chunk: Buffer): void => {
      chunks.push(chunk)
      keptBytes += chunk.length
      budget.addBytes(body, chunk.length + CHUNK_OVERHEAD_BYTES, now())
    }
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxBytes) return append(chunk)
      hash ??= chunks.reduce((partial, each) => partial.update(each), createHash('sha256'))
      hash.update(chunk)
      if (keptBytes > TRUNCATED_MAIL_BYTES) {
        const head = Buffer.from(Buffer.concat(chunks, keptBytes).subarray(0, TRUNCATED_MAIL_BYTES))
        budget.addBytes(body, head.length - body.bytes, now())
        chunks = [head]
        keptBytes = head.length
      }
    })
    stream.on('end', () => {
      budget.markComplete(body)
      const only = chunks[0]
      const whole = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, keptBytes)
      chunks = []
      const dataDigest = hash?.digest('hex') ?? sha256('sha256', whole)
      resolve({
        body: { raw: normaliseLineEndings(whole), size, truncated: size > maxBytes, dataDigest },
        release: () => budget.release(body),
      })
    })
    stream.on('close', () => {
      if (stream.readableEnded) return
      chunks = []
      budget.release(body)
      resolve(null)
    })
  })
}
