/**
 * delivery-id - the one name of a delivery inside: 13 characters of base32
 *
 * day 3 (days since 2020-01-01 UTC) + account number 3 + sequence 7. It sorts by day, and names its month and its account; it is no
 * secret and proves nothing (correlate/token does).
 *
 * Pure. See also: correlate/base32.
 */
import { decodeBase32Number, encodeBase32Number } from './base32.ts'

export const DELIVERY_ID_LENGTH = 13
/** 32^3: the days last until 2109. */
export const MAX_ACCOUNT_NUMBER = 32_767
/** 32^7 a day and account number. */
export const MAX_SEQUENCE = 34_359_738_367

const EPOCH_MS = Date.UTC(2020, 0, 1)
const DAY_MS = 86_400_000
const DELIVERY_ID_PATTERN = /^[a-z2-7]{13}$/

export type DeliveryIdParts = { readonly day: number; readonly account: number; readonly sequence: number }

/** The day number of a moment. */
export const dayNumberOf = (at: number): number => Math.floor((at - EPOCH_MS) / DAY_MS)

/** When a day number begins. */
export const startOfDayNumber = (day: number): number => EPOCH_MS + day * DAY_MS

/** Writes an id. Null: a part is out of range. */
export function formatDeliveryId(parts: DeliveryIdParts): string | null {
  const day = encodeBase32Number(parts.day, 3)
  const account = encodeBase32Number(parts.account, 3)
  const sequence = encodeBase32Number(parts.sequence, 7)
  return day === null || account === null || sequence === null ? null : day + account + sequence
}

/** What every id of a day, and of those after it, sorts behind or equals; '' before the first day. */
export const firstDeliveryIdOf = (day: number): string => formatDeliveryId({ day, account: 0, sequence: 0 }) ?? ''

/** Reads an id in lower case. Total: any other string is null. */
export function parseDeliveryId(id: string): DeliveryIdParts | null {
  if (!DELIVERY_ID_PATTERN.test(id)) return null
  const day = decodeBase32Number(id.slice(0, 3))
  const account = decodeBase32Number(id.slice(3, 6))
  const sequence = decodeBase32Number(id.slice(6))
  return day === null || account === null || sequence === null ? null : { day, account, sequence }
}

/** The UTC month of a moment as yyyymm. */
export function monthOf(at: number): number {
  const date = new Date(at)
  return date.getUTCFullYear() * 100 + date.getUTCMonth() + 1
}

/** The `delivery_month` of an id; 0 where it is none. */
export function monthOfDelivery(id: string): number {
  const parts = parseDeliveryId(id)
  return parts === null ? 0 : monthOf(startOfDayNumber(parts.day))
}
