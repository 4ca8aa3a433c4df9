/**
 * token-keys - derives the signing key of tokens for each account
 *
 * HKDF-SHA-256 (RFC 5869) from the master key: salt `bounced token v1`, info `token` NUL account NUL key index, both in decimal. An account
 * that mints tokens offline gets its derived key and can sign for its own number only.
 *
 * Pure. See also: correlate/token, docs/TOKEN.md.
 */
import { createHmac } from 'node:crypto'

const TOKEN_KEY_BYTES = 32
/** One base32 character holds the key index. */
export const MAX_KEY_INDEX = 31

const TOKEN_KEY_SALT = Buffer.from('bounced token v1', 'latin1')

/** Finds the key of a token. Null: no such account number, or the key is not or no longer in use. */
export type TokenKeyLookup = (account: number, keyIndex: number) => Uint8Array | null

/** HKDF of RFC 5869 with SHA-256, built from HMAC. `length` is at most 8,160 bytes. */
export function hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Buffer {
  const extracted = createHmac('sha256', salt).update(secret).digest()
  const blocks: Buffer[] = []
  let last: Buffer = Buffer.alloc(0)
  for (let i = 1; blocks.length * 32 < length; i += 1) {
    last = createHmac('sha256', extracted).update(last).update(info).update(Uint8Array.of(i)).digest()
    blocks.push(last)
  }
  return Buffer.concat(blocks).subarray(0, length)
}

/** The key of one account number and key index: 32 bytes. */
export function deriveTokenKey(master: Uint8Array, account: number, keyIndex: number): Buffer {
  return hkdf(master, TOKEN_KEY_SALT, Buffer.from(`token\0${account}\0${keyIndex}`, 'latin1'), TOKEN_KEY_BYTES)
}
