/**
 * token - a signed delivery id: in the Return-Path, the Message-ID, the feedback id, and the unsubscribe link
 *
 * 30 characters of a-z and 2-7: key index (1), deliveryId (13), MAC (16). The MAC is the first 80 bits of HMAC-SHA-256, with the account's
 * key, over `bounced-token-1`, key index, deliveryId, purpose and domain, each terminated by NUL. A token for one purpose or domain is
 * therefore invalid for another, and no account can mint tokens for another. Tokens are read in either case and compared in constant time.
 * A token that a relay has truncated is a hint, never a proof.
 *
 * Pure. See also: correlate/token-keys, correlate/return-path-unwrap, docs/TOKEN.md (test vectors).
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { decodeBase32Number, encodeBase32, encodeBase32Number } from './base32.ts'
import { dayNumberOf, DELIVERY_ID_LENGTH, firstDeliveryIdOf, parseDeliveryId, startOfDayNumber } from './delivery-id.ts'
import type { TokenKeyLookup } from './token-keys.ts'

/** What a token is used for, and its validity in days from the day of its delivery id. */
export const TOKEN_PURPOSES = {
  'return-path': { validDays: 30 },
  feedback: { validDays: 400 },
  unsubscribe: { validDays: 400 },
  tracking: { validDays: 400 },
  'message-id': { validDays: 400 },
} as const satisfies Record<string, { readonly validDays: number }>
export type TokenPurpose = keyof typeof TOKEN_PURPOSES

const TOKEN_LENGTH = 30
const MAC_BYTES = 10
const MAC_VERSION = 'bounced-token-1'
const TOKEN_PATTERN = /^[a-z2-7]{30}$/
const TRUNCATED_TOKEN_PATTERN = /^[a-z2-7]{14,29}$/
const DAY_MS = 86_400_000

export type ParsedToken =
  | {
      /** `truncated`: the id is legible, the MAC is incomplete. `invalid`: no known key signed it for this purpose and domain. */
      readonly state: 'valid' | 'invalid' | 'truncated'
      /** The account number in the id. May be the offline number of an account. */
      readonly account: number
      readonly deliveryId: string
      readonly keyIndex: number
      readonly purpose: TokenPurpose
    }
  | { readonly state: 'none' }

function macOf(key: Uint8Array, keyIndex: number, deliveryId: string, purpose: TokenPurpose, domain: string): Buffer {
  const signedText = `${MAC_VERSION}\0${keyIndex}\0${deliveryId}\0${purpose}\0${domain.toLowerCase()}\0`
  return createHmac('sha256', key).update(signedText, 'utf8').digest().subarray(0, MAC_BYTES)
}

/**
 * Signs a delivery id. `domain` is the A-label of the domain at which the token will stand (for links: the feedback domain; for a
 * Message-ID: the sender's domain). Null: the id or the key index is out of range.
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

/** Reads a possible token, in either case. Total: any text gives a value. */
export function parseToken(text: string, purpose: TokenPurpose, domain: string, keyFor: TokenKeyLookup): ParsedToken {
  if (text.length > TOKEN_LENGTH) return { state: 'none' }
  const token = text.toLowerCase()
  const isComplete = TOKEN_PATTERN.test(token)
  if (!isComplete && !TRUNCATED_TOKEN_PATTERN.test(token)) return { state: 'none' }
  const keyIndex = decodeBase32Number(token.slice(0, 1))
  const deliveryId = token.slice(1, 1 + DELIVERY_ID_LENGTH)
  const parts = parseDeliveryId(deliveryId)
  if (keyIndex === null || parts === null) return { state: 'none' }
  const fields = { account: parts.account, deliveryId, keyIndex, purpose }
  if (!isComplete) return { state: 'truncated', ...fields }
  const key = keyFor(parts.account, keyIndex)
  if (key === null) return { state: 'invalid', ...fields }
  const expectedMac = encodeBase32(macOf(key, keyIndex, deliveryId, purpose, domain))
  const isAuthentic = timingSafeEqual(Buffer.from(expectedMac, 'latin1'), Buffer.from(token.slice(1 + DELIVERY_ID_LENGTH), 'latin1'))
  return { state: isAuthentic ? 'valid' : 'invalid', ...fields }
}

/** The lowest id that has not expired at `at`. Ids below it have. */
export const firstValidDeliveryId = (validDays: number, at: number): string => firstDeliveryIdOf(dayNumberOf(at) - validDays)

/** Whether a delivery is too old for reports about it at `at`. Text that is not an id has expired. */
export function isDeliveryIdExpired(deliveryId: string, validDays: number, at: number): boolean {
  const parts = parseDeliveryId(deliveryId)
  return parts === null || at >= startOfDayNumber(parts.day) + (validDays + 1) * DAY_MS
}
