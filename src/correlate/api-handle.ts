/**
 * api-handle - the messageId of a request and the emailIds of its copies, by which the API, webhooks and exports know them
 *
 * A messageId is 22 characters: the minute of the request (5, base 32), 80 random bits (16), and `m`, which ends it before the index of a copy.
 * The minute comes first so that new handles are neighbours in their index; the random bits make that no handle can be computed from another.
 * A handle is in no mail that we send, and is no evidence in a report. Before 80 random bits there was a delivery id; such handles are found as
 * before.
 *
 * Pure. See also: correlate/token (the names of a copy in the mail itself), docs/API.md.
 */
import { encodeBase32, encodeBase32Number } from './base32.ts'

/** 80 bits. */
export const HANDLE_RANDOM_BYTES = 10

const EPOCH_MS = Date.UTC(2020, 0, 1)
const MINUTE_MS = 60_000
const MINUTE_WIDTH = 5

/** The messageId of a request that was made at `at` (epoch ms). `random`: 10 unpredictable bytes. */
export function formatMessageId(at: number, random: Uint8Array): string {
  const minute = Math.max(0, Math.floor((at - EPOCH_MS) / MINUTE_MS)) % 32 ** MINUTE_WIDTH
  return `${encodeBase32Number(minute, MINUTE_WIDTH) ?? ''}${encodeBase32(random)}m`
}

/** The emailId of one copy: the messageId, the index of the recipient from 0, `$`, and the recipient as the request names it. */
export const formatEmailId = (messageId: string, index: number, recipient: string | null): string =>
  `${messageId}${index}$${recipient ?? ''}`

/** The part of an emailId that names the copy without its recipient: the cursor of a page shows no address. Null: not an emailId of ours. */
export const copyHandleOf = (emailId: string): string | null => /^([a-z2-7]{13,}m\d+)\$/.exec(emailId)?.[1] ?? null

/** What {@link copyHandleOf} returns. */
export const COPY_HANDLE = /^[a-z2-7]{13,24}m\d{1,6}$/
