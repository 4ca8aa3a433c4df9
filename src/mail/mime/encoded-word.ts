/**
 * encoded-word - decodes the encoded words of header values
 *
 *     decodeEncodedWords('=?utf-8?q?Zur=C3=BCck?=') → 'Zurück'
 *
 * Pure, total. RFC 2047. See also: mail/mime/header.
 */
import libmime from 'libmime'

/** Longer values are cut. Fields that matter in a report are shorter. */
const MAX_DECODED_LENGTH = 8_192

/** An encoded word as libmime reads it. */
const ENCODED_WORD = /=\?([\w_\-*]+)\?([QqBb])\?([^?]*)\?=/

const decodeWord = (_word: string, charset: string, encoding: string, text: string): string => libmime.decodeWord(charset, encoding, text)

/** Whether there is nothing to join. Joining costs libmime four passes over the value. */
const isSingleWord = (value: string): boolean => value.indexOf('=?') === value.lastIndexOf('=?') && !value.includes('\0')

/** Decodes RFC 2047 encoded words. Text that cannot be decoded is kept. Total. */
export function decodeEncodedWords(value: string): string {
  const capped = value.length > MAX_DECODED_LENGTH ? value.slice(0, MAX_DECODED_LENGTH) : value
  try {
    return isSingleWord(capped) ? capped.replace(ENCODED_WORD, decodeWord) : libmime.decodeWords(capped)
  } catch {
    return value
  }
}
