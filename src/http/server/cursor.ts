/**
 * cursor - keyset pagination: the key of the last row of a page as an opaque string, and back
 *
 * A cursor that comes back is validated like any other input. It grants no access: the account is never part of what it selects.
 *
 * See also: http/services/messages, http/api/queue.
 */
import { z } from 'zod'
import { COPY_HANDLE } from '../../correlate/api-handle.ts'
import { Fault } from '../../errors.ts'

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/)
const epochMs = z.int()

/** The keys that lists are paged by. */
export const CURSOR_SCHEMAS = {
  /** Cursors of before named the delivery by its internal id, as those of deliveries without an emailId still do. */
  mail: z.union([
    z.strictObject({ requestedAt: epochMs, copy: z.string().regex(COPY_HANDLE) }),
    z.strictObject({ requestedAt: epochMs, deliveryId: z.string().max(13) }),
  ]),
  entry: z.strictObject({ from: epochMs, addressHash: sha256Hex, scope: z.string().max(200) }),
  item: z.strictObject({ receivedAt: epochMs, digest: sha256Hex }),
  fact: z.strictObject({ at: epochMs, id: z.guid() }),
  tlsReport: z.strictObject({ subject: z.string().max(100), dedupKey: z.string().max(300) }),
  lane: z.strictObject({ account: z.int(), domain: z.string().max(255) }),
} as const

/** One page of rows; `next` is the cursor of the following page, or null on the last page. */
export type CursorPage<T> = { readonly rows: readonly T[]; readonly next: string | null }

/** The message for a cursor or a `next` value that was not issued by us. */
export const INVALID_CURSOR = 'pass the `next` value of the previous page unchanged'

/** Encodes the key of the last row. */
const encodeCursor = (key: object): string => Buffer.from(JSON.stringify(key)).toString('base64url')

/** Decodes a cursor; null for null. Faults: bad_request (not a cursor of ours). */
export function decodeCursor<T>(text: string | null, schema: z.ZodType<T>): T | null {
  if (text === null) return null
  const parsed = schema.safeParse(parseJson(text))
  if (!parsed.success) throw new Fault('bad_request', `after: ${INVALID_CURSOR}`)
  return parsed.data
}

/** The cursor of the page after these rows; null if the page is not full. */
export function nextCursor<T>(rows: readonly T[], limit: number, keyOf: (row: T) => object): string | null {
  const last = rows.at(-1)
  return last === undefined || rows.length < limit ? null : encodeCursor(keyOf(last))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    return null
  }
}
