/**
 * token - a delivery's name, signed: what comes back in a Return-Path, a feedback id, an unsubscribe link
 *
 * 30 characters of a-z2-7: key index 1 + deliveryId 13 + MAC 16. The MAC is the first 80 bits of HMAC-SHA-256, under the account's key,
 * over `bounced-token-1`, key index, deliveryId, purpose and domain, each ended by NUL. So a token made for one purpose or domain is
 * none for another, and no account can mint for another. Read in any case; compared in constant time. A token that a relay has cut is
 * a clue, never a proof.
 *
 * Pure. See also: correlate/token-keys, correlate/return-path-unwrap (what others put around it), docs/TOKEN.md (vectors).
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { decodeBase32Number, encodeBase32, encodeBase32Number } from './base32.ts'
import { dayNumberOf, DELIVERY_ID_LENGTH, firstDeliveryIdOf, parseDeliveryId, startOfDayNumber } from './delivery-id.ts'
import type { TokenKeyLookup } from './token-keys.ts'

/** What a token may be used for, and how long it is good for: days counted from the day that its id names. */
export const TOKEN_PURPOSES = {
  'return-path': { days: 30 },
  feedback: { days: 400 },
  unsubscribe: { days: 400 },
  tracking: { days: 400 },
} as const satisfies Record<string, { readonly days: number }>
export type TokenPurpose = keyof typeof TOKEN_PURPOSES

export const TOKEN_LENGTH = 30
const MAC_BYTES = 10
const MAC_VERSION = 'bounced-token-1'
const TOKEN_PATTERN = /^[a-z2-7]{30}$/
const TRUNCATED_TOKEN_PATTERN = /^[a-z2-7]{14,29}$/
const DAY_MS = 86_400_000

export type ParsedToken =
  | {
      /** `cut`: the id is legible, its MAC is not whole. `invalid`: whole, and nobody we know signed it for this purpose and domain. */
      readonly state: 'valid' | 'invalid' | 'cut'
      /** The number in the id, which may be an account's offline number. */
      readonly account: number
      readonly deliveryId: string
      readonly key: number
      readonly purpose: TokenPurpose
    }
  | { readonly state: 'none' }

function macOf(key: Uint8Array, keyIndex: number, deliveryId: string, purpose: TokenPurpose, domain: string): Buffer {
  const signedText = `${MAC_VERSION}\0${keyIndex}\0${deliveryId}\0${purpose}\0${domain.toLowerCase()}\0`
  return createHmac('sha256', key).update(signedText, 'utf8').digest().subarray(0, MAC_BYTES)
}

/**
 * Signs a delivery. `domain` is the A-label of the domain that the token will stand at (for links: the feedback domain). Null: the id or
 * the key index is out of range.
 */
export function mintToken(input: {
  readonly key: Uint8Array
  readonly keyIndex: number
  readonly deliveryId: string
  readonly purpose: TokenPurpose
  readonly domain: string
}): string | null {
  const index = encodeBase32Number(input.keyIndex, 1)
  if (index === null || parseDeliveryId(input.deliveryId) === null) return null
  return index + input.deliveryId + encodeBase32(macOf(input.key, input.keyIndex, input.deliveryId, input.purpose, input.domain))
}

/** Reads what may be a token, in either case. Total: any string gives a value. */
export function parseToken(text: string, purpose: TokenPurpose, domain: string, keyFor: TokenKeyLookup): ParsedToken {
  if (text.length > TOKEN_LENGTH) return { state: 'none' }
  const token = text.toLowerCase()
  const isWhole = TOKEN_PATTERN.test(token)
  if (!isWhole && !TRUNCATED_TOKEN_PATTERN.test(token)) return { state: 'none' }
  const keyIndex = decodeBase32Number(token.slice(0, 1))
  const deliveryId = token.slice(1, 1 + DELIVERY_ID_LENGTH)
  const parts = parseDeliveryId(deliveryId)
  if (keyIndex === null || parts === null) return { state: 'none' }
  const fields = { account: parts.account, deliveryId, key: keyIndex, purpose }
  if (!isWhole) return { state: 'cut', ...fields }
  const key = keyFor(parts.account, keyIndex)
  if (key === null) return { state: 'invalid', ...fields }
  const expectedMac = encodeBase32(macOf(key, keyIndex, deliveryId, purpose, domain))
  const isSame = timingSafeEqual(Buffer.from(expectedMac, 'latin1'), Buffer.from(token.slice(1 + DELIVERY_ID_LENGTH), 'latin1'))
  return { state: isSame ? 'valid' : 'invalid', ...fields }
}

/** Ids that sort before this one are expired at `at`, all others are not. */
export const firstValidDeliveryId = (days: number, at: number): string => firstDeliveryIdOf(dayNumberOf(at) - days)

/** Whether a mail of that id's day is too old to be spoken of at `at`. An id that is none is expired. */
export function isDeliveryIdExpired(deliveryId: string, days: number, at: number): boolean {
  const parts = parseDeliveryId(deliveryId)
  return parts === null || at >= startOfDayNumber(parts.day) + (days + 1) * DAY_MS
}
