/**
 * body-reader - the bytes of one DATA command, within the budget
 *
 * Up to `limit` the whole mail is kept; of a larger one the first `KEPT_OF_LARGE` bytes. The digest is over every byte as it came, what is kept has
 * CR LF wherever a line ends. See also: net/byte-budget, smtp-server/line-endings, service/receive/incoming-mail.
 */
import { createHash, hash as sha256, type Hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { KEPT_OF_LARGE } from '../service/receive/incoming-mail.ts'
import { CHUNK_COST, type Budget, type OpenBody } from '../net/byte-budget.ts'
import { withCrlf } from './line-endings.ts'

export type Body = { readonly raw: Uint8Array; readonly size: number; readonly truncated: boolean; readonly dataDigest: string }

/** `release` gives the bytes back to the budget, once the mail has been answered. */
export type TakenBody = { readonly body: Body; readonly release: () => void }

export type BodyOptions = { readonly limit: number; readonly budget: Budget; readonly now: () => number; readonly end: () => void }

/** Reads a stream to its end. Null when the peer went away or the budget ended it. */
export function readBody(stream: Readable, options: BodyOptions): Promise<TakenBody | null> {
  const { limit, budget, now } = options
  // A mail within the limit is hashed whole at its end: one call instead of an object a mail.
  let hash: Hash | null = null
  let chunks: Buffer[] = []
  let kept = 0
  let size = 0
  return new Promise((resolve) => {
    const body: OpenBody = budget.open(() => {
      chunks = []
      resolve(null)
      options.end()
    }, now())
    const keep = (chunk: Buffer): void => {
      chunks.push(chunk)
      kept += chunk.length
      budget.grow(body, chunk.length + CHUNK_COST, now())
    }
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= limit) return keep(chunk)
      hash ??= chunks.reduce((begun, each) => begun.update(each), createHash('sha256'))
      hash.update(chunk)
      if (kept > KEPT_OF_LARGE) {
        const head = Buffer.from(Buffer.concat(chunks, kept).subarray(0, KEPT_OF_LARGE))
        budget.grow(body, head.length - body.bytes, now())
        chunks = [head]
        kept = head.length
      }
    })
    stream.on('end', () => {
      budget.settle(body)
      const only = chunks[0]
      const whole = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, kept)
      chunks = []
      const dataDigest = hash?.digest('hex') ?? sha256('sha256', whole)
      resolve({ body: { raw: withCrlf(whole), size, truncated: size > limit, dataDigest }, release: () => budget.close(body) })
    })
    stream.on('close', () => {
      if (stream.readableEnded) return
      chunks = []
      budget.close(body)
      resolve(null)
    })
  })
}
