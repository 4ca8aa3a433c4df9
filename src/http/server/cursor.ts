/**
 * cursor - where a page ended, as one opaque word, and back
 *
 * The word is the key of the last row. What comes back is checked like everything that comes: a word that we did not write is refused. It
 * grants nothing: the account is never in question here.
 *
 * See also: http/read-services, http/api/queue.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'

const hex = z.string().regex(/^[0-9a-f]{64}$/)
const at = z.int()

/** The keys that pages go by. */
export const CURSORS = {
  mail: z.strictObject({ requestedAt: at, deliveryId: z.string().max(13) }),
  entry: z.strictObject({ from: at, addressHash: hex, scope: z.string().max(200) }),
  item: z.strictObject({ receivedAt: at, digest: hex }),
  lane: z.strictObject({ account: z.int(), domain: z.string().max(255) }),
} as const

/** One opaque word for the key of the last row. */
export const wordOf = (cursor: object): string => Buffer.from(JSON.stringify(cursor)).toString('base64url')

/** The key behind a word; null for none. Faults: bad_request, for what we did not write. */
export function readWord<T>(word: string | null, schema: z.ZodType<T>): T | null {
  if (word === null) return null
  const read = schema.safeParse(parse(word))
  if (!read.success) throw new Fault('bad_request', 'after: take the `next` of the page before as it is')
  return read.data
}

function parse(word: string): unknown {
  try {
    return JSON.parse(Buffer.from(word, 'base64url').toString('utf8'))
  } catch {
    return null
  }
}
