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

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/)
const epochMs = z.int()

/** The keys that pages go by. */
export const CURSOR_SCHEMAS = {
  mail: z.strictObject({ requestedAt: epochMs, deliveryId: z.string().max(13) }),
  entry: z.strictObject({ from: epochMs, addressHash: sha256Hex, scope: z.string().max(200) }),
  item: z.strictObject({ receivedAt: epochMs, digest: sha256Hex }),
  lane: z.strictObject({ account: z.int(), domain: z.string().max(255) }),
} as const

/** One opaque word for the key of the last row. */
export const encodeCursor = (key: object): string => Buffer.from(JSON.stringify(key)).toString('base64url')

/** The key behind a word; null for none. Faults: bad_request, for what we did not write. */
export function decodeCursor<T>(text: string | null, schema: z.ZodType<T>): T | null {
  if (text === null) return null
  const parsed = schema.safeParse(parseJson(text))
  if (!parsed.success) throw new Fault('bad_request', 'after: take the `next` of the page before as it is')
  return parsed.data
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    return null
  }
}
