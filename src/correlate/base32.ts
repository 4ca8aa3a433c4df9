/**
 * base32 - bytes and numbers in the characters a-z and 2-7
 *
 * These 32 characters survive mail systems that change the case of a local part, and none of them is a separator of SRS, BATV or VERP.
 * Bytes use the alphabet of RFC 4648 §6 in lower case, without padding. Numbers are big-endian with the digits before the letters, as in
 * ASCII, so that ids sort like their numbers.
 *
 * Pure. See also: correlate/token, correlate/delivery-id.
 */

const BYTE_ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const NUMBER_ALPHABET = '234567abcdefghijklmnopqrstuvwxyz'
const DIGIT_VALUES: ReadonlyMap<string, number> = new Map(Array.from(NUMBER_ALPHABET, (letter, value) => [letter, value]))

/** Encodes bytes: 8 characters for 5 bytes. The last group is truncated, not padded. */
export function encodeBase32(bytes: Uint8Array): string {
  let text = ''
  let buffered = 0
  let bits = 0
  for (const byte of bytes) {
    buffered = (buffered << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += BYTE_ALPHABET.charAt((buffered >> bits) & 31)
    }
    buffered &= (1 << bits) - 1
  }
  return bits > 0 ? text + BYTE_ALPHABET.charAt((buffered << (5 - bits)) & 31) : text
}

/** Encodes a number below 32^width in exactly `width` characters. Null: out of range. */
export function encodeBase32Number(value: number, width: number): string | null {
  if (!Number.isSafeInteger(value) || value < 0) return null
  let text = ''
  let remaining = value
  for (let i = 0; i < width; i += 1) {
    text = NUMBER_ALPHABET.charAt(remaining % 32) + text
    remaining = Math.floor(remaining / 32)
  }
  return remaining === 0 ? text : null
}

/** Decodes 1 to 10 characters, in either case. Null for any other text. */
export function decodeBase32Number(text: string): number | null {
  if (text.length === 0 || text.length > 10) return null
  let value = 0
  for (const letter of text.toLowerCase()) {
    const digit = DIGIT_VALUES.get(letter)
    if (digit === undefined) return null
    value = value * 32 + digit
  }
  return value
}
