/**
 * delivery-id - the internal id of a delivery: 13 characters of base32
 *
 * Day (days since 2020-01-01 UTC, 3 characters), account number (3), shard (1), number (6). Shard and number count the deliveries of one
 * account and day, from 0: 32 shards of 2^30 (1.07 billion) numbers, in one sequence. Ids sort by day, and contain month and account.
 *
 * An id is internal: logs have it, and tokens. It is not secret and proves nothing (correlate/token does), but it can be guessed, so it names
 * no delivery outside (correlate/api-handle).
 *
 * Pure. See also: correlate/base32.
 */
import { decodeBase32Number, encodeBase32Number } from './base32.ts'

export const DELIVERY_ID_LENGTH = 13

const EPOCH_MS = Date.UTC(2020, 0, 1)
const DAY_MS = 86_400_000
const DELIVERY_ID_PATTERN = /^[a-z2-7]{13}$/

/** `day` and `account` are below 32^3 (days last until 2109), `sequence` (shard and number) below 32^7. */
type DeliveryIdParts = { readonly day: number; readonly account: number; readonly sequence: number }

/** The day number of a time. */
export const dayNumberOf = (at: number): number => Math.floor((at - EPOCH_MS) / DAY_MS)

/** The time at which a day begins. */
export const startOfDayNumber = (day: number): number => EPOCH_MS + day * DAY_MS

/** The day as an id begins with it: it sorts like the day. '' before the first day. */
export const dayCodeOf = (day: number): string => encodeBase32Number(day, 3) ?? ''

/** Formats an id. Null: a part is out of range. */
export function formatDeliveryId(parts: DeliveryIdParts): string | null {
  const day = encodeBase32Number(parts.day, 3)
  const account = encodeBase32Number(parts.account, 3)
  const sequence = encodeBase32Number(parts.sequence, 7)
  return day === null || account === null || sequence === null ? null : day + account + sequence
}

/** The lowest id of a day: ids of that day and of later days are not below it. '' before the first day. */
export const firstDeliveryIdOf = (day: number): string => formatDeliveryId({ day, account: 0, sequence: 0 }) ?? ''

/** Parses an id in lower case. Total: null for any other text. */
export function parseDeliveryId(id: string): DeliveryIdParts | null {
  if (!DELIVERY_ID_PATTERN.test(id)) return null
  const day = decodeBase32Number(id.slice(0, 3))
  const account = decodeBase32Number(id.slice(3, 6))
  const sequence = decodeBase32Number(id.slice(6))
  return day === null || account === null || sequence === null ? null : { day, account, sequence }
}

/** The UTC month of a time as yyyymm. */
export function monthOf(at: number): number {
  const date = new Date(at)
  return date.getUTCFullYear() * 100 + date.getUTCMonth() + 1
}

/** The `delivery_month` of an id; 0 if it is not one. */
export function monthOfDelivery(id: string): number {
  const parts = parseDeliveryId(id)
  return parts === null ? 0 : monthOf(startOfDayNumber(parts.day))
}
